import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

/**
 * How this database keeps history: `timescale` in hypertables with compression, hourly aggregates and retention
 * (Community licence); `apache` in hypertables only; `plain` in ordinary tables.
 */
type EditionMode = 'timescale' | 'apache' | 'plain'

export interface Edition {
  readonly mode: EditionMode
  /** Version of PostgreSQL, for example 17.6. */
  readonly server: string
  /** Version of TimescaleDB where it is installed in this database. */
  readonly extension?: string
}

interface Probe {
  readonly server: string
  readonly extension: string | null
  readonly license: string | null
}

const PROBE = `
  select split_part(current_setting('server_version'), ' ', 1) as server,
    (select extversion from pg_extension where extname = 'timescaledb') as extension,
    current_setting('timescaledb.license', true) as license`

const IS_HYPERTABLE = `
  select exists (select from timescaledb_information.hypertables
    where hypertable_schema = 'telemetry' and hypertable_name = 'location_history') as yes`

/** Goes by the tables, not by the server alone: an extension added after the migrations leaves history in plain tables. */
export async function probeEdition(client: ClientBase | Pool): Promise<Edition> {
  const { rows } = await client.query<Probe>(PROBE)
  const { server, extension, license } = rows[0] ?? { server: 'unknown', extension: null, license: null }
  if (extension === null) return { mode: 'plain', server }
  const hypertable = await client.query<{ yes: boolean }>(IS_HYPERTABLE)
  if (!hypertable.rows[0]?.yes) return { mode: 'plain', server, extension }
  return { mode: license === 'timescale' ? 'timescale' : 'apache', server, extension }
}

export async function recordEdition(client: ClientBase, edition: Edition): Promise<void> {
  await client.query(
    `insert into rtls.edition (mode, server, extension) values ($1, $2, $3)
     on conflict (only_row) do update
       set mode = excluded.mode, server = excluded.server, extension = excluded.extension, checked_at = now()`,
    [edition.mode, edition.server, edition.extension ?? null],
  )
}

/**
 * The library must be loaded at server start; creating the extension without it would end the connection. A loaded one
 * shows its settings to everybody, while shared_preload_libraries is hidden from ordinary users.
 */
const CAN_HAVE_EXTENSION = `
  select exists (select from pg_available_extensions where name = 'timescaledb')
    and exists (select from pg_settings where name like 'timescaledb.%')
    and not exists (select from pg_extension where extname = 'timescaledb') as yes`

/**
 * Creates the extension where the server offers it and the database lacks it.
 * @returns true when it was created
 * @throws BioTrakrError MIGRATION_FAILED when this user may not: history would stay in plain tables for good
 */
export async function ensureExtension(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ yes: boolean }>(CAN_HAVE_EXTENSION)
  if (!rows[0]?.yes) return false
  try {
    await client.query('create extension if not exists timescaledb')
  } catch (cause) {
    throw new BioTrakrError('This server has TimescaleDB, but its extension could not be created in the database', {
      code: 'MIGRATION_FAILED',
      next: 'Let an administrator run "create extension timescaledb" in this database, then migrate again.',
      cause,
    })
  }
  return true
}
