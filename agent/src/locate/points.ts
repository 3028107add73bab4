import { type FloorPoint, type Polygon, polygonCentre, polygonHalfDiagonal, type SiteMap } from '@biotrakr/shared'

import type { Layout } from './layout.ts'
import { clamp, indexAt } from './numbers.ts'

/** Where a room is, as far as the map knows: its polygon, or what was surveyed or hangs in it. */
interface RoomPlace {
  readonly centre: FloorPoint
  /** Half the diagonal of its extent, metres. */
  readonly reach: number
  /** To which a place in the room is drawn. */
  readonly outline: Polygon
}

/** Surveyed points with coordinates, by number, and the places of rooms. Made once per map. */
export interface Points {
  readonly count: number
  readonly x: Float64Array
  readonly y: Float64Array
  readonly room: Int32Array
  /** 1 = a room that has such points. */
  readonly inRoom: Uint8Array
  /** Mean power [point * receivers + receiver]; `UNHEARD_DBM` where the point did not hear the receiver. */
  readonly dbm: Float32Array
  /** Points near each point, itself included: `start[p]` to `start[p + 1]` in `near` and `squared` (metres^2). */
  readonly start: Int32Array
  readonly near: Int32Array
  readonly squared: Float32Array
  /** What of a belief comes from one to the other in one second, by `spreadScale`; not normalised. */
  readonly secondShare: Float32Array
  /** Points at which each receiver is among the strongest: where to look for a tag that was lost. */
  readonly strong: readonly Int32Array[]
  readonly rooms: readonly (RoomPlace | undefined)[]
}

const UNHEARD_DBM = -97
/** A walking thing is not looked for further away than this after a second or two, metres. */
const NEAR_METRES = 5
const MAX_NEAR = 32
/** Spread of a step: of the survey's grid, and per second of walking, metres. */
const SPREAD = { still: 0.8, perSecond: 1.2, longestSeconds: 4 }
/** Numbers that one agent keeps for points: beyond it rooms alone have places. */
const MAX_CELLS = 4_000_000
const STRONG_WITHIN_DB = 4
/** A room of which one place is known is thought to be so wide, metres. */
const NARROWEST = 1.5
const WIDEST = 10

/** @returns undefined when nothing in the map has a place: nothing is then spent on positions */
export function pointsOf(map: SiteMap, layout: Layout): Points | undefined {
  const receivers = layout.receivers.length
  const found = (map.survey?.points ?? []).flatMap((point) => {
    const room = layout.roomNumber.get(point.room)
    return room === undefined || point.heard.length === 0 ? [] : [{ ...point, room }]
  })
  const used = found.length * receivers <= MAX_CELLS ? found : []
  const rooms = roomPlaces(map, layout, used)
  if (rooms.every((place) => place === undefined)) return undefined
  const dbm = new Float32Array(used.length * receivers).fill(UNHEARD_DBM)
  used.forEach(({ heard }, p) => {
    for (const own of heard) {
      const i = layout.receiverNumber.get(own.receiver)
      if (i !== undefined) dbm[p * receivers + i] = own.dbm
    }
  })
  const floors = map.rooms.map(({ floor }) => floor)
  return {
    count: used.length,
    x: Float64Array.from(used, (point) => point.at[0]),
    y: Float64Array.from(used, (point) => point.at[1]),
    room: Int32Array.from(used, (point) => point.room),
    inRoom: Uint8Array.from(layout.rooms, (_, k) => Number(used.some((point) => point.room === k))),
    dbm,
    ...neighbourhood(used.map(({ at: place, room }) => ({ at: place, floor: floors[room] }))),
    strong: layout.receivers.map((_, i) => strongPoints(dbm, { i, receivers })),
    rooms,
  }
}

interface Placed {
  readonly at: FloorPoint
  readonly floor: string | undefined
}

/** Points lie on a grid of squares as wide as is looked, so that only the squares around are searched. */
function neighbourhood(points: readonly Placed[]): Pick<Points, 'start' | 'near' | 'squared' | 'secondShare'> {
  const squares = new Map<string, number[]>()
  const square = (value: number): number => Math.floor(value / NEAR_METRES)
  const key = (x: number, y: number, floor: string | undefined): string => `${x} ${y} ${floor ?? ''}`
  points.forEach(({ at: [x, y], floor }, p) => {
    const own = key(square(x), square(y), floor)
    const list = squares.get(own)
    if (list) list.push(p)
    else squares.set(own, [p])
  })
  const near: number[] = []
  const squared: number[] = []
  const start = new Int32Array(points.length + 1)
  points.forEach(({ at: [x, y], floor }, p) => {
    const around = [-1, 0, 1].flatMap((dx) =>
      [-1, 0, 1].flatMap((dy) => squares.get(key(square(x) + dx, square(y) + dy, floor)) ?? []),
    )
    const close = around
      .map((other) => ({ other, d: squaredBetween(points[p], points[other]) }))
      .filter(({ d }) => d <= NEAR_METRES * NEAR_METRES)
      .sort((a, b) => a.d - b.d || a.other - b.other)
    for (const { other, d } of close.slice(0, MAX_NEAR)) {
      near.push(other)
      squared.push(d)
    }
    start[p + 1] = near.length
  })
  const second = spreadScale(1)
  return {
    start,
    near: Int32Array.from(near),
    squared: Float32Array.from(squared),
    secondShare: Float32Array.from(squared, (own) => Math.exp(second * own)),
  }
}

/** A belief spreads over a time by exp(scale * metres^2). */
export function spreadScale(seconds: number): number {
  const sigma = SPREAD.still + SPREAD.perSecond * clamp(seconds, 0, SPREAD.longestSeconds)
  return -1 / (2 * sigma * sigma)
}

function squaredBetween(a: Placed | undefined, b: Placed | undefined): number {
  return a && b ? (a.at[0] - b.at[0]) ** 2 + (a.at[1] - b.at[1]) ** 2 : Number.POSITIVE_INFINITY
}

function strongPoints(
  dbm: Float32Array,
  { i, receivers }: { readonly i: number; readonly receivers: number },
): Int32Array {
  const points: number[] = []
  for (let p = 0; p * receivers < dbm.length; p++) {
    const row = dbm.subarray(p * receivers, (p + 1) * receivers)
    const own = row[i] ?? UNHEARD_DBM
    if (own > UNHEARD_DBM && row.every((other) => other <= own + STRONG_WITHIN_DB)) points.push(p)
  }
  return Int32Array.from(points)
}

interface SurveyedPoint {
  readonly room: number
  readonly at: FloorPoint
}

function roomPlaces(map: SiteMap, layout: Layout, points: readonly SurveyedPoint[]): (RoomPlace | undefined)[] {
  const places = map.rooms.map((): FloorPoint[] => [])
  for (const { room, at: place } of points) places[room]?.push(place)
  map.receivers.forEach((receiver, i) => {
    const k = indexAt(layout.receiverRoom, i)
    if (k >= 0 && receiver.at && !points.some(({ room }) => room === k)) {
      places[k]?.push([receiver.at[0], receiver.at[1]])
    }
  })
  const rough = map.rooms.map(({ polygon }, k) => (polygon ? polygonCentre(polygon) : middleOf(places[k] ?? [])))
  return map.rooms.map(({ polygon, floor }, k) => {
    const centre = rough[k]
    if (!centre) return undefined
    if (polygon) return { centre, reach: polygonHalfDiagonal(polygon), outline: polygon }
    const outline = hullOf(places[k] ?? [])
    if (outline.length > 2) return { centre, reach: Math.max(NARROWEST, polygonHalfDiagonal(outline)), outline }
    // One place says nothing of how wide the room is; it ends half-way to the next.
    const apart = rough.flatMap((other, j) =>
      other && j !== k && map.rooms[j]?.floor === floor ? [Math.hypot(other[0] - centre[0], other[1] - centre[1])] : [],
    )
    const reach = Math.min(WIDEST, Math.max(NARROWEST, Math.min(...apart, 2 * WIDEST) / 2))
    return { centre, reach, outline: [] }
  })
}

function middleOf(places: readonly FloorPoint[]): FloorPoint | undefined {
  if (places.length === 0) return undefined
  const mean = (axis: 0 | 1): number => places.reduce((sum, place) => sum + place[axis], 0) / places.length
  return [mean(0), mean(1)]
}

/** Smallest upright rectangle around places; empty when they lie on one line. */
function hullOf(places: readonly FloorPoint[]): Polygon {
  if (places.length < 3) return []
  const extent = (axis: 0 | 1): [number, number] => [
    Math.min(...places.map((place) => place[axis])),
    Math.max(...places.map((place) => place[axis])),
  ]
  const [[west, east], [south, north]] = [extent(0), extent(1)]
  if (west === east || south === north) return []
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
  ]
}
