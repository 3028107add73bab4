import { once } from 'node:events'
import {
  closeSync,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { BioTrakrError, type Clock } from '@biotrakr/shared'
import type { Client } from 'pg'

import { gatherFacts } from './backup-facts.ts'
import { type BackupHeader, newSalt, openBackup, readBackupHeader, sealBackup } from './backup-file.ts'
import { connectClient, type DatabaseOptions } from './connection.ts'
import { feed, findTool, startTool } from './pg-tools.ts'

export interface BackupOptions {
  /** Logs in as bt_backup, or as a superuser. */
  readonly database: DatabaseOptions
  readonly folder: string
  /** 32 bytes that the database does not hold. */
  readonly key: Uint8Array
  readonly keepDays: number
  /** The first backup of a month is kept so many months. */
  readonly keepMonths: number
  readonly clock: Pick<Clock, 'wallMs'>
  /** Folder of pg_dump and pg_restore; looked for where it is absent. */
  readonly toolFolder?: string | undefined
}

export interface BackupMade {
  readonly file: string
  readonly bytes: number
  readonly rows: number
  /** Older files that were removed. */
  readonly removed: readonly string[]
  /** When the oldest one that is kept was made (ISO 8601). */
  readonly oldestKeptAt: string | undefined
}

export interface ListedBackup extends BackupHeader {
  readonly file: string
  readonly bytes: number
}

const ENDING = '.btbackup'
/** Two backups of one database at once would only slow each other down; any number that nothing else locks. */
const LOCK = 72_707_372
const DAY_MS = 86_400_000
/** A backup may be larger than the one before it by this much before the disk is said to be too small. */
const GROWTH = 1.25

/**
 * Dumps the database in pg_dump's custom format, encrypted, under a temporary name; opens what was written once more
 * from beginning to end; gives it its name; then lets the old ones go.
 * @throws BioTrakrError BACKUP_FAILED, DATABASE_UNREACHABLE
 */
export async function makeBackup(options: BackupOptions): Promise<BackupMade> {
  const { folder, clock } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  refuseFullDisk(folder)
  const client = await connectClient(options.database)
  const unfinished = unfinishedOf(options.database.database)
  const temporary = join(folder, `${unfinished}${process.pid}${ENDING}`)
  try {
    const header = await begin(client, options)
    // Whoever holds the lock is the only one at work: what is unfinished was cut off.
    for (const name of readdirSync(folder).filter((each) => each.startsWith(unfinished))) rmSync(join(folder, name))
    const facts = await gatherFacts(client)
    await writeDump(temporary, { header, manifest: JSON.stringify(facts), client, options })
    await readThrough(temporary, options)
    const file = join(folder, nameOf(header))
    renameSync(temporary, file)
    syncFolder(folder)
    const rows = Object.values(facts.tables).reduce((sum, table) => sum + Number(table.rows), 0)
    const removed = await removeOld(options, clock.wallMs())
    const oldestKeptAt = (await listBackups(folder)).at(-1)?.createdAt
    return { file, bytes: statSync(file).size, rows, removed, oldestKeptAt }
  } finally {
    rmSync(temporary, { force: true })
    await client.end()
  }
}

interface Note {
  readonly job: 'backup' | 'restore-drill'
  readonly ok: boolean
  readonly said: string
  readonly rows: number | null
  /** When the oldest backup that is kept was made (ISO 8601). */
  readonly oldestKeptAt?: string | undefined
}

/** Leaves a row for health and the doctor. */
export async function noteBackup(database: DatabaseOptions, note: Note): Promise<void> {
  const { job, ok, said, rows, oldestKeptAt = null } = note
  const client = await connectClient(database)
  try {
    await client.query('begin read write')
    await client.query(
      `insert into rtls.job_run (job, ended_at, ok, rows, said, detail)
       values ($1, now(), $2, $3, left($4, 4000), $5::jsonb)`,
      [job, ok, rows, said, JSON.stringify({ oldestKeptAt })],
    )
    await client.query('commit')
  } finally {
    await client.end()
  }
}

/** Opens the snapshot that both the facts and pg_dump see. */
async function begin(client: Client, { clock, database }: BackupOptions): Promise<BackupHeader> {
  const got = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [LOCK])
  if (!got.rows[0]?.got) throw failed('another backup of this database is running', 'Wait for it to end.')
  const { rows: rights } = await client.query<{ sees: boolean }>(
    'select rolsuper or rolbypassrls as sees from pg_roles where rolname = current_user',
  )
  if (!rights[0]?.sees) {
    throw failed(
      `"${database.user}" is held by row security and would dump an empty database`,
      'Log in as bt_backup; a superuser makes it so: `alter role bt_backup bypassrls`.',
    )
  }
  await client.query('set statement_timeout = 0; begin isolation level repeatable read read only')
  const { rows } = await client.query<{ server: string; extension: string | null; migration: string }>(
    `select current_setting('server_version') as server,
       (select extversion from pg_extension where extname = 'timescaledb') as extension,
       (select max(migration_name) from public._prisma_migrations) as migration`,
  )
  const [found] = rows
  if (!found) throw failed('the database has no migrations', 'Run `biotrakr-cloud migrate` first.')
  const { server, extension, migration } = found
  const createdAt = new Date(clock.wallMs()).toISOString()
  return { createdAt, database: database.database, server, extension, migration, salt: newSalt() }
}

interface Dump {
  readonly header: BackupHeader
  readonly manifest: string
  readonly client: Client
  readonly options: BackupOptions
}

async function writeDump(path: string, { header, manifest, client, options }: Dump): Promise<void> {
  const { rows } = await client.query<{ id: string }>('select pg_export_snapshot() as id')
  const tool = startTool(findTool('pg_dump', options.toolFolder), options.database, {
    args: ['--format=custom', '--compress=6', `--snapshot=${rows[0]?.id}`, '--no-password'],
    failed: (said) => failed(`pg_dump failed: ${said}`, 'Mend what it names and start the backup again.'),
  })
  const { stdout } = tool.child
  if (!stdout) throw failed('pg_dump has no output', 'Start the backup again.')
  const file = createWriteStream(path, { mode: 0o600, flush: true })
  try {
    for await (const part of sealBackup(header, options.key, { manifest, dump: stdout })) {
      if (!file.write(part)) await once(file, 'drain')
    }
    file.end()
    await once(file, 'close')
  } catch (cause) {
    tool.child.kill()
    file.destroy()
    if (cause instanceof BioTrakrError) throw cause
    throw failed('the backup could not be written', 'Look at the disk of the backup folder.', cause)
  }
  await tool.ended()
}

/** Whether every byte can be read again, and what comes out is a dump that pg_restore knows. */
async function readThrough(path: string, { key, database, toolFolder }: BackupOptions): Promise<void> {
  const { dump } = await openBackup(path, key)
  const tool = startTool(findTool('pg_restore', toolFolder), database, {
    args: ['--list', '--format=custom'],
    failed: (said) => failed(`what was written is no dump: ${said}`, 'Start the backup again.'),
  })
  tool.child.stdout?.resume()
  await feed(tool, dump)
  await tool.ended()
}

const plainName = (database: string) => database.replace(/[^A-Za-z0-9_-]/g, '_')
const unfinishedOf = (database: string) => `.unfinished-${plainName(database)}-`

function nameOf({ createdAt, database, migration }: BackupHeader): string {
  const time = createdAt.replace(/[-:]|\.\d+/g, '')
  return `${plainName(database)}-${time}-${migration}${ENDING}`
}

/** Newest first. Files that are no backups are left out. */
export async function listBackups(folder: string): Promise<ListedBackup[]> {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith(ENDING) && !name.startsWith('.'))
  const listed: ListedBackup[] = []
  for (const name of names) {
    const file = join(folder, name)
    const header = await readBackupHeader(file).catch(() => undefined)
    if (header) listed.push({ ...header, file, bytes: statSync(file).size })
  }
  return listed.sort((a, b) => b.createdAt.localeCompare(a.createdAt))
}

/** Removes what is older than `keepDays`, but for the first of each month within `keepMonths`; never the newest one. */
async function removeOld({ folder, keepDays, keepMonths }: BackupOptions, nowMs: number): Promise<string[]> {
  const backups = await listBackups(folder)
  const oldestMonth = new Date(nowMs)
  oldestMonth.setUTCMonth(oldestMonth.getUTCMonth() - keepMonths)
  const firstOfMonth = new Map(backups.map(({ createdAt, file }) => [createdAt.slice(0, 7), file]))
  const removed = backups.slice(1).filter(({ createdAt, file }) => {
    const isYoung = nowMs - Date.parse(createdAt) < keepDays * DAY_MS
    const isMonthly = firstOfMonth.get(createdAt.slice(0, 7)) === file && Date.parse(createdAt) >= oldestMonth.getTime()
    return !isYoung && !isMonthly
  })
  for (const { file } of removed) rmSync(file)
  return removed.map(({ file }) => file)
}

function refuseFullDisk(folder: string): void {
  const sizes = readdirSync(folder)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => statSync(join(folder, name)).size)
  const { bavail, bsize } = statfsSync(folder)
  const needed = Math.max(0, ...sizes) * GROWTH
  if (bavail * bsize < needed) {
    throw failed(
      `${folder} has ${Math.floor((bavail * bsize) / 1_048_576)} MiB left and the backup needs about ${Math.ceil(needed / 1_048_576)}`,
      'Make room there, or name another folder.',
    )
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(dirname(join(folder, '.')), 'r')
  fsyncSync(handle)
  closeSync(handle)
}

function failed(message: string, next: string, cause?: unknown): BioTrakrError {
  return new BioTrakrError(message, { code: 'BACKUP_FAILED', next, ...(cause !== undefined && { cause }) })
}
