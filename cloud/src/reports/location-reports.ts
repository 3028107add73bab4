import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyCategory, anyRoom, anyZone, asset, at, facility, from, minutes, to } from './parameters.ts'

const SURE = {
  method: 'how it was placed',
  reason: 'why the room is not known, or what weakens the answer',
  confidence: 'per mille',
}

/** Where things are and were. */
export const locationReports: readonly Report[] = [
  {
    id: 'LO01',
    name: 'where-now',
    title: 'Where is it now',
    question: 'Where is this asset, since when, how sure is that, and why?',
    parameters: z.strictObject({ asset }),
    columns: {
      asset: 'number of the asset',
      name: 'what it is called',
      tag: 'identity of the tag that places it',
      facility: 'code of the facility where it was heard',
      room: 'code of the room; empty when it is not known',
      last_room: 'the room before',
      since: 'in this room since',
      heard: 'when its tag was heard last',
      ...SURE,
      x: 'metres from the origin of the map',
      y: 'metres from the origin of the map',
      accuracy: 'metres',
    },
    sql: `select c.asset_tag as asset, c.name, c.tag, f.code as facility, r.code as room, l.code as last_room, c.since,
  c.t as heard, c.method, c.reason, c.confidence, c.x, c.y, c.accuracy
from asset.asset_current c
left join site.facility f on f.org_id = c.org_id and f.id = c.facility_id
left join site.room r on r.org_id = c.org_id and r.id = c.room_id
left join site.room l on l.org_id = c.org_id and l.id = c.last_room_id
where c.asset_tag = {asset}
order by c.asset_tag`,
    permission: 'location.read',
    role: 'nurse',
    maxRows: 1,
    reliesOn: 'view asset.asset_current (index asset_tag)',
  },
  {
    id: 'LO02',
    name: 'stays',
    title: 'Where has it been',
    question: 'In which rooms was this asset, and for how long?',
    parameters: z.strictObject({ asset, from, to }),
    columns: {
      entered: 'when it came, or midnight where a stay is cut by days',
      left: 'when it left',
      minutes: 'how long',
      facility: 'code of the facility',
      room: 'code of the room; empty when it was not known',
      tag: 'identity of the tag that it wore',
    },
    sql: `select s.t as entered, s.leave_t as left, round(extract(epoch from s.leave_t - s.t) / 60)::integer as minutes,
  f.code as facility, r.code as room, g.identity as tag
from asset.asset a
cross join lateral (
  -- Kept as a question for one asset, which its index answers, and not made a join with all stays.
  select h.t, h.leave_t, h.org_id, h.facility_id, h.tag_id, h.room_id from rtls.asset_stay_history h
  where h.asset_id = a.id and h.t > {from}::timestamptz - interval '26 hours' and h.t < {to} and h.leave_t >= {from}
  offset 0) s
join rtls.tag g on g.org_id = s.org_id and g.id = s.tag_id
left join site.facility f on f.org_id = s.org_id and f.id = s.facility_id
left join site.room r on r.org_id = s.org_id and r.id = s.room_id
where a.deleted_at is null and a.asset_tag = {asset}
order by s.t, s.leave_t`,
    permission: 'location.history',
    role: 'biomed',
    maxRows: 10_000,
    reliesOn: 'view rtls.asset_stay_history (index stay_tag)',
  },
  {
    id: 'LO03',
    name: 'room-now',
    title: 'What is in this room or zone',
    question: 'Which assets are in a room or a zone of a facility now?',
    parameters: z.strictObject({ facility, room: anyRoom, zone: anyZone, category: anyCategory }),
    columns: {
      room: 'code of the room',
      asset: 'number of the asset',
      name: 'what it is called',
      category: 'code of its category',
      since: 'in this room since',
      heard: 'when its tag was heard last',
      confidence: 'per mille',
    },
    sql: `select r.code as room, a.asset_tag as asset, a.name, k.code as category, p.since, p.t as heard, p.confidence
from site.facility f
join site.room r on r.org_id = f.org_id and r.facility_id = f.id
join rtls.position p on p.org_id = r.org_id and p.room_id = r.id
join rtls.tag_assignment t on t.org_id = p.org_id and t.tag_id = p.tag_id and t.is_primary and t.asset_id is not null
  and t.from_t <= p.t and (t.to_t is null or t.to_t > now())
join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null
join asset.category k on k.org_id = a.org_id and k.id = a.category_id
where f.code = {facility} and ({room}::text is null or r.code = {room})
  and ({zone}::text is null or r.id in (select z.room_id from site.zone_room z join site.zone o on o.org_id = z.org_id
    and o.id = z.zone_id where o.facility_id = f.id and o.code = {zone}))
  and ({category}::text is null or k.code = {category})
order by r.code, a.asset_tag`,
    permission: 'location.read',
    role: 'nurse',
    maxRows: 5_000,
    reliesOn: 'table rtls.position; index tag_assignment_history, primary key of asset.asset',
  },
  {
    id: 'LO04',
    name: 'where-then',
    title: 'Where was it at a time',
    question: 'Where was this asset at that time, as last heard in the week before?',
    parameters: z.strictObject({ asset, at }),
    columns: {
      asset: 'number of the asset',
      facility: 'code of the facility',
      room: 'code of the room; empty when it was not known',
      heard: 'when its tag was heard last before that time',
      ...SURE,
      tag: 'identity of the tag that it wore',
    },
    sql: `select a.asset_tag as asset, f.code as facility, r.code as room, h.t as heard, h.method, h.reason, h.confidence,
  g.identity as tag
from asset.asset a
cross join lateral rtls.asset_history(a.id, {at}::timestamptz - interval '7 days', {at}::timestamptz + interval '1 ms', 1) h
join rtls.tag g on g.org_id = a.org_id and g.id = h.tag_id
left join site.facility f on f.org_id = a.org_id and f.id = h.facility_id
left join site.room r on r.org_id = a.org_id and r.id = h.room_id
where a.deleted_at is null and a.asset_tag = {asset}
order by h.t desc`,
    permission: 'location.history',
    role: 'biomed',
    maxRows: 1,
    reliesOn: 'function rtls.asset_history (index location_history_tag)',
  },
  {
    id: 'LO05',
    name: 'facility-then',
    title: 'What was where at a time',
    question: 'Where was every asset of a facility at that time, as last heard in the week before?',
    parameters: z.strictObject({ facility, at }),
    columns: {
      room: 'code of the room; empty when it was not known',
      asset: 'number of the asset',
      name: 'what it is called',
      tag: 'identity of the tag',
      heard: 'when it was heard last before that time',
      ...SURE,
    },
    sql: `select r.code as room, a.asset_tag as asset, a.name, g.identity as tag, h.t as heard, h.method, h.reason, h.confidence
from site.facility f
cross join lateral rtls.where_at(f.id, {at}) h
join rtls.tag g on g.org_id = f.org_id and g.id = h.tag_id
left join asset.asset a on a.org_id = f.org_id and a.id = h.asset_id
left join site.room r on r.org_id = f.org_id and r.id = h.room_id
where f.code = {facility}
order by r.code, a.asset_tag, g.identity`,
    permission: 'location.history',
    role: 'security',
    maxRows: 50_000,
    reliesOn: 'function rtls.where_at (index location_history_tag)',
  },
  {
    id: 'LO06',
    name: 'not-seen',
    title: 'Not seen for a time',
    question: 'Which assets of a facility were not heard for some minutes, where last, and why most likely?',
    parameters: z.strictObject({ facility, minutes: minutes(60), category: anyCategory }),
    columns: {
      asset: 'number of the asset',
      name: 'what it is called',
      tag: 'identity of its tag',
      last_room: 'code of the last known room',
      heard: 'when it was heard last',
      minutes: 'since then',
      likely: 'no gateway reports, battery low, went outside, receiver down, or out of range',
    },
    sql: `with sound as (
  select f.org_id, f.id, exists (select from site.gateway g join rtls.watermark w on w.org_id = g.org_id
    and w.gateway_id = g.id where g.org_id = f.org_id and g.facility_id = f.id
    and w.updated_at > now() - {minutes}::integer * interval '1 minute') as reports
  from site.facility f where f.code = {facility}
)
select a.asset_tag as asset, a.name, g.identity as tag, r.code as last_room, p.t as heard,
  (extract(epoch from now() - p.t) / 60)::integer as minutes,
  case when not s.reports then 'no gateway reports' when g.status = 'low_battery' then 'battery low'
    when p.reason = 4 then 'went outside' when p.reason = 3 then 'receiver down' else 'out of range' end as likely
from sound s
join rtls.position p on p.org_id = s.org_id and p.facility_id = s.id
join rtls.tag g on g.org_id = p.org_id and g.id = p.tag_id
join rtls.tag_assignment t on t.org_id = p.org_id and t.tag_id = p.tag_id and t.is_primary and t.asset_id is not null
  and t.from_t <= now() and (t.to_t is null or t.to_t > now())
join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null
  and a.status not in ('retired', 'disposed', 'in_transfer')
join asset.category k on k.org_id = a.org_id and k.id = a.category_id
left join site.room r on r.org_id = p.org_id and r.id = coalesce(p.room_id, p.last_room_id)
where p.t < now() - {minutes}::integer * interval '1 minute' and ({category}::text is null or k.code = {category})
order by p.t, a.asset_tag`,
    permission: 'location.history',
    role: 'logistics',
    maxRows: 1_000,
    reliesOn: 'table rtls.position; index tag_assignment_history, primary key of asset.asset',
  },
]
