import type { ClientBase } from 'pg'

import { lookAtBackups, lookAtJobs } from './doctor-care.ts'
import { probeEdition } from './edition.ts'
import { migrationStatus } from './migrate.ts'

/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** What it means for this centre. */
  readonly meaning: string
  /** What to do about it: a command, or a step. */
  readonly mend?: string
}

/** Looks at one matter, reading only. */
type Look = (client: ClientBase) => Promise<readonly Finding[]>

const OLDEST_SERVER = 150_000
const MIGRATE = 'Run: biotrakr-cloud migrate -c <configuration of the owner>'

const lookAtServer: Look = async (client) => {
  const { rows } = await client.query<{ version: number; text: string; used: number; most: number; size: string }>(
    `select current_setting('server_version_num')::integer as version, current_setting('server_version') as text,
       (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as used,
       current_setting('max_connections')::integer as most, pg_size_pretty(pg_database_size(current_database())) as size`,
  )
  const { version = 0, text = '', used = 0, most = 1, size = '' } = rows[0] ?? {}
  const check = 'PostgreSQL'
  if (version < OLDEST_SERVER) {
    return [{ check, state: 'fail', meaning: `${text} is older than 15`, mend: 'Upgrade the server to PostgreSQL 17.' }]
  }
  const found: Finding = { check, state: 'ok', meaning: `${text}, ${size}, ${used} of ${most} connections in use` }
  if (used < most * 0.8) return [found]
  const mend = 'Raise max_connections in postgresql.conf and restart the server, or end what holds connections.'
  return [{ ...found, state: 'warn', mend }]
}

/** What must be on, since a commit ack tells a gateway that it may forget. */
const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'] as const

const lookAtDurability: Look = async (client) => {
  const { rows } = await client.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any($1) order by name',
    [DURABLE],
  )
  const off = rows.filter(({ setting }) => setting === 'off').map(({ name }) => name)
  if (off.length === 0) return [{ check: 'durability', state: 'ok', meaning: 'what is committed survives a power cut' }]
  const meaning = `${off.join(', ')} off: a power cut loses what gateways were told is stored, or the whole database`
  const mend = `Run as superuser: ${off.map((name) => `alter system reset ${name};`).join(' ')} select pg_reload_conf();`
  return [{ check: 'durability', state: 'fail', meaning, mend }]
}

const lookAtMigrations: Look = async (client) => {
  const check = 'migrations'
  const { rows } = await client.query<{ there: boolean; readable: boolean | null }>(
    `select to_regclass('public._prisma_migrations') is not null as there,
       has_table_privilege(to_regclass('public._prisma_migrations'), 'select') as readable`,
  )
  const { there = false, readable = null } = rows[0] ?? {}
  if (!there) return [{ check, state: 'fail', meaning: 'this database was never migrated', mend: MIGRATE }]
  if (readable !== true) {
    const mend = 'Run: biotrakr-cloud migrate status -c <configuration of the owner>'
    return [{ check, state: 'warn', meaning: 'this login may not see which migrations are applied', mend }]
  }
  const statuses = await migrationStatus(client)
  const named = (state: string) => statuses.filter((status) => status.state === state).map(({ name }) => name)
  const found = TROUBLE.flatMap(([state, meaning, mend]): Finding[] => {
    const names = named(state)
    return names.length === 0 ? [] : [{ check, state: 'fail', meaning: `${names.join(', ')} ${meaning}`, mend }]
  })
  return found.length > 0 ? found : [{ check, state: 'ok', meaning: `all ${statuses.length} are applied` }]
}

const TROUBLE = [
  ['pending', 'not applied yet: this program is newer than the database', MIGRATE],
  ['changed', 'applied, but changed since', 'Restore the released files of these migrations.'],
  [
    'missing',
    'applied, but not known here: the database is newer',
    'Install the release that migrated it, or a later.',
  ],
  [
    'unfinished',
    'begun by another tool and not finished',
    'See that nothing of it is there, then run: prisma migrate resolve --rolled-back <name>',
  ],
] as const

const lookAtEdition: Look = async (client) => {
  const { mode, extension } = await probeEdition(client)
  const { rows } = await client.query<{ offered: string | null; readable: boolean }>(
    `select (select default_version from pg_available_extensions where name = 'timescaledb') as offered,
       coalesce(has_table_privilege(to_regclass('rtls.edition'), 'select'), false) as readable`,
  )
  const { offered = null, readable = false } = rows[0] ?? {}
  const check = 'edition'
  const noted = readable ? (await client.query<{ mode: string }>('select mode from rtls.edition')).rows[0]?.mode : mode
  if (noted !== mode) {
    const meaning = `the server keeps history as ${mode}, and the last migration found ${noted ?? 'nothing'}`
    return [{ check, state: 'warn', meaning, mend: MIGRATE }]
  }
  const kept = {
    timescale: 'history in hypertables, compressed, with retention',
    apache: 'history in hypertables without compression (Apache licence of TimescaleDB); maintain sums and removes',
    plain: 'history in ordinary tables without compression; maintain sums and removes',
  }[mode]
  const found: Finding = { check, state: 'ok', meaning: `${mode}: ${kept}` }
  if (extension === undefined || offered === null || offered === extension) return [found]
  const meaning = `TimescaleDB ${extension} is in the database, and ${offered} on the server`
  const mend = 'Run as superuser in a fresh session: alter extension timescaledb update;'
  return [found, { check: 'extension', state: 'warn', meaning, mend }]
}

/** Largest difference between two clocks that nobody sees in a report, and the one at which records are misjudged. */
const [SEEN_MS, WRONG_MS] = [1_000, 60_000]

/** @param wallMs of this machine */
function lookAtClock(wallMs: () => number): Look {
  return async (client) => {
    const askedMs = wallMs()
    const { rows } = await client.query<{ ms: number }>(
      `select extract(epoch from clock_timestamp())::float8 * 1000 as ms`,
    )
    const aheadMs = Math.round((rows[0]?.ms ?? 0) - (askedMs + wallMs()) / 2)
    const check = 'clock'
    const meaning = `the database's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`
    if (Math.abs(aheadMs) < SEEN_MS) return [{ check, state: 'ok', meaning }]
    const mend = 'Run on both machines: timedatectl set-ntp true'
    return [{ check, state: Math.abs(aheadMs) < WRONG_MS ? 'warn' : 'fail', meaning, mend }]
  }
}

const lookAtIngesters: Look = async (client) => {
  const check = 'ingesters'
  const { rows } = await client.query<{ alive: string[]; held: number }>(
    `select coalesce(array_agg(instance) filter (where expires_at > now()), '{}') as alive,
       (select count(*)::integer from rtls.shard_lease l join rtls.ingester i using (instance) where i.expires_at > now())
         as held
     from rtls.ingester`,
  )
  const { alive = [], held = 0 } = rows[0] ?? {}
  if (alive.length === 0) {
    const mend = 'Run: sudo systemctl start biotrakr-ingest@1'
    return [{ check, state: 'warn', meaning: 'none is alive: gateways keep their records until one is', mend }]
  }
  const meaning = `${alive.length} alive, reading ${held} of 64 shards`
  if (held === 64) return [{ check, state: 'ok', meaning }]
  return [
    { check, state: 'warn', meaning, mend: 'Look again in a minute; if it stays so, see the logs of the ingesters.' },
  ]
}

const lookAtQuarantine: Look = async (client) => {
  const check = 'quarantine'
  const { rows } = await client.query<{ waiting: number; hours: number | null }>(
    `select count(*)::integer as waiting, extract(epoch from now() - min(received_at))::float8 / 3600 as hours
     from rtls.quarantine where state = 'new'`,
  )
  const { waiting = 0, hours = 0 } = rows[0] ?? {}
  if (waiting === 0) return [{ check, state: 'ok', meaning: 'nothing waits for a decision' }]
  const meaning = `${waiting} entries wait for a decision, the oldest for ${(hours ?? 0).toFixed(1)} h`
  return [{ check, state: 'warn', meaning, mend: 'Run: biotrakr-cloud quarantine list' }]
}

/** Only where the server archives: then the newest archived piece of its log is how old a restored copy would be. */
const lookAtArchive: Look = async (client) => {
  const check = 'archive'
  const { rows } = await client.query<{ mode: string; hours: number | null; failing: boolean }>(
    `select current_setting('archive_mode') as mode, extract(epoch from now() - last_archived_time)::float8 / 3600 as hours,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) as failing
     from pg_stat_archiver`,
  )
  const { mode = 'off', hours = null, failing = false } = rows[0] ?? {}
  if (mode === 'off') return []
  const age = hours === null ? 'nothing was archived yet' : `last archived ${hours.toFixed(1)} h ago`
  if (!failing && hours !== null && hours < 24) return [{ check, state: 'ok', meaning: age }]
  const meaning = failing ? `${age}, and archiving fails now` : age
  return [{ check, state: failing ? 'fail' : 'warn', meaning, mend: 'See archive_command and the log of the server.' }]
}

/**
 * Looks at a database without changing it. What this login may not see is said to be so.
 * @param wallMs of this machine
 */
export async function examineDatabase(
  client: ClientBase,
  wallMs: () => number,
  more: readonly Look[],
): Promise<Finding[]> {
  const looks: readonly (readonly [string, Look])[] = [
    ['PostgreSQL', lookAtServer],
    ['durability', lookAtDurability],
    ['clock', lookAtClock(wallMs)],
    ['migrations', lookAtMigrations],
    ['edition', lookAtEdition],
    ...more.map((look) => ['rights', look] as const),
    ['ingesters', lookAtIngesters],
    ['quarantine', lookAtQuarantine],
    ['scheduled work', lookAtJobs],
    ['backups', lookAtBackups],
    ['archive', lookAtArchive],
  ]
  const found: Finding[] = []
  for (const [check, look] of looks)
    found.push(...(await look(client).catch((error: unknown) => [notSeen(check, error)])))
  return found
}

/** By SQLSTATE: no right to look; or no such table, in a database that was never migrated. */
function notSeen(check: string, error: unknown): Finding {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const text = error instanceof Error ? error.message : String(error)
  if (code === '42501') {
    const mend = 'Run this with the configuration of the owner, or of the process that uses it.'
    return { check, state: 'warn', meaning: `this login may not see it (${text})`, mend }
  }
  return { check, state: 'fail', meaning: text, mend: code === '42P01' ? MIGRATE : 'See the log of the server.' }
}

export type { Look }
