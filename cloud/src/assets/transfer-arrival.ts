import type { ClientBase } from 'pg'

import { forEachTenant } from './service-jobs.ts'

/**
 * Receives every asset in transit whose tag was heard at the other facility after it left: the first such fix that is
 * known is its arrival. A position of another facility, from before it left or from when the asset did not wear the tag
 * says nothing.
 * @param client logged in as bt_jobs, in no transaction
 * @returns how many arrived
 */
export function confirmTransfers(client: ClientBase): Promise<number> {
  return forEachTenant(client, 'transfers', async () => (await client.query(CONFIRM)).rowCount ?? 0)
}

/** Where it has not moved since it came into its room, it was there first when it came in. */
const CONFIRM = `
  update asset.transfer t set state = 'received', received_at = now(), seen_at = p.first_t
  from (
    select w.asset_id, p.facility_id, min(case when p.since >= x.left_at then p.since else p.t end) as first_t
    from asset.transfer x
    join rtls.tag_assignment w on w.org_id = x.org_id and w.asset_id = x.asset_id
    join rtls.position p on p.org_id = w.org_id and p.tag_id = w.tag_id and p.facility_id = x.to_facility
      and p.t >= x.left_at and p.t >= w.from_t and (w.to_t is null or p.t < w.to_t)
    where x.org_id = (select iam.current_org()) and x.state = 'in_transit'
    group by w.asset_id, p.facility_id
  ) as p
  where t.org_id = (select iam.current_org()) and t.state = 'in_transit' and t.asset_id = p.asset_id
    and t.to_facility = p.facility_id`
