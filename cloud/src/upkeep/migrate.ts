import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type Edition, ensureExtension, probeEdition, recordEdition } from './edition.ts'
import { findMigrations, type Migration, readMigrations } from './migrations.ts'

interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void
}

interface MigrateOptions {
  /** Folder of migrations in Prisma's layout; the product's own when absent. */
  readonly dir?: string | undefined
  readonly log?: Log | undefined
}

export interface MigrateResult {
  /** Names of what this run applied. */
  readonly applied: readonly string[]
  readonly edition: Edition
}

/**
 * - `applied`, `pending`: as they should be
 * - `changed`: applied, but its file has other content now
 * - `unfinished`: begun by another tool and neither finished nor taken back
 * - `missing`: applied, but its file is not there: the database is newer than this program
 */
type MigrationState = 'applied' | 'pending' | 'changed' | 'unfinished' | 'missing'

export interface MigrationStatus {
  readonly name: string
  readonly state: MigrationState
  readonly finishedAt?: Date
  /** What the last failed attempt said, where it was not repeated with success. */
  readonly lastFailure?: string
}

/** The number that Prisma's own migrate commands lock, so that the two never run at once. */
const LOCK = 72_707_369
/** The migration before which the extension must exist, because it decides between plain tables and hypertables. */
const EDITION_MIGRATION = '0005_edition'
const LOCK_NOT_AVAILABLE = '55P03'
const LOCK_ATTEMPTS = 5

/** Prisma's table, column for column, so that `prisma migrate status` and `deploy` agree with this runner. */
const CREATE_HISTORY = `
  create table if not exists public._prisma_migrations (
    id varchar(36) primary key not null,
    checksum varchar(64) not null,
    finished_at timestamptz,
    migration_name varchar(255) not null,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz not null default now(),
    applied_steps_count integer not null default 0
  )`

/**
 * Applies what is pending, each migration in a transaction of its own together with its row in the history: a failure
 * or a crash leaves a migration either whole or absent. Runners on one database wait for each other.
 * @param client one session, not a pool: the lock belongs to the session
 * @throws BioTrakrError MIGRATION_CHANGED or MIGRATION_FAILED
 */
export async function migrate(client: ClientBase, { dir, log }: MigrateOptions = {}): Promise<MigrateResult> {
  const migrations = readMigrations(dir ?? findMigrations())
  await lock(client, log)
  try {
    await client.query(CREATE_HISTORY)
    const statuses = await compare(client, migrations)
    refuseTrouble(statuses)
    const pending = new Set(statuses.filter(({ state }) => state === 'pending').map(({ name }) => name))
    const applied: string[] = []
    for (const migration of migrations) {
      if (!pending.has(migration.name)) continue
      if (migration.name === EDITION_MIGRATION && (await ensureExtension(client))) {
        log?.info({ event: 'migrate.extension' }, 'created the extension timescaledb')
      }
      await applyPatiently(client, migration)
      applied.push(migration.name)
      log?.info({ event: 'migrate.applied', migration: migration.name }, 'applied a database migration')
    }
    const edition = await probeEdition(client)
    await noteEdition(client, edition)
    log?.info({ event: 'migrate.done', applied: applied.length, ...edition }, 'the database schema is up to date')
    return { applied, edition }
  } finally {
    await quietly(() => client.query('select pg_advisory_unlock($1)', [LOCK]))
  }
}

/** Reads only. A database that was never migrated shows everything as pending. */
export async function migrationStatus(client: ClientBase, dir?: string): Promise<MigrationStatus[]> {
  const migrations = readMigrations(dir ?? findMigrations())
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('public._prisma_migrations') is not null as there`,
  )
  if (!rows[0]?.there) return migrations.map(({ name }) => ({ name, state: 'pending' }))
  return compare(client, migrations)
}

async function lock(client: ClientBase, log: Log | undefined): Promise<void> {
  const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [LOCK])
  if (rows[0]?.got) return
  log?.info({ event: 'migrate.waiting' }, 'waiting for another migration of this database')
  await client.query('select pg_advisory_lock($1)', [LOCK])
}

interface HistoryRow {
  readonly name: string
  readonly checksum: string
  readonly finished: Date | null
  readonly rolledBack: Date | null
  readonly logs: string | null
}

async function compare(client: ClientBase, migrations: readonly Migration[]): Promise<MigrationStatus[]> {
  const { rows } = await client.query<HistoryRow>(
    `select migration_name as name, checksum, finished_at as finished, rolled_back_at as "rolledBack", logs
     from public._prisma_migrations order by started_at`,
  )
  const standing = new Map(rows.filter((row) => row.rolledBack === null).map((row) => [row.name, row]))
  const failed = new Map(rows.filter((row) => row.rolledBack !== null).map((row) => [row.name, row]))
  const known = new Set(migrations.map(({ name }) => name))
  const missing = [...standing.values()].filter(({ name }) => !known.has(name))
  return [
    ...migrations.map((migration) => describe(migration, standing.get(migration.name), failed.get(migration.name))),
    ...missing.map(({ name }): MigrationStatus => ({ name, state: 'missing' })),
  ]
}

function describe(
  { name, checksum }: Migration,
  row: HistoryRow | undefined,
  failed: HistoryRow | undefined,
): MigrationStatus {
  if (!row) return { name, state: 'pending', ...(failed?.logs ? { lastFailure: failed.logs } : {}) }
  if (row.finished === null) return { name, state: 'unfinished', ...(row.logs ? { lastFailure: row.logs } : {}) }
  return { name, state: row.checksum === checksum ? 'applied' : 'changed', finishedAt: row.finished }
}

function refuseTrouble(statuses: readonly MigrationStatus[]): void {
  const named = (state: MigrationState) => statuses.filter((status) => status.state === state).map(({ name }) => name)
  const changed = named('changed')
  if (changed.length > 0) {
    throw new BioTrakrError(`Already applied, but changed since: ${changed.join(', ')}`, {
      code: 'MIGRATION_CHANGED',
      next: 'Restore the released files of these migrations; put a further change into a new migration.',
    })
  }
  const missing = named('missing')
  if (missing.length > 0) {
    throw new BioTrakrError(`The database is newer than this program: it holds ${missing.join(', ')}`, {
      code: 'MIGRATION_CHANGED',
      next: 'Use the version of BioTrakr that migrated this database, or a later one.',
    })
  }
  const unfinished = named('unfinished')
  if (unfinished.length > 0) {
    throw new BioTrakrError(`Begun by another tool and never finished: ${unfinished.join(', ')}`, {
      code: 'MIGRATION_FAILED',
      next: 'See that nothing of it is in the database, then run "prisma migrate resolve --rolled-back <name>".',
    })
  }
}

/**
 * A migration that waits for a lock makes everybody queue behind it, so it waits 2 s at most, steps back, and comes
 * again a little later.
 */
async function applyPatiently(client: ClientBase, migration: Migration): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await inTransaction(client, () => apply(client, migration))
      return
    } catch (error) {
      if (attempt < LOCK_ATTEMPTS && sqlState(error) === LOCK_NOT_AVAILABLE) {
        await pause(attempt * 1_000)
        continue
      }
      await quietly(() => noteFailure(client, migration, error))
      throw new BioTrakrError(`The migration ${migration.name} failed, and nothing of it was kept`, {
        code: 'MIGRATION_FAILED',
        next: 'Correct the cause and migrate again; the migrations before it are applied and stay.',
        cause: error,
      })
    }
  }
}

async function apply(client: ClientBase, migration: Migration): Promise<void> {
  await client.query(`set local lock_timeout = '2s'`)
  await client.query(migration.sql)
  // The migration acts as the owner of the tables; the history belongs to whoever migrates.
  await client.query('set local role none')
  await client.query(
    `insert into public._prisma_migrations
       (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
     values ($1, $2, $3, now(), clock_timestamp(), 1)`,
    [randomUUID(), migration.checksum, migration.name],
  )
}

async function noteFailure(client: ClientBase, migration: Migration, error: unknown): Promise<void> {
  await client.query(
    `insert into public._prisma_migrations (id, checksum, migration_name, logs, rolled_back_at)
     values ($1, $2, $3, $4, now())`,
    [randomUUID(), migration.checksum, migration.name, error instanceof Error ? error.message : String(error)],
  )
}

async function noteEdition(client: ClientBase, edition: Edition): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('rtls.edition') is not null as there`)
  if (!rows[0]?.there) return
  await inTransaction(client, async () => {
    await client.query('set local role bt_owner')
    await recordEdition(client, edition)
  })
}

async function inTransaction(client: ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await quietly(() => client.query('rollback'))
    throw error
  }
}

/** For what follows a failure: where the session itself is gone, the first error is the one to report. */
async function quietly(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch {
    // The server has rolled back and released by itself when the session ended.
  }
}

function sqlState(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
