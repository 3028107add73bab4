import type { ClientBase } from 'pg'

import { parseSite, type SiteInput } from './site-file.ts'
import { findFacility, readList } from './site-lists.ts'

/**
 * A facility as a site file says it. Importing that again changes nothing.
 * @throws BioTrakrError NOT_FOUND
 */
export async function exportSite(client: ClientBase, code: string): Promise<SiteInput> {
  const { id: facilityId, name, time_zone: timeZone } = await findFacility(client, code)
  const place = { facilityId }
  const { rows: orgs } = await client.query('select slug, name from iam.org where id = iam.current_org()')
  const { rows: tags } = await client.query(
    'select identity, kind, label from rtls.tag where facility_id = $1 order by identity collate "C"',
    [facilityId],
  )
  const site = {
    org: orgs[0],
    facility: { code, name, timeZone },
    buildings: byCode(await readList(client, 'buildings', place)).map((row) => ({ code: row.code, name: row.name })),
    floors: byCode(await readList(client, 'floors', place)).map((row) =>
      pick(row, 'code', 'building', 'level', 'name'),
    ),
    departments: byCode(await readList(client, 'departments', place)).map(({ cost_center: costCenter, ...row }) => ({
      ...pick(row, 'code', 'name', 'parent', 'phone'),
      costCenter,
    })),
    rooms: byCode(await readList(client, 'rooms', place)).map(({ area_m2: areaM2, is_tracked: tracked, ...row }) => ({
      ...pick(row, 'code', 'name', 'kind', 'floor', 'department', 'polygon', 'capacity'),
      at: row.x === null ? null : [row.x, row.y],
      areaM2,
      tracked,
    })),
    beds: byCode(await readList(client, 'beds', place)).map((row) => pick(row, 'room', 'code', 'state')),
    zones: byCode(await readList(client, 'zones', place)).map((row) => pick(row, 'code', 'name', 'kind', 'rooms')),
    doors: (await readList(client, 'doors', place)).map((row) => ({
      between: [row.room_a, row.room_b],
      ...pick(row, 'door', 'portal'),
      distanceM: row.distance_m,
      at: row.x === null ? null : [row.x, row.y],
    })),
    gateways: (await readList(client, 'gateways', place)).map((row) => pick(row, 'name', 'room')),
    receivers: byCode(await readList(client, 'receivers', place)).map((row) => ({
      ...pick(row, 'code', 'kind', 'gateway', 'room', 'portal', 'status'),
      at: row.x === null ? null : [row.x, row.y, row.z],
      exact: row.is_exact,
      portalPlace: row.portal_place,
    })),
    tags,
  }
  return parseSite(withoutNull(site), 'The facility as stored')
}

function pick<Row extends object, Key extends keyof Row>(row: Row, ...keys: readonly Key[]): Pick<Row, Key> {
  return Object.fromEntries(keys.map((key) => [key, row[key]])) as Pick<Row, Key>
}

function byCode<Row extends { readonly code: string }>(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => (a.code < b.code ? -1 : Number(a.code > b.code)))
}

/** What is not known is not written. */
function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull)
  if (typeof value !== 'object' || value === null) return value
  const known = Object.entries(value).filter(([, each]) => each !== null)
  return Object.fromEntries(known.map(([key, each]) => [key, withoutNull(each)]))
}
