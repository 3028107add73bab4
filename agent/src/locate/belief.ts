import type { RoomModel } from './model.ts'
import { add, at, clamp, indexAt } from './numbers.ts'
import { leaveChance, type Passages } from './passages.ts'

/** Maps with at most this many rooms keep all of them for every tag; in larger ones a tag keeps so many at most. */
const MAX_ROOMS_KEPT = 64
const LEAST = 1e-6
/** A room keeps its place among the candidates above this. */
const STILL_POSSIBLE = 0.001
/** Receivers within this of the strongest propose the rooms in which they are strong. */
const PROPOSE_WITHIN_DB = 12

/** Probability per room, for the rooms that are possible at all. */
export interface Belief {
  /** Numbers of the model's rooms; the last number of the model is "outside". */
  readonly rooms: Int32Array
  /** Right for things at rest: what is answered. */
  readonly answer: Float64Array
  /** Right for walking things: trusts every second. */
  readonly fast: Float64Array
  count: number
}

/** Numbers that one step needs; made once per model, never per step. */
export interface Scratch {
  /** Place of a room among the candidates, -1 = none. */
  readonly slot: Int32Array
  readonly rooms: Int32Array
  count: number
  readonly answer: Float64Array
  readonly fast: Float64Array
  readonly logLikelihood: Float64Array
}

export function emptyBelief({ layout }: RoomModel): Belief {
  const size = Math.min(layout.rooms.length + 1, MAX_ROOMS_KEPT)
  return { rooms: new Int32Array(size), answer: new Float64Array(size), fast: new Float64Array(size), count: 0 }
}

export function emptyScratch({ layout }: RoomModel): Scratch {
  const rooms = layout.rooms.length + 1
  const size = Math.min(rooms, MAX_ROOMS_KEPT)
  return {
    slot: new Int32Array(rooms).fill(-1),
    rooms: new Int32Array(size),
    count: 0,
    answer: new Float64Array(size),
    fast: new Float64Array(size),
    logLikelihood: new Float64Array(size),
  }
}

interface Proposal {
  readonly receivers: Int32Array
  readonly dbm: Float64Array
  readonly trusted: number
  readonly strongestDbm: number
}

/** Chooses the rooms that this step looks at: all of a small map, those within earshot of a large one. */
export function proposeRooms(scratch: Scratch, belief: Belief, { model, heard }: Proposing): void {
  for (let c = 0; c < scratch.count; c++) scratch.slot[indexAt(scratch.rooms, c)] = -1
  scratch.count = 0
  const outside = model.layout.rooms.length
  if (outside < MAX_ROOMS_KEPT) {
    for (let room = 0; room <= outside; room++) propose(scratch, room)
    return
  }
  propose(scratch, outside)
  for (let b = 0; b < belief.count; b++) {
    if (at(belief.answer, b) > STILL_POSSIBLE) propose(scratch, indexAt(belief.rooms, b))
  }
  for (let n = 0; n < heard.trusted; n++) {
    if (at(heard.dbm, n) < heard.strongestDbm - PROPOSE_WITHIN_DB) continue
    const strong = model.strongRooms[indexAt(heard.receivers, n)]
    if (strong) for (let s = 0; s < strong.length; s++) propose(scratch, indexAt(strong, s))
  }
  proposeNeighbours(scratch, model.passages)
}

interface Proposing {
  readonly model: RoomModel
  readonly heard: Proposal
}

function propose(scratch: Scratch, room: number): void {
  if (scratch.count >= scratch.rooms.length || indexAt(scratch.slot, room) >= 0) return
  scratch.slot[room] = scratch.count
  scratch.rooms[scratch.count] = room
  scratch.count += 1
}

function proposeNeighbours(scratch: Scratch, { start, to }: Passages): void {
  const own = scratch.count
  for (let c = 1; c < own; c++) {
    const room = indexAt(scratch.rooms, c)
    for (let e = indexAt(start, room); e < indexAt(start, room + 1); e++) propose(scratch, indexAt(to, e))
  }
}

export interface Step {
  readonly passages: Passages
  readonly kind: 'answer' | 'fast'
  /** 0 walks, 1 rests. */
  rest: number
  seconds: number
}

/** What leaves a room of less belief than this changes nothing. */
const TOO_LITTLE_TO_LEAVE = 1e-5

/** Moves the belief on by what may have happened since: things leave rooms for their neighbours. */
export function predict(scratch: Scratch, belief: Belief, step: Step): void {
  const { passages, kind } = step
  const from = belief[kind]
  const into = scratch[kind]
  for (let c = 0; c < scratch.count; c++) into[c] = 0
  let shared = 0
  for (let b = 0; b < belief.count; b++) {
    const room = indexAt(belief.rooms, b)
    const mass = at(from, b)
    const own = indexAt(scratch.slot, room)
    const leaving = mass < TOO_LITTLE_TO_LEAVE ? 0 : mass * leaveChance(passages, room, step)
    const even = leaving * at(passages.even, room)
    shared += even
    if (own >= 0) add(into, own, mass - leaving - even)
    if (leaving === 0) continue
    for (let e = indexAt(passages.start, room); e < indexAt(passages.start, room + 1); e++) {
      const slot = indexAt(scratch.slot, indexAt(passages.to, e))
      if (slot >= 0) add(into, slot, leaving * at(passages.extra, e))
    }
  }
  for (let c = 0; c < scratch.count; c++) into[c] = Math.max(LEAST, at(into, c) + shared)
}

/** What falls so far behind the likeliest, in nats, is floored and moves no sum of doubles: nothing to be computed. */
const FAR_BEHIND = -60

/** Multiplies the likelihood in, raised to a power, and normalises. */
export function update({ count, logLikelihood }: Scratch, values: Float64Array, power: number): void {
  let top = Number.NEGATIVE_INFINITY
  for (let c = 0; c < count; c++) top = Math.max(top, at(logLikelihood, c))
  let total = 0
  for (let c = 0; c < count; c++) {
    const behind = power * (at(logLikelihood, c) - top)
    values[c] = behind < FAR_BEHIND ? 0 : at(values, c) * Math.exp(behind)
    total += at(values, c)
  }
  normalise(values, count, total)
}

/** No room is ever impossible: what is floored here is found again by what is heard later. */
function normalise(values: Float64Array, count: number, total: number): void {
  if (!(total > 0)) {
    for (let c = 0; c < count; c++) values[c] = 1 / count
    return
  }
  for (let c = 0; c < count; c++) values[c] = Math.max(LEAST, at(values, c) / total)
}

/** Draws the answer to the fast filter: fully while walking, or where the survey shows that one second is right. */
export function mix(scratch: Scratch, share: number): void {
  if (share <= 0) return
  let total = 0
  for (let c = 0; c < scratch.count; c++) {
    scratch.answer[c] = (1 - share) * at(scratch.answer, c) + share * at(scratch.fast, c)
    total += at(scratch.answer, c)
  }
  normalise(scratch.answer, scratch.count, total)
}

/** Takes the step's result over. */
export function keep(belief: Belief, scratch: Scratch): void {
  belief.count = scratch.count
  for (let c = 0; c < scratch.count; c++) {
    belief.rooms[c] = indexAt(scratch.rooms, c)
    belief.answer[c] = at(scratch.answer, c)
    belief.fast[c] = at(scratch.fast, c)
  }
}

/** Place of the likeliest room; the first of equals. */
export function likeliest({ answer, count }: Pick<Belief, 'answer' | 'count'>): number {
  let best = 0
  for (let c = 1; c < count; c++) if (at(answer, c) > at(answer, best)) best = c
  return best
}

/** Place of a room, -1 when it is not among those kept. */
export function slotOf({ rooms, count }: Pick<Belief, 'rooms' | 'count'>, room: number): number {
  for (let c = 0; c < count; c++) if (indexAt(rooms, c) === room) return c
  return -1
}

/** Calibrated probability of one place of a belief: the belief is too sure of itself, raised to a power below 1 it is not. */
export function confidenceOf({ answer, count }: Pick<Belief, 'answer' | 'count'>, slot: number, power: number): number {
  // Most rooms stand at the floor.
  const least = LEAST ** power
  let total = 0
  for (let c = 0; c < count; c++) total += at(answer, c) === LEAST ? least : at(answer, c) ** power
  return clamp(at(answer, slot) ** power / total, 0, 1)
}
