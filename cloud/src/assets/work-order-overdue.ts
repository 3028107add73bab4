import type { ClientBase } from 'pg'

import { forEachTenant } from './service-jobs.ts'

/**
 * Opens one preventive work order for each asset whose maintenance is overdue by day or by hours of use, in every
 * organisation. However often it runs, and however many run at once, there is one for an asset and a due day, or for an
 * asset and the hours at which it was due; one that somebody cancelled stays cancelled.
 * @param client logged in as bt_jobs, in no transaction
 * @returns how many were opened
 */
export function openOverduePm(client: ClientBase, now: Date): Promise<number> {
  return forEachTenant(client, 'maintenance', async () => {
    // One run at a time in a tenant: the second then sees what the first has opened.
    await client.query(`select pg_advisory_xact_lock('asset.work_order'::regclass::oid::integer, iam.current_org())`)
    const { rowCount } = await client.query({ text: OPEN_OVERDUE, values: [now] })
    return rowCount ?? 0
  })
}

const OPEN_OVERDUE = `
  with watched as (
    select s.org_id, s.asset_id, s.facility_id, a.name, a.criticality, s.next_pm_on, s.pm_grace_days, s.strategy, p.checklist,
      s.operating_minutes, s.last_pm_minutes + 60 * coalesce(s.pm_hours, p.every_hours)::bigint as due_minutes,
      ($1::timestamptz at time zone f.time_zone)::date as today
    from asset.asset_service s
    join asset.asset a on a.org_id = s.org_id and a.id = s.asset_id
    join site.facility f on f.org_id = s.org_id and f.id = s.facility_id
    left join asset.maintenance_plan p on p.org_id = s.org_id and p.id = s.pm_plan_id
    where s.org_id = (select iam.current_org()) and a.deleted_at is null and a.status not in ('retired', 'disposed')
      and s.strategy <> 'run_to_failure'
  ), due as (
    select w.*, w.next_pm_on as due_on, null as origin_ref from watched w
      where w.next_pm_on + w.pm_grace_days < w.today
    union all
    select w.*, w.today, 'hours:' || w.due_minutes from watched w
      where w.operating_minutes >= w.due_minutes and not coalesce(w.next_pm_on + w.pm_grace_days < w.today, false)
  ), wanted as (
    select d.*, row_number() over (order by d.due_on, d.asset_id)::integer as place from due d
    where not exists (select from asset.work_order o where o.org_id = d.org_id and o.asset_id = d.asset_id
      and o.kind = 'preventive' and (o.due_on = d.due_on or o.origin_ref = d.origin_ref
        or d.origin_ref is not null and o.state not in ('done', 'verified', 'cancelled')))
  ), number as (
    insert into asset.work_order_number as n (org_id, last)
      select iam.current_org(), count(*)::integer from wanted having count(*) > 0
      on conflict (org_id) do update set last = n.last + excluded.last
      returning last
  )
  insert into asset.work_order (id, org_id, facility_id, asset_id, number, kind, origin, origin_ref, priority, state, title,
      due_on, opened_at, checklist)
    select gen_random_uuid(), w.org_id, w.facility_id, w.asset_id,
      number.last - (select count(*)::integer from wanted) + w.place, 'preventive', 'pm_plan', w.origin_ref,
      case w.criticality when 'life_support' then 'urgent' when 'high' then 'high' else 'normal' end, 'open',
      left('Maintenance of ' || w.name, 200), w.due_on, $1,
      coalesce((select jsonb_agg(jsonb_build_object('text', line, 'done', false)) from unnest(w.checklist) as line), '[]')
    from wanted w cross join number`
