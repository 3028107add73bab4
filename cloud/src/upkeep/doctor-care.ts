import type { Finding, Look } from './doctor-database.ts'

interface Row {
  readonly hours: number | null
  readonly oldest: string | null
  readonly failed: boolean
}

/** A backup is made every night, so this is one that was missed and the next one late. */
const LATE_HOURS = 50
const DRILL_DAYS = 45
/** The stays are derived every minute. */
const STALLED_MINUTES = 15

/** Whether backups are made, and whether somebody has tried to restore one. */
export const lookAtBackups: Look = async (client) => {
  const last = async (job: string): Promise<Row | undefined> => {
    const { rows } = await client.query<Row>(
      `select extract(epoch from now() - max(started_at) filter (where ok))::float8 / 3600 as hours,
         (array_agg(detail ->> 'oldestKeptAt' order by started_at desc) filter (where ok))[1] as oldest,
         coalesce((array_agg(not ok order by started_at desc) filter (where ended_at is not null))[1], false) as failed
       from rtls.job_run where job = $1`,
      [job],
    )
    return rows[0]
  }
  return [judgeBackup(await last('backup')), judgeDrill(await last('restore-drill'))]
}

function judgeBackup(row: Row | undefined): Finding {
  const check = 'backups'
  const mend = 'Run: biotrakr-cloud backup -c <configuration of backups>; then see that it is run every night.'
  if (row?.hours === null || row === undefined) {
    return { check, state: 'warn', meaning: 'no backup was ever made by this product', mend }
  }
  const oldest = row.oldest === null ? '' : `, the oldest that is kept is of ${row.oldest.slice(0, 10)}`
  const meaning = `the newest is ${row.hours.toFixed(1)} h old${oldest}${row.failed ? '; the last attempt failed' : ''}`
  return row.hours > LATE_HOURS || row.failed
    ? { check, state: row.hours > LATE_HOURS ? 'fail' : 'warn', meaning, mend }
    : { check, state: 'ok', meaning }
}

function judgeDrill(row: Row | undefined): Finding {
  const check = 'restore drill'
  const mend = 'Run: biotrakr-cloud restore --drill -c <configuration of backups, as a superuser>'
  if (row?.hours === null || row === undefined) {
    return { check, state: 'warn', meaning: 'nobody has tried whether a backup can be restored', mend }
  }
  const days = row.hours / 24
  const meaning = `the last one that was equal is ${days.toFixed(0)} days old${row.failed ? '; the last one was not' : ''}`
  if (row.failed) return { check, state: 'fail', meaning, mend }
  return days > DRILL_DAYS ? { check, state: 'warn', meaning, mend } : { check, state: 'ok', meaning }
}

/** Whether the scheduled work is done. */
export const lookAtJobs: Look = async (client) => {
  const check = 'scheduled work'
  const mend = 'See `biotrakr-cloud maintain status`, and that `biotrakr-cloud maintain` runs.'
  const { rows } = await client.query<{ minutes: number | null; failed: string[] }>(
    `with last as (
       select distinct on (job) job, ok from rtls.job_run where ended_at is not null order by job, started_at desc)
     select (select extract(epoch from now() - max(ended_at))::float8 / 60 from rtls.job_run where job = 'stays') as minutes,
       coalesce((select array_agg(job order by job) from last where not ok), '{}') as failed`,
  )
  const { minutes = null, failed = [] } = rows[0] ?? {}
  if (minutes === null) return [{ check, state: 'warn', meaning: 'none was ever done: no stays, no sums', mend }]
  if (minutes > STALLED_MINUTES) {
    return [{ check, state: 'fail', meaning: `none was done for ${Math.round(minutes)} minutes`, mend }]
  }
  if (failed.length > 0) return [{ check, state: 'warn', meaning: `failed last time: ${failed.join(', ')}`, mend }]
  return [{ check, state: 'ok', meaning: `stays were derived ${Math.round(minutes)} minutes ago, no job failed` }]
}
