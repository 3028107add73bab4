import type { Pool } from 'pg'

import type { StoredFix } from './accuracy.ts'
import type { Run, StoredEpoch } from './tally.ts'

/**
 * Reads what the database holds of one gateway, as the superuser that made it: row security would hide it. For the
 * launcher's table and its final comparison only.
 */
const HISTORY = ['location_history', 'sensor_reading', 'usage_event', 'receiver_health'].map(
  (name) => `telemetry.${name}`,
)
const ID_TABLES = [...HISTORY, 'rtls.clock_anchor']

/** Islands of consecutive numbers: within one, the difference between number and rank stays the same. */
const STORED_RUNS = `
  with ids as (${ID_TABLES.map((table) => `select stream_id, seq from ${table}`).join(' union all ')}),
  counted as (
    select stream_id, seq, count(*) as copies from ids
    where stream_id in (select id from rtls.watermark where gateway_id = (select id from site.gateway where name = $1))
    group by stream_id, seq
  ),
  islands as (select *, seq - row_number() over (partition by stream_id order by seq) as island from counted)
  select w.epoch, min(seq)::float8 as first, max(seq)::float8 as last, sum(copies)::float8 as rows
  from islands join rtls.watermark w on w.id = stream_id
  group by w.epoch, island order by w.epoch, first`

const OF_GATEWAY = `rtls.watermark w on w.id = x.stream_id join site.gateway g on g.id = w.gateway_id and g.name = $1`
const FIXES = `select w.epoch, count(*)::float8 as fixes from telemetry.location_history x join ${OF_GATEWAY} group by w.epoch`
const GAPS = `select w.epoch, first_seq::float8 as first, last_seq::float8 as last from rtls.gap x join ${OF_GATEWAY}`
/** In quarantine, or laid by until the time of their boot is known. */
const QUARANTINED = `select w.epoch, first_seq::float8 as first, last_seq::float8 as last from rtls.quarantine x
  join ${OF_GATEWAY} where x.state <> 'replayed' and first_seq is not null
  union all
  select w.epoch, first_seq::float8, last_seq::float8 from rtls.staged x join ${OF_GATEWAY}`

interface EpochRun extends Run {
  readonly epoch: string
}

/** Every epoch of the gateway of which the database knows anything. */
export async function storedEpochs(pool: Pool, gateway: string): Promise<StoredEpoch[]> {
  const ask = async <T extends object>(sql: string) => (await pool.query<T>(sql, [gateway])).rows
  const runs = await ask<EpochRun & { rows: number }>(STORED_RUNS)
  const fixes = await ask<{ epoch: string; fixes: number }>(FIXES)
  const gaps = await ask<EpochRun>(GAPS)
  const quarantined = await ask<EpochRun>(QUARANTINED)
  const epochs = new Set([...runs, ...gaps, ...quarantined].map(({ epoch }) => epoch))
  return [...epochs].map((epoch) => {
    const own = <T extends { readonly epoch: string }>(list: readonly T[]) => list.filter((row) => row.epoch === epoch)
    return {
      epoch,
      rows: own(runs).reduce((sum, { rows }) => sum + rows, 0),
      fixes: own(fixes)[0]?.fixes ?? 0,
      runs: own(runs),
      gaps: own(gaps),
      quarantined: own(quarantined),
    }
  })
}

/** Fixes of the named epochs in the order of their ids, tags and rooms by name. */
export async function storedFixes(pool: Pool, gateway: string, epochs: readonly string[]): Promise<StoredFix[]> {
  const { rows } = await pool.query<{ tag: string; at: number; room: string | null }>(
    `select t.identity as tag, extract(epoch from x.t)::float8 * 1000 as at, r.code as room
     from telemetry.location_history x join ${OF_GATEWAY}
       join rtls.tag t on t.id = x.tag_id left join site.room r on r.id = x.room_id
     where w.epoch = any($2) order by w.id, x.seq`,
    [gateway, epochs],
  )
  return rows.map(({ tag, at, room }) => ({ tag, atMs: Math.round(at), room }))
}

/** Records of the gateway that the database has committed, over all epochs but the named ones. */
export async function committedRecords(pool: Pool, gateway: string, without: readonly string[]): Promise<number> {
  const { rows } = await pool.query<{ sum: number }>(
    `select coalesce(sum(x.hw), 0)::float8 as sum from rtls.watermark x
     join site.gateway g on g.id = x.gateway_id and g.name = $1 where not x.epoch = any($2)`,
    [gateway, without],
  )
  return rows[0]?.sum ?? 0
}

/** Whether the first fix of this run has arrived. */
export async function hasFix(pool: Pool, gateway: string, without: readonly string[]): Promise<boolean> {
  const { rows } = await pool.query<{ yes: boolean }>(
    `select exists (select from rtls.position x join ${OF_GATEWAY} where not w.epoch = any($2)) as yes`,
    [gateway, without],
  )
  return rows[0]?.yes ?? false
}

export interface TagPlace {
  readonly tag: string
  /** Null = unknown. */
  readonly room: string | null
}

/** The current place of the named tags, by room. */
export async function tagPlaces(pool: Pool, tags: readonly string[]): Promise<TagPlace[]> {
  const { rows } = await pool.query<TagPlace>(
    `select t.identity as tag, r.code as room
     from rtls.position x join rtls.tag t on t.id = x.tag_id left join site.room r on r.id = x.room_id
     where t.identity = any($1) order by r.code nulls last, t.identity`,
    [tags],
  )
  return rows
}

/** How this database keeps history, as the migrations found out. */
export async function editionMode(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ mode: string }>('select mode from rtls.edition')
  return rows[0]?.mode ?? 'unknown'
}
