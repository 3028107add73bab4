import { z } from 'zod'

import type { Report } from './definition.ts'
import { anyFacility, facility, minutes } from './parameters.ts'

/** What wants attention: alerts, tags, gateways. */
export const alertReports: readonly Report[] = [
  {
    id: 'AL01',
    name: 'open-alerts',
    title: 'Open alerts',
    question: 'Which alerts are not resolved, the gravest and oldest first?',
    parameters: z.strictObject({ facility: anyFacility }),
    columns: {
      severity: 'how grave',
      state: 'open or acknowledged',
      rule: 'name of the rule',
      kind: 'what is wrong',
      asset: 'number of the asset',
      tag: 'identity of the tag',
      room: 'code of the room where it began',
      began: 'when',
      age_minutes: 'since then',
      acknowledged_by: 'who has seen it',
      facility: 'code of the facility',
      alert: 'id, for acknowledging',
    },
    sql: `select u.severity, x.state, u.name as rule, u.kind, a.asset_tag as asset, g.identity as tag, r.code as room,
  x.first_t as began, (extract(epoch from now() - x.first_t) / 60)::integer as age_minutes, x.ack_by as acknowledged_by,
  f.code as facility, x.id as alert
from rtls.alert x
join rtls.alert_rule u on u.org_id = x.org_id and u.id = x.rule_id
join site.facility f on f.org_id = x.org_id and f.id = x.facility_id
left join rtls.tag g on g.org_id = x.org_id and g.id = x.tag_id
left join asset.asset a on a.org_id = x.org_id and a.id = x.asset_id
left join site.room r on r.org_id = x.org_id and r.id = x.room_id
where x.state in ('open', 'acknowledged') and ({facility}::text is null or f.code = {facility})
order by case u.severity when 'emergency' then 0 when 'critical' then 1 when 'warning' then 2 else 3 end, x.first_t, x.id`,
    permission: 'alert.read',
    role: 'nurse',
    maxRows: 1_000,
    reliesOn: 'index alert_open (written by the job `alerts`)',
  },
  {
    id: 'AL05',
    name: 'weak-tags',
    title: 'Low batteries and silent tags',
    question: 'Which tags need a battery, or were not heard for some minutes?',
    parameters: z.strictObject({
      facility: anyFacility,
      percent: z.coerce.number().int().min(0).max(100).default(15).describe('battery at or below, percent'),
      minutes: minutes(1_440),
    }),
    columns: {
      why: 'battery or silent',
      tag: 'identity of the tag',
      label: 'what it is called',
      battery: 'percent',
      measured: 'when the battery was measured',
      heard: 'when it was heard last',
      asset: 'number of the asset that wears it',
      room: 'code of the last known room of that asset',
      facility: 'code of the facility',
    },
    sql: `select case when g.battery_percent <= {percent}::integer then 'battery' else 'silent' end as why, g.identity as tag, g.label,
  g.battery_percent as battery, g.battery_at as measured, p.t as heard, a.asset_tag as asset,
  case when a.id is not null then r.code end as room, f.code as facility
from rtls.tag g
left join rtls.position p on p.org_id = g.org_id and p.tag_id = g.id
left join site.facility f on f.org_id = g.org_id and f.id = coalesce(p.facility_id, g.facility_id)
left join site.room r on r.org_id = p.org_id and r.id = coalesce(p.room_id, p.last_room_id)
left join rtls.tag_assignment t on t.org_id = g.org_id and t.tag_id = g.id and t.from_t <= now()
  and (t.to_t is null or t.to_t > now())
left join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null
where g.status in ('active', 'low_battery', 'silent') and ({facility}::text is null or f.code = {facility})
  and (g.battery_percent <= {percent}::integer or p.t < now() - {minutes}::integer * interval '1 minute')
order by g.battery_percent <= {percent}::integer desc nulls last, g.battery_percent, p.t, g.identity`,
    permission: 'tag.read',
    role: 'logistics',
    maxRows: 1_000,
    reliesOn: 'tables rtls.tag and rtls.position; index tag_assignment_history',
  },
  {
    id: 'AL06',
    name: 'gateways',
    title: 'Gateways and receivers',
    question: 'What do gateways and their receivers do, how far behind is each, and what is missing?',
    parameters: z.strictObject({
      facility: facility.optional().describe('code of a facility; all in reach without it'),
    }),
    columns: {
      facility: 'code of the facility',
      gateway: 'name of the gateway',
      status: 'whether it may send',
      newest: 'time of its newest record',
      lag_seconds: 'since then',
      received: 'when the centre took its newest batch',
      missing: 'records it reported as lost',
      quarantined: 'records that could not be stored',
      receivers: 'receivers registered for it',
      up: 'of these, reported up within a day',
      silent: 'reported silent',
      down: 'reported down',
      unreported: 'not reported within a day',
    },
    sql: `select f.code as facility, i.gateway, i.status, i.newest_t as newest,
  extract(epoch from now() - i.newest_t)::integer as lag_seconds, i.updated_at as received, i.missing, i.quarantined,
  c.receivers, c.up, c.silent, c.down, c.receivers - c.up - c.silent - c.down as unreported
from rtls.ingest_status i
join site.facility f on f.org_id = i.org_id and f.id = i.facility_id
cross join lateral (
  select count(*)::integer as receivers, count(*) filter (where h.state = 1)::integer as up,
    count(*) filter (where h.state = 2)::integer as silent, count(*) filter (where h.state = 3)::integer as down
  from site.receiver r
  left join lateral (
    select x.state from rtls.receiver_history x
    where x.gateway_id = i.gateway_id and x.receiver = r.code and x.t > now() - interval '1 day'
    order by x.t desc limit 1) h on true
  where r.org_id = i.org_id and r.gateway_id = i.gateway_id and r.status = 'active') c
where i.status <> 'retired' and ({facility}::text is null or f.code = {facility})
order by f.code, i.gateway`,
    permission: 'ops.read',
    role: 'integrator',
    maxRows: 5_000,
    reliesOn: 'views rtls.ingest_status and rtls.receiver_history (index receiver_health_receiver)',
  },
]
