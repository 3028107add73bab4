import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

/** Days for which each kind of history is kept where nothing else is said. */
export const HISTORY_DAYS = {
  location_history: 400,
  sensor_reading: 400,
  usage_event: 400,
  receiver_health: 90,
  stay: 800,
  usage_interval: 800,
  fix_hourly: 1_095,
  tag_day: 1_825,
} as const

type HistoryTable = keyof typeof HISTORY_DAYS

interface DropOptions {
  /** Days to keep, where they differ from `HISTORY_DAYS`. */
  readonly days?: Partial<Record<HistoryTable, number>>
  /** Organisations of which nothing may be deleted at present: legal holds. */
  readonly heldOrgs?: readonly number[]
}

export interface Dropped {
  readonly table: HistoryTable
  readonly rows: number
  readonly chunks: number
}

const DAY_MS = 86_400_000
const ROWS_A_STEP = 50_000
/** Columns by which a row is as old as it is. Days are the facility's own. */
const AGE: Partial<Record<HistoryTable, string>> = { fix_hourly: 'bucket', tag_day: 'day' }

/**
 * Deletes history that is older than it is to be kept, on every edition in the same way: whole chunks where there are
 * chunks and no organisation is held, rows by steps otherwise.
 * @param client logged in as bt_jobs, outside a transaction
 */
export async function dropOldHistory(
  client: ClientBase,
  clock: Clock,
  { days = {}, heldOrgs = [] }: DropOptions = {},
): Promise<Dropped[]> {
  const dropped: Dropped[] = []
  for (const table of Object.keys(HISTORY_DAYS) as HistoryTable[]) {
    const before = new Date(clock.wallMs() - (days[table] ?? HISTORY_DAYS[table]) * DAY_MS)
    const chunks = heldOrgs.length === 0 ? await dropChunks(client, table, before) : undefined
    const rows = chunks === undefined ? await deleteRows(client, table, { before, heldOrgs }) : 0
    if (rows > 0 || chunks) dropped.push({ table, rows, chunks: chunks ?? 0 })
  }
  return dropped
}

/** @returns undefined for a table that is not kept in chunks */
async function dropChunks(client: ClientBase, table: HistoryTable, before: Date): Promise<number | undefined> {
  const { rows } = await client.query<{ chunks: number | null }>('select telemetry.drop_history($1, $2) as chunks', [
    table,
    before,
  ])
  return rows[0]?.chunks ?? undefined
}

interface Rule {
  readonly before: Date
  readonly heldOrgs: readonly number[]
}

/** Small steps, so that nobody waits for a lock and a stop loses little. A continuous aggregate has no rows of its own. */
async function deleteRows(client: ClientBase, table: HistoryTable, { before, heldOrgs }: Rule): Promise<number> {
  const { rows } = await client.query<{ own: boolean }>(
    `select relkind = 'r' as own from pg_catalog.pg_class where oid = ('telemetry.' || $1)::regclass`,
    [table],
  )
  if (!rows[0]?.own) return 0
  const age = AGE[table] ?? 't'
  const statement = `with old as (
      select ctid, tableoid from telemetry.${table} where ${age} < $1 and org_id <> all ($2::int[]) limit ${ROWS_A_STEP})
    delete from telemetry.${table} h using old where h.ctid = old.ctid and h.tableoid = old.tableoid and h.${age} < $1`
  for (let deleted = 0; ; ) {
    const { rowCount } = await client.query(statement, [before, heldOrgs])
    deleted += rowCount ?? 0
    if ((rowCount ?? 0) < ROWS_A_STEP) return deleted
  }
}
