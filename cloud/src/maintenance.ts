import type { Clock, Pulse } from '@biotrakr/shared'
import type { Logger } from 'pino'
import { Counter, Gauge, Registry } from 'prom-client'

import type { CloudConfig } from './config.ts'
import { maintenanceJobs } from './maintenance-jobs.ts'
import { slowLog } from './slow-log.ts'
import { connectClient, createPool, type DatabaseOptions, databaseError } from './upkeep/connection.ts'
import { refuseUnsafeRole } from './upkeep/privileges.ts'
import { startProbeServer } from './upkeep/probe-server.ts'
import { createScheduler, type Run, type Scheduler } from './upkeep/scheduler.ts'

interface MaintenanceOptions {
  /** Logs in as bt_jobs. */
  readonly database: DatabaseOptions
  readonly config: Pick<CloudConfig, 'audit'>
  readonly clock: Clock
  readonly log: Logger
  /** Where /health and /metrics are answered; nowhere without a port. */
  readonly host?: string
  readonly port?: number
}

export interface Maintenance {
  readonly jobs: readonly string[]
  readonly pulses: readonly Pulse[]
  /** Begins to run what is due. */
  start(): void
  /** Runs one job now. @throws BioTrakrError USAGE */
  run(name: string): Promise<Run>
  stop(): Promise<void>
}

/** Jobs that may run side by side. */
const CONNECTIONS = 4
/** A job that does not end within its budgets ends by the database's own limits; longer than this nothing may hang. */
const STUCK_MS = 3 * 3_600_000

/**
 * The scheduled work of a database.
 * @throws BioTrakrError DATABASE_UNREACHABLE, DATABASE_PRIVILEGE or PORT_IN_USE
 */
export async function startMaintenance(options: MaintenanceOptions): Promise<Maintenance> {
  const { database, clock, log, config } = options
  const onIdleError = (error: Error) =>
    log.warn({ event: 'maintain.connection_lost', reason: error.message }, 'a database connection was lost')
  const pool = createPool({ ...database, max: CONNECTIONS, onIdleError, onSlow: slowLog(log) })
  try {
    await refuseUnsafeRole(pool)
  } catch (error) {
    await pool.end()
    throw databaseError(error, database)
  }
  const jobs = maintenanceJobs({ clock, audit: config.audit })
  const scheduler = createScheduler({ pool, jobs, clock, log })
  const probe = await startProbe(scheduler, options)
  return {
    jobs: jobs.map(({ name }) => name),
    pulses: [
      {
        name: 'jobs',
        mark: () => Object.values(scheduler.counts()).reduce((sum, { ok, failed }) => sum + ok + failed, 0),
        isExcused: () => scheduler.running().length === 0,
        limitMs: STUCK_MS,
      },
    ],
    start: () => {
      scheduler.start()
      log.info({ event: 'maintain.started', jobs: jobs.length, probe: probe?.server.address() }, 'maintenance started')
    },
    run: scheduler.run,
    stop: async () => {
      await scheduler.stop()
      await probe?.close()
      await pool.end()
      log.info({ event: 'maintain.stopped' }, 'maintenance stopped')
    },
  }
}

function startProbe(scheduler: Scheduler, { host, port }: MaintenanceOptions) {
  if (port === undefined) return undefined
  const registry = new Registry()
  const runs = new Counter({
    name: 'biotrakr_maintain_runs_total',
    help: 'Runs of scheduled work that ended',
    labelNames: ['job', 'outcome'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [job, { ok, failed }] of Object.entries(scheduler.counts())) {
        this.inc({ job, outcome: 'ok' }, ok)
        this.inc({ job, outcome: 'failed' }, failed)
      }
    },
  })
  const running = new Gauge({
    name: 'biotrakr_maintain_running_seconds',
    help: 'For how long scheduled work has been running',
    labelNames: ['job'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { job, forMs } of scheduler.running()) this.set({ job }, forMs / 1_000)
    },
  })
  registry.registerMetric(runs)
  registry.registerMetric(running)
  return startProbeServer({
    ...(host && { host }),
    port,
    health: async () => ({ ok: true, running: scheduler.running(), runs: scheduler.counts() }),
    metrics: () => registry.metrics(),
  })
}

export interface LastRun {
  readonly job: string
  readonly startedAt: Date | null
  readonly state: 'ok' | 'failed' | 'running' | 'cut off' | 'never'
  readonly rows: number | null
  readonly said: string | null
}

/** The last run of every job, `cut off` for one that began and left nothing more for a day. */
export async function lastRuns(database: DatabaseOptions, jobs: readonly string[]): Promise<LastRun[]> {
  const client = await connectClient(database)
  try {
    const { rows } = await client.query<LastRun>(
      `select j.job, r.started_at as "startedAt", r.rows::int, r.said,
         case when r.id is null then 'never' when r.ok then 'ok' when r.ended_at is not null then 'failed'
           when r.started_at > now() - interval '1 day' then 'running' else 'cut off' end as state
       from unnest($1::text[]) with ordinality as j (job, place)
       left join lateral (select * from rtls.job_run r where r.job = j.job order by started_at desc limit 1) r on true
       order by j.place`,
      [jobs],
    )
    return rows
  } finally {
    await client.end()
  }
}

/** Names of all jobs, those of backups too, which other programs run. */
export function jobNames(clock: Clock): string[] {
  const audit = { anchorFolder: '', keyFile: '' }
  return [...maintenanceJobs({ clock, audit }).map(({ name }) => name), 'backup', 'restore-drill']
}
