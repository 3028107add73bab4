import type { ClientBase } from 'pg'

import { rebuildDepreciation } from './depreciation-job.ts'
import { matchOpenRecalls } from './recall-match.ts'
import { confirmTransfers } from './transfer-arrival.ts'
import { openOverduePm } from './work-order-overdue.ts'

interface ServiceJob {
  readonly name: string
  /** When, as node-cron reads it, in UTC. */
  readonly schedule: string
  /** Longest time a statement of it may take (ms). */
  readonly budgetMs: number
  /** On a connection of bt_jobs that is in no transaction; as often as one likes. */
  run(client: ClientBase, nowMs: number): Promise<{ readonly rows: number }>
}

const MINUTE_MS = 60_000

/** Scheduled work on assets. Maintenance runs each hour, for each facility has its own midnight. */
export const serviceJobs: readonly ServiceJob[] = [
  {
    name: 'overdue-maintenance',
    schedule: '7 * * * *',
    budgetMs: 5 * MINUTE_MS,
    run: async (client, nowMs) => ({ rows: await openOverduePm(client, new Date(nowMs)) }),
  },
  {
    name: 'recall-matching',
    schedule: '23 2 * * *',
    budgetMs: 10 * MINUTE_MS,
    run: async (client) => ({ rows: await matchOpenRecalls(client) }),
  },
  {
    name: 'transfer-arrivals',
    schedule: '* * * * *',
    budgetMs: MINUTE_MS,
    run: async (client) => ({ rows: await confirmTransfers(client) }),
  },
  {
    name: 'depreciation',
    schedule: '41 2 * * *',
    budgetMs: 30 * MINUTE_MS,
    run: async (client) => ({ rows: await rebuildDepreciation(client) }),
  },
]
