import { type Clock, SHARD_COUNT } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

import { withClient } from './session.ts'

interface Options {
  /** Logged in as bt_ingest. */
  readonly pool: Pool
  readonly clock: Clock
  /** Name of this ingester, unlike that of any other. */
  readonly instance: string
  /** How long a lease holds without being renewed, milliseconds; a killed ingester's shards are free after that. */
  readonly ttlMs: number
}

/** What a beat found out. */
interface Leased {
  /** Shards that this ingester is to read. */
  readonly held: readonly number[]
  /** Of these, what it should hand to others: stop reading them, then `release`. */
  readonly surplus: readonly number[]
}

/**
 * Shares the shards of the ledger among the ingesters that are alive. The leases only save work: two ingesters that read
 * one shard for a while store nothing twice, since the watermark decides that.
 */
export interface ShardLeases {
  /** Renews what is held, and takes what is free up to a fair share. @throws the database's own error */
  beat(): Promise<Leased>
  release(shards: readonly number[]): Promise<void>
  /** Gives everything back, so that others need not wait for the leases to run out. */
  leave(): Promise<void>
}

/** Serialises the beats of all ingesters: one at a time counts, releases and takes. Any number that nobody else uses. */
const BEAT_LOCK = 6_114_018_364

export function createShardLeases({ pool, clock, instance, ttlMs }: Options): ShardLeases {
  const alone = <T>(work: (client: ClientBase) => Promise<T>) =>
    withClient(pool, clock, async (client) => {
      await client.query('begin')
      await client.query('select pg_advisory_xact_lock($1)', [BEAT_LOCK])
      const result = await work(client)
      await client.query('commit')
      return result
    })
  return {
    beat: () => alone((client) => renew(client, instance, ttlMs)),
    release: (shards) =>
      alone(async (client) => {
        await client.query('delete from rtls.shard_lease where instance = $1 and shard = any($2)', [instance, shards])
      }),
    leave: () =>
      alone(async (client) => {
        await client.query('delete from rtls.ingester where instance = $1', [instance])
      }),
  }
}

async function renew(client: ClientBase, instance: string, ttlMs: number): Promise<Leased> {
  // The lock may have been waited for, so `now()`, the start of the transaction, would be too early.
  await client.query(
    `insert into rtls.ingester (instance, expires_at) values ($1, clock_timestamp() + $2 * interval '1 ms')
     on conflict (instance) do update set expires_at = excluded.expires_at`,
    [instance, ttlMs],
  )
  await client.query('delete from rtls.ingester where expires_at < clock_timestamp()')
  const { rows } = await client.query<{ shard: number; mine: boolean; ingesters: number }>(
    `select shard, instance = $1 as mine, (select count(*)::int from rtls.ingester) as ingesters
     from generate_series(0, $2::int - 1) as shard left join rtls.shard_lease using (shard) order by shard`,
    [instance, SHARD_COUNT],
  )
  const fair = Math.ceil(SHARD_COUNT / Math.max(1, rows[0]?.ingesters ?? 1))
  const mine = rows.filter((row) => row.mine).map((row) => row.shard)
  const free = rows.filter((row) => row.mine === null).map((row) => row.shard)
  const taken = free.slice(0, Math.max(0, fair - mine.length))
  await client.query(
    `insert into rtls.shard_lease (shard, instance) select shard, $1 from unnest($2::int[]) as shard`,
    [instance, taken],
  )
  return { held: [...mine, ...taken].sort((a, b) => a - b), surplus: mine.slice(fair) }
}
