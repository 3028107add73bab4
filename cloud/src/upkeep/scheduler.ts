import { BioTrakrError, type Clock, explainError } from '@biotrakr/shared'
import cron, { type ScheduledTask } from 'node-cron'
import type { ClientBase, Pool, PoolClient } from 'pg'
import type { Logger } from 'pino'

/** What a run did, for its row in rtls.job_run. */
export interface JobResult {
  /** Rows written or removed. */
  readonly rows: number
  readonly said?: string
}

export interface Job {
  /** Lower-case letters, digits and hyphens. */
  readonly name: string
  /** When, as node-cron reads it (minute, hour, day of month, month, day of week), in UTC. */
  readonly schedule: string
  /** Longest time a statement of it may take (ms). */
  readonly budgetMs: number
  /**
   * Does the work on a connection of bt_jobs that is in no transaction. Must be right when it is run twice, and when the
   * run before it was cut off.
   */
  run(client: ClientBase, nowMs: number): Promise<JobResult>
}

export interface Run extends JobResult {
  readonly job: string
  /** `busy`: another process runs it just now. */
  readonly outcome: 'ok' | 'failed' | 'busy'
}

export interface Scheduler {
  start(): void
  /** Runs one job now. @throws BioTrakrError USAGE for a name that is none */
  run(name: string): Promise<Run>
  /** Waits for what runs. */
  stop(): Promise<void>
  /** Runs that ended, for the watchdog and metrics. */
  counts(): Readonly<Record<string, { readonly ok: number; readonly failed: number }>>
  /** Names of what runs now, with the time since (monotonic ms). */
  running(): readonly { readonly job: string; readonly forMs: number }[]
}

interface SchedulerOptions {
  /** Logs in as bt_jobs. */
  readonly pool: Pool
  readonly jobs: readonly Job[]
  readonly clock: Clock
  readonly log: Logger
}

/** First key of the advisory locks of jobs; the second one is a hash of the name. */
const LOCK_SPACE = 72_707
/** Spreads what is due at the same minute. */
const MOST_JITTER_MS = 20_000

/** Runs jobs by node-cron; at most one run of a job at a time, over all processes of the database. */
export function createScheduler({ pool, jobs, clock, log }: SchedulerOptions): Scheduler {
  const tasks: ScheduledTask[] = []
  const counts = new Map(jobs.map(({ name }) => [name, { ok: 0, failed: 0 }]))
  const running = new Map<string, { readonly sinceMs: number; readonly ended: Promise<Run> }>()

  const execute = async (job: Job): Promise<Run> => {
    const client = await pool.connect()
    // A lost connection fails the running query; without a listener the same error would also end the process.
    const ignore = () => undefined
    client.on('error', ignore)
    let broken = true
    try {
      const run = await runLocked(client, job, clock.wallMs())
      broken = run.outcome === 'failed'
      return run
    } finally {
      client.removeListener('error', ignore)
      client.release(broken)
    }
  }

  const runJob = (job: Job): Promise<Run> => {
    const before = running.get(job.name)
    if (before) return before.ended
    const startedMs = clock.monoMs()
    const ended = execute(job)
      .catch((error: unknown): Run => ({ job: job.name, outcome: 'failed', rows: 0, said: explainError(error) }))
      .then((run) => {
        running.delete(job.name)
        note(run, clock.monoMs() - startedMs)
        return run
      })
    running.set(job.name, { sinceMs: startedMs, ended })
    return ended
  }

  const note = ({ job, outcome, rows, said }: Run, tookMs: number) => {
    const count = counts.get(job)
    if (count && outcome !== 'busy') count[outcome] += 1
    const fields = { job, outcome, rows, tookMs: Math.round(tookMs), ...(said !== undefined && { said }) }
    if (outcome === 'failed') log.error({ event: 'job.failed', ...fields }, 'scheduled work failed; it is tried again')
    else log.info({ event: 'job.ended', ...fields }, 'scheduled work ended')
  }

  return {
    start: () => {
      for (const job of jobs) {
        const how = { name: job.name, timezone: 'UTC', noOverlap: true, maxRandomDelay: MOST_JITTER_MS }
        tasks.push(cron.schedule(job.schedule, () => runJob(job), how))
      }
    },
    run: (name) => {
      const job = jobs.find((each) => each.name === name)
      if (job) return runJob(job)
      throw new BioTrakrError(`there is no job "${name}"`, {
        code: 'USAGE',
        next: `Name one of: ${jobs.map((each) => each.name).join(', ')}.`,
      })
    },
    stop: async () => {
      await Promise.all(tasks.splice(0).map(async (task) => task.destroy()))
      await Promise.all([...running.values()].map(({ ended }) => ended))
    },
    counts: () => Object.fromEntries(counts),
    running: () => [...running].map(([job, { sinceMs }]) => ({ job, forMs: clock.monoMs() - sinceMs })),
  }
}

async function runLocked(client: PoolClient, job: Job, nowMs: number): Promise<Run> {
  const keys = [LOCK_SPACE, hashOf(job.name)]
  const lock = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1, $2) as got', keys)
  if (!lock.rows[0]?.got) return { job: job.name, outcome: 'busy', rows: 0 }
  try {
    return await runRecorded(client, job, nowMs)
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', keys).catch(() => undefined)
  }
}

async function runRecorded(client: PoolClient, job: Job, nowMs: number): Promise<Run> {
  const started = await client.query<{ id: string }>('insert into rtls.job_run (job) values ($1) returning id', [
    job.name,
  ])
  const end = (ok: boolean, rows: number, said: string | undefined) =>
    client.query('update rtls.job_run set ended_at = now(), ok = $2, rows = $3, said = left($4, 4000) where id = $1', [
      started.rows[0]?.id,
      ok,
      rows,
      said ?? null,
    ])
  try {
    await client.query(`set statement_timeout = ${Math.round(job.budgetMs)}`)
    const result = await job.run(client, nowMs)
    await client.query('reset statement_timeout')
    await end(true, result.rows, result.said)
    return { job: job.name, outcome: 'ok', ...result }
  } catch (error) {
    const said = explainError(error)
    await client.query('rollback')
    await client.query('reset statement_timeout')
    await end(false, 0, said)
    return { job: job.name, outcome: 'failed', rows: 0, said }
  }
}

/** FNV-1a, as a signed 32-bit number. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  return hash | 0
}
