import { type Clock, TAG_EVENT } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

export interface RolledUp {
  /** Tags whose sums were made again. */
  readonly tags: number
  /** Rows of days and hours written. */
  readonly days: number
  readonly hours: number
}

/** Tags of one transaction. */
const CHUNK = 500
/** Stays are kept longer than this; days of which the stays are gone must not be made again. */
const KEPT_MS = 790 * 86_400_000
/** A tag that said it moves and nothing after is believed for so long. */
const MOTION_S = 900

/**
 * Makes the sums of days and hours again for tags whose stays, motion or assignment changed. On TimescaleDB's Community
 * edition hours are a continuous aggregate, which refreshes itself; elsewhere they are made here.
 * @param client logged in as bt_jobs, outside a transaction; two runs at once must be kept apart by the caller
 */
export async function rollUp(client: ClientBase, clock: Clock): Promise<RolledUp> {
  const total = { tags: 0, days: 0, hours: 0 }
  const { rows } = await client.query<{ own: boolean }>(
    `select relkind = 'r' as own from pg_catalog.pg_class where oid = 'telemetry.fix_hourly'::regclass`,
  )
  const ownHours = rows[0]?.own ?? false
  const oldest = new Date(clock.wallMs() - KEPT_MS)
  for (;;) {
    const done = await rollUpChunk(client, ownHours, oldest)
    total.tags += done.tags
    total.days += done.days
    total.hours += done.hours
    if (done.tags < CHUNK) return total
  }
}

interface DueTag {
  readonly org_id: number
  readonly tag_id: number
  readonly from_t: Date
  readonly hours_from: Date | null
}

async function rollUpChunk(client: ClientBase, ownHours: boolean, oldest: Date): Promise<RolledUp> {
  await client.query('begin')
  try {
    const { rows: due } = await client.query<DueTag>(
      `delete from telemetry.rollup_due d using (
         select org_id, tag_id from telemetry.rollup_due order by org_id, tag_id limit $1 for update) as taken
       where d.org_id = taken.org_id and d.tag_id = taken.tag_id
       returning d.org_id, d.tag_id, greatest(d.from_t, $2) as from_t, d.hours_from`,
      [CHUNK, oldest],
    )
    const columns = [due.map((row) => row.org_id), due.map((row) => row.tag_id)]
    const days = [...columns, due.map((row) => row.from_t)]
    await client.query(REMOVE_MOTION, days)
    await client.query(INSERT_MOTION, [...days, TAG_EVENT.motion, MOTION_S])
    await client.query(REMOVE_DAYS, days)
    const written = await client.query(INSERT_DAYS, days)
    const hours = ownHours ? await rollUpHours(client, due) : 0
    await client.query('commit')
    return { tags: due.length, days: written.rowCount ?? 0, hours }
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

async function rollUpHours(client: ClientBase, all: readonly DueTag[]): Promise<number> {
  const due = all.filter(({ hours_from }) => hours_from !== null)
  const values = [due.map((row) => row.org_id), due.map((row) => row.tag_id), due.map((row) => row.hours_from)]
  await client.query(REMOVE_HOURS, values)
  return (await client.query(INSERT_HOURS, values)).rowCount ?? 0
}

/** Whole days: the one before in UTC as well, which may be the same one where the facility is. */
const DUE = `with due as materialized (
  select org_id, tag_id, (from_t at time zone 'UTC')::date - 1 as day,
    ((from_t at time zone 'UTC')::date - 1)::timestamp at time zone 'UTC' as since
  from unnest($1::int[], $2::int[], $3::timestamptz[]) as d (org_id, tag_id, from_t))`

const REMOVE_MOTION = `${DUE}
delete from telemetry.usage_interval u using due d where u.tag_id = d.tag_id and u.org_id = d.org_id and u.t >= d.since`

/** Said to move until it is said to rest, by whichever gateway heard it. */
const INSERT_MOTION = `${DUE}
insert into telemetry.usage_interval (t, end_t, org_id, facility_id, tag_id)
select t, least(next_t, t + $5::int * interval '1 s'), org_id, facility_id, tag_id
from (
  select e.t, e.org_id, e.facility_id, e.tag_id, e.value,
    coalesce(lead(e.t) over (partition by e.org_id, e.tag_id order by e.t, e.seq), 'infinity') as next_t
  from due d join telemetry.usage_event e
    on e.tag_id = d.tag_id and e.org_id = d.org_id and e.t >= d.since and e.kind = $4
) as said where value <> 0 and next_t > t`

const REMOVE_DAYS = `${DUE}
delete from telemetry.tag_day t using due d where t.tag_id = d.tag_id and t.org_id = d.org_id and t.day >= d.day`

/**
 * Each stay is cut at the borders of the assignments that place an asset; what lies outside of any counts for the tag
 * alone. A local day begins up to 14 hours before the same day of UTC.
 */
const INSERT_DAYS = `${DUE},
stay as materialized (
  select s.org_id, s.facility_id, s.tag_id, s.room_id, s.t, s.leave_t, s.continued,
    (s.t at time zone f.time_zone)::date as day
  from due d
  join telemetry.stay s on s.tag_id = d.tag_id and s.org_id = d.org_id and s.t >= d.since - interval '14 hours'
  join site.facility f on f.org_id = s.org_id and f.id = s.facility_id
  where (s.t at time zone f.time_zone)::date >= d.day),
worn as (
  select a.org_id, a.tag_id, a.asset_id, a.from_t, coalesce(a.to_t, 'infinity') as to_t
  from due d join rtls.tag_assignment a on a.org_id = d.org_id and a.tag_id = d.tag_id
  where a.is_primary and a.asset_id is not null),
free as (
  select d.org_id, d.tag_id, null::uuid as asset_id, b.from_t, b.to_t
  from due d cross join lateral (
    select '-infinity'::timestamptz as from_t, coalesce(min(w.from_t), 'infinity') as to_t
      from worn w where w.org_id = d.org_id and w.tag_id = d.tag_id
    union all
    select w.to_t, coalesce(lead(w.from_t) over (order by w.from_t), 'infinity')
      from worn w where w.org_id = d.org_id and w.tag_id = d.tag_id) b
  where b.from_t < b.to_t),
piece as (
  select s.*, w.asset_id, greatest(s.t, w.from_t) as enter_t, least(s.leave_t, w.to_t) as end_t
  from stay s join (select * from worn union all select * from free) w
    on w.org_id = s.org_id and w.tag_id = s.tag_id
    and s.t < w.to_t and (s.leave_t > w.from_t or s.t >= w.from_t))
insert into telemetry.tag_day (org_id, facility_id, tag_id, asset_id, day, room_id, visits, dwell_ms, moving_ms, first_t,
  last_t)
select p.org_id, p.facility_id, p.tag_id, p.asset_id, p.day, p.room_id,
  count(*) filter (where p.enter_t = p.t and not p.continued),
  sum(round(extract(epoch from p.end_t - p.enter_t) * 1000)), sum(m.ms), min(p.enter_t), max(p.end_t)
from piece p
cross join lateral (
  select coalesce(sum(round(extract(epoch from least(u.end_t, p.end_t) - greatest(u.t, p.enter_t)) * 1000)), 0) as ms
  from telemetry.usage_interval u
  where u.tag_id = p.tag_id and u.org_id = p.org_id and u.t < p.end_t
    and u.t > p.enter_t - interval '20 minutes' and u.end_t > p.enter_t) m
group by p.org_id, p.facility_id, p.tag_id, p.asset_id, p.day, p.room_id`

const REMOVE_HOURS = `
delete from telemetry.fix_hourly h using unnest($1::int[], $2::int[], $3::timestamptz[]) as d (org_id, tag_id, from_t)
where h.tag_id = d.tag_id and h.org_id = d.org_id and h.bucket >= date_trunc('hour', d.from_t, 'UTC')`

const INSERT_HOURS = `
insert into telemetry.fix_hourly (bucket, org_id, facility_id, tag_id, room_id, fixes, span_ms, first_t, last_t)
select date_trunc('hour', h.t, 'UTC'), h.org_id, h.facility_id, h.tag_id, h.room_id, count(*), sum(h.span_ms), min(h.t),
  max(h.t)
from unnest($1::int[], $2::int[], $3::timestamptz[]) as d (org_id, tag_id, from_t)
join telemetry.location_history h
  on h.tag_id = d.tag_id and h.org_id = d.org_id and h.t >= date_trunc('hour', d.from_t, 'UTC')
group by 1, 2, 3, 4, 5`
