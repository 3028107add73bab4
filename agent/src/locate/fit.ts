import type { RoomId, Sighting, SiteMap, Survey, SurveyTrust } from '@biotrakr/shared'

import { cellsOf } from './cells.ts'
import type { SurveyedPlace } from './expected.ts'
import { effectiveCount } from './heard.ts'
import { type Layout, layoutOf } from './layout.ts'
import { add, at } from './numbers.ts'
import { type SpotSums, spotsOf } from './spots.ts'
import { type LabelledTick, type Sums, sumsOf } from './sums.ts'
import { learnTrust } from './trust.ts'

/** One window of a survey: what was heard of the survey tag while it was in a room. */
export interface SurveyWindow {
  /** Windows of one session follow each other; room changes inside one teach how things move. */
  readonly session: string
  readonly room: RoomId
  /** Wall milliseconds. */
  readonly atMs: number
  readonly sightings: readonly Sighting[]
  /** Place of the surveyed point in metres, where it was written down. */
  readonly at?: readonly [x: number, y: number]
}

interface FitOptions {
  /** Taken instead of learned: where parts of one survey are compared, and learning for each would take long. */
  readonly trust?: SurveyTrust
}

/** A longer pause ends a visit. */
const PAUSE_MS = 30_000

/**
 * Turns a survey into what the site map keeps of it. Windows of rooms or receivers that the map lacks, and windows in
 * which nothing was heard, are passed over; fewer than that may be left, even none.
 * @param windows in the order of the survey
 */
export function fitSurvey(map: SiteMap, windows: readonly SurveyWindow[], options: FitOptions = {}): Survey {
  const layout = layoutOf(map)
  const { ticks, changes, seconds } = labelled(layout, windows)
  const sums = sumsOf(layout, ticks)
  sums.seconds.set(seconds)
  for (const [cell, count] of changes) sums.changes.set(cell, count)
  const trust = options.trust ?? learnTrust(layout, ticks)
  const spots = trust.spots > 0 ? spotsOf(ticks, cellsOf(layout, sums).mean, layout.receivers.length) : []
  return {
    ...written(layout, sums),
    spots: spots.map((spot) => writtenSpot(layout, spot)),
    points: sums.places.map((place) => writtenPlace(layout, place)),
    trust,
  }
}

interface Labelled {
  readonly ticks: readonly LabelledTick[]
  readonly changes: ReadonlyMap<number, number>
  readonly seconds: Float64Array
}

function labelled(layout: Layout, windows: readonly SurveyWindow[]): Labelled {
  const ticks: LabelledTick[] = []
  const changes = new Map<number, number>()
  const seconds = new Float64Array(layout.rooms.length)
  let visit = -1
  let before: { readonly window: SurveyWindow; readonly room: number } | undefined
  for (const window of windows) {
    const room = layout.roomNumber.get(window.room)
    const heard = heardIn(layout, window)
    if (room === undefined || heard.heard.length === 0) continue
    const from = before && follows(before.window, window) ? before : undefined
    if (from) add(seconds, from.room, (window.atMs - from.window.atMs) / 1000)
    if (from && from.room !== room) count(changes, from.room * layout.rooms.length + room)
    if (from?.room !== room) visit += 1
    ticks.push({ visit, room, atMs: window.atMs, ...heard, ...(window.at && { at: window.at }) })
    before = { window, room }
  }
  return { ticks, changes, seconds }
}

function count(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function follows(before: SurveyWindow, { session, atMs }: SurveyWindow): boolean {
  return before.session === session && atMs >= before.atMs && atMs - before.atMs <= PAUSE_MS
}

function heardIn(
  { receiverNumber }: Layout,
  { sightings }: SurveyWindow,
): Pick<LabelledTick, 'heard' | 'dbm' | 'counts' | 'rounds'> {
  const used = sightings.flatMap(({ receiver, rssiDbm, count }) => {
    const i = receiverNumber.get(receiver)
    if (i === undefined || rssiDbm === undefined || !(rssiDbm < 0 && rssiDbm > -128)) return []
    return [{ i, rssiDbm, counted: effectiveCount(count) }]
  })
  return {
    heard: Int32Array.from(used, ({ i }) => i),
    dbm: Float64Array.from(used, ({ rssiDbm }) => rssiDbm),
    counts: Float64Array.from(used, ({ counted }) => counted),
    rounds: used.reduce((most, { counted }) => Math.max(most, counted), 1),
  }
}

function written(layout: Layout, sums: Sums): Pick<Survey, 'rooms' | 'cells' | 'noise' | 'changes'> {
  const { rooms, receivers } = layout
  return {
    rooms: rooms.flatMap((room, k) => {
      const rounds = at(sums.rounds, k)
      return rounds === 0 ? [] : [{ room, rounds, visits: at(sums.visits, k), seconds: at(sums.seconds, k) }]
    }),
    cells: rooms.flatMap((room, k) =>
      receivers.flatMap((receiver, i) => {
        const cell = k * receivers.length + i
        const ticks = at(sums.ticks, cell)
        if (ticks === 0) return []
        const [sum, squares, counted] = [at(sums.sum, cell), at(sums.squares, cell), at(sums.counted, cell)]
        return [{ room, receiver, ticks, sum, squares, counted }]
      }),
    ),
    noise: receivers.flatMap((receiver, i) => {
      const freedom = at(sums.noiseFreedom, i)
      return freedom === 0 ? [] : [{ receiver, squares: at(sums.noiseSquares, i), freedom }]
    }),
    changes: [...sums.changes].flatMap(([cell, count]): [RoomId, RoomId, number][] => {
      const [from, to] = [rooms[Math.floor(cell / rooms.length)], rooms[cell % rooms.length]]
      return from === undefined || to === undefined ? [] : [[from, to, count]]
    }),
  }
}

function writtenSpot({ rooms, receivers }: Layout, spot: SpotSums): Survey['spots'][number] {
  return {
    room: rooms[spot.room] as RoomId,
    ticks: spot.ticks,
    rounds: spot.rounds,
    heard: receivers.flatMap((receiver, i) => {
      const ticks = at(spot.heardTicks, i)
      if (ticks === 0) return []
      return [{ receiver, ticks, sum: at(spot.sum, i), squares: at(spot.squares, i), counted: at(spot.counted, i) }]
    }),
  }
}

/** Mean power at each surveyed place that was written down. */
function writtenPlace(
  { rooms, receivers }: Layout,
  { room, at: [x, y], dbm }: SurveyedPlace,
): Survey['points'][number] {
  const heard = receivers.flatMap((receiver, i) => (Number.isNaN(dbm[i]) ? [] : [{ receiver, dbm: at(dbm, i) }]))
  return { room: rooms[room] as RoomId, at: [x, y], heard }
}
