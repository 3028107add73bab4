import { type FloorPoint, isInPolygon, type Polygon, type SiteMap } from '@biotrakr/shared'

import { at } from './numbers.ts'

/** How the way from a place to a receiver is: ten times the logarithm of its metres, and the walls on it. */
export interface Way {
  readonly logMetres: number
  readonly walls: number
}

/** What the map says of where rooms and receivers are, as far as it does. Plain data. */
export interface Plan {
  /** Even places in each room, metres; none where the map has no polygon. */
  readonly places: readonly (readonly FloorPoint[])[]
  readonly floors: readonly (string | undefined)[]
  /** Receivers of which the plan says anything. */
  readonly receivers: readonly (ReceiverPlace | undefined)[]
  /** Ways from the even places of each room that was asked for: [place][receiver]. */
  readonly ways: Map<number, Ways>
}

type Ways = readonly (readonly (Way | undefined)[])[]

interface ReceiverPlace {
  readonly at: FloorPoint
  /** Metres above a tag. */
  readonly rise: number
  readonly floor: string | undefined
  /** Those near enough to stand between the receiver and what it hears. */
  readonly walls: readonly Wall[]
}

interface Wall {
  readonly from: FloorPoint
  readonly to: FloorPoint
}

/** Places across a room, each way. */
const ACROSS = 4
/** Height at which things are worn and stand, metres. */
const TAG_METRES = 1
const NEAREST_METRES = 0.5
/** Behind walls nothing is heard from farther away than this. */
const EARSHOT_METRES = 30
/** Both rooms of a wall draw it, and not always at the very same place: what is so close is one wall, metres. */
const ONE_WALL_METRES = 0.5

export function planOf({ rooms, receivers, portals = [] }: SiteMap): Plan {
  const floors = rooms.map(({ floor }) => floor)
  const numbers = new Map(rooms.map(({ id }, k) => [id, k]))
  const doorways = new Set(portals.flatMap(({ antennas }) => antennas))
  const walls = wallsByFloor(rooms)
  const heard = receivers.map(({ id, at: place, room, medium, exact }): ReceiverPlace | undefined => {
    // A reader of passive tags reaches as far as it wakes them, and one that looks at one spot says nothing of the rest.
    if (!place || medium !== 'BLE' || exact || doorways.has(id)) return undefined
    const floor = floors[numbers.get(room ?? ('' as never)) ?? -1]
    const [x, y, z] = place
    return { at: [x, y], rise: z - TAG_METRES, floor, walls: wallsNear(walls.get(floor) ?? [], [x, y]) }
  })
  const places = rooms.map(({ polygon }) => (polygon ? placesIn(polygon) : []))
  return { places, floors, receivers: heard, ways: new Map() }
}

/** Whether there is anything to be told from. */
export function isDrawn({ places, receivers }: Plan): boolean {
  return receivers.some(Boolean) && places.some(({ length }) => length > 0)
}

/** @returns undefined for a receiver without a place, on another floor, or out of earshot */
export function wayTo({ receivers, floors }: Plan, receiver: number, { at: from, room }: Place): Way | undefined {
  const own = receivers[receiver]
  return own && own.floor === floors[room] ? wayBetween(from, own) : undefined
}

interface Place {
  readonly room: number
  readonly at: FloorPoint
}

/** The ways from all even places of a room. */
export function waysFrom(plan: Plan, room: number): Ways {
  const known = plan.ways.get(room)
  if (known) return known
  const places = plan.places[room] ?? []
  const ways = places.map((from) => plan.receivers.map((_, i) => wayTo(plan, i, { at: from, room })))
  plan.ways.set(room, ways)
  return ways
}

/** The sides of rooms are walls, but for those of corridors: their zones lie open to each other. */
function wallsByFloor(rooms: SiteMap['rooms']): ReadonlyMap<string | undefined, readonly Wall[]> {
  const walls = new Map<string | undefined, Wall[]>()
  for (const { floor, polygon = [], transit } of rooms) {
    const own = walls.get(floor) ?? []
    walls.set(floor, own)
    if (!transit) own.push(...polygon.map((from, c): Wall => ({ from, to: polygon[(c + 1) % polygon.length] ?? from })))
  }
  return walls
}

function wallsNear(walls: readonly Wall[], [x, y]: FloorPoint): Wall[] {
  const isWithin = (value: number, a: number, b: number): boolean =>
    value > Math.min(a, b) - EARSHOT_METRES && value < Math.max(a, b) + EARSHOT_METRES
  return walls.filter(({ from, to }) => isWithin(x, from[0], to[0]) && isWithin(y, from[1], to[1]))
}

function placesIn(polygon: Polygon): FloorPoint[] {
  const side = (axis: 0 | 1): { readonly least: number; readonly step: number } => {
    const values = polygon.map((corner) => corner[axis])
    const least = Math.min(...values)
    return { least, step: (Math.max(...values) - least) / ACROSS }
  }
  const [x, y] = [side(0), side(1)]
  const places = Array.from({ length: ACROSS ** 2 }, (_, n): FloorPoint => {
    const [column, row] = [n % ACROSS, Math.floor(n / ACROSS)]
    return [x.least + x.step * (column + 0.5), y.least + y.step * (row + 0.5)]
  })
  return places.filter((place) => isInPolygon(polygon, place))
}

function wayBetween(from: FloorPoint, receiver: ReceiverPlace): Way | undefined {
  const flat = Math.hypot(receiver.at[0] - from[0], receiver.at[1] - from[1])
  if (flat > EARSHOT_METRES) return undefined
  const metres = Math.max(NEAREST_METRES, Math.hypot(flat, receiver.rise))
  return { logMetres: 10 * Math.log10(metres), walls: wallsBetween(from, receiver, flat) }
}

function wallsBetween(from: FloorPoint, { at: to, walls }: ReceiverPlace, metres: number): number {
  const cuts: number[] = []
  for (const wall of walls) {
    const share = cutOf(from, to, wall)
    if (share !== undefined) cuts.push(share * metres)
  }
  const along = Float64Array.from(cuts).sort()
  let count = 0
  for (let c = 0; c < along.length; c++) {
    if (c === 0 || at(along, c) - at(along, c - 1) > ONE_WALL_METRES) count += 1
  }
  return count
}

/** Share of the way from a to b at which it goes through a wall. */
function cutOf(a: FloorPoint, b: FloorPoint, { from, to }: Wall): number | undefined {
  const [wayX, wayY] = [b[0] - a[0], b[1] - a[1]]
  const [wallX, wallY] = [to[0] - from[0], to[1] - from[1]]
  const cross = wayX * wallY - wayY * wallX
  if (cross === 0) return undefined
  const [toX, toY] = [from[0] - a[0], from[1] - a[1]]
  const along = (toX * wallY - toY * wallX) / cross
  const across = (toX * wayY - toY * wayX) / cross
  return along > 0 && along < 1 && across >= 0 && across < 1 ? along : undefined
}
