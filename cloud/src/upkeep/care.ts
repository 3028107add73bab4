import type { ClientBase } from 'pg'

import type { JobResult } from './scheduler.ts'

const KEEP_DAYS = 90
const DAY_MS = 86_400_000
/** Fewer dead rows than this cost nothing worth mentioning. */
const MANY_ROWS = 10_000
const SHARE = 0.4

/** Lets runs of scheduled work go that are older than 90 days, but for the last one of each job. */
export async function pruneRuns(client: ClientBase, nowMs: number): Promise<JobResult> {
  const { rowCount } = await client.query(
    `delete from rtls.job_run r where started_at < $1
       and exists (select from rtls.job_run n where n.job = r.job and n.started_at > r.started_at)`,
    [new Date(nowMs - KEEP_DAYS * DAY_MS)],
  )
  return { rows: rowCount ?? 0 }
}

interface Bloated {
  readonly name: string
  readonly dead: number
}

/**
 * Names tables of which more than two fifths of the rows are dead, which autovacuum does not keep up with. Rows of the
 * result: how many tables.
 */
export async function examineBloat(client: ClientBase): Promise<JobResult> {
  const { rows } = await client.query<Bloated>(
    `select schemaname || '.' || relname as name, n_dead_tup::float8 / (n_live_tup + n_dead_tup) as dead
     from pg_stat_user_tables
     where schemaname in ('iam', 'site', 'asset', 'rtls', 'care', 'audit', 'telemetry')
       and n_dead_tup > $1::bigint and n_dead_tup > $2::float8 * (n_live_tup + n_dead_tup) order by 2 desc, 1`,
    [MANY_ROWS, SHARE],
  )
  const list = rows.map(({ name, dead }) => `${name} (${Math.round(dead * 100)} % dead)`).join(', ')
  const said = rows.length > 0 ? `vacuum as the owner, and look at autovacuum: ${list}` : 'no table is bloated'
  return { rows: rows.length, said }
}
