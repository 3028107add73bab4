import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

interface Row {
  readonly id: number
  readonly row_version: number
}

interface Named extends Row {
  readonly code: string
  readonly name: string
}

type BuildingRow = Named

interface FloorRow extends Named {
  readonly building: string
  readonly level: number
}

interface DepartmentRow extends Named {
  readonly parent: string | null
  readonly cost_center: string | null
  readonly phone: string | null
}

/** Lengths in metres from the map's origin. */
export interface RoomRow extends Named {
  readonly kind: string
  readonly floor: string | null
  readonly department: string | null
  readonly polygon: readonly (readonly [number, number])[] | null
  readonly x: number | null
  readonly y: number | null
  readonly area_m2: number | null
  readonly capacity: number | null
  readonly is_tracked: boolean
}

interface BedRow extends Row {
  readonly code: string
  readonly room: string
  readonly state: string
}

export interface ZoneRow extends Named {
  readonly kind: string
  readonly rooms: readonly string[]
}

export interface DoorRow extends Row {
  readonly room_a: string
  readonly room_b: string
  readonly door: string
  readonly distance_m: number | null
  readonly x: number | null
  readonly y: number | null
  readonly portal: string | null
}

interface GatewayRow extends Row {
  readonly name: string
  readonly status: string
  readonly room: string | null
}

export interface ReceiverRow extends Row {
  readonly code: string
  readonly kind: string
  readonly status: string
  readonly gateway: string | null
  readonly room: string | null
  readonly x: number | null
  readonly y: number | null
  readonly z: number | null
  readonly is_exact: boolean
  readonly portal: string | null
  readonly portal_place: number | null
}

export interface SiteLists {
  readonly buildings: BuildingRow
  readonly floors: FloorRow
  readonly departments: DepartmentRow
  readonly rooms: RoomRow
  readonly beds: BedRow
  readonly zones: ZoneRow
  readonly doors: DoorRow
  readonly gateways: GatewayRow
  readonly receivers: ReceiverRow
}

const ROOM = 'left join site.room r on r.org_id = t.org_id and r.id = t.room_id'

/** Each names its table `t`. */
const QUERIES: Readonly<Record<keyof SiteLists, string>> = {
  buildings: 'select t.id, t.row_version, t.code, t.name from site.building t',
  floors: `select t.id, t.row_version, t.code, t.name, b.code as building, t.level from site.floor t
    join site.building b on b.org_id = t.org_id and b.id = t.building_id`,
  departments: `select t.id, t.row_version, t.code, t.name, p.code as parent, t.cost_center, t.phone from site.department t
    left join site.department p on p.org_id = t.org_id and p.id = t.parent_id`,
  rooms: `select t.id, t.row_version, t.code, t.name, t.kind, f.code as floor, d.code as department, t.polygon, t.x, t.y,
      t.area_m2, t.capacity, t.is_tracked
    from site.room t left join site.floor f on f.org_id = t.org_id and f.id = t.floor_id
    left join site.department d on d.org_id = t.org_id and d.id = t.department_id`,
  beds: `select t.id, t.row_version, t.code, r.code as room, t.state from site.bed t ${ROOM}`,
  zones: `select t.id, t.row_version, t.code, t.name, t.kind, array(select r.code from site.zone_room z
      join site.room r on r.org_id = z.org_id and r.id = z.room_id
      where z.org_id = t.org_id and z.zone_id = t.id order by r.code collate "C") as rooms
    from site.zone t`,
  doors: `select t.id, t.row_version, a.code as room_a, b.code as room_b, t.door, t.distance_m, t.x, t.y, t.portal
    from site.adjacency t join site.room a on a.org_id = t.org_id and a.id = t.room_a
    join site.room b on b.org_id = t.org_id and b.id = t.room_b`,
  gateways: `select t.id, t.row_version, t.name, t.status, r.code as room from site.gateway t ${ROOM}`,
  receivers: `select t.id, t.row_version, t.code, t.kind, t.status, g.name as gateway, r.code as room, t.x, t.y, t.z,
      t.is_exact, t.portal, t.portal_place
    from site.receiver t left join site.gateway g on g.org_id = t.org_id and g.id = t.gateway_id ${ROOM}`,
}

interface Part {
  /** Only rows after this id. */
  readonly after?: number | undefined
  readonly limit?: number | undefined
}

/** Rows of a facility in the order in which they were made, or a part of them. */
export async function readList<Name extends keyof SiteLists>(
  client: ClientBase,
  list: Name,
  { facilityId, after = 0, limit }: Part & { readonly facilityId: number },
): Promise<SiteLists[Name][]> {
  const { rows } = await client.query<SiteLists[Name]>(
    `${QUERIES[list]} where t.facility_id = $1 and t.id > $2 order by t.id limit $3`,
    [facilityId, after, limit ?? null],
  )
  return rows
}

/** @returns undefined where there is none */
export async function readOne<Name extends keyof SiteLists>(
  client: ClientBase,
  list: Name,
  { facilityId, id }: { readonly facilityId: number; readonly id: number },
): Promise<SiteLists[Name] | undefined> {
  const sql = `${QUERIES[list]} where t.facility_id = $1 and t.id = $2`
  const { rows } = await client.query<SiteLists[Name]>(sql, [facilityId, id])
  return rows[0]
}

export interface Facility extends Named {
  readonly time_zone: string
  /** What its gateways work with; null before anything was published. */
  readonly map_version: number | null
}

const FACILITY = 'select id, row_version, code, name, time_zone, map_version from site.facility'

/** Those that the caller reaches, by their codes. */
export async function listFacilities(client: ClientBase): Promise<Facility[]> {
  return (await client.query<Facility>(`${FACILITY} order by code collate "C" limit 1000`)).rows
}

/** @throws BioTrakrError NOT_FOUND, also for what the caller does not reach */
export async function findFacility(client: ClientBase, code: string): Promise<Facility> {
  const { rows } = await client.query<Facility>(`${FACILITY} where code = $1`, [code])
  if (rows[0]) return rows[0]
  throw new BioTrakrError(`There is no facility "${code}"`, {
    code: 'NOT_FOUND',
    next: 'Check its code; `biotrakr-cloud site facilities` lists them.',
  })
}
