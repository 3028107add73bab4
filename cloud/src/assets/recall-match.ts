import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type Candidate, matchedBy, type RecallRule } from './recall-rule.ts'
import { forEachTenant } from './service-jobs.ts'

interface Matching {
  /** Assets concerned that were not before. */
  readonly added: number
  /** Suspects that the recall no longer concerns, as it or what is known of them has changed. */
  readonly cleared: number
}

/**
 * Looks for the assets that a recall concerns. Again and again: what was found stays, what somebody decided stays.
 * @throws BioTrakrError NOT_FOUND; CONFLICT for one that is closed
 */
export async function matchRecall(client: ClientBase, id: string): Promise<Matching> {
  const { rows } = await client.query<RecallRule & { readonly state: string }>(
    `select manufacturer, udi_dis, model_nos, lot_from, lot_to, serial_rule, state
     from asset.recall where org_id = (select iam.current_org()) and id = $1 for update`,
    [id],
  )
  const [rule] = rows
  if (!rule) {
    throw new BioTrakrError('There is no such recall', { code: 'NOT_FOUND', next: 'Look it up among the others.' })
  }
  if (rule.state === 'closed') {
    throw new BioTrakrError('This recall is closed', { code: 'CONFLICT', next: 'Reopen it first.' })
  }
  const found = await findConcerned(client, rule)
  const added = await client.query(
    `insert into asset.recall_match as m (org_id, recall_id, asset_id, facility_id, matched_by)
     select a.org_id, $1, a.id, a.facility_id, f.way
     from unnest($2::uuid[], $3::text[]) as f (id, way)
     join asset.asset a on a.org_id = (select iam.current_org()) and a.id = f.id
     on conflict (org_id, recall_id, asset_id) do nothing`,
    [id, found.map((asset) => asset.id), found.map(({ way }) => way)],
  )
  const cleared = await client.query(
    `update asset.recall_match set state = 'cleared', decided_at = now(), note = 'no longer concerned'
     where org_id = (select iam.current_org()) and recall_id = $1 and state = 'suspect' and asset_id <> all ($2::uuid[])`,
    [id, found.map((asset) => asset.id)],
  )
  if (rule.state === 'new' && found.length > 0) {
    await client.query(
      `update asset.recall set state = 'in_action' where org_id = (select iam.current_org()) and id = $1`,
      [id],
    )
  }
  return { added: added.rowCount ?? 0, cleared: cleared.rowCount ?? 0 }
}

/**
 * The same for every recall that is not closed, in every organisation: assets are registered later, too.
 * @param client logged in as bt_jobs, in no transaction
 * @returns how many assets were added
 */
export function matchOpenRecalls(client: ClientBase): Promise<number> {
  return forEachTenant(client, 'recalls', async () => {
    const { rows } = await client.query<{ id: string }>(
      `select id from asset.recall where org_id = (select iam.current_org()) and state <> 'closed' order by id`,
    )
    let added = 0
    for (const { id } of rows) added += (await matchRecall(client, id)).added
    return added
  })
}

interface Found {
  readonly id: string
  readonly way: 'udi' | 'model' | 'manufacturer'
}

/** The database finds whose UDI-DI or manufacturer it may be; the rule decides. Disposed assets are nobody's any more. */
async function findConcerned(client: ClientBase, rule: RecallRule): Promise<readonly Found[]> {
  const { rows } = await client.query<Candidate & { readonly id: string }>(
    `select a.id, coalesce(a.manufacturer, v.name) as manufacturer, coalesce(a.model_no, m.model_no) as model_no,
       coalesce(r.udi_di, m.udi_di) as udi_di, array_remove(array[a.lot_no, r.udi_lot], null) as lots,
       array_remove(array[a.serial_no, r.udi_serial], null) as serials
     from asset.asset a
     left join asset.asset_regulatory r on r.org_id = a.org_id and r.asset_id = a.id
     left join asset.model m on m.org_id = a.org_id and m.id = a.model_id
     left join asset.vendor v on v.org_id = m.org_id and v.id = m.manufacturer_id
     where a.org_id = (select iam.current_org()) and a.deleted_at is null and a.status <> 'disposed'
       and (coalesce(r.udi_di, m.udi_di) = any ($1) or $2::text is not null and
         regexp_replace(upper(coalesce(a.manufacturer, v.name)), '[\\s._/-]+', '', 'g')
           = regexp_replace(upper($2), '[\\s._/-]+', '', 'g'))`,
    [rule.udi_dis, rule.manufacturer],
  )
  return rows.flatMap(({ id, ...asset }) => {
    const way = matchedBy(rule, asset)
    return way ? [{ id, way }] : []
  })
}
