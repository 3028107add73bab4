import type { Survey } from '@biotrakr/shared'

import type { SurveyedPlace } from './expected.ts'
import type { Layout } from './layout.ts'
import { add, at, indexAt } from './numbers.ts'

/** One window of the survey in which something was heard, by numbers of a layout. */
export interface LabelledTick {
  /** Number of the unbroken stay that it belongs to; stays are numbered in the order of the survey. */
  readonly visit: number
  readonly room: number
  readonly atMs: number
  readonly heard: Int32Array
  readonly dbm: Float64Array
  /** Effective number of readings of each receiver heard: readings inside a second are alike. */
  readonly counts: Float64Array
  /** Adverts, or inventory rounds, that the tag sent in the window, estimated from its best receiver. */
  readonly rounds: number
  /** Place of the surveyed point in metres, where it was written down. */
  readonly at?: readonly [x: number, y: number]
}

/** All that the room model takes from a survey. Cells are [room * receivers + receiver]. */
export interface Sums {
  readonly sum: Float64Array
  readonly squares: Float64Array
  readonly ticks: Float64Array
  readonly counted: Float64Array
  readonly rounds: Float64Array
  readonly visits: Float64Array
  readonly seconds: Float64Array
  /** Squares about the mean of segments of at most 4 s at one place, per receiver, and their degrees of freedom. */
  readonly noiseSquares: Float64Array
  readonly noiseFreedom: Float64Array
  /** Room changes inside sessions by [from * rooms + to]. */
  readonly changes: Map<number, number>
  /** Mean power at the places that were written down. */
  places: readonly SurveyedPlace[]
}

const SEGMENT_MS = 4000

function emptySums({ rooms, receivers }: Layout): Sums {
  const cells = rooms.length * receivers.length
  return {
    sum: new Float64Array(cells),
    squares: new Float64Array(cells),
    ticks: new Float64Array(cells),
    counted: new Float64Array(cells),
    rounds: new Float64Array(rooms.length),
    visits: new Float64Array(rooms.length),
    seconds: new Float64Array(rooms.length),
    noiseSquares: new Float64Array(receivers.length),
    noiseFreedom: new Float64Array(receivers.length),
    changes: new Map(),
    places: [],
  }
}

/** Adds up a survey. Room changes are not in it: they need sessions (see `fitSurvey`). */
export function sumsOf(layout: Layout, ticks: readonly LabelledTick[]): Sums {
  const sums = emptySums(layout)
  let visit = -1
  for (const tick of ticks) {
    addTick(sums, layout.receivers.length, tick)
    if (tick.visit !== visit) add(sums.visits, tick.room, 1)
    visit = tick.visit
  }
  for (const segment of segmentsOf(ticks)) addNoise(sums, segment)
  sums.places = placesOf(layout, ticks)
  return sums
}

function placesOf({ receivers }: Layout, ticks: readonly LabelledTick[]): SurveyedPlace[] {
  const places = new Map<string, SurveyedPlace & { readonly count: Float64Array }>()
  for (const { room, at: point, heard, dbm } of ticks) {
    if (!point) continue
    const name = `${room} ${point.join(' ')}`
    const size = receivers.length
    const place = places.get(name) ?? {
      room,
      at: point,
      dbm: new Float64Array(size).fill(Number.NaN),
      count: new Float64Array(size),
    }
    places.set(name, place)
    for (let n = 0; n < heard.length; n++) {
      const i = indexAt(heard, n)
      const before = at(place.count, i)
      place.count[i] = before + 1
      place.dbm[i] = before === 0 ? at(dbm, n) : at(place.dbm, i) + (at(dbm, n) - at(place.dbm, i)) / (before + 1)
    }
  }
  return [...places.values()].map(({ room, at: point, dbm }) => ({ room, at: point, dbm }))
}

function addTick(sums: Sums, receivers: number, { room, heard, dbm, counts, rounds }: LabelledTick): void {
  add(sums.rounds, room, rounds)
  for (let n = 0; n < heard.length; n++) {
    const cell = room * receivers + indexAt(heard, n)
    const x = at(dbm, n)
    add(sums.sum, cell, x)
    add(sums.squares, cell, x * x)
    add(sums.ticks, cell, 1)
    add(sums.counted, cell, at(counts, n))
  }
}

/** Cuts a survey into stretches of at most 4 s of one visit: so short that the place hardly changes. */
export function segmentsOf(ticks: readonly LabelledTick[]): LabelledTick[][] {
  const segments: LabelledTick[][] = []
  let open: LabelledTick[] = []
  for (const tick of ticks) {
    const first = open[0]
    if (first && (first.visit !== tick.visit || tick.atMs - first.atMs >= SEGMENT_MS)) {
      segments.push(open)
      open = []
    }
    open.push(tick)
  }
  if (open.length > 0) segments.push(open)
  return segments
}

function addNoise(sums: Sums, segment: readonly LabelledTick[]): void {
  const heard = new Map<number, { n: number; sum: number; squares: number }>()
  for (const tick of segment) {
    for (let n = 0; n < tick.heard.length; n++) {
      const receiver = indexAt(tick.heard, n)
      const x = at(tick.dbm, n)
      const own = heard.get(receiver) ?? { n: 0, sum: 0, squares: 0 }
      heard.set(receiver, { n: own.n + 1, sum: own.sum + x, squares: own.squares + x * x })
    }
  }
  for (const [receiver, { n, sum, squares }] of heard) {
    if (n < 2) continue
    add(sums.noiseSquares, receiver, Math.max(0, squares - (sum * sum) / n))
    add(sums.noiseFreedom, receiver, n - 1)
  }
}

/** The sums that a site map carries; rooms and receivers that the map has lost since the survey are left out. */
export function sumsFrom(layout: Layout, survey: Survey | undefined): Sums {
  const sums = emptySums(layout)
  if (!survey) return sums
  for (const { room, rounds, visits, seconds } of survey.rooms) {
    const k = layout.roomNumber.get(room)
    if (k === undefined) continue
    sums.rounds[k] = rounds
    sums.visits[k] = visits
    sums.seconds[k] = seconds
  }
  for (const { room, receiver, ticks, sum, squares, counted } of survey.cells) {
    const [k, i] = [layout.roomNumber.get(room), layout.receiverNumber.get(receiver)]
    if (k === undefined || i === undefined) continue
    const cell = k * layout.receivers.length + i
    sums.ticks[cell] = ticks
    sums.sum[cell] = sum
    sums.squares[cell] = squares
    sums.counted[cell] = counted
  }
  for (const { receiver, squares, freedom } of survey.noise) {
    const i = layout.receiverNumber.get(receiver)
    if (i === undefined) continue
    sums.noiseSquares[i] = squares
    sums.noiseFreedom[i] = freedom
  }
  sums.places = survey.points.flatMap(({ room, at: [x, y], heard }): SurveyedPlace[] => {
    const k = layout.roomNumber.get(room)
    if (k === undefined) return []
    const dbm = new Float64Array(layout.receivers.length).fill(Number.NaN)
    for (const own of heard) {
      const i = layout.receiverNumber.get(own.receiver)
      if (i !== undefined) dbm[i] = own.dbm
    }
    return [{ room: k, at: [x, y], dbm }]
  })
  for (const [from, to, count] of survey.changes) {
    const [k, j] = [layout.roomNumber.get(from), layout.roomNumber.get(to)]
    if (k !== undefined && j !== undefined) sums.changes.set(k * layout.rooms.length + j, count)
  }
  return sums
}
