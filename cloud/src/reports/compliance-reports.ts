import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyFacility, days, facility, from, to, zone } from './parameters.ts'

/** Certificates, recalls, cold stores, and who did what. */
export const complianceReports: readonly Report[] = [
  {
    id: 'CO02',
    name: 'certificates-lapsing',
    title: 'Certificates lapsing',
    question: 'Which certificates have lapsed or will soon, the newest of each kind counting?',
    parameters: z.strictObject({ facility: anyFacility, days: days(60) }),
    columns: {
      valid_until: 'last day it holds',
      days_left: 'days from today; negative once it has lapsed',
      kind: 'what is certified',
      number: 'number of the certificate',
      issuer: 'who issued it',
      asset: 'number of the asset',
      name: 'what it is called',
      facility: 'code of its home facility',
    },
    sql: `select c.valid_until, c.valid_until - current_date as days_left, c.kind, c.number, c.issuer, a.asset_tag as asset,
  a.name, f.code as facility
from asset.certification c
join asset.asset a on a.org_id = c.org_id and a.id = c.asset_id
join site.facility f on f.org_id = a.org_id and f.id = a.facility_id
where c.state = 'valid' and c.valid_until <= current_date + {days}::integer and a.deleted_at is null
  and a.status not in ('retired', 'disposed') and ({facility}::text is null or f.code = {facility})
  and not exists (select from asset.certification n where n.org_id = c.org_id and n.asset_id = c.asset_id
    and n.kind = c.kind and n.state = 'valid' and (n.valid_until, n.id) > (c.valid_until, c.id))
order by c.valid_until, a.asset_tag, c.kind`,
    permission: 'compliance.edit',
    role: 'biomed',
    maxRows: 1_000,
    reliesOn: 'indexes certification_until, certification_asset',
  },
  {
    id: 'CO05',
    name: 'recall-state',
    title: 'Recall: what is affected',
    question: 'Which assets does a recall affect, where are they now, and what was done?',
    parameters: z.strictObject({
      recall: z.string().min(1).max(100).describe('number of the recall, as its authority gave it'),
    }),
    columns: {
      class: 'class of the recall',
      recall_state: 'how far the recall is',
      asset: 'number of the asset',
      name: 'what it is called',
      serial: 'serial number',
      lot: 'lot number',
      matched_by: 'what it was found by',
      state: 'what was decided of it',
      now_in: 'facility and room where it is now',
      heard: 'when its tag was heard last',
      order_no: 'number of the work order',
    },
    sql: `select q.class, q.state as recall_state, a.asset_tag as asset, a.name, a.serial_no as serial, a.lot_no as lot,
  m.matched_by, m.state, nullif(concat_ws(' ', n.code, r.code), '') as now_in, c.t as heard, w.number as order_no
from asset.recall q
join asset.recall_match m on m.org_id = q.org_id and m.recall_id = q.id
join asset.asset a on a.org_id = m.org_id and a.id = m.asset_id
left join asset.asset_current c on c.org_id = a.org_id and c.asset_id = a.id
left join site.facility n on n.org_id = c.org_id and n.id = c.facility_id
left join site.room r on r.org_id = c.org_id and r.id = c.room_id
left join asset.work_order w on w.org_id = m.org_id and w.id = m.work_order_id
where q.number = {recall} and a.deleted_at is null
order by case m.state when 'suspect' then 0 when 'confirmed' then 1 else 2 end, a.asset_tag`,
    permission: 'recall.manage',
    role: 'biomed',
    maxRows: 5_000,
    reliesOn: 'primary keys of asset.recall_match and asset.asset; view asset.asset_current',
  },
  {
    id: 'CO06',
    name: 'cold-store',
    title: 'Cold store: limits broken',
    question: 'When did the sensors of a zone leave the limits of its rules, for how long, and who confirmed it?',
    parameters: z.strictObject({ facility, zone, from, to }),
    columns: {
      rule: 'name of the rule',
      tag: 'identity of the sensor',
      began: 'first reading beyond a limit',
      ended: 'last reading beyond it',
      minutes: 'until the first reading within the limits again; a reading counts for at most 15 minutes',
      lowest: 'in units of the sensor',
      highest: 'in units of the sensor',
      readings: 'how many were beyond',
      confirmed_by: 'who acknowledged the alert',
      confirmed: 'when',
      note: 'what was said',
    },
    // Late readings count as well, so this is made from what was measured and not from what was raised.
    sql: `with watched as (
  select u.org_id, u.id, u.name, u.low, u.high, case u.sensor when 'temperature' then 1 else 2 end as kind, z.room_id
  from site.facility f
  join site.zone o on o.org_id = f.org_id and o.facility_id = f.id and o.code = {zone}
  join rtls.alert_rule u on u.org_id = o.org_id and u.zone_id = o.id and u.kind = 'sensor_limit'
  join site.zone_room z on z.org_id = o.org_id and z.zone_id = o.id
  where f.code = {facility}
), reading as (
  select u.org_id, u.id, u.name, h.tag_id, h.t, h.milli, h.milli < u.low or h.milli > u.high as beyond,
    lead(h.t) over w as next_t
  from watched u
  cross join lateral (
    select s.tag_id, s.t, s.milli from rtls.sensor_history s
    where s.room_id = u.room_id and s.kind = u.kind and s.t >= {from} and s.t < {to} offset 0) h
  where h.tag_id not in (select rtls.tags_of_people()) or not rtls.is_on_person(h.tag_id, h.t)
  window w as (partition by u.id, h.tag_id order by h.t)
), counted as (
  select *, count(*) filter (where beyond is not true) over (partition by id, tag_id order by t) as part from reading
), spell as (
  select org_id, id, name, tag_id, min(t) as began, max(t) as ended, min(milli) as lowest, max(milli) as highest,
    count(*)::integer as readings,
    sum(extract(epoch from least(coalesce(next_t, {to}), t + interval '15 minutes') - t)) / 60 as minutes
  from counted where beyond group by org_id, id, name, tag_id, part
)
select s.name as rule, g.identity as tag, s.began, s.ended, round(s.minutes, 1)::float8 as minutes,
  s.lowest / 1000.0::float8 as lowest, s.highest / 1000.0::float8 as highest, s.readings, a.ack_by as confirmed_by,
  a.ack_at as confirmed, a.note
from spell s
join rtls.tag g on g.org_id = s.org_id and g.id = s.tag_id
left join lateral (
  select x.ack_by, x.ack_at, x.note from rtls.alert x
  where x.org_id = s.org_id and x.rule_id = s.id and x.tag_id = s.tag_id and x.first_t <= s.ended and x.last_t >= s.began
  order by x.ack_at desc nulls last limit 1) a on true
order by s.began, g.identity, s.name`,
    permission: 'alert.read',
    role: 'viewer',
    maxRows: 1_000,
    reliesOn: 'view rtls.sensor_history (index sensor_reading_room), index alert_tag',
  },
  {
    id: 'CO07',
    name: 'who-did-what',
    title: 'Who changed or read this',
    question: 'Who changed or read a thing or a person, when, and to what end?',
    parameters: z.strictObject({
      id: z.string().min(1).max(200).describe('id as the audit chain has it, for example the UUID of an asset'),
      from,
      to,
    }),
    columns: {
      at: 'when',
      actor: 'who',
      kind: 'change or access',
      action: 'what was done',
      object: 'of what kind it is',
      purpose: 'what it was said to be for',
      fields: 'names of the fields that changed',
      outcome: 'ok, refused or failed',
      n: 'place in the chain',
    },
    sql: `select e.at, e.actor, e.kind, e.action, e.object, e.purpose,
  (select string_agg(name, ' ' order by name) from jsonb_object_keys(
    case when e.kind = 'change' then coalesce(e.new, e.old) else '{}' end) as name) as fields, e.outcome, e.n
from audit.event e
where e.org_id = (select iam.current_org()) and e.kind in ('change', 'access') and e.object_id = {id}
  and e.at >= {from} and e.at < {to}
order by e.at desc, e.n desc`,
    permission: 'audit.read',
    role: 'auditor',
    maxRows: 5_000,
    reliesOn: 'index event_at',
  },
]
