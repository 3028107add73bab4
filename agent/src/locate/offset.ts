import type { Belief } from './belief.ts'
import type { Heard } from './heard.ts'
import { CELL, type RoomModel } from './model.ts'
import { at, clamp, indexAt } from './numbers.ts'
import { tablesAt } from './shift.ts'

/** What is known of a tag's transmit power against that of the survey tag: mean and variance, dB. */
export interface Offset {
  db: number
  variance: number
}

const START_VARIANCE = 16
const LEAST_VARIANCE = 0.49
const MOST_DB = 25
const GAIN = 0.15
const POSSIBLE = 0.01
/** Batteries age and tags are turned: what was learned is forgotten slowly, dB^2 per second. */
const FORGOTTEN_PER_SECOND = 0.02 / 3600

export function emptyOffset(): Offset {
  return { db: 0, variance: START_VARIANCE }
}

interface Learning {
  readonly model: RoomModel
  readonly belief: Belief
  readonly heard: Heard
  /** Probability of the likeliest room: a doubtful room teaches little. */
  readonly sure: number
  readonly seconds: number
}

/** Learns from how much stronger or weaker the tag sounds than the survey tag would in the rooms where it may be. */
export function learnOffset(offset: Offset, { model, belief, heard, sure, seconds }: Learning): void {
  const { cells, shiftDb } = tablesAt(model, offset.db).rooms
  const beyond = offset.db - shiftDb
  const rooms = model.layout.rooms.length
  let distance = 0
  let precision = 0
  for (let b = 0; b < belief.count; b++) {
    const room = indexAt(belief.rooms, b)
    const probability = at(belief.answer, b)
    if (room === rooms || probability <= POSSIBLE) continue
    for (let n = 0; n < heard.trusted; n++) {
      const cell = (room * model.layout.receivers.length + indexAt(heard.receivers, n)) * CELL.size
      const weight = probability * at(cells, cell + CELL.precision)
      distance += weight * (at(heard.dbm, n) - beyond - at(cells, cell + CELL.mean))
      precision += weight * at(cells, cell + CELL.follows)
    }
  }
  const trust = GAIN * sure
  const total = 1 / (offset.variance + FORGOTTEN_PER_SECOND * seconds) + trust * precision
  offset.db = clamp(offset.db + (trust * distance) / total, -MOST_DB, MOST_DB)
  offset.variance = Math.max(LEAST_VARIANCE, 1 / total)
}
