import type { ReceiverId, RoomId, SiteMap } from '@biotrakr/shared'

import { type Plan, planOf } from './plan.ts'

/** A site map by numbers: rooms and receivers in the order of the map. */
export interface Layout {
  readonly rooms: readonly RoomId[]
  readonly receivers: readonly ReceiverId[]
  readonly roomNumber: ReadonlyMap<RoomId, number>
  /** What transmitters that reach one room alone say of themselves, and which room that is. */
  readonly markRoom: ReadonlyMap<string, number>
  readonly receiverNumber: ReadonlyMap<ReceiverId, number>
  /** Room in which each receiver stands, -1 = nobody wrote it down. */
  readonly receiverRoom: Int32Array
  /** What each receiver can hear: 0 Bluetooth, 1 RFID. A beacon says nothing of a reader that does not hear it. */
  readonly medium: Uint8Array
  /** Antennas of doorways: they hear what passes, and nothing of what rests in their room. */
  readonly inDoorway: readonly boolean[]
  /** Receivers that hear only what is in their room. */
  readonly exact: readonly boolean[]
  /** Whether any receiver has a room: without one, rooms differ by their survey alone. */
  readonly placed: boolean
  readonly transit: readonly boolean[]
  /** Whether any room is for passing through: then the others are not. */
  readonly corridors: boolean
  /** From these rooms a way leads out of the building. */
  readonly exit: readonly boolean[]
  readonly neighbours: readonly ReadonlySet<number>[]
  /** Where rooms and receivers are. */
  readonly plan: Plan
}

/** @param map a checked one: it names no room or receiver that it lacks (siteMapSchema) */
export function layoutOf(map: SiteMap): Layout {
  const roomNumber = new Map(map.rooms.map(({ id }, i) => [id, i]))
  const receiverRoom = Int32Array.from(map.receivers, ({ room }) =>
    room === undefined ? -1 : (roomNumber.get(room) ?? -1),
  )
  const neighbours = map.rooms.map(() => new Set<number>())
  for (const [a, b] of passagesIn(map)) {
    const [from, to] = [roomNumber.get(a), roomNumber.get(b)]
    if (from === undefined || to === undefined || from === to) continue
    neighbours[from]?.add(to)
    neighbours[to]?.add(from)
  }
  const antennas = new Set((map.portals ?? []).flatMap((portal) => portal.antennas))
  return {
    rooms: map.rooms.map(({ id }) => id),
    receivers: map.receivers.map(({ id }) => id),
    roomNumber,
    markRoom: new Map(map.rooms.flatMap(({ marks = [] }, k) => marks.map((mark): [string, number] => [mark, k]))),
    receiverNumber: new Map(map.receivers.map(({ id }, i) => [id, i])),
    receiverRoom,
    medium: Uint8Array.from(map.receivers, ({ medium }) => (medium === 'RFID' ? 1 : 0)),
    inDoorway: map.receivers.map(({ id }) => antennas.has(id)),
    exact: map.receivers.map(({ exact }) => exact === true),
    placed: receiverRoom.some((room) => room >= 0),
    transit: map.rooms.map(({ transit }) => transit),
    corridors: map.rooms.some(({ transit }) => transit),
    exit: map.rooms.map(({ transit, exit }) => exit ?? transit),
    neighbours,
    plan: planOf(map),
  }
}

/** Pairs of rooms between which a thing can pass: said to be adjacent, or joined by a door or a portal. */
export function passagesIn({ adjacency, doors = [], portals = [] }: SiteMap): (readonly [RoomId, RoomId])[] {
  return [...adjacency, ...[...doors, ...portals].flatMap(({ between }) => (between ? [between] : []))]
}

/** How a receiver stands to a room: 0 in it, 1 in a room next to it, 2 elsewhere or nobody knows. */
export function relation({ receiverRoom, neighbours }: Layout, room: number, receiver: number): 0 | 1 | 2 {
  const own = receiverRoom[receiver] ?? -1
  if (own === room) return 0
  return own >= 0 && neighbours[room]?.has(own) ? 1 : 2
}

/** Whether a room is one in which things stay, as far as the map tells those from corridors. */
export function hasComeToStay({ corridors, transit }: Layout, room: number): boolean {
  return corridors && transit[room] === false
}
