import { logSum } from './emission.ts'
import type { Heard } from './heard.ts'
import { CELL, MEDIA, type RoomModel, type Table } from './model.ts'
import { at, indexAt } from './numbers.ts'
import type { Rows } from './quick.ts'

/**
 * Judges the held-out seconds of a survey by all rows of a table, as `rowLikelihood` does: the two parts of each answer
 * apart, as several weights of the second are tried, and with the logarithms of a table taken once, not once a second.
 */
export interface Judge {
  /**
   * @param weights of heard and not heard against power
   * @returns for each weight, the log-likelihood of each row
   */
  rows(heard: Heard, weights: readonly number[]): Float64Array[]
}

/** Numbers of adverts for which a table is kept; windows of a survey hold few. */
const MOST_KEPT = 16

interface Known {
  readonly receivers: number
  /** What is known of the survey tag's own power, dB and dB^2. */
  readonly offset: { readonly db: number; readonly variance: number }
}

export function createJudge(table: Table, { receivers: width, offset }: Known): Judge {
  const size = table.silence.length / MEDIA
  const kept = new Map<number, Float64Array>()
  const power = new Float64Array(size)
  const presence = new Float64Array(size)
  const gainsAt = (rounds: number): Float64Array => {
    const known = kept.get(rounds)
    if (known) return known
    const made = gainsOf(table, rounds)
    if (kept.size >= MOST_KEPT) kept.clear()
    kept.set(rounds, made)
    return made
  }
  return {
    rows(heard, weights) {
      judgeRows({ table, width, offset, gains: gainsAt(heard.rounds) }, heard, { power, presence })
      return weights.map((weight) => {
        const sums = new Float64Array(size)
        for (let row = 0; row < size; row++) sums[row] = at(power, row) + weight * at(presence, row)
        return sums
      })
    },
  }
}

/** What having heard the tag says more than having missed it, of each cell. */
function gainsOf({ cells }: Table, rounds: number): Float64Array {
  return Float64Array.from({ length: cells.length / CELL.size }, (_, cell) => {
    const missed = rounds * at(cells, cell * CELL.size + CELL.logMissed)
    const heard = rounds === 1 ? at(cells, cell * CELL.size + CELL.logHeard) : Math.log(-Math.expm1(missed))
    return heard - missed
  })
}

interface Judging {
  readonly table: Table
  readonly width: number
  readonly offset: Known['offset']
  readonly gains: Float64Array
}

interface Parts {
  readonly power: Float64Array
  readonly presence: Float64Array
}

function judgeRows({ table, width, offset, gains }: Judging, heard: Heard, into: Parts): void {
  const { cells, silence } = table
  const { rounds, trusted, receivers, dbm, medium } = heard
  const { db, variance } = offset
  for (let row = 0; row < into.power.length; row++) {
    let power = 0
    let presence = rounds * at(silence, MEDIA * row + medium)
    let z1 = 0
    let z2 = 0
    for (let n = 0; n < trusted; n++) {
      const place = row * width + indexAt(receivers, n)
      const cell = place * CELL.size
      const distance = at(dbm, n) - db - at(cells, cell + CELL.mean)
      const precision = at(cells, cell + CELL.precision)
      const scaled = distance * precision
      power -= 0.5 * distance * scaled + at(cells, cell + CELL.halfLogVariance)
      z1 += scaled
      z2 += precision
      presence += at(gains, place)
    }
    const spread = 1 + variance * z2
    into.power[row] = power + (variance * z1 * z1) / (2 * spread) - Math.log(spread) / 2
    into.presence[row] = presence
  }
}

/** Rooms by their typical places, from what each place says; those without any by what the room says as a whole. */
export function roomsBySpots(model: RoomModel, spots: Float64Array, whole: Float64Array): Float64Array {
  return whole.map((own, room) => {
    const [from, to] = [indexAt(model.spotStart, room), indexAt(model.spotStart, room + 1)]
    const rows: Pick<Rows, 'count' | 'logLikelihood'> = { count: to - from, logLikelihood: spots.subarray(from, to) }
    return from === to ? own : logSum(model.logSpotWeight, from, rows)
  })
}
