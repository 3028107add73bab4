import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyCategory, anyFacility, days } from './parameters.ts'

/** How much things are used, and where they stand. Days are those of the facility; today counts as far as it is summed. */
export const useReports: readonly Report[] = [
  {
    id: 'UT01',
    name: 'use-share',
    title: 'Moving, standing, unknown',
    question: 'Which share of the time do the assets of each category move, stand in a room, or are nowhere known?',
    parameters: z.strictObject({ category: anyCategory, facility: anyFacility, days: days(7) }),
    columns: {
      category: 'code of the category',
      assets: 'assets that were heard',
      moving: 'per mille of the time heard in which the tag moved',
      still: 'per mille in which it stood in a known room',
      unknown: 'per mille in which it was heard and no room was known',
      hours: 'hours heard, of all assets',
    },
    sql: `with heard as (
  select s.asset_id, sum(least(s.moving_ms, s.dwell_ms)) as moving, sum(s.dwell_ms) as dwell,
    sum(s.dwell_ms - least(s.moving_ms, s.dwell_ms)) filter (where s.room_id is not null) as still
  from site.facility f
  join rtls.asset_day s on s.org_id = f.org_id and s.facility_id = f.id
    and s.day > current_date - {days}::integer and s.day <= current_date + 1
  where ({facility}::text is null or f.code = {facility})
  group by s.asset_id
)
select k.code as category, count(*)::integer as assets, round(1000 * sum(h.moving) / sum(h.dwell))::integer as moving,
  round(1000 * coalesce(sum(h.still), 0) / sum(h.dwell))::integer as still,
  1000 - round(1000 * sum(h.moving) / sum(h.dwell))::integer
    - round(1000 * coalesce(sum(h.still), 0) / sum(h.dwell))::integer as unknown,
  round(sum(h.dwell) / 3600000.0, 1)::float8 as hours
from heard h
join asset.asset a on a.org_id = (select iam.current_org()) and a.id = h.asset_id and a.deleted_at is null
join asset.category k on k.org_id = a.org_id and k.id = a.category_id
where ({category}::text is null or k.code = {category})
group by k.code having sum(h.dwell) > 0
order by k.code`,
    permission: 'location.history',
    role: 'biomed',
    maxRows: 1_000,
    reliesOn: 'view rtls.asset_day (index tag_day_facility, written by the job `sums`)',
  },
  {
    id: 'UT02',
    name: 'dwell',
    title: 'Dwell by room and department',
    question: 'How long do the assets of a category stay in each room?',
    parameters: z.strictObject({ category: anyCategory, facility: anyFacility, days: days(7) }),
    columns: {
      facility: 'code of the facility',
      department: 'code of the department whose room it is',
      room: 'code of the room',
      assets: 'how many were there',
      visits: 'how often one came',
      hours: 'hours of all of them',
      minutes_a_visit: 'on average',
    },
    sql: `select f.code as facility, d.code as department, r.code as room, count(distinct s.asset_id)::integer as assets,
  sum(s.visits)::integer as visits, round(sum(s.dwell_ms) / 3600000.0, 1)::float8 as hours,
  round(sum(s.dwell_ms) / 60000.0 / greatest(sum(s.visits), 1), 1)::float8 as minutes_a_visit
from site.facility f
join rtls.asset_day s on s.org_id = f.org_id and s.facility_id = f.id
  and s.day > current_date - {days}::integer and s.day <= current_date + 1
join site.room r on r.org_id = f.org_id and r.id = s.room_id
left join site.department d on d.org_id = r.org_id and d.id = r.department_id
join asset.asset a on a.org_id = f.org_id and a.id = s.asset_id and a.deleted_at is null
join asset.category k on k.org_id = a.org_id and k.id = a.category_id
where ({facility}::text is null or f.code = {facility}) and ({category}::text is null or k.code = {category})
group by f.code, d.code, r.code
order by f.code, sum(s.dwell_ms) desc, r.code`,
    permission: 'location.read',
    role: 'viewer',
    maxRows: 5_000,
    reliesOn: 'view rtls.asset_day (index tag_day_facility, written by the job `sums`)',
  },
  {
    id: 'UT03',
    name: 'hardly-used',
    title: 'Hardly ever moved',
    question: 'Which assets with a tag hardly moved in the last days, and what did they cost?',
    parameters: z.strictObject({
      facility: anyFacility,
      category: anyCategory,
      days: days(30),
      minutes: z.coerce.number().int().min(0).max(100_000).default(60).describe('at most so many minutes in motion'),
    }),
    columns: {
      asset: 'number of the asset',
      name: 'what it is called',
      category: 'code of its category',
      facility: 'code of its home facility',
      moved_minutes: 'minutes in motion in that time',
      rooms: 'in how many rooms it was',
      heard: 'last time anything was heard of it in that time; empty for not at all',
      purchase_cost: 'minor units of the currency',
      currency: 'currency of the cost',
    },
    // A probe for each asset: a join with sums of unknown number is planned far too small.
    sql: `select a.asset_tag as asset, a.name, k.code as category, f.code as facility,
  round(coalesce(u.moving, 0) / 60000.0)::integer as moved_minutes, u.rooms, u.heard, m.purchase_cost, m.currency
from asset.category k
join asset.asset a on a.org_id = k.org_id and a.category_id = k.id
join site.facility f on f.org_id = a.org_id and f.id = a.facility_id
cross join lateral (
  select sum(s.moving_ms) as moving, count(distinct s.room_id)::integer as rooms, max(s.last_t) as heard
  from rtls.asset_day s
  where s.asset_id = a.id and s.day > current_date - {days}::integer and s.day <= current_date + 1) u
left join asset.asset_finance m on m.org_id = a.org_id and m.asset_id = a.id
where a.deleted_at is null and a.status not in ('retired', 'disposed') and ({category}::text is null or k.code = {category})
  and ({facility}::text is null or f.code = {facility}) and coalesce(u.moving, 0) <= {minutes}::bigint * 60000
  and exists (select from rtls.tag_assignment t where t.org_id = a.org_id and t.asset_id = a.id and t.is_primary
    and t.from_t < now() - {days}::integer * interval '1 day' and (t.to_t is null or t.to_t > now()))
order by m.purchase_cost desc nulls last, a.asset_tag`,
    permission: 'finance.read',
    role: 'finance',
    maxRows: 1_000,
    reliesOn: 'view rtls.asset_day (index tag_day_asset); indexes asset_category, tag_assignment_worn',
  },
  {
    id: 'UT06',
    name: 'par-board',
    title: 'Par board',
    question: 'Where is more or less of a category than there should be, and since when?',
    parameters: z.strictObject({ facility: anyFacility }),
    columns: {
      facility: 'code of the facility',
      zone: 'code of the zone',
      category: 'code of the category',
      present: 'how many are there; empty until they were counted',
      low: 'fewest wanted',
      high: 'most wanted',
      state: 'below, within or above',
      since: 'in this state since',
    },
    sql: `select f.code as facility, z.code as zone, k.code as category, p.present, p.low, p.high, p.state, p.state_since as since
from rtls.par_level p
join site.facility f on f.org_id = p.org_id and f.id = p.facility_id
join site.zone z on z.org_id = p.org_id and z.id = p.zone_id
join asset.category k on k.org_id = p.org_id and k.id = p.category_id
where p.ended_at is null and ({facility}::text is null or f.code = {facility})
order by case p.state when 'below' then 0 when 'above' then 1 when 'within' then 2 else 3 end, f.code, z.code, k.code`,
    permission: 'location.read',
    role: 'logistics',
    maxRows: 5_000,
    reliesOn: 'table rtls.par_level (counted by the job `alerts`)',
  },
]
