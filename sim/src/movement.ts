import { below, fork, type Stream, uniform } from './chance.ts'
import { BEDROOMS, extentOf, LONGEST_WAY, type Point, way } from './floor-plan.ts'

const WALK_METRES_PER_SECOND = 1
/** Things stand off the walls by this much, metres. */
const WALL_MARGIN = 0.4
/** Departures swing around their even spacing by up to this share of a stay. */
const SWING = 0.3

/** One walk from a place to the next and the stay that follows it. Times in wall milliseconds. */
export interface Leg {
  readonly index: number
  readonly departMs: number
  readonly arriveMs: number
  /** Departure of the next leg. */
  readonly endMs: number
  readonly way: readonly Point[]
  readonly place: Point
}

export interface Movement {
  /** The leg that holds a time, any time at all: legs are numbered from the start in both directions. */
  legAt(atMs: number): Leg
}

interface Options {
  readonly startMs: number
  /** Length of a stay on average, milliseconds. */
  readonly stayMs: number
  /** Rooms visited in turn; without it any bedroom follows on any other. */
  readonly route?: readonly number[]
}

/**
 * Departures stand on an even grid of one stay plus the longest walk, each moved by its own swing. So the leg of any
 * time is found in constant time and memory, after a minute as after a year, and a stay is never shorter than
 * 0.4 of the average.
 */
export function createMovement(stream: Stream, { startMs, stayMs, route }: Options): Movement {
  const periodMs = stayMs + (LONGEST_WAY / WALK_METRES_PER_SECOND) * 1000
  const [swings, rooms, places] = [fork(stream, 1), fork(stream, 2), fork(stream, 3)]
  const firstMs = startMs + uniform(stream, 0) * periodMs

  const departMs = (index: number): number =>
    Math.round(firstMs + index * periodMs + (2 * uniform(swings, index) - 1) * SWING * stayMs)

  const roomOf = (index: number): number => route?.at(index % route.length) ?? below(rooms, index, BEDROOMS)

  const place = (index: number): Point => {
    const { from, to } = extentOf(roomOf(index))
    return {
      x: within(from.x, to.x, uniform(places, 2 * index)),
      y: within(from.y, to.y, uniform(places, 2 * index + 1)),
    }
  }

  const leg = (index: number): Leg => {
    const path = way(place(index - 1), place(index))
    const departs = departMs(index)
    return {
      index,
      departMs: departs,
      arriveMs: departs + Math.ceil((length(path) / WALK_METRES_PER_SECOND) * 1000),
      endMs: departMs(index + 1),
      way: path,
      place: place(index),
    }
  }

  let current = leg(0)
  return {
    legAt(atMs) {
      if (atMs >= current.departMs && atMs < current.endMs) return current
      let index = Math.floor((atMs - firstMs) / periodMs) + 1
      while (departMs(index) > atMs) index -= 1
      current = leg(index)
      return current
    },
  }
}

function within(from: number, to: number, share: number): number {
  return from + WALL_MARGIN + share * (to - from - 2 * WALL_MARGIN)
}

const distance = (a: Point, b: Point): number => Math.hypot(b.x - a.x, b.y - a.y)

function length(path: readonly Point[]): number {
  let metres = 0
  path.forEach((point, i) => {
    metres += distance(path[i - 1] ?? point, point)
  })
  return metres
}

/** Where a thing is on its leg at a time inside it. */
export function pointOn(leg: Leg, atMs: number): Point {
  if (atMs >= leg.arriveMs) return leg.place
  let left = ((atMs - leg.departMs) / 1000) * WALK_METRES_PER_SECOND
  let from = leg.way[0] ?? leg.place
  for (const to of leg.way.slice(1)) {
    const metres = distance(from, to)
    if (left < metres) {
      const share = left / metres
      return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) }
    }
    left -= metres
    from = to
  }
  return leg.place
}
