import { add, at, indexAt } from './numbers.ts'
import { type LabelledTick, segmentsOf } from './sums.ts'

/** A typical place inside a room: the sums of the survey's ticks that sound alike. */
export interface SpotSums {
  readonly room: number
  ticks: number
  rounds: number
  /** Per receiver of the layout. */
  readonly heardTicks: Float64Array
  readonly sum: Float64Array
  readonly squares: Float64Array
  readonly counted: Float64Array
}

const MAX_SPOTS = 40
const ROUNDS = 10
const UNHEARD_DBM = -98

interface Segment {
  readonly ticks: readonly LabelledTick[]
  readonly sound: Float64Array
}

/**
 * Groups the survey's stretches of up to 4 s by how they sound, per room; without chance: k-means from the points that
 * lie farthest apart.
 * @param mean mean power of [room * receivers + receiver]
 */
export function spotsOf(ticks: readonly LabelledTick[], mean: Float64Array, receivers: number): SpotSums[] {
  const byRoom = new Map<number, Segment[]>()
  for (const segment of segmentsOf(ticks)) {
    const room = segment[0]?.room ?? 0
    const list = byRoom.get(room) ?? []
    list.push({ ticks: segment, sound: soundOf(segment, mean.subarray(room * receivers, (room + 1) * receivers)) })
    byRoom.set(room, list)
  }
  const rooms = [...byRoom].sort(([a], [b]) => a - b)
  return rooms.flatMap(([room, segments]) => groups(segments).map((group) => spotOf(room, group, receivers)))
}

function soundOf(segment: readonly LabelledTick[], mean: Float64Array): Float64Array {
  const sum = new Float64Array(mean.length)
  const count = new Float64Array(mean.length)
  for (const { heard, dbm } of segment) {
    for (let n = 0; n < heard.length; n++) {
      add(sum, indexAt(heard, n), at(dbm, n))
      add(count, indexAt(heard, n), 1)
    }
  }
  return sum.map((own, i) => (at(count, i) > 0 ? own / at(count, i) : Math.min(UNHEARD_DBM, at(mean, i) - 4)))
}

function groups(segments: readonly Segment[]): (readonly Segment[])[] {
  if (segments.length <= MAX_SPOTS) return segments.map((segment) => [segment])
  let centres = farthestApart(segments)
  let grouped: Segment[][] = []
  for (let round = 0; round < ROUNDS; round++) {
    grouped = centres.map(() => [])
    for (const segment of segments) grouped[nearest(centres, segment.sound).index]?.push(segment)
    centres = centres.map((centre, c) => middleOf(grouped[c] ?? [], centre))
  }
  return grouped.filter((group) => group.length > 0)
}

function farthestApart(segments: readonly Segment[]): Float64Array[] {
  const centres = segments.slice(0, 1).map(({ sound }) => sound)
  const distances = new Float64Array(segments.length).fill(Number.POSITIVE_INFINITY)
  while (centres.length < MAX_SPOTS) {
    const newest = centres.at(-1)
    let farthest = 0
    segments.forEach(({ sound }, s) => {
      if (newest) distances[s] = Math.min(at(distances, s), squaredDistance(sound, newest))
      if (at(distances, s) > at(distances, farthest)) farthest = s
    })
    const next = segments[farthest]
    if (!next || at(distances, farthest) === 0) break
    centres.push(next.sound)
  }
  return centres
}

function nearest(centres: readonly Float64Array[], sound: Float64Array): { index: number } {
  let index = 0
  let best = Number.POSITIVE_INFINITY
  centres.forEach((centre, c) => {
    const distance = squaredDistance(centre, sound)
    if (distance >= best) return
    best = distance
    index = c
  })
  return { index }
}

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (at(a, i) - at(b, i)) ** 2
  return sum
}

function middleOf(group: readonly Segment[], before: Float64Array): Float64Array {
  if (group.length === 0) return before
  const middle = new Float64Array(before.length)
  for (const { sound } of group) for (let i = 0; i < middle.length; i++) add(middle, i, at(sound, i) / group.length)
  return middle
}

function spotOf(room: number, group: readonly Segment[], receivers: number): SpotSums {
  const spot = emptySpot(room, receivers)
  for (const { ticks } of group) {
    for (const { heard, dbm, counts, rounds } of ticks) {
      spot.ticks += 1
      spot.rounds += rounds
      for (let n = 0; n < heard.length; n++) {
        const i = indexAt(heard, n)
        add(spot.heardTicks, i, 1)
        add(spot.sum, i, at(dbm, n))
        add(spot.squares, i, at(dbm, n) ** 2)
        add(spot.counted, i, at(counts, n))
      }
    }
  }
  return spot
}

export function emptySpot(room: number, receivers: number): SpotSums {
  return {
    room,
    ticks: 0,
    rounds: 0,
    heardTicks: new Float64Array(receivers),
    sum: new Float64Array(receivers),
    squares: new Float64Array(receivers),
    counted: new Float64Array(receivers),
  }
}
