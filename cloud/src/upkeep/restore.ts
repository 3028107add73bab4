import { BioTrakrError } from '@biotrakr/shared'
import { type Client, escapeIdentifier } from 'pg'

import { compareFacts, type DatabaseFacts, gatherFacts } from './backup-facts.ts'
import { type BackupHeader, openBackup } from './backup-file.ts'
import { connectClient, type DatabaseOptions } from './connection.ts'
import { migrate } from './migrate.ts'
import { feed, findTool, startTool } from './pg-tools.ts'

export interface RestoreOptions {
  readonly file: string
  readonly key: Uint8Array
  /** Logs in as a superuser, or as one that may make databases and roles; `database` is where to restore to. */
  readonly database: DatabaseOptions
  readonly toolFolder?: string | undefined
}

export interface Restored {
  readonly header: BackupHeader
  readonly rows: number
  readonly tables: number
  /** What is not as it was when the backup was made; empty when all is. */
  readonly differences: readonly string[]
}

/**
 * Restores into an empty database, which is made if it is not there, and compares every table and all rights with what
 * the backup says of them. pg_restore works alone (`-j` breaks the catalogue of TimescaleDB), between TimescaleDB's own
 * steps before and after.
 * @throws BioTrakrError RESTORE_FAILED, BACKUP_DAMAGED, BACKUP_KEY
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { header, manifest, dump } = await openBackup(options.file, options.key)
  const expected = JSON.parse(manifest) as DatabaseFacts
  await ensureDatabase(options.database)
  await ensureRoles(options.database)
  const client = await connectClient(options.database)
  try {
    await refuseUsed(client, options.database.database)
    await prepareExtension(client, header)
    await runRestore(options, dump)
    if (header.extension !== null) await client.query('select timescaledb_post_restore()')
    await client.query('analyze')
    const differences = compareFacts(expected, await gatherFacts(client))
    const tables = Object.values(expected.tables)
    const rows = tables.reduce((sum, table) => sum + Number(table.rows), 0)
    return { header, rows, tables: tables.length, differences }
  } finally {
    await client.end()
  }
}

/** A drill that was cut off leaves its databases, which the next one removes. */
const LEFT_BEHIND = '^biotrakr_drill_[0-9a-f]{8}(_roles)?$'
/** Any number that nothing else locks. */
const DRILL_LOCK = 72_707_374

/**
 * Restores into a database of its own, which is gone afterwards.
 * @throws BioTrakrError as `restoreBackup`, RESTORE_FAILED too while another drill runs on this server
 */
export function drillRestore(options: RestoreOptions, name: string): Promise<Restored> {
  const scratch = { ...options, database: { ...options.database, database: name } }
  return withServer(options.database, async (server) => {
    await server.query('set statement_timeout = 0')
    const got = await server.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [DRILL_LOCK])
    if (!got.rows[0]?.got) {
      const next = 'Wait for it to end.'
      throw new BioTrakrError('another drill is running on this server', { code: 'RESTORE_FAILED', next })
    }
    const drop = (database: string) =>
      server.query(`drop database if exists ${escapeIdentifier(database)} with (force)`)
    const { rows } = await server.query<{ name: string }>(
      'select datname as name from pg_database where datname ~ $1',
      [LEFT_BEHIND],
    )
    for (const left of rows) await drop(left.name)
    try {
      return await restoreBackup(scratch)
    } finally {
      await drop(name)
    }
  })
}

async function withServer<T>(access: DatabaseOptions, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectClient({ ...access, database: 'postgres' })
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function ensureDatabase(access: DatabaseOptions): Promise<void> {
  await withServer(access, async (client) => {
    const there = await client.query('select from pg_database where datname = $1', [access.database])
    if (there.rowCount === 0)
      await client.query(`create database ${escapeIdentifier(access.database)} template template0`)
  })
}

/** Roles belong to the server, not to the dump: the migrations make them, in a database that is thrown away. */
async function ensureRoles(access: DatabaseOptions): Promise<void> {
  const scratch = `${access.database.slice(0, 50)}_roles`
  await withServer(access, async (server) => {
    await server.query(`drop database if exists ${escapeIdentifier(scratch)} with (force)`)
    await server.query(`create database ${escapeIdentifier(scratch)} template template0`)
    try {
      const client = await connectClient({ ...access, database: scratch })
      try {
        await migrate(client)
      } finally {
        await client.end()
      }
    } finally {
      await server.query(`drop database if exists ${escapeIdentifier(scratch)} with (force)`)
    }
  })
}

async function refuseUsed(client: Client, name: string): Promise<void> {
  const { rows } = await client.query<{ tables: number }>(
    `select count(*)::int as tables from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|_timescaledb|timescaledb|information_schema)'`,
  )
  if (rows[0]?.tables === 0) return
  throw new BioTrakrError(`The database "${name}" is not empty`, {
    code: 'RESTORE_FAILED',
    next: 'Name a database that is not there yet; nothing of this one was touched.',
  })
}

async function prepareExtension(client: Client, { extension }: BackupHeader): Promise<void> {
  if (extension === null) return
  try {
    await client.query(`create extension if not exists timescaledb version '${extension.replace(/'/g, '')}'`)
    await client.query('select timescaledb_pre_restore()')
  } catch (cause) {
    throw new BioTrakrError(`This server has no TimescaleDB ${extension}, with which the backup was made`, {
      code: 'RESTORE_FAILED',
      next: 'Install that version, restore, and upgrade the extension afterwards.',
      cause,
    })
  }
}

async function runRestore({ database, toolFolder }: RestoreOptions, dump: AsyncIterable<Buffer>): Promise<void> {
  const tool = startTool(findTool('pg_restore', toolFolder), database, {
    args: ['--format=custom', '--exit-on-error', '--no-password', `--dbname=${database.database}`],
    failed: (said) =>
      new BioTrakrError(`pg_restore failed: ${said}`, {
        code: 'RESTORE_FAILED',
        next: 'Mend what it names, drop the database that was begun, and restore again.',
      }),
  })
  try {
    await feed(tool, dump)
  } catch (error) {
    tool.child.kill()
    await tool.ended().catch(() => undefined)
    throw error
  }
  await tool.ended()
}
