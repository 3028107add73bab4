import type { TagId } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

/**
 * Tags of the facility that a gateway belongs to, in the order of their identities.
 * @param database bt_ingest, which sees every tenant, or a client within a scope
 * @returns undefined for a gateway that is not registered
 */
export async function registeredTags(
  database: Pool | ClientBase,
  gateway: string,
): Promise<readonly TagId[] | undefined> {
  const { rows } = await database.query<{ tags: TagId[] }>(
    `select array(select t.identity from rtls.tag t
        where t.org_id = g.org_id and t.facility_id = g.facility_id and t.status <> 'retired'
        order by t.identity collate "C") as tags
      from site.gateway g where g.name = $1`,
    [gateway],
  )
  return rows[0]?.tags
}
