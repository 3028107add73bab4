import type { ClientBase } from 'pg'

/** What health says of a tenant's data and of the care that the database gets. */
export interface CareFacts {
  /** Assets that are not deleted, and when one of all was last changed. */
  readonly assets: number
  readonly assetsChangedAt: string | null
  /** Servers that follow this one. */
  readonly replicas: number
  /** This server follows another one: nothing can be written. */
  readonly isReplica: boolean
  /** The newest backup that succeeded, the oldest that is kept, and the newest drill that succeeded (ISO 8601). */
  readonly backups: {
    readonly newestAt: string | null
    readonly oldestAt: string | null
    readonly drilledAt: string | null
  }
  /** Jobs whose last run failed. */
  readonly failedJobs: readonly string[]
}

interface Row {
  assets: string
  changed: Date | null
  replicas: string
  replica: boolean
  newest: Date | null
  oldest: string | null
  drilled: Date | null
  failed: string[]
}

export async function readCareFacts(client: ClientBase): Promise<CareFacts> {
  const { rows } = await client.query<Row>({
    name: 'care-facts',
    text: `with last as (
        select distinct on (job) job, ok, started_at, detail from rtls.job_run where ended_at is not null
        order by job, started_at desc),
      good as (
        select distinct on (job) job, started_at, detail from rtls.job_run
        where ok and job in ('backup', 'restore-drill') order by job, started_at desc)
      select (select count(*) from asset.asset where deleted_at is null) as assets,
        (select max(updated_at) from asset.asset) as changed,
        (select count(*) from pg_stat_replication) as replicas, pg_is_in_recovery() as replica,
        (select started_at from good where job = 'backup') as newest,
        (select detail ->> 'oldestKeptAt' from good where job = 'backup') as oldest,
        (select started_at from good where job = 'restore-drill') as drilled,
        coalesce((select array_agg(job order by job) from last where not ok), '{}') as failed`,
  })
  const row = rows[0]
  return {
    assets: Number(row?.assets ?? 0),
    assetsChangedAt: row?.changed?.toISOString() ?? null,
    replicas: Number(row?.replicas ?? 0),
    isReplica: row?.replica ?? false,
    backups: {
      newestAt: row?.newest?.toISOString() ?? null,
      oldestAt: row?.oldest ?? null,
      drilledAt: row?.drilled?.toISOString() ?? null,
    },
    failedJobs: row?.failed ?? [],
  }
}
