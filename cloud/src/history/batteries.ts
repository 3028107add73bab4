import { SENSOR } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

/** Percent. A tag becomes active again only well above, or it would change with every reading. */
const LOW = 15
const FULL_ENOUGH = 25

/**
 * Notes the newest battery readings of new rows on their tags, and which tags run low.
 * @param due streams, since when and from which number on they are new, and the oldest of these times
 * @returns how many tags have another level now
 */
export async function noteBatteries(client: ClientBase, due: readonly unknown[]): Promise<number> {
  const noted = await client.query(NOTE, [...due, SENSOR.battery, LOW, FULL_ENOUGH])
  return noted.rowCount ?? 0
}

const NOTE = `
with newest as (
  select distinct on (r.org_id, r.tag_id) r.org_id, r.tag_id, r.t, least(greatest(r.milli / 1000, 0), 100) as percent
  from unnest($1::int[], $2::timestamptz[], $3::bigint[]) as d (stream_id, from_t, from_seq)
  join telemetry.sensor_reading r on r.stream_id = d.stream_id and r.t >= d.from_t and r.seq >= d.from_seq
  where r.t >= $4::timestamptz and r.kind = $5
  order by r.org_id, r.tag_id, r.t desc)
update rtls.tag g set battery_percent = n.percent, battery_at = n.t,
  status = case when g.status = 'active' and n.percent <= $6 then 'low_battery'
    when g.status = 'low_battery' and n.percent >= $7 then 'active' else g.status end
from newest n where g.org_id = n.org_id and g.id = n.tag_id and (g.battery_at is null or n.t > g.battery_at)`
