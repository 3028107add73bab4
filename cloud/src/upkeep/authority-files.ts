import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'

import { type Authority, createAuthorityPairs, openAuthority, type Pair } from './authority.ts'

const NAMES = ['gateway', 'centre'] as const

/**
 * Makes both authorities in a folder. Their keys stay there, readable by their owner only.
 * @throws BioTrakrError AUTHORITY_INVALID when there is one already: a second would strand every gateway of the first
 */
export async function initAuthority(folder: string, nowMs: number): Promise<Authority> {
  if (NAMES.some((name) => existsSync(join(folder, `${name}-ca.key`)))) {
    throw new BioTrakrError(`${folder} holds a certificate authority already`, {
      code: 'AUTHORITY_INVALID',
      next: 'Use it, or choose another folder. Gateways trust only the authority that they were enrolled with.',
    })
  }
  const pairs = await createAuthorityPairs(nowMs)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const name of NAMES) {
    replaceFile(join(folder, `${name}-ca.pem`), pairs[name].certificate, 0o644)
    replaceFile(join(folder, `${name}-ca.key`), pairs[name].key, 0o400)
  }
  return openAuthority(pairs)
}

/** @throws BioTrakrError AUTHORITY_INVALID */
export async function readAuthority(folder: string): Promise<Authority> {
  try {
    const pairs = { gateway: readPair(folder, 'gateway'), centre: readPair(folder, 'centre') }
    return await openAuthority(pairs)
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`the certificate authority in ${folder} cannot be read`, {
      code: 'AUTHORITY_INVALID',
      next: 'Check the path and who may read it; `biotrakr-cloud ca init` makes one.',
      cause,
    })
  }
}

function readPair(folder: string, name: string): Pair {
  const keyFile = join(folder, `${name}-ca.key`)
  if ((statSync(keyFile).mode & 0o077) !== 0) {
    throw new BioTrakrError(`${keyFile} can be read by other users`, {
      code: 'AUTHORITY_INVALID',
      next: `Run: chmod 400 ${keyFile}`,
    })
  }
  return { certificate: readFileSync(join(folder, `${name}-ca.pem`), 'utf8'), key: readFileSync(keyFile, 'utf8') }
}

/** The old file or the whole new one, whatever happens meanwhile. */
export function replaceFile(file: string, text: string, mode: number): void {
  const draft = `${file}.new`
  const handle = openSync(draft, 'w', mode)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(draft, file)
}
