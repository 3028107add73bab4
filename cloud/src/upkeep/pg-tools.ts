import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Writable } from 'node:stream'

import { BioTrakrError } from '@biotrakr/shared'

import type { DatabaseOptions } from './connection.ts'

/** Programs of PostgreSQL: of the newest version that is installed, since an older pg_dump refuses a newer server. */
export function findTool(name: 'pg_dump' | 'pg_restore', folder?: string): string {
  const found = candidates(folder)
    .map((bin) => join(bin, name))
    .find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new BioTrakrError(`${name} is not on this machine`, {
    code: 'BACKUP_FAILED',
    next: 'Install the client programs of PostgreSQL (Debian: postgresql-client), at least as new as the server.',
  })
}

function candidates(folder: string | undefined): string[] {
  if (folder !== undefined) return [folder]
  const packaged = '/usr/lib/postgresql'
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : []
  return [...versions.map((version) => join(packaged, version, 'bin')), ...(process.env['PATH'] ?? '').split(delimiter)]
}

export interface RunningTool {
  readonly child: ChildProcess
  /** @throws BioTrakrError with what it wrote on standard error, unless it ended with 0 */
  ended(): Promise<void>
}

interface ToolRun {
  readonly args: readonly string[]
  readonly failed: (said: string) => BioTrakrError
}

/** What a TimescaleDB dump says of the extension's own catalogue. Any other word on standard error is a failure. */
const HARMLESS = [
  /^pg_dump: warning: there are circular foreign-key constraints on (this|these) tables?:$/,
  /^pg_dump: (detail|hint): /,
]
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'
const MOST_SAID = 10_000

/** Starts a program with the access of `database`; the password is in a file that only this user can read. */
export function startTool(path: string, database: DatabaseOptions, { args, failed }: ToolRun): RunningTool {
  const { folder, environment } = accessOf(database)
  // Variables of libpq would win over what the configuration says.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
  const child = spawn(path, args, {
    env: { ...Object.fromEntries(inherited), ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MOST_SAID)))
  child.stdin?.on('error', () => undefined)
  const end = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  }).finally(() => rmSync(folder, { recursive: true, force: true }))
  return {
    child,
    ended: async () => {
      const code = await end
      const words = said.split('\n').filter((line) => line.trim() !== '' && !HARMLESS.some((form) => form.test(line)))
      if (code !== 0 || words.length > 0) throw failed(words.join('; ') || `it ended with ${code}`)
    },
  }
}

/** Writes everything to the program's standard input; goes on reading when it wants no more. */
export async function feed({ child: { stdin } }: RunningTool, source: AsyncIterable<Uint8Array>): Promise<void> {
  if (!stdin) return
  for await (const part of source) {
    if (!stdin.writable || stdin.write(part)) continue
    await drained(stdin)
  }
  stdin.end()
}

/** Settles when more is wanted, or nothing more ever will be. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      stream.off('drain', settle).off('close', settle)
      resolve()
    }
    stream.on('drain', settle).on('close', settle)
  })
}

function accessOf(database: DatabaseOptions): { folder: string; environment: Record<string, string> } {
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-access-'))
  const environment: Record<string, string> = {
    PGHOST: database.host,
    PGPORT: String(database.port),
    PGUSER: database.user,
    PGDATABASE: database.database,
    PGAPPNAME: database.application ?? 'biotrakr-backup',
    PGSSLMODE: database.ssl ? 'verify-full' : 'disable',
    PGCONNECT_TIMEOUT: '10',
  }
  if (database.password !== undefined) {
    const file = join(folder, 'pgpass')
    const escaped = [database.user, database.password].map((text) => text.replace(/[\\:]/g, '\\$&'))
    writeFileSync(file, `*:*:*:${escaped.join(':')}\n`, { mode: 0o600 })
    environment['PGPASSFILE'] = file
  }
  if (typeof database.ssl === 'object') {
    const file = join(folder, 'ca.pem')
    writeFileSync(file, database.ssl.ca)
    environment['PGSSLROOTCERT'] = file
  } else if (database.ssl) {
    environment['PGSSLROOTCERT'] = SYSTEM_AUTHORITIES
  }
  chmodSync(folder, 0o700)
  return { folder, environment }
}
