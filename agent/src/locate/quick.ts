import type { Evidence } from './emission.ts'
import { type Heard, MAX_HEARD } from './heard.ts'
import { CELL, MEDIA, type Table } from './model.ts'
import { at, clamp, indexAt } from './numbers.ts'

/**
 * The numbers of a table that every answer reads, packed for the processor's cache: a map of hundreds of rooms has
 * hundreds of thousands of cells. Mean, precision, what else one advert heard says, and where on a curve the heard rate
 * stands.
 */
const PACKED = 4
/** Heard rates between these stand on a curve of so many pieces, even in their logarithm. */
const LEAST_RATE = 0.002
const MOST_RATE = 0.985
const PIECES = 128
const LEAST_LOG = Math.log(LEAST_RATE)
const PER_LOG = PIECES / (Math.log(MOST_RATE) - LEAST_LOG)
const MOST_CURVES = 64

/** What several adverts say more than one about a receiver that heard the tag, by its heard rate. */
export type Curve = Float32Array

const FLAT: Curve = new Float32Array(PIECES + 2)

/**
 * @param made curves made before, at most 64
 * @param rounds adverts that the tag sent in the window, 1 or more
 */
export function curveFor(made: Map<number, Curve>, rounds: number): Curve {
  if (rounds === 1) return FLAT
  const known = made.get(rounds)
  if (known) return known
  const curve = Float32Array.from({ length: PIECES + 2 }, (_, piece) => {
    const missed = Math.log1p(-Math.min(MOST_RATE, Math.exp(LEAST_LOG + piece / PER_LOG)))
    return heardAgainstMissed(rounds * missed) - heardAgainstMissed(missed)
  })
  if (made.size >= MOST_CURVES) made.clear()
  made.set(rounds, curve)
  return curve
}

/** Logarithm of heard at all against never, from the logarithm of never. */
function heardAgainstMissed(missed: number): number {
  return Math.log(-Math.expm1(missed)) - missed
}

/** @param weight of heard and not heard against power */
function packed({ cells }: Pick<Table, 'cells'>, weight: number): Float32Array {
  const size = cells.length / CELL.size
  const out = new Float32Array(size * PACKED)
  for (let cell = 0; cell < size; cell++) {
    const from = cell * CELL.size
    const missed = at(cells, from + CELL.logMissed)
    out[cell * PACKED] = at(cells, from + CELL.mean)
    out[cell * PACKED + 1] = at(cells, from + CELL.precision)
    out[cell * PACKED + 2] =
      weight * (at(cells, from + CELL.logHeard) - missed) - at(cells, from + CELL.halfLogVariance)
    out[cell * PACKED + 3] = clamp((Math.log(-Math.expm1(missed)) - LEAST_LOG) * PER_LOG, 0, PIECES)
  }
  return out
}

/** Rows of a table to be judged, and where the answers go; room for as many as there can be. */
export interface Rows {
  readonly rooms: Int32Array
  count: number
  readonly logLikelihood: Float64Array
}

export function emptyRows(size: number): Rows {
  return { rooms: new Int32Array(size), count: 0, logLikelihood: new Float64Array(size) }
}

export interface QuickEvidence extends Evidence {
  /** For as many adverts as were sent (`curveFor`). */
  readonly curve: Curve
  readonly quickHeard: QuickHeard
}

/** Of what was heard, what is the same for every row; room for as much as there can be. */
export interface QuickHeard {
  /** Place of each receiver's cell in a row of packed numbers. */
  readonly cells: Int32Array
  /** Power, less the tag's own beyond that of the table, dB. */
  readonly dbm: Float64Array
}

export function emptyQuickHeard(): QuickHeard {
  return { cells: new Int32Array(MAX_HEARD), dbm: new Float64Array(MAX_HEARD) }
}

/**
 * What `rowLikelihood` says, from the packed numbers: the same but for rounding and the pieces of the curve. All rows in
 * one loop, so that nothing is made or passed for each, and two at a time: the sums of one alone wait for each other.
 */
export function quickLikelihoods(table: Table, { rooms, count, logLikelihood }: Rows, evidence: QuickEvidence): void {
  const { heard, offset, heardWeight, receivers: width, curve, quickHeard } = evidence
  table.quick ??= packed(table, heardWeight)
  const { quick, silence } = table
  const { trusted, rounds, medium } = heard
  const { variance } = offset
  const { cells, dbm } = quickHeard
  read(quickHeard, heard, offset.db - table.shiftDb)
  for (let c = 0; c < count; c += 2) {
    // The last of an odd number goes with itself.
    const d = Math.min(c + 1, count - 1)
    const row = indexAt(rooms, c)
    const second = indexAt(rooms, d)
    const base = row * width * PACKED
    const apart = (second - row) * width * PACKED
    let sum = heardWeight * rounds * at(silence, MEDIA * row + medium)
    let secondSum = heardWeight * rounds * at(silence, MEDIA * second + medium)
    let z1 = 0
    let z2 = 0
    let secondZ1 = 0
    let secondZ2 = 0
    for (let n = 0; n < trusted; n++) {
      const cell = base + indexAt(cells, n)
      const other = cell + apart
      const distance = at(dbm, n) - (quick[cell] as number)
      const precision = quick[cell + 1] as number
      const scaled = distance * precision
      const secondDistance = at(dbm, n) - (quick[other] as number)
      const secondPrecision = quick[other + 1] as number
      const secondScaled = secondDistance * secondPrecision
      sum += (quick[cell + 2] as number) - 0.5 * distance * scaled
      secondSum += (quick[other + 2] as number) - 0.5 * secondDistance * secondScaled
      z1 += scaled
      z2 += precision
      secondZ1 += secondScaled
      secondZ2 += secondPrecision
      if (curve === FLAT) continue
      sum += heardWeight * onCurve(curve, quick[cell + 3] as number)
      secondSum += heardWeight * onCurve(curve, quick[other + 3] as number)
    }
    logLikelihood[c] = sum + forOffset(variance, z1, z2)
    logLikelihood[d] = secondSum + forOffset(variance, secondZ1, secondZ2)
  }
}

function read({ cells, dbm }: QuickHeard, heard: Heard, db: number): void {
  for (let n = 0; n < heard.trusted; n++) {
    cells[n] = PACKED * indexAt(heard.receivers, n)
    dbm[n] = at(heard.dbm, n) - db
  }
}

/** With the tag's unknown offset integrated out. */
function forOffset(variance: number, z1: number, z2: number): number {
  const spread = 1 + variance * z2
  return (variance * z1 * z1) / (2 * spread) - Math.log(spread) / 2
}

function onCurve(curve: Curve, place: number): number {
  const piece = place | 0
  const low = curve[piece] as number
  return low + (place - piece) * ((curve[piece + 1] as number) - low)
}
