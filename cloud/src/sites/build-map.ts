import { type BioTrakrError, parseWhole, type SiteMap, type Survey, siteMapSchema } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type DoorRow, type ReceiverRow, type RoomRow, readList, type ZoneRow } from './site-lists.ts'

/** Kinds that are passed through rather than stayed in. */
const TRANSIT = new Set(['corridor', 'lift', 'stair', 'exit'])
/** Kinds of receivers that hear; the others say a mark that tags pass on. */
const MEDIA: Readonly<Record<string, 'RFID' | 'BLE'>> = {
  rfid_antenna: 'RFID',
  rfid_portal: 'RFID',
  ble_adapter: 'BLE',
  wired_dock: 'RFID',
}

interface Wish {
  readonly facilityId: number
  readonly version: number
  readonly survey: Survey | undefined
}

/**
 * The map that agents locate with, from what is written down of a facility. Its content is in one order always, so that
 * the same facts give the same text.
 * @throws BioTrakrError SITE_INVALID, naming everything that a map cannot be made of
 */
export async function buildMap(client: ClientBase, { facilityId, version, survey }: Wish): Promise<SiteMap> {
  const place = { facilityId }
  const facts: Facts = {
    rooms: await readList(client, 'rooms', place),
    zones: await readList(client, 'zones', place),
    doors: (await readList(client, 'doors', place)).filter(({ door }) => door !== 'closed'),
    receivers: (await readList(client, 'receivers', place)).filter(({ status }) => status === 'active'),
  }
  return parseMap({ version, ...mapOf(facts), ...(survey && { survey }) }, 'The site map of this facility')
}

/** @throws BioTrakrError SITE_INVALID */
export function parseMap(document: unknown, origin: string): SiteMap {
  const next = 'Correct the facility, for example with `site import`; nothing was published.'
  return parseWhole(siteMapSchema, document, { origin, code: 'SITE_INVALID' satisfies BioTrakrError['code'], next })
}

interface Facts {
  readonly rooms: readonly RoomRow[]
  readonly zones: readonly ZoneRow[]
  readonly doors: readonly DoorRow[]
  readonly receivers: readonly ReceiverRow[]
}

function mapOf({ rooms, zones, doors, receivers }: Facts): object {
  const mapped = sorted(
    rooms.filter((room) => room.is_tracked && room.kind !== 'outside'),
    ({ code }) => code,
  )
  const known = new Set(mapped.map(({ code }) => code))
  const exits = exitsOf({ rooms, zones, doors, receivers })
  const inside = sorted(
    doors.filter(({ room_a: a, room_b: b }) => known.has(a) && known.has(b)),
    ({ room_a: a, room_b: b }) => JSON.stringify([a, b]),
  )
  const placed = inside.flatMap(({ room_a: a, room_b: b, x, y }) =>
    x === null || y === null ? [] : [{ between: [a, b], at: [x, y] }],
  )
  return {
    rooms: mapped.map((room) => roomOf(room, { exits, marks: marksIn(receivers, room.code) })),
    receivers: sorted(receivers, ({ code }) => code).flatMap((receiver) => receiverOf(receiver, known)),
    adjacency: inside.flatMap(({ room_a: a, room_b: b, x }) => (x === null ? [[a, b]] : [])),
    ...optional('doors', placed),
    ...optional('portals', portalsOf(receivers, inside)),
    ...optional('zones', zonesOf(zones, known)),
  }
}

function roomOf(
  { code, kind, floor, polygon }: RoomRow,
  { exits, marks }: { readonly exits: ReadonlySet<string>; readonly marks: readonly string[] },
): object {
  const transit = TRANSIT.has(kind)
  // Where nobody wrote down the ways out, the agents take all passages for such.
  const exit = exits.size > 0 && (transit || exits.has(code)) && { exit: exits.has(code) }
  return {
    id: code,
    transit,
    ...exit,
    ...(floor !== null && { floor }),
    ...(polygon && { polygon }),
    ...optional('marks', marks),
  }
}

/** Rooms from which a way leads out: by their kind, by a zone of exits, or by a door to somewhere outside. */
function exitsOf({ rooms, zones, doors }: Facts): ReadonlySet<string> {
  const outside = new Set(rooms.filter(({ kind }) => kind === 'outside').map(({ code }) => code))
  return new Set([
    ...rooms.filter(({ kind }) => kind === 'exit').map(({ code }) => code),
    ...zones.filter(({ kind }) => kind === 'exit').flatMap((zone) => zone.rooms),
    ...doors.flatMap(({ room_a: a, room_b: b }) => (outside.has(a) ? [b] : outside.has(b) ? [a] : [])),
  ])
}

function marksIn(receivers: readonly ReceiverRow[], room: string): string[] {
  const marks = receivers.filter((receiver) => receiver.room === room && MEDIA[receiver.kind] === undefined)
  return marks.map(({ code }) => code).sort()
}

function receiverOf({ code, kind, room, x, y, z, is_exact: exact }: ReceiverRow, known: ReadonlySet<string>): object[] {
  const medium = MEDIA[kind]
  if (medium === undefined) return []
  const at = x === null || y === null || z === null ? {} : { at: [x, y, z] }
  const hears = kind === 'wired_dock' || exact
  return [{ id: code, medium, ...(room !== null && known.has(room) && { room }), ...at, ...(hears && { exact: true }) }]
}

function portalsOf(receivers: readonly ReceiverRow[], doors: readonly DoorRow[]): object[] {
  const antennas = receivers.filter(({ portal, kind }) => portal !== null && MEDIA[kind] !== undefined)
  const names = new Set(antennas.map(({ portal }) => portal))
  return sorted([...names], String).map((id) => {
    const door = doors.find(({ portal }) => portal === id)
    const own = antennas.filter(({ portal }) => portal === id)
    own.sort((a, b) => (a.portal_place ?? 0) - (b.portal_place ?? 0) || a.id - b.id)
    const between = door && { between: [door.room_a, door.room_b] }
    return { id, antennas: own.map(({ code }) => code), ...between }
  })
}

function zonesOf(zones: readonly ZoneRow[], known: ReadonlySet<string>): object[] {
  return sorted(zones, ({ code }) => code).flatMap(({ code, rooms }) => {
    const inside = rooms.filter((room) => known.has(room))
    return inside.length === 0 ? [] : [{ id: code, rooms: inside }]
  })
}

function optional<Key extends string, T>(key: Key, list: readonly T[]): { readonly [K in Key]?: readonly T[] } {
  return list.length === 0 ? {} : ({ [key]: list } as { readonly [K in Key]?: readonly T[] })
}

function sorted<T>(list: readonly T[], keyOf: (item: T) => string): T[] {
  const keyed = list.map((item) => ({ item, key: keyOf(item) }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ item }) => item)
}
