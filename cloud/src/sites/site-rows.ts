import type { Prisma } from '@biotrakr/cloud/prisma'

import type { Site, SiteProblem } from './site-file.ts'
import { chunks, sync, type Table, type Tally, type Values } from './sync.ts'

/** One facility whose rows are brought to what a site says, within one transaction. */
export interface SiteWork {
  readonly transaction: Prisma.TransactionClient
  readonly orgId: number
  readonly facilityId: number
  readonly tally: Tally
  /** What names something that is nowhere; where there is any, nothing is kept. */
  readonly problems: SiteProblem[]
}

type Ids = ReadonlyMap<string, number>
type Path = readonly (string | number)[]

/** Everything but the tags. */
export async function applyPlaces(work: SiteWork, site: Site): Promise<void> {
  const buildings = await applyBuildings(work, site)
  const floors = await applyFloors(work, site, buildings)
  const departments = await applyDepartments(work, site)
  const rooms = await applyRooms(work, site, { floors, departments })
  await applyBeds(work, site, rooms)
  await applyZones(work, site, rooms)
  await applyDoors(work, site, rooms)
  const gateways = await applyGateways(work, site, rooms)
  await applyReceivers(work, site, { rooms, gateways })
}

const byCode = (row: Values) => String(row['code'])

function within({ orgId, facilityId, tally }: SiteWork) {
  const place = { orgId, facilityId }
  return { where: place, owner: place, tally }
}

/** Id of what a name leads to; undefined and null stay, and a name that leads nowhere becomes a problem. */
function idOf(
  { problems }: SiteWork,
  ids: Ids,
  wish: { readonly name: string | null | undefined; readonly path: Path },
) {
  const { name, path } = wish
  if (name === undefined || name === null) return name
  const id = ids.get(name)
  if (id === undefined) problems.push({ path, message: `there is no "${name}", neither here nor in the database` })
  return id
}

function applyBuildings(work: SiteWork, { buildings }: Site): Promise<Ids> {
  const entries = buildings.map(({ code, name }) => ({ key: code, values: { code, name }, whenNew: { name: code } }))
  return sync(work.transaction.building as unknown as Table, { ...within(work), keyOf: byCode, entries })
}

async function applyFloors(work: SiteWork, { floors }: Site, buildings: Ids): Promise<Ids> {
  const table = work.transaction.floor as unknown as Table
  const taken = new Map<string, string>()
  const levelOf = (building: unknown, level: unknown) => `${String(building)}/${String(level)}`
  for (const row of await table.findMany({ where: within(work).where })) {
    taken.set(levelOf(row['buildingId'], row['level']), byCode(row))
  }
  const entries = floors.flatMap(({ code, building, level, name }, i) => {
    const buildingId = idOf(work, buildings, { name: building, path: ['floors', i, 'building'] })
    if (buildingId === undefined) return []
    const holder = taken.get(levelOf(buildingId, level))
    taken.set(levelOf(buildingId, level), code)
    if (holder !== undefined && holder !== code) {
      work.problems.push({ path: ['floors', i, 'level'], message: `level ${level} is that of floor "${holder}"` })
      return []
    }
    return [{ key: code, values: { code, buildingId, level, name }, whenNew: { name: code } }]
  })
  return sync(table, { ...within(work), keyOf: byCode, entries })
}

async function applyDepartments(work: SiteWork, { departments }: Site): Promise<Ids> {
  const table = work.transaction.department as unknown as Table
  const stored = await table.findMany({ where: within(work).where })
  const known = new Set(stored.map(byCode))
  const codes = new Map(stored.map((row) => [row.id, byCode(row)]))
  const parents = new Map(stored.map((row) => [byCode(row), codes.get(Number(row['parentId']))]))
  for (const { code, parent } of departments) if (parent !== undefined) parents.set(code, parent ?? undefined)
  departments.forEach(({ code }, i) => {
    if (isInCycle(code, parents)) {
      work.problems.push({ path: ['departments', i, 'parent'], message: `"${code}" would be above itself` })
    }
  })
  // First the new ones without parents, since a child may be named before its parent.
  const isNew = ({ code }: { readonly code: string }) => !known.has(code)
  const common = { ...within(work), keyOf: byCode }
  const bare = departments.filter(isNew).map(({ code, name }) => ({ key: code, values: { code, name: name ?? code } }))
  const ids = await sync(table, { ...common, entries: bare })
  const entriesOf = (list: readonly Site['departments'][number][]) =>
    list.map((each) => {
      const { code, name, parent, costCenter, phone } = each
      const path = ['departments', departments.indexOf(each), 'parent']
      return { key: code, values: { name, costCenter, phone, parentId: idOf(work, ids, { name: parent, path }) } }
    })
  await sync(table, { ...common, entries: entriesOf(departments.filter((each) => !isNew(each))) })
  const counted = { created: 0, updated: 0, unchanged: 0 }
  await sync(table, { ...common, entries: entriesOf(departments.filter(isNew)), tally: counted })
  return ids
}

function isInCycle(code: string, parents: ReadonlyMap<string, string | undefined>): boolean {
  const seen = new Set<string>()
  let at = parents.get(code)
  while (at !== undefined && at !== code && !seen.has(at)) {
    seen.add(at)
    at = parents.get(at)
  }
  return at === code
}

function applyRooms(
  work: SiteWork,
  { rooms }: Site,
  { floors, departments }: { readonly floors: Ids; readonly departments: Ids },
): Promise<Ids> {
  const entries = rooms.map(({ code, name, kind, floor, department, polygon, at, areaM2, capacity, tracked }, i) => ({
    key: code,
    values: {
      code,
      name,
      kind,
      polygon,
      areaM2,
      capacity,
      isTracked: tracked,
      ...pointOf(at),
      floorId: idOf(work, floors, { name: floor, path: ['rooms', i, 'floor'] }),
      departmentId: idOf(work, departments, { name: department, path: ['rooms', i, 'department'] }),
    },
    whenNew: { name: code },
  }))
  return sync(work.transaction.room as unknown as Table, { ...within(work), keyOf: byCode, entries })
}

function pointOf(at: readonly number[] | null | undefined): Values {
  if (at === undefined) return {}
  return { x: at?.[0] ?? null, y: at?.[1] ?? null }
}

async function applyBeds(work: SiteWork, { beds }: Site, rooms: Ids): Promise<void> {
  const entries = beds.flatMap(({ room, code, state }, i) => {
    const roomId = idOf(work, rooms, { name: room, path: ['beds', i, 'room'] })
    return roomId === undefined ? [] : [{ key: `${roomId}/${code}`, values: { roomId, code, state } }]
  })
  const keyOf = (row: Values) => `${String(row['roomId'])}/${String(row['code'])}`
  await sync(work.transaction.bed as unknown as Table, { ...within(work), keyOf, entries })
}

async function applyZones(work: SiteWork, { zones }: Site, rooms: Ids): Promise<void> {
  const { transaction, orgId, facilityId, tally } = work
  const stored = await transaction.zoneRoom.findMany({ where: { orgId, facilityId } })
  const links = groupBy(stored, ({ zoneId }) => zoneId)
  const wasUpdated = new Set<string>()
  const entries = zones.map(({ code, name, kind }) => ({
    key: code,
    values: { code, name, kind },
    whenNew: { name: code },
  }))
  const ids = await sync(transaction.zone as unknown as Table, { ...within(work), keyOf: byCode, entries })
  for (const [i, { code, rooms: wanted }] of zones.entries()) {
    const zoneId = ids.get(code)
    if (wanted === undefined || zoneId === undefined) continue
    const inside = new Set(
      wanted.flatMap((name, n) => idOf(work, rooms, { name, path: ['zones', i, 'rooms', n] }) ?? []),
    )
    const linked = new Set(links.get(zoneId)?.map(({ roomId }) => roomId))
    const gone = [...linked].filter((id) => !inside.has(id))
    const fresh = [...inside].filter((id) => !linked.has(id))
    if (gone.length + fresh.length > 0 && linked.size > 0) wasUpdated.add(code)
    if (gone.length > 0) await transaction.zoneRoom.deleteMany({ where: { orgId, zoneId, roomId: { in: gone } } })
    const data = fresh.map((roomId) => ({ orgId, facilityId, zoneId, roomId }))
    for (const part of chunks(data)) await transaction.zoneRoom.createMany({ data: part })
  }
  tally.updated += wasUpdated.size
}

async function applyDoors(work: SiteWork, { doors }: Site, rooms: Ids): Promise<void> {
  const table = work.transaction.adjacency as unknown as Table
  const keyOf = (row: Values) => pairOf({ roomA: Number(row['roomA']), roomB: Number(row['roomB']) })
  const portals = new Map(
    (await table.findMany({ where: within(work).where })).map((row) => [keyOf(row), row['portal']]),
  )
  const placed = doors.flatMap((each, i) => {
    const [roomA, roomB] = each.between.map((name, end) =>
      idOf(work, rooms, { name, path: ['doors', i, 'between', end] }),
    )
    if (typeof roomA !== 'number' || typeof roomB !== 'number') return []
    const order = { roomA, roomB }
    if (each.portal !== undefined) portals.set(pairOf(order), each.portal)
    return [{ each, i, order, key: pairOf(order) }]
  })
  const held = groupBy([...portals.values()], String)
  const entries = placed.flatMap(({ each: { door, distanceM, at, portal }, i, order, key }) => {
    if (typeof portal === 'string' && (held.get(portal)?.length ?? 0) > 1) {
      const path = ['doors', i, 'portal']
      work.problems.push({ path, message: `portal "${portal}" hangs at another door as well` })
      return []
    }
    // Which room is the first matters to a portal only.
    const values = { door, distanceM, ...pointOf(at), portal, ...(typeof portal === 'string' && order) }
    return [{ key, values, whenNew: order }]
  })
  await sync(table, { ...within(work), keyOf, entries })
}

function groupBy<T, Key>(list: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>()
  for (const item of list) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

function pairOf({ roomA, roomB }: { readonly roomA: number; readonly roomB: number }): string {
  return `${Math.min(roomA, roomB)}-${Math.max(roomA, roomB)}`
}

/** A gateway belongs to the facility that named it last. */
async function applyGateways(work: SiteWork, { gateways }: Site, rooms: Ids): Promise<Ids> {
  const { orgId, facilityId, tally, transaction } = work
  const table = transaction.gateway as unknown as Table
  const before = await table.findMany({ where: { orgId } })
  const elsewhere = new Set(before.filter((row) => row['facilityId'] !== facilityId).map((row) => row['name']))
  const entries = gateways.map(({ name, room }, i) => {
    const roomId = idOf(work, rooms, { name: room, path: ['gateways', i, 'room'] })
    const left = elsewhere.has(name) ? null : undefined
    return { key: name, values: { name, facilityId, roomId: roomId === undefined ? left : roomId } }
  })
  const keyOf = (row: Values) => String(row['name'])
  const ids = await sync(table, { where: { orgId }, owner: { orgId }, keyOf, entries, tally })
  const named = new Set<string>(gateways.map(({ name }) => name))
  return new Map([...ids].filter(([name]) => named.has(name) || !elsewhere.has(name)))
}

async function applyReceivers(
  work: SiteWork,
  { receivers }: Site,
  { rooms, gateways }: { readonly rooms: Ids; readonly gateways: Ids },
): Promise<void> {
  const entries = receivers.map(({ code, kind, gateway, room, at, exact, portal, portalPlace, status }, i) => ({
    key: code,
    values: {
      code,
      kind,
      status,
      isExact: exact,
      gatewayId: idOf(work, gateways, { name: gateway, path: ['receivers', i, 'gateway'] }),
      roomId: idOf(work, rooms, { name: room, path: ['receivers', i, 'room'] }),
      ...(at !== undefined && { ...pointOf(at), z: at?.[2] ?? null }),
      ...(portal !== undefined && { portal, portalPlace: portalPlace ?? null }),
    },
  }))
  await sync(work.transaction.receiver as unknown as Table, { ...within(work), keyOf: byCode, entries })
}

/** Tags are too many to read all of them. */
export async function applyTags(work: SiteWork, { tags }: Site): Promise<void> {
  const { orgId, facilityId, tally, transaction } = work
  for (const part of chunks(tags)) {
    const entries = part.map(({ identity, kind, label }) => ({
      key: identity,
      values: { identity, facilityId, kind, label },
      whenNew: { kind: identity.startsWith('epc:') ? 'rfid_uhf' : 'ble' },
    }))
    await sync(transaction.tag as unknown as Table, {
      where: { orgId, identity: { in: part.map(({ identity }) => identity) } },
      owner: { orgId },
      keyOf: (row) => String(row['identity']),
      entries,
      tally,
    })
  }
}
