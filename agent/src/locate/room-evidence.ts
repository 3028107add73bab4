import type { RoomId, TagWindow } from '@biotrakr/shared'

import { type Scratch, update } from './belief.ts'
import type { Heard } from './heard.ts'
import type { RoomModel } from './model.ts'
import { add, at, indexAt } from './numbers.ts'

/**
 * Rooms that name themselves: an infrared or LF transmitter that reaches one room alone and that the tag passes on, a
 * dock, a bed-side reader that hears nothing beyond the bed. One such room settles the matter; two at once stay two.
 */
export interface RoomNames {
  /** Rooms that named themselves lately, and seconds since each did last. */
  readonly rooms: Int32Array
  readonly age: Float64Array
  count: number
  /** Room on which the belief was settled, -1 = none. */
  settled: number
  /** Whether two rooms claim the tag just now. */
  isTorn: boolean
}

const MAX_NAMES = 4
/** A name that comes this soon after another contradicts it; later, the tag was carried over. Seconds. */
const CONTRADICTS_SECONDS = 3
/** A name holds for so long, seconds. */
const HOLDS_SECONDS = 10
const NAMED = { belief: 0.98, logLikelihood: 4 }

export function emptyNames(): RoomNames {
  return {
    rooms: new Int32Array(MAX_NAMES),
    age: new Float64Array(MAX_NAMES),
    count: 0,
    settled: -1,
    isTorn: false,
  }
}

export interface NamesStep {
  readonly model: RoomModel
  readonly scratch: Scratch
  readonly heard: Heard
  readonly window: TagWindow
  readonly seconds: number
}

/** @returns whether the belief was settled on another room than before, so that the tag has moved */
export function heedNames(names: RoomNames, step: NamesStep): boolean {
  const { scratch } = step
  grow(names, step.seconds)
  const isNew = takeNames(names, step)
  const [newest] = names.rooms
  if (names.count === 0 || newest === undefined) return false
  if (isNew) names.isTorn = claims(names) > 1
  if (names.isTorn) {
    names.settled = -1
    if (isNew) shareOut(scratch, names)
    return false
  }
  if (!isNew) {
    favour(scratch, newest)
    return false
  }
  const hasMoved = names.settled !== newest
  names.settled = newest
  const slot = indexAt(scratch.slot, newest)
  if (slot >= 0 && at(scratch.answer, slot) < NAMED.belief) settleOn(scratch, newest, NAMED.belief)
  return hasMoved
}

/** Between two names: what was said holds a little longer. */
function favour(scratch: Scratch, room: number): void {
  for (let c = 0; c < scratch.count; c++) {
    scratch.logLikelihood[c] = indexAt(scratch.rooms, c) === room ? NAMED.logLikelihood : 0
  }
  update(scratch, scratch.answer, 1)
  update(scratch, scratch.fast, 1)
}

/** Whether a transmitter's name stands behind a room. */
export function isNamed(names: RoomNames, room: number): boolean {
  return names.settled === room && !names.isTorn
}

function grow(names: RoomNames, seconds: number): void {
  let kept = 0
  for (let n = 0; n < names.count; n++) {
    const age = at(names.age, n) + seconds
    if (age > HOLDS_SECONDS) continue
    names.rooms[kept] = indexAt(names.rooms, n)
    names.age[kept] = age
    kept += 1
  }
  names.count = kept
  if (kept === 0) {
    names.settled = -1
    names.isTorn = false
  }
}

/** Newest first. @returns whether any room named itself in this window */
function takeNames(names: RoomNames, { model: { layout }, heard, window }: NamesStep): boolean {
  let taken = false
  for (let n = 0; n < heard.trusted; n++) {
    const receiver = indexAt(heard.receivers, n)
    const room = indexAt(layout.receiverRoom, receiver)
    if (layout.exact[receiver] !== true || room < 0) continue
    put(names, room)
    taken = true
  }
  if (!window.namedRooms) return taken
  for (const name of window.namedRooms) {
    const room = layout.markRoom.get(name) ?? layout.roomNumber.get(name as RoomId)
    if (room === undefined) continue
    put(names, room)
    taken = true
  }
  return taken
}

function put(names: RoomNames, room: number): void {
  let from = names.count
  for (let n = 0; n < names.count; n++) if (indexAt(names.rooms, n) === room) from = n
  if (from === names.count && names.count < MAX_NAMES) names.count += 1
  for (let n = Math.min(from, MAX_NAMES - 1); n > 0; n--) {
    names.rooms[n] = indexAt(names.rooms, n - 1)
    names.age[n] = at(names.age, n - 1)
  }
  names.rooms[0] = room
  names.age[0] = 0
}

/** How many rooms claim the tag: the newest first, so those named within a short time of it. */
function claims({ age, count }: RoomNames): number {
  let claiming = 0
  for (let n = 0; n < count; n++) if (at(age, n) <= CONTRADICTS_SECONDS) claiming += 1
  return claiming
}

/** Each claiming room gets the same; what it sounded like before decides nothing, as one of them is wrong. */
function shareOut(scratch: Scratch, names: RoomNames): void {
  const share = NAMED.belief / claims(names)
  for (const values of [scratch.answer, scratch.fast]) {
    let rest = 0
    for (let c = 0; c < scratch.count; c++) if (!isClaiming(names, indexAt(scratch.rooms, c))) rest += at(values, c)
    let total = 0
    for (let c = 0; c < scratch.count; c++) {
      const own = isClaiming(names, indexAt(scratch.rooms, c))
      values[c] = own ? share : (at(values, c) * (1 - NAMED.belief)) / Math.max(1e-9, rest)
      total += at(values, c)
    }
    for (let c = 0; c < scratch.count; c++) add(values, c, at(values, c) * (1 / total - 1))
  }
}

function isClaiming({ rooms, age, count }: RoomNames, room: number): boolean {
  for (let n = 0; n < count; n++) {
    if (indexAt(rooms, n) === room && at(age, n) <= CONTRADICTS_SECONDS) return true
  }
  return false
}

/** The room gets so much of the belief; the others share the rest as they stood. */
export function settleOn(scratch: Scratch, room: number, belief: number): void {
  const slot = indexAt(scratch.slot, room)
  if (slot < 0) return
  for (const values of [scratch.answer, scratch.fast]) {
    const others = Math.max(1e-9, 1 - at(values, slot))
    for (let c = 0; c < scratch.count; c++) values[c] = (at(values, c) * (1 - belief)) / others
    values[slot] = belief
  }
}
