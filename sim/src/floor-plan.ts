/**
 * The ward's floor: a corridor of two zones with a row of four rooms on either side. Metres; x to the east, y to the
 * north, the south-west corner is the origin.
 *
 *     105 | 106 | 107 | 108     y 7-11
 *     corridor-w | corridor-e   y 4-7
 *     101 | 102 | 103 | 104     y 0-4
 */
export interface Point {
  readonly x: number
  readonly y: number
}

interface Extent {
  readonly from: Point
  readonly to: Point
}

const ROOM_WIDTH = 5
const ROOM_DEPTH = 4
const CORRIDOR_WIDTH = 3
const PER_ROW = 4
const SOUTH_WALL = ROOM_DEPTH
const NORTH_WALL = ROOM_DEPTH + CORRIDOR_WIDTH
const LENGTH = PER_ROW * ROOM_WIDTH
const CORRIDOR_MIDDLE = (SOUTH_WALL + NORTH_WALL) / 2

/** Rooms are numbered: the bedrooms first, then the two zones of the corridor. */
export const BEDROOMS = 2 * PER_ROW
export const ROOMS = BEDROOMS + 2

export function roomName(room: number): string {
  if (room < BEDROOMS) return String(101 + room)
  return room === BEDROOMS ? 'corridor-w' : 'corridor-e'
}

/** South-west and north-east corner of a room. */
export function extentOf(room: number): Extent {
  if (room >= BEDROOMS) {
    const west = (room - BEDROOMS) * (LENGTH / 2)
    return { from: { x: west, y: SOUTH_WALL }, to: { x: west + LENGTH / 2, y: NORTH_WALL } }
  }
  const west = (room % PER_ROW) * ROOM_WIDTH
  const south = room < PER_ROW ? 0 : NORTH_WALL
  return { from: { x: west, y: south }, to: { x: west + ROOM_WIDTH, y: south + ROOM_DEPTH } }
}

/** The four corners of a room, against the clock. */
export function cornersOf(room: number): [x: number, y: number][] {
  const { from, to } = extentOf(room)
  return [
    [from.x, from.y],
    [to.x, from.y],
    [to.x, to.y],
    [from.x, to.y],
  ]
}

const zoneAt = (x: number): number => (x < LENGTH / 2 ? BEDROOMS : BEDROOMS + 1)

/** The room that holds a point of the floor; a point on a wall belongs to one side, always the same. */
export function roomAt({ x, y }: Point): number {
  if (y >= SOUTH_WALL && y <= NORTH_WALL) return zoneAt(x)
  const column = Math.min(PER_ROW - 1, Math.max(0, Math.floor(x / ROOM_WIDTH)))
  return y < SOUTH_WALL ? column : PER_ROW + column
}

/** Pairs of rooms with a door or an open border between them. */
export function passages(): [number, number][] {
  const doors = Array.from({ length: BEDROOMS }, (_, room): [number, number] => [room, zoneAt(doorOf(room).x)])
  return [...doors, [BEDROOMS, BEDROOMS + 1]]
}

/** The door is in the middle of the wall to the corridor. */
export function doorOf(room: number): Point {
  const x = ((room % PER_ROW) + 0.5) * ROOM_WIDTH
  return { x, y: room < PER_ROW ? SOUTH_WALL : NORTH_WALL }
}

/** The way between two places in bedrooms: straight inside a room, else through both doors and along the corridor. */
export function way(from: Point, to: Point): readonly Point[] {
  const [start, end] = [roomAt(from), roomAt(to)]
  if (start === end) return [from, to]
  const [out, into] = [doorOf(start), doorOf(end)]
  return [from, out, { x: out.x, y: CORRIDOR_MIDDLE }, { x: into.x, y: CORRIDOR_MIDDLE }, into, to]
}

/** No way is longer than this, metres: twice across a room, twice half the corridor's width, once along all doors. */
export const LONGEST_WAY = 2 * Math.hypot(ROOM_WIDTH / 2, ROOM_DEPTH) + CORRIDOR_WIDTH + (PER_ROW - 1) * ROOM_WIDTH

/** How many walls the straight line between two points passes. */
export function wallsBetween(a: Point, b: Point): number {
  let walls = 0
  for (const wallY of [SOUTH_WALL, NORTH_WALL]) if (a.y < wallY !== b.y < wallY) walls += 1
  for (let wallX = ROOM_WIDTH; wallX < LENGTH; wallX += ROOM_WIDTH) {
    if (a.x < wallX === b.x < wallX) continue
    const y = a.y + ((b.y - a.y) * (wallX - a.x)) / (b.x - a.x)
    if (y < SOUTH_WALL || y > NORTH_WALL) walls += 1
  }
  return walls
}
