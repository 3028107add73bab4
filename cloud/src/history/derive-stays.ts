import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { noteBatteries } from './batteries.ts'

export interface DerivedStays {
  /** Streams whose new rows are in the stays now. */
  readonly streams: number
  /** Stays written, those that were there before and only grew included. */
  readonly stays: number
  readonly batteries: number
}

/** A stream with rows that are not in the stays yet. */
interface DueStream {
  readonly id: number
  readonly fromT: Date
  readonly fromSeq: string
}

/** Rows older than this are a catching up: they are read in a scan of their own, so that the newest need not wait for it. */
const LATE_MS = 2 * 3_600_000

/**
 * Brings the stays up to what the ingester has written since the last time, from `dirty_from` of each stream on: late rows
 * rebuild what comes after them, of their own tags only. A run that is cut off is made up by the next one.
 * @param client logged in as bt_jobs, outside a transaction; two runs at once must be kept apart by the caller
 */
export async function deriveStays(client: ClientBase, clock: Clock): Promise<DerivedStays> {
  const due = await claim(client)
  const lateBefore = clock.wallMs() - LATE_MS
  const isLate = ({ fromT }: DueStream) => fromT.getTime() < lateBefore
  const total = { streams: due.length, stays: 0, batteries: 0 }
  for (const part of [due.filter((stream) => !isLate(stream)), due.filter(isLate)]) {
    if (part.length === 0) continue
    const done = await deriveOf(client, part)
    total.stays += done.stays
    total.batteries += done.batteries
  }
  return total
}

/** Waits for transactions of the ingester that are under way, so their rows are counted now or next time, never not. */
async function claim(client: ClientBase): Promise<DueStream[]> {
  await client.query(
    `update rtls.watermark set deriving_from = least(deriving_from, dirty_from),
       deriving_seq = least(deriving_seq, dirty_seq), dirty_from = null, dirty_seq = null
     where dirty_from is not null`,
  )
  const { rows } = await client.query<DueStream>(
    `select id, deriving_from as "fromT", deriving_seq::text as "fromSeq"
     from rtls.watermark where deriving_from is not null order by id`,
  )
  return rows
}

async function deriveOf(client: ClientBase, streams: readonly DueStream[]) {
  const ids = streams.map(({ id }) => id)
  const from = new Date(Math.min(...streams.map(({ fromT }) => fromT.getTime())))
  const values = [ids, streams.map(({ fromT }) => fromT), streams.map(({ fromSeq }) => fromSeq), from]
  await client.query('begin')
  try {
    const written = await client.query(REBUILD, values)
    await client.query(MARK_MOTION, values)
    const batteries = await noteBatteries(client, values)
    await client.query('update rtls.watermark set deriving_from = null, deriving_seq = null where id = any($1)', [ids])
    await client.query('commit')
    return { stays: Number(written.rows[0]?.stays ?? 0), batteries }
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/**
 * touched: tags with new rows and since when, per gateway. seed: the last fix before that and the stay that holds it;
 * everything from there on is made again. A fix stands until the next one, as far as that one's span says. All that an
 * organisation imported from older systems counts as one gateway.
 */
const REBUILD = `
with due as materialized (
  select d.stream_id, d.from_t, d.from_seq, coalesce(w.gateway_id, -w.org_id) as gateway_id
  from unnest($1::int[], $2::timestamptz[], $3::bigint[]) as d (stream_id, from_t, from_seq)
  join rtls.watermark w on w.id = d.stream_id),
gateway as materialized (
  select coalesce(w.gateway_id, -w.org_id) as gateway_id, array_agg(w.id) as streams from rtls.watermark w
  where coalesce(w.gateway_id, -w.org_id) in (select gateway_id from due) group by coalesce(w.gateway_id, -w.org_id)),
touched as materialized (
  select d.gateway_id, h.org_id, h.tag_id, min(h.t) as from_t
  from due d join telemetry.location_history h on h.stream_id = d.stream_id and h.t >= d.from_t and h.seq >= d.from_seq
  where h.t >= $4::timestamptz
  group by d.gateway_id, h.org_id, h.tag_id),
seed as materialized (
  select x.gateway_id, g.streams, x.org_id, x.tag_id, x.from_t, p.t as last_t, s.t as stay_t, s.continued
  from touched x join gateway g on g.gateway_id = x.gateway_id
  left join lateral (
    select h.t, h.room_id from telemetry.location_history h
    where h.tag_id = x.tag_id and h.t < x.from_t and h.t > x.from_t - interval '25 days' and h.stream_id = any (g.streams)
    order by h.t desc, h.seq desc limit 1) p on true
  left join lateral (
    select s.t, s.continued, s.room_id, s.leave_t from telemetry.stay s
    where s.tag_id = x.tag_id and s.t <= p.t and s.t > p.t - interval '26 hours' and s.stream_id = any (g.streams)
    order by s.t desc, s.leave_t desc limit 1) newest on true
  left join lateral (
    select newest.t, newest.continued
    where newest.leave_t >= p.t and newest.room_id is not distinct from p.room_id) s on true),
fix as (
  select x.gateway_id, x.stay_t, x.continued, h.*,
    least(lead(h.t) over by_time, h.t + lead(h.span_ms) over by_time * interval '1 ms') as until
  from seed x cross join lateral (
    select l.t, l.seq, l.org_id, l.facility_id, l.tag_id, l.room_id, l.stream_id, l.span_ms
    from telemetry.location_history l
    where l.tag_id = x.tag_id and l.t >= coalesce(x.last_t, x.from_t) and l.stream_id = any (x.streams)) h
  window by_time as (partition by x.gateway_id, h.tag_id order by h.t, h.seq)),
step as (
  select *, case when room_id is not distinct from lag(room_id) over by_time
      and facility_id = lag(facility_id) over by_time
      and t <= lag(until) over by_time + interval '1 s' then 0 else 1 end as begins
  from fix window by_time as (partition by gateway_id, tag_id order by t, seq)),
numbered as (
  select *, sum(begins) over (partition by gateway_id, tag_id order by t, seq rows unbounded preceding) as n from step),
island as (
  select org_id, facility_id, tag_id, room_id, min(stream_id) as stream_id,
    case when n = 1 then coalesce(min(stay_t), min(t)) else min(t) end as t, max(coalesce(until, t)) as leave_t,
    n = 1 and bool_or(coalesce(continued, false)) as continued
  from numbered group by gateway_id, org_id, facility_id, tag_id, room_id, n),
removed as (
  delete from telemetry.stay s using seed x
  where s.tag_id = x.tag_id and s.stream_id = any (x.streams) and s.t >= coalesce(x.stay_t, x.last_t, x.from_t)),
piece as (
  select i.*, greatest(i.t, d.midnight at time zone f.time_zone) as enter_t,
    least(i.leave_t, (d.midnight + interval '1 day') at time zone f.time_zone) as end_t
  from island i join site.facility f on f.org_id = i.org_id and f.id = i.facility_id
  cross join lateral generate_series(date_trunc('day', i.t at time zone f.time_zone),
    date_trunc('day', i.leave_t at time zone f.time_zone), interval '1 day') as d (midnight)),
inserted as (
  insert into telemetry.stay (t, leave_t, org_id, facility_id, tag_id, room_id, stream_id, continued)
  select enter_t, end_t, org_id, facility_id, tag_id, room_id, stream_id, continued or enter_t > t
  from piece where enter_t < end_t or enter_t = t
  returning 1),
marked as (
  insert into telemetry.rollup_due as due (org_id, tag_id, from_t, hours_from)
  select org_id, tag_id, min(coalesce(stay_t, last_t, from_t)), min(from_t) from seed group by org_id, tag_id
  order by org_id, tag_id
  on conflict (org_id, tag_id) do update set from_t = least(due.from_t, excluded.from_t),
    hours_from = least(due.hours_from, excluded.hours_from))
select count(*) as stays from inserted`

/** Days change by motion as well, and a tag may move without being placed anew. */
const MARK_MOTION = `
insert into telemetry.rollup_due as due (org_id, tag_id, from_t)
select e.org_id, e.tag_id, min(e.t)
from unnest($1::int[], $2::timestamptz[], $3::bigint[]) as d (stream_id, from_t, from_seq)
join telemetry.usage_event e on e.stream_id = d.stream_id and e.t >= d.from_t and e.seq >= d.from_seq
where e.t >= $4::timestamptz and e.kind = 6
group by e.org_id, e.tag_id order by 1, 2
on conflict (org_id, tag_id) do update set from_t = least(due.from_t, excluded.from_t)`
