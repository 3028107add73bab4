import type { Evidence } from './emission.ts'
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

/** What `rowLikelihood` says, from the packed numbers: the same but for rounding and the pieces of the curve. */
export function quickLikelihood(table: Table, row: number, evidence: Evidence, curve: Curve): number {
  const { heard, offset, heardWeight } = evidence
  table.quick ??= packed(table, heardWeight)
  const { quick } = table
  const { trusted, receivers, dbm, rounds } = heard
  const db = offset.db - table.shiftDb
  const base = row * evidence.receivers
  let sum = heardWeight * rounds * at(table.silence, MEDIA * row + heard.medium)
  let z1 = 0
  let z2 = 0
  for (let n = 0; n < trusted; n++) {
    const cell = (base + indexAt(receivers, n)) * PACKED
    const distance = at(dbm, n) - db - (quick[cell] as number)
    const precision = quick[cell + 1] as number
    const scaled = distance * precision
    sum += (quick[cell + 2] as number) - 0.5 * distance * scaled
    z1 += scaled
    z2 += precision
    if (curve !== FLAT) sum += heardWeight * onCurve(curve, quick[cell + 3] as number)
  }
  const spread = 1 + offset.variance * z2
  return sum + (offset.variance * z1 * z1) / (2 * spread) - Math.log(spread) / 2
}

function onCurve(curve: Curve, place: number): number {
  const piece = place | 0
  const low = curve[piece] as number
  return low + (place - piece) * ((curve[piece + 1] as number) - low)
}
