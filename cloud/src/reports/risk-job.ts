import type { ClientBase } from 'pg'

/**
 * Scores how likely each asset of one organisation is to need care soon. The points are a convention that anybody can
 * follow, no model: each part is shown beside the sum, which is a rank and not a probability.
 * @param client logged in as bt_jobs, in a transaction
 * @returns assets that have a score now
 */
export async function scoreRisks(client: ClientBase, orgId: number, nowMs: number): Promise<number> {
  const now = new Date(nowMs).toISOString()
  const scored = await client.query(SCORE, [orgId, now])
  await client.query('delete from asset.risk_score where org_id = $1 and computed_at <> $2', [orgId, now])
  return scored.rowCount ?? 0
}

const SCORE = `
with failed as (
  select asset_id, least(450, 150 * count(*))::integer as points from asset.failure
  where org_id = $1 and at > $2::timestamptz - interval '365 days' and at <= $2 group by asset_id
), repair as (
  select distinct asset_id from asset.work_order
  where org_id = $1 and kind = 'corrective' and state not in ('done', 'verified', 'cancelled')
), part as (
  select a.id, a.org_id, a.facility_id, coalesce(f.points, 0) as failures,
    least(200, 2 * greatest(0, coalesce($2::date - s.next_pm_on, 0))) as overdue,
    -- Without an expected life its age says nothing.
    coalesce(least(200, greatest(0, 200 * ($2::date - coalesce(a.manufactured_on, a.created_at::date))
      / (coalesce(s.expected_life_months, k.default_life_months) * 30.4375)))::integer, 0) as age,
    case a.condition when 'unusable' then 100 when 'poor' then 100 when 'fair' then 50 else 0 end as condition,
    case when r.asset_id is null then 0 else 50 end as repairs
  from asset.asset a
  join asset.category k on k.org_id = a.org_id and k.id = a.category_id
  left join asset.asset_service s on s.org_id = a.org_id and s.asset_id = a.id
  left join failed f on f.asset_id = a.id
  left join repair r on r.asset_id = a.id
  where a.org_id = $1 and a.deleted_at is null and a.status not in ('retired', 'disposed')
)
insert into asset.risk_score (asset_id, org_id, facility_id, score, failures, overdue, age, condition, repairs, computed_at)
select id, org_id, facility_id, failures + overdue + age + condition + repairs, failures, overdue, age, condition, repairs, $2
from part
on conflict (org_id, asset_id) do update set facility_id = excluded.facility_id, score = excluded.score,
  failures = excluded.failures, overdue = excluded.overdue, age = excluded.age, condition = excluded.condition,
  repairs = excluded.repairs, computed_at = excluded.computed_at`
