import type { ClientBase } from 'pg'

/**
 * Raises and resolves the alerts of one organisation by its rules, and counts its par levels.
 * @param client logged in as bt_jobs, in a transaction
 * @returns alerts that were raised, went on or were resolved, and par levels that stand otherwise now
 */
export async function watch(client: ClientBase, orgId: number, nowMs: number): Promise<number> {
  const now = new Date(nowMs).toISOString()
  let changed = 0
  for (const text of [LIMITS, WITHIN, MISSING, SEEN, COUNT]) {
    changed += (await client.query(text, [orgId, now])).rowCount ?? 0
  }
  return changed
}

/** Of each sensor in a watched zone the newest reading of the last 15 minutes: older news raises nobody. */
const NEWEST = `
newest as (
  select u.org_id, u.facility_id, u.id as rule_id, u.low, u.high, h.tag_id, h.room_id, h.t, h.milli
  from rtls.alert_rule u
  cross join lateral (
    select distinct on (s.tag_id) s.tag_id, s.room_id, s.t, s.milli
    from site.zone_room z
    join telemetry.sensor_reading s on s.room_id = z.room_id and s.org_id = z.org_id
      and s.kind = case u.sensor when 'temperature' then 1 else 2 end
      and s.t > $2::timestamptz - interval '15 minutes' and s.t <= $2::timestamptz + interval '5 seconds'
    where z.org_id = u.org_id and z.zone_id = u.zone_id
    order by s.tag_id, s.t desc) h
  where u.org_id = $1 and u.kind = 'sensor_limit' and u.ended_at is null
    and not exists (select from rtls.tag_assignment p where p.org_id = u.org_id and p.tag_id = h.tag_id and p.asset_id is null
      and p.from_t <= h.t and coalesce(p.to_t, 'infinity') > h.t)
)`

/** Which asset wears the tag. */
const WEARER = `left join rtls.tag_assignment w on w.org_id = n.org_id and w.tag_id = n.tag_id and w.asset_id is not null
  and w.from_t <= n.t and coalesce(w.to_t, 'infinity') > n.t`

const LIMITS = `with ${NEWEST}
insert into rtls.alert as x (id, org_id, facility_id, rule_id, tag_id, asset_id, room_id, state, first_t, last_t, worst)
select gen_random_uuid(), n.org_id, n.facility_id, n.rule_id, n.tag_id, w.asset_id, n.room_id, 'open', n.t, n.t, n.milli
from newest n ${WEARER}
where n.milli < n.low or n.milli > n.high
on conflict (org_id, rule_id, tag_id) where state in ('open', 'acknowledged') do update
  set last_t = excluded.last_t,
    worst = case when excluded.worst > (select high from rtls.alert_rule r where r.org_id = x.org_id and r.id = x.rule_id)
      then greatest(x.worst, excluded.worst) else least(x.worst, excluded.worst) end
  where excluded.last_t > x.last_t`

/** Within the limits again, or nobody watches any more. A sensor that fell silent keeps its alert. */
const WITHIN = `with ${NEWEST}
update rtls.alert x set state = 'resolved', resolved_at = $2
from rtls.alert_rule u
where x.org_id = $1 and x.state in ('open', 'acknowledged') and u.org_id = x.org_id and u.id = x.rule_id
  and u.kind = 'sensor_limit' and (u.ended_at is not null or exists (select from newest n
    where n.rule_id = x.rule_id and n.tag_id = x.tag_id and n.t > x.last_t
      and not coalesce(n.milli < n.low, false) and not coalesce(n.milli > n.high, false)))`

const UNHEARD = `
unheard as (
  select u.org_id, u.facility_id, u.id as rule_id, p.tag_id, a.id as asset_id, coalesce(p.room_id, p.last_room_id) as room_id, p.t
  from rtls.alert_rule u
  join rtls.position p on p.org_id = u.org_id and p.facility_id = u.facility_id
    and p.t < $2::timestamptz - u.minutes * interval '1 minute'
  join rtls.tag_assignment w on w.org_id = p.org_id and w.tag_id = p.tag_id and w.is_primary and w.asset_id is not null
    and w.from_t <= $2 and coalesce(w.to_t, 'infinity') > $2
  join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id and a.deleted_at is null
    and a.status not in ('retired', 'disposed', 'in_transfer') and (u.category_id is null or a.category_id = u.category_id)
  where u.org_id = $1 and u.kind = 'missing' and u.ended_at is null
)`

/** Began when it was heard last. */
const MISSING = `with ${UNHEARD}
insert into rtls.alert (id, org_id, facility_id, rule_id, tag_id, asset_id, room_id, state, first_t, last_t)
select gen_random_uuid(), n.org_id, n.facility_id, n.rule_id, n.tag_id, n.asset_id, r.id, 'open', n.t, n.t
from unheard n left join site.room r on r.org_id = n.org_id and r.facility_id = n.facility_id and r.id = n.room_id
on conflict (org_id, rule_id, tag_id) where state in ('open', 'acknowledged') do nothing`

const SEEN = `with ${UNHEARD}
update rtls.alert x set state = 'resolved', resolved_at = $2
from rtls.alert_rule u
where x.org_id = $1 and x.state in ('open', 'acknowledged') and u.org_id = x.org_id and u.id = x.rule_id
  and u.kind = 'missing'
  and not exists (select from unheard n where n.rule_id = x.rule_id and n.tag_id = x.tag_id)`

const COUNT = `with counted as (
  select p.id, count(a.id)::integer as present
  from rtls.par_level p
  left join site.zone_room z on z.org_id = p.org_id and z.zone_id = p.zone_id
  left join rtls.position o on o.org_id = p.org_id and o.room_id = z.room_id
  left join rtls.tag_assignment w on w.org_id = o.org_id and w.tag_id = o.tag_id and w.is_primary and w.asset_id is not null
    and w.from_t <= $2 and coalesce(w.to_t, 'infinity') > $2
  left join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id and a.category_id = p.category_id
    and a.deleted_at is null and a.status in ('active', 'in_service', 'standby')
  where p.org_id = $1 and p.ended_at is null
  group by p.id
), judged as (
  select p.org_id, p.id, c.present,
    case when c.present < p.low then 'below' when c.present > p.high then 'above' else 'within' end as state
  from counted c join rtls.par_level p on p.org_id = $1 and p.id = c.id
)
update rtls.par_level p set present = j.present, state = j.state,
  state_since = case when p.state = j.state then p.state_since else $2::timestamptz end
from judged j
where p.org_id = j.org_id and p.id = j.id and (p.present, p.state) is distinct from (j.present, j.state)`
