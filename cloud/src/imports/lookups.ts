import type { ClientBase } from 'pg'

import { joinKey, type Named } from './registry-kind.ts'

/** Ids of what may be named, by its name; of what belongs to a facility, by the facility's code and its own. */
export type Lookup = ReadonlyMap<string, string | number>

const ofFacility = (table: string, name = 'code') => `select f.code || e'\\n' || t.${name} as key, t.id
  from ${table} t join site.facility f on f.org_id = t.org_id and f.id = t.facility_id`

/** Row security shows what the caller may name: another tenant's is not there. */
const SOURCES: Readonly<Record<Named, string>> = {
  facility: 'select code as key, id from site.facility',
  department: ofFacility('site.department'),
  room: ofFacility('site.room'),
  floor: ofFacility('site.floor'),
  gateway: ofFacility('site.gateway', 'name'),
  category: 'select code as key, id from asset.category where deleted_at is null',
  tag: 'select identity as key, id from rtls.tag',
  asset: 'select asset_tag as key, id from asset.asset where deleted_at is null',
}

export async function readLookup(client: ClientBase, what: Named): Promise<Lookup> {
  const { rows } = await client.query<{ key: string; id: string | number }>(SOURCES[what])
  return new Map(rows.map(({ key, id }) => [key, id]))
}

export function findNamed(lookup: Lookup, name: string, facility: string | undefined): string | number | undefined {
  return lookup.get(facility === undefined ? name : joinKey([facility, name]))
}
