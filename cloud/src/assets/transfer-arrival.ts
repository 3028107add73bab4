import type { ClientBase } from 'pg'

import { forEachTenant } from './service-jobs.ts'

/** An asset that is on its way, and where it is to arrive. */
export interface Travelling {
  readonly orgId: number
  readonly assetId: string
  readonly leftAt: Date
}

export interface ArrivalOptions {
  /** Ids of the tags that an asset carries and has carried since it left. */
  readonly tagsOf: (client: ClientBase, travelling: Travelling) => Promise<readonly number[]>
}

/**
 * Receives every asset in transit whose tag was heard at the other facility after it left: the first such fix is its
 * arrival. A tag whose position is not of that facility, or older, says nothing.
 * @param client logged in as bt_jobs, in no transaction
 * @returns how many arrived
 */
export function confirmTransfers(client: ClientBase, { tagsOf }: ArrivalOptions): Promise<number> {
  return forEachTenant(client, 'transfers', async (orgId) => {
    const { rows } = await client.query<{ id: string; asset_id: string; left_at: Date }>(
      `select id, asset_id, left_at from asset.transfer
       where org_id = (select iam.current_org()) and state = 'in_transit' and left_at is not null order by id`,
    )
    let arrived = 0
    for (const { id, asset_id: assetId, left_at: leftAt } of rows) {
      const tags = await tagsOf(client, { orgId, assetId, leftAt })
      if (tags.length > 0) arrived += await receive(client, id, tags)
    }
    return arrived
  })
}

async function receive(client: ClientBase, id: string, tags: readonly number[]): Promise<number> {
  const { rowCount } = await client.query(
    `update asset.transfer t set state = 'received', received_at = now(), seen_at = p.t
     from (select p.facility_id, min(greatest(p.t, p.since)) as t from rtls.position p
       where p.org_id = (select iam.current_org()) and p.tag_id = any ($2) group by p.facility_id) as p
     where t.org_id = (select iam.current_org()) and t.id = $1 and t.state = 'in_transit'
       and p.facility_id = t.to_facility and p.t >= t.left_at`,
    [id, tags],
  )
  return rowCount ?? 0
}
