import type { SiteMap, Survey, SurveyTrust } from '@biotrakr/shared'

import { type Cells, cellsOf } from './cells.ts'
import { depthOf, remaining } from './censored.ts'
import { type Layout, layoutOf } from './layout.ts'
import { add, at, clamp, indexAt } from './numbers.ts'
import { type Passages, passagesOf } from './passages.ts'
import { emptySpot, type SpotSums } from './spots.ts'
import { type Sums, sumsFrom } from './sums.ts'

/** Numbers kept per cell of a table, in this order. */
export const CELL = {
  mean: 0,
  precision: 1,
  halfLogVariance: 2,
  logHeard: 3,
  logMissed: 4,
  /** By how much the mean power of what is heard follows the tag's own power, 0-1. */
  follows: 5,
  size: 6,
} as const

/** Bluetooth and RFID (`Layout.medium`). */
export const MEDIA = 2

/** Flat table [row][receiver][CELL]: what one row of rooms or spots expects of every receiver. */
export interface Table {
  readonly cells: Float64Array
  /** Log-likelihood that no receiver of a medium hears one advert, of those listened to: [row * MEDIA + medium]. */
  readonly silence: Float64Array
  /** Power of the tag that it is made for against that of the survey tag, dB. */
  readonly shiftDb: number
  /** Packed cells (quick.ts), made when first needed. */
  quick: Float32Array | undefined
  /** Chances that one advert is heard, by room, of the receivers that should hear it (receivers.ts); made when needed. */
  readonly chances: (Float64Array | undefined)[]
}

/** What tables for other powers need as well. */
export interface Listening {
  /** Share of adverts that the best receiver of a room hears on average. */
  readonly reception: number
  /** 1 = left out, as `listenTo` was told last. */
  readonly masked: Uint8Array
  /** 1 = a room that has receivers, of which all are left out. */
  readonly deaf: Uint8Array
}

/** Everything that the engine takes from a site map, made once per map. Rooms have numbers, the last is "outside". */
export interface RoomModel {
  readonly layout: Layout
  readonly rooms: Table
  readonly spots: Table
  /** Rows of each room in `spots`; one more at the end. */
  readonly spotStart: Int32Array
  readonly logSpotWeight: Float64Array
  readonly passages: Passages
  /** Belief about a tag that was never heard. */
  readonly first: Float64Array
  readonly noise: Float64Array
  readonly heardAnywhere: Float64Array
  readonly surveyed: readonly boolean[]
  readonly trust: SurveyTrust
  /** Powers to which the likelihood of a second is raised for a walking and for a resting thing. */
  readonly walkingPower: number
  readonly restingPower: number
  /** Whether a receiver says anything about rooms: it stands in one or was surveyed. */
  readonly useful: Uint8Array
  /** Rooms in which each receiver is strong, for maps with many rooms. */
  readonly strongRooms: readonly Int32Array[]
  readonly listening: Listening
  /** Tables for tags of other powers, by steps of power; made when first needed (shift.ts). */
  readonly shifted: Map<number, { readonly rooms: Table; readonly spots: Table }>
  /** What several adverts say more than one, by their number (quick.ts); bounded there. */
  readonly curves: Map<number, Float32Array>
}

/** What the engine trusts without any survey. */
export const UNSURVEYED: SurveyTrust = { second: 0.9, stay: 0.06, spots: 0, heard: 0.15, error: 0.3 }
const OUTSIDE = { mean: -92, variance: 49, heard: 0.15 }
/** Where any room may be walked through, lagging behind costs more than flicker. */
const ALL_WALKED = 1.5
const UNSURVEYED_BELIEF = 0.3
/** From so much mean power on, hearing a receiver proposes a room. */
const STRONG_DBM = -85
const SPOT = { meanWeight: 1, heardWeight: 6, noiseWeight: 15, extraVariance: 3 }

export interface ModelParts {
  readonly layout: Layout
  readonly sums: Sums
  readonly spots: readonly SpotSums[]
  readonly trust: SurveyTrust
}

/** @param map a checked site map; without `survey` in it, or with one that is old, the model rests on the map alone */
export function modelOf(map: SiteMap): RoomModel {
  const layout = layoutOf(map)
  const sums = sumsFrom(layout, map.survey)
  const surveyed = sums.rounds.some((rounds) => rounds > 0)
  const trust = (surveyed && map.survey?.trust) || UNSURVEYED
  return buildModel({ layout, sums, spots: spotsFrom(layout, map.survey), trust })
}

function spotsFrom(layout: Layout, survey: Survey | undefined): SpotSums[] {
  const spots = (survey?.spots ?? []).flatMap(({ room, ticks, rounds, heard }) => {
    const k = layout.roomNumber.get(room)
    if (k === undefined) return []
    const spot = emptySpot(k, layout.receivers.length)
    spot.ticks = ticks
    spot.rounds = rounds
    for (const { receiver, ...own } of heard) {
      const i = layout.receiverNumber.get(receiver)
      if (i === undefined) continue
      spot.heardTicks[i] = own.ticks
      spot.sum[i] = own.sum
      spot.squares[i] = own.squares
      spot.counted[i] = own.counted
    }
    return [spot]
  })
  return spots.sort((a, b) => a.room - b.room)
}

export function buildModel({ layout, sums, spots, trust }: ModelParts): RoomModel {
  const cells = cellsOf(layout, sums)
  const used = trust.spots > 0 ? spots : []
  const receivers = layout.receivers.length
  return {
    layout,
    rooms: roomTable(layout, cells),
    ...spotTables({ layout, spots: used, cells }),
    passages: passagesOf(layout, sums),
    first: firstBelief(layout, sums),
    noise: cells.noise,
    heardAnywhere: cells.heardAnywhere,
    surveyed: layout.rooms.map((_, k) => at(sums.rounds, k) > 0),
    trust,
    walkingPower: clamp((layout.corridors || trust === UNSURVEYED ? 1 : ALL_WALKED) * trust.second, 0.4, 1.5),
    restingPower: clamp(0.6 * trust.stay, 0.02, 0.4),
    listening: {
      reception: receptionOf(layout, cells),
      masked: new Uint8Array(receivers),
      deaf: new Uint8Array(layout.rooms.length),
    },
    shifted: new Map(),
    curves: new Map(),
    useful: Uint8Array.from(layout.receivers, (_, i) => usefulness(layout, sums, i)),
    strongRooms: layout.receivers.map((_, i) =>
      Int32Array.from(
        layout.rooms.flatMap((_room, k) =>
          layout.receiverRoom[i] === k || at(cells.mean, k * receivers + i) > STRONG_DBM ? [k] : [],
        ),
      ),
    ),
  }
}

function receptionOf({ rooms, receivers }: Layout, { heard }: Cells): number {
  let sum = 0
  for (let k = 0; k < rooms.length; k++) {
    let best = 0
    for (let i = 0; i < receivers.length; i++) best = Math.max(best, at(heard, k * receivers.length + i))
    sum += best
  }
  return clamp(sum / Math.max(1, rooms.length), 0.3, 0.98)
}

function usefulness(layout: Layout, sums: Sums, i: number): 0 | 1 {
  if ((layout.receiverRoom[i] ?? -1) >= 0) return 1
  const receivers = layout.receivers.length
  return layout.rooms.some((_, k) => at(sums.ticks, k * receivers + i) > 0) ? 1 : 0
}

export function emptyTable(rows: number, receivers: number): Table {
  return {
    shiftDb: 0,
    cells: new Float64Array(rows * receivers * CELL.size),
    silence: new Float64Array(MEDIA * rows),
    quick: undefined,
    chances: [],
  }
}

interface Expected {
  readonly mean: number
  readonly variance: number
  readonly heard: number
  readonly follows: number
}

/** A passive tag's floor is that of the tag, and not known. */
function followsOf({ medium }: Layout, i: number, { mean, variance }: Pick<Expected, 'mean' | 'variance'>): number {
  return medium[i] === 0 ? remaining(depthOf(mean, Math.sqrt(variance))) : 1
}

function setCell(table: Table, cell: number, { mean, variance, heard, follows }: Expected): void {
  const base = cell * CELL.size
  table.cells[base + CELL.mean] = mean
  table.cells[base + CELL.precision] = 1 / variance
  table.cells[base + CELL.halfLogVariance] = Math.log(variance) / 2
  table.cells[base + CELL.logHeard] = Math.log(heard)
  table.cells[base + CELL.logMissed] = Math.log1p(-heard)
  table.cells[base + CELL.follows] = follows
}

function roomTable(layout: Layout, { mean, variance, heard }: Cells): Table {
  const receivers = layout.receivers.length
  const size = layout.rooms.length * receivers
  const table = emptyTable(layout.rooms.length + 1, receivers)
  for (let cell = 0; cell < size; cell++) {
    const own = { mean: at(mean, cell), variance: at(variance, cell) }
    setCell(table, cell, { ...own, heard: at(heard, cell), follows: followsOf(layout, cell % receivers, own) })
  }
  for (let i = 0; i < receivers; i++) setCell(table, size + i, { ...OUTSIDE, follows: followsOf(layout, i, OUTSIDE) })
  return table
}

interface SpotParts {
  readonly layout: Layout
  readonly spots: readonly SpotSums[]
  readonly cells: Cells
}

function spotTables({ layout, spots, cells }: SpotParts): Pick<RoomModel, 'spots' | 'spotStart' | 'logSpotWeight'> {
  const receivers = layout.receivers.length
  const table = emptyTable(spots.length, receivers)
  const ticks = new Float64Array(layout.rooms.length)
  for (const spot of spots) add(ticks, spot.room, spot.ticks)
  spots.forEach((spot, row) => {
    for (let i = 0; i < receivers; i++) {
      const own = spotCell(spot, cells, { i, receivers })
      setCell(table, row * receivers + i, { ...own, follows: followsOf(layout, i, own) })
    }
  })
  let row = 0
  const spotStart = Int32Array.from({ length: layout.rooms.length + 2 }, (_, k) => {
    while (row < spots.length && (spots[row]?.room ?? 0) < k) row += 1
    return row
  })
  const logSpotWeight = Float64Array.from(spots, (spot) => Math.log(spot.ticks / at(ticks, spot.room)))
  return { spots: table, spotStart, logSpotWeight }
}

function spotCell(
  spot: SpotSums,
  cells: Cells,
  { i, receivers }: { i: number; receivers: number },
): Omit<Expected, 'follows'> {
  const cell = spot.room * receivers + i
  const n = at(spot.heardTicks, i)
  const sum = at(spot.sum, i)
  const about = n > 0 ? Math.max(0, at(spot.squares, i) - (sum * sum) / n) : 0
  const { meanWeight, heardWeight, noiseWeight, extraVariance } = SPOT
  return {
    mean: (sum + meanWeight * at(cells.mean, cell)) / (n + meanWeight),
    variance: (about + noiseWeight * at(cells.noise, i)) / (n + noiseWeight) + extraVariance,
    heard: clamp((at(spot.counted, i) + heardWeight * at(cells.heard, cell)) / (spot.rounds + heardWeight), 0.02, 0.98),
  }
}

/** Surveyed rooms are likelier than others; outside is like them, but only where a way leads there. */
function firstBelief(layout: Layout, sums: Sums): Float64Array {
  const surveyed = sums.rounds.some((rounds) => rounds > 0)
  const first = Float64Array.from({ length: layout.rooms.length + 1 }, (_, k) => {
    if (k === layout.rooms.length) return layout.exit.some(Boolean) ? 1 : 1e-6
    return surveyed && at(sums.rounds, k) === 0 ? UNSURVEYED_BELIEF : 1
  })
  const total = first.reduce((sum, own) => sum + own, 0)
  return first.map((own) => own / total)
}

/** Sums the silence of every row over the receivers that are listened to. Done anew when one falls out or returns. */
export function listenTo(model: RoomModel, masked: Uint8Array): void {
  model.listening.masked.set(masked)
  markDeaf(model)
  for (const tables of [model, ...model.shifted.values()]) {
    for (const table of [tables.rooms, tables.spots]) sumSilence(model, table)
  }
}

function markDeaf({ layout: { receiverRoom }, listening: { masked, deaf } }: RoomModel): void {
  deaf.fill(0)
  for (let i = 0; i < receiverRoom.length; i++) if (masked[i] === 1) deaf[indexAt(receiverRoom, i)] = 1
  for (let i = 0; i < receiverRoom.length; i++) if (masked[i] !== 1) deaf[indexAt(receiverRoom, i)] = 0
}

export function sumSilence({ layout, useful, listening }: RoomModel, { cells, silence }: Table): void {
  const receivers = layout.receivers.length
  silence.fill(0)
  for (let row = 0; row * MEDIA < silence.length; row++) {
    for (let i = 0; i < receivers; i++) {
      if (useful[i] !== 1 || listening.masked[i] === 1) continue
      add(silence, row * MEDIA + (layout.medium[i] ?? 0), at(cells, (row * receivers + i) * CELL.size + CELL.logMissed))
    }
  }
}
