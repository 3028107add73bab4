import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { rebuildSearchWords } from './assets/search-assets.ts'
import { forEachTenant } from './assets/service-jobs.ts'
import { serviceJobs } from './assets/service-upkeep.ts'
import { deriveStays } from './history/derive-stays.ts'
import { dropOldHistory } from './history/drop-history.ts'
import { rollUp } from './history/roll-up.ts'
import { purgePeople } from './people/erasure.ts'
import { deriveRounds } from './people/rounds.ts'
import { scoreRisks } from './reports/risk-job.ts'
import { watch } from './reports/watch-job.ts'
import { writeAnchor } from './trust/anchors.ts'
import { readHead } from './trust/chain.ts'
import { applyRetention, historyRule } from './trust/retention.ts'
import { examineBloat, pruneRuns } from './upkeep/care.ts'
import type { Job, JobResult } from './upkeep/scheduler.ts'

const MINUTE_MS = 60_000

interface JobParts {
  readonly clock: Clock
  /** Where heads of the audit chain are kept; none are written without it. */
  readonly audit?: { readonly anchorFolder: string; readonly keyFile: string } | undefined
}

/** All scheduled work, in the order in which `maintain now` runs it. Times are UTC. */
export function maintenanceJobs({ clock, audit }: JobParts): readonly Job[] {
  const anchors = audit ? [anchorJob(audit)] : []
  return [
    ...locationJobs(clock),
    ...assetJobs(),
    ...peopleJobs(),
    ...watchJobs(),
    ...retentionJobs(clock),
    ...anchors,
    ...careJobs(),
  ]
}

const rows = (count: number): JobResult => ({ rows: count })

function locationJobs(clock: Clock): Job[] {
  return [
    {
      name: 'stays',
      schedule: '* * * * *',
      budgetMs: 15 * MINUTE_MS,
      run: async (client) => {
        const { streams, stays, batteries } = await deriveStays(client, clock)
        return { rows: stays, said: `${streams} streams, ${batteries} batteries` }
      },
    },
    {
      name: 'sums',
      schedule: '*/5 * * * *',
      budgetMs: 15 * MINUTE_MS,
      run: async (client) => {
        const { tags, days, hours } = await rollUp(client, clock)
        return { rows: days + hours, said: `${tags} tags` }
      },
    },
  ]
}

function assetJobs(): Job[] {
  return [
    ...serviceJobs,
    {
      name: 'search-words',
      schedule: '0 4 * * *',
      budgetMs: 10 * MINUTE_MS,
      run: async (client) => rows(await forEachTenant(client, 'search-words', () => rebuildSearchWords(client))),
    },
  ]
}

function peopleJobs(): Job[] {
  return [
    {
      name: 'rounds',
      schedule: '*/5 * * * *',
      budgetMs: 5 * MINUTE_MS,
      run: async (client, nowMs) => {
        const now = new Date(nowMs).toISOString()
        return rows(await forEachTenant(client, 'rounds', () => deriveRounds(client, now)))
      },
    },
    {
      name: 'erasure',
      schedule: '30 2 * * *',
      budgetMs: 15 * MINUTE_MS,
      run: async (client) =>
        rows(
          await forEachTenant(client, 'erasure', async () => {
            const { patients, staff, encounters, rounds: old } = await purgePeople(client)
            return patients + staff + encounters + old
          }),
        ),
    },
  ]
}

function watchJobs(): Job[] {
  return [
    {
      name: 'alerts',
      schedule: '* * * * *',
      budgetMs: 5 * MINUTE_MS,
      run: async (client, nowMs) => rows(await forEachTenant(client, 'alerts', (org) => watch(client, org, nowMs))),
    },
    {
      name: 'risk',
      schedule: '40 3 * * *',
      budgetMs: 10 * MINUTE_MS,
      run: async (client, nowMs) => rows(await forEachTenant(client, 'risk', (org) => scoreRisks(client, org, nowMs))),
    },
  ]
}

function retentionJobs(clock: Clock): Job[] {
  return [
    {
      name: 'retention',
      schedule: '50 2 * * *',
      budgetMs: 30 * MINUTE_MS,
      run: async (client, nowMs) => {
        const { months, compliance, sessions } = await applyRetention(client, { nowMs })
        const said =
          months.length > 0 ? `months of the audit chain: ${months.join(', ')}` : 'no month of the audit chain'
        return { rows: compliance + sessions, said }
      },
    },
    {
      name: 'history',
      schedule: '10 3 * * *',
      budgetMs: 60 * MINUTE_MS,
      run: async (client, nowMs) => {
        const { fixDays, sensorDays, heldOrgs } = await historyRule(client, { nowMs })
        const days = { location_history: fixDays, sensor_reading: sensorDays }
        const dropped = await dropOldHistory(client, clock, { days, heldOrgs })
        const chunks = dropped.reduce((sum, table) => sum + table.chunks, 0)
        return { rows: dropped.reduce((sum, table) => sum + table.rows, 0), said: `${chunks} chunks` }
      },
    },
  ]
}

function anchorJob({ anchorFolder, keyFile }: NonNullable<JobParts['audit']>): Job {
  const write = async (client: ClientBase, nowMs: number): Promise<number> => {
    const { rows: orgs } = await client.query<{ slug: string }>('select slug from iam.org where id = iam.current_org()')
    const org = orgs[0]?.slug
    if (org === undefined) return 0
    const file = writeAnchor({ folder: anchorFolder, keyFile, org, head: await readHead(client), nowMs })
    return file === undefined ? 0 : 1
  }
  return {
    name: 'audit-anchors',
    schedule: '15 * * * *',
    budgetMs: 5 * MINUTE_MS,
    run: async (client, nowMs) => rows(await forEachTenant(client, 'audit-anchors', () => write(client, nowMs))),
  }
}

function careJobs(): Job[] {
  return [
    {
      name: 'analyze',
      schedule: '10 4 * * *',
      budgetMs: 60 * MINUTE_MS,
      run: async (client) => {
        const { rows: done } = await client.query<{ n: number }>('select rtls.analyze_tables() as n')
        return rows(done[0]?.n ?? 0)
      },
    },
    { name: 'bloat', schedule: '30 4 * * 0', budgetMs: MINUTE_MS, run: examineBloat },
    { name: 'job-runs', schedule: '20 4 * * *', budgetMs: MINUTE_MS, run: pruneRuns },
  ]
}
