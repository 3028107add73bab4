import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { readSecret } from './config.ts'

/** Where the token of the agent's own API lies: only who may read the agent's data may listen to its tags. */
export function apiTokenFile(dataDir: string): string {
  return join(dataDir, 'api.token')
}

/**
 * The token, made at the first start.
 * @throws BioTrakrError CONFIG_UNREADABLE when others can read it
 */
export function apiToken(dataDir: string): string {
  const file = apiTokenFile(dataDir)
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o750 })
    writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
  }
  return readSecret(file)
}
