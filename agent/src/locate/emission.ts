import type { Heard } from './heard.ts'
import { CELL, MEDIA, type RoomModel, type Table } from './model.ts'
import { at, indexAt } from './numbers.ts'
import type { Offset } from './offset.ts'
import { type QuickEvidence, quickLikelihoods, type Rows } from './quick.ts'
import { tablesAt } from './shift.ts'

const {
  size: CELL_SIZE,
  precision: PRECISION,
  halfLogVariance: HALF_LOG_VARIANCE,
  logHeard: LOG_HEARD,
  logMissed: LOG_MISSED,
} = CELL

/**
 * Log-likelihood of what was heard, if the tag is in a room. A room without typical places is judged as a whole.
 * @param room number of a room of the model, the last one is outside
 */
export function logLikelihood(model: RoomModel, room: number, evidence: Evidence): number {
  const weight = model.trust.spots
  const from = indexAt(model.spotStart, room)
  const to = indexAt(model.spotStart, room + 1)
  const { rooms, spots } = tablesAt(model, evidence.offset.db)
  const whole = weight < 1 || from === to ? rowLikelihood(rooms, room, evidence) : 0
  if (weight === 0 || from === to) return whole
  return (
    (1 - weight) * whole +
    weight * spotLikelihood({ spots, logSpotWeight: model.logSpotWeight }, { from, to }, evidence)
  )
}

export interface Evidence {
  readonly heard: Heard
  readonly offset: Readonly<Offset>
  /** Receivers of the model. */
  readonly receivers: number
  /** Weight of heard and not heard against power. */
  readonly heardWeight: number
}

/** What judging all candidates at once needs beside the evidence; made once per model. */
export interface SpotRows {
  /** Room for the typical places of one room. */
  readonly spotRows: Rows
}

/** `logLikelihood` of many rooms, from packed tables, which must have been made for this weight of heard and not heard. */
export function logLikelihoods(model: RoomModel, wanted: Rows, evidence: QuickEvidence & SpotRows): void {
  const weight = model.trust.spots
  const { rooms, spots } = tablesAt(model, evidence.offset.db)
  quickLikelihoods(rooms, wanted, evidence)
  if (weight === 0) return
  for (let c = 0; c < wanted.count; c++) {
    const room = indexAt(wanted.rooms, c)
    const from = indexAt(model.spotStart, room)
    const to = indexAt(model.spotStart, room + 1)
    if (from === to) continue
    judgeSpots(spots, { from, to }, evidence)
    wanted.logLikelihood[c] =
      (1 - weight) * at(wanted.logLikelihood, c) + weight * logSum(model.logSpotWeight, from, evidence.spotRows)
  }
}

function judgeSpots(spots: Table, { from, to }: Span, evidence: QuickEvidence & SpotRows): void {
  const { spotRows } = evidence
  spotRows.count = to - from
  for (let row = from; row < to; row++) spotRows.rooms[row - from] = row
  quickLikelihoods(spots, spotRows, evidence)
}

interface Span {
  readonly from: number
  readonly to: number
}

/** Log of the weighted sum over a room's typical places, without overflow. */
function spotLikelihood(
  { spots, logSpotWeight }: Pick<RoomModel, 'spots' | 'logSpotWeight'>,
  { from, to }: Span,
  evidence: Evidence,
): number {
  const rows = Float64Array.from({ length: to - from }, (_, n) => rowLikelihood(spots, from + n, evidence))
  return logSum(logSpotWeight, from, { count: rows.length, logLikelihood: rows })
}

/** @param from number of the first place */
export function logSum(
  logWeight: Float64Array,
  from: number,
  { count, logLikelihood }: Pick<Rows, 'count' | 'logLikelihood'>,
): number {
  let top = Number.NEGATIVE_INFINITY
  let sum = 0
  for (let n = 0; n < count; n++) {
    const log = at(logWeight, from + n) + at(logLikelihood, n)
    if (log > top) {
      sum = sum * Math.exp(top - log) + 1
      top = log
    } else sum += Math.exp(log - top)
  }
  return top + Math.log(sum)
}

/**
 * One row of a table against what was heard: a Gaussian per receiver heard, with the tag's unknown offset integrated
 * out (it shifts all receivers alike), and how likely each receiver was to hear it or to miss it.
 */
export function rowLikelihood(table: Table, row: number, evidence: Evidence): number {
  const { cells, silence, shiftDb } = table
  const { heard, receivers: width, heardWeight } = evidence
  const { rounds, trusted, receivers, dbm, medium } = heard
  const { variance } = evidence.offset
  const db = evidence.offset.db - shiftDb
  const base = row * width
  let power = 0
  let presence = rounds * at(silence, MEDIA * row + medium)
  let z1 = 0
  let z2 = 0
  for (let n = 0; n < trusted; n++) {
    const cell = (base + indexAt(receivers, n)) * CELL_SIZE
    const distance = at(dbm, n) - db - at(cells, cell)
    const precision = at(cells, cell + PRECISION)
    const scaled = distance * precision
    power -= 0.5 * distance * scaled + at(cells, cell + HALF_LOG_VARIANCE)
    z1 += scaled
    z2 += precision
    const missed = rounds * at(cells, cell + LOG_MISSED)
    presence += (rounds === 1 ? at(cells, cell + LOG_HEARD) : Math.log(-Math.expm1(missed))) - missed
  }
  const spread = 1 + variance * z2
  return power + (variance * z1 * z1) / (2 * spread) - Math.log(spread) / 2 + heardWeight * presence
}
