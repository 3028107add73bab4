import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyCategory, anyFacility, days } from './parameters.ts'

/** Maintenance, and what is likely to fail. */
export const serviceReports: readonly Report[] = [
  {
    id: 'MA01',
    name: 'maintenance-due',
    title: 'Maintenance due',
    question: 'Which maintenance is overdue or due soon, and where are these assets now?',
    parameters: z.strictObject({ facility: anyFacility, days: days(30) }),
    columns: {
      due_on: 'day it is due',
      days_over: 'days over due; negative before',
      asset: 'number of the asset',
      name: 'what it is called',
      criticality: 'how much depends on it',
      home_facility: 'code of its home facility',
      now_in: 'facility and room where it is now',
      heard: 'when its tag was heard last',
      order_no: 'number of the open work order',
    },
    sql: `select s.next_pm_on as due_on, current_date - s.next_pm_on as days_over, a.asset_tag as asset, a.name, a.criticality,
  f.code as home_facility, nullif(concat_ws(' ', n.code, r.code), '') as now_in, c.t as heard, w.number as order_no
from asset.asset_service s
join asset.asset a on a.org_id = s.org_id and a.id = s.asset_id
join site.facility f on f.org_id = a.org_id and f.id = a.facility_id
left join asset.asset_current c on c.org_id = a.org_id and c.asset_id = a.id
left join site.facility n on n.org_id = c.org_id and n.id = c.facility_id
left join site.room r on r.org_id = c.org_id and r.id = c.room_id
left join asset.work_order w on w.org_id = s.org_id and w.asset_id = s.asset_id and w.due_on = s.next_pm_on
  and w.kind = 'preventive' and w.state not in ('done', 'verified', 'cancelled')
where s.next_pm_on <= current_date + {days}::integer and a.deleted_at is null
  and a.status not in ('retired', 'disposed') and ({facility}::text is null or f.code = {facility})
order by s.next_pm_on, a.asset_tag`,
    permission: 'work.assign',
    role: 'biomed',
    maxRows: 500,
    reliesOn: 'index service_next_pm; view asset.asset_current',
  },
  {
    id: 'MA02',
    name: 'open-work',
    title: 'Open work orders',
    question: 'Which work orders are open, the most urgent and oldest first?',
    parameters: z.strictObject({ facility: anyFacility }),
    columns: {
      number: 'number of the work order',
      priority: 'how urgent',
      state: 'how far it is',
      kind: 'what is to be done',
      age_days: 'days since it was opened',
      due_on: 'day it is due',
      asset: 'number of the asset',
      title: 'in words',
      assigned_to: 'who has it',
      facility: 'code of the facility',
    },
    sql: `select w.number, w.priority, w.state, w.kind, (extract(epoch from now() - w.opened_at) / 86400)::integer as age_days,
  w.due_on, a.asset_tag as asset, w.title, w.assigned_to, f.code as facility
from asset.work_order w
join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id
join site.facility f on f.org_id = w.org_id and f.id = w.facility_id
where w.state not in ('done', 'verified', 'cancelled') and ({facility}::text is null or f.code = {facility})
order by case w.priority when 'urgent' then 0 when 'high' then 1 when 'normal' then 2 else 3 end, w.opened_at, w.number`,
    permission: 'work.assign',
    role: 'biomed',
    maxRows: 1_000,
    reliesOn: 'index work_order_open',
  },
  {
    id: 'PR01',
    name: 'failure-risk',
    title: 'Highest risk of failure',
    question: 'Which assets should be looked at first, and what speaks against them?',
    parameters: z.strictObject({
      category: anyCategory,
      facility: anyFacility,
      least: z.coerce.number().int().min(0).max(1000).default(1).describe('lowest score, 0 to 1000'),
    }),
    columns: {
      score: 'points, 0 to 1000: the parts that follow, added up; a rank, not a probability',
      failures: '150 for each failure of the last 365 days, at most 450',
      overdue: '2 for each day that maintenance is over due, at most 200',
      age: 'share of the expected life that is over, times 200, at most 200',
      worn: '100 in poor or unusable condition, 50 in fair',
      repairs: '50 while a repair is open',
      asset: 'number of the asset',
      name: 'what it is called',
      category: 'code of its category',
      facility: 'code of its home facility',
      computed: 'when the score was made',
    },
    sql: `select s.score, s.failures, s.overdue, s.age, s.condition as worn, s.repairs, a.asset_tag as asset, a.name,
  k.code as category, f.code as facility, s.computed_at as computed
from asset.risk_score s
join asset.asset a on a.org_id = s.org_id and a.id = s.asset_id
join asset.category k on k.org_id = a.org_id and k.id = a.category_id
join site.facility f on f.org_id = s.org_id and f.id = s.facility_id
where s.score >= {least}::integer and a.deleted_at is null and ({category}::text is null or k.code = {category})
  and ({facility}::text is null or f.code = {facility})
order by s.score desc, a.asset_tag`,
    permission: 'work.assign',
    role: 'biomed',
    maxRows: 200,
    reliesOn: 'index risk_score_highest (written by the job `risk`)',
  },
  {
    id: 'PR02',
    name: 'reliability',
    title: 'Reliability by category',
    question:
      'How often do the assets of each category fail, how long do repairs take, how much of the time are they up?',
    parameters: z.strictObject({ category: anyCategory, days: days(365) }),
    columns: {
      category: 'code of the category',
      assets: 'how many',
      failures: 'failures in the time asked for',
      mtbf_hours: 'hours of all assets between two failures; empty without a failure',
      mttr_hours: 'hours from a failure until it was resolved, on average',
      down_hours: 'hours that work orders say they were down',
      availability: 'share of the time in which they were up, per mille',
    },
    sql: `with span as (
  select now() - {days}::integer * interval '1 day' as since
), owned as (
  select a.org_id, a.category_id, count(*)::integer as assets,
    sum(extract(epoch from now() - greatest(a.created_at, p.since)) / 3600)::float8 as hours
  from asset.category k
  join asset.asset a on a.org_id = k.org_id and a.category_id = k.id, span p
  where a.deleted_at is null and a.status not in ('retired', 'disposed') and ({category}::text is null or k.code = {category})
  group by a.org_id, a.category_id
), failed as (
  select a.org_id, a.category_id, count(*)::integer as failures,
    (avg(extract(epoch from x.resolved_at - x.at)) / 3600)::float8 as mttr
  from asset.failure x join asset.asset a on a.org_id = x.org_id and a.id = x.asset_id, span p
  where x.at >= p.since and a.deleted_at is null and a.status not in ('retired', 'disposed')
  group by a.org_id, a.category_id
), down as (
  select a.org_id, a.category_id, sum(extract(epoch from least(coalesce(w.down_to, now()), now())
    - greatest(w.down_from, p.since)) / 3600)::float8 as hours
  from asset.work_order w join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id, span p
  where w.down_from < now() and coalesce(w.down_to, now()) > p.since and a.deleted_at is null
    and a.status not in ('retired', 'disposed')
  group by a.org_id, a.category_id
)
select k.code as category, o.assets, coalesce(x.failures, 0) as failures, round((o.hours / x.failures)::numeric, 1)::float8 as mtbf_hours,
  round(x.mttr::numeric, 1)::float8 as mttr_hours, round(coalesce(d.hours, 0)::numeric, 1)::float8 as down_hours,
  round(1000 * (1 - least(1, coalesce(d.hours, 0) / greatest(o.hours, 0.001))))::integer as availability
from owned o
join asset.category k on k.org_id = o.org_id and k.id = o.category_id
left join failed x on x.org_id = o.org_id and x.category_id = o.category_id
left join down d on d.org_id = o.org_id and d.category_id = o.category_id
order by x.failures desc nulls last, k.code`,
    permission: 'work.assign',
    role: 'biomed',
    maxRows: 1_000,
    reliesOn: 'index asset_category, index failure_asset',
  },
]
