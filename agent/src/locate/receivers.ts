import type { ReceiverId } from '@biotrakr/shared'

import type { Belief } from './belief.ts'
import type { Heard } from './heard.ts'
import { relation } from './layout.ts'
import { CELL, listenTo, type RoomModel, type Table } from './model.ts'
import { add, at, clamp, indexAt } from './numbers.ts'
import type { Offset } from './offset.ts'
import { tablesAt } from './shift.ts'

/** What all tags together say of each receiver: how much it should have heard lately, and how much it did. */
export interface ReceiverWatch {
  readonly expected: Float64Array
  /** Of that, by tags other than the one named in `witness`. */
  readonly byOthers: Float64Array
  /** Number of the tag that first expected to be heard since the receiver was last heard, 0 = none. */
  readonly witness: Float64Array
  readonly seen: Float64Array
  /** Readings expected since the receiver was last heard, in the measure of what it has heard of the expected so far. */
  readonly missed: Float64Array
  /** 1 = left out of everything: silent although tags are near, or reported down. */
  readonly masked: Uint8Array
  /** Readings since a receiver was masked. */
  readonly readings: Float64Array
  /** Reported down from elsewhere: such a one is not taken back by counting. */
  readonly down: Uint8Array
  /** Those reported down last; undefined before the first report. */
  reported: ReadonlySet<ReceiverId> | undefined
  /** Event time to which the sums are decayed, seconds; NaN before the first window. */
  atSeconds: number
}

const HALF_LIFE_SECONDS = 180
/** Sums are decayed in steps of at least this, seconds. */
const STEP_SECONDS = 1
const ENOUGH_EXPECTED = 7
const SILENT_SHARE = 0.08
/** A receiver that was heard before is gone when so many readings in a row are missing. */
const ENOUGH_MISSED = 15
const BACK_SHARE = 0.3
const BACK_READINGS = 3
const OTHERS_NEEDED = 1
/** Rooms less likely than this do not count. */
const POSSIBLE = 0.02
/**
 * Of a receiver that heard the survey less often than this in a room, nothing is expected there: a thing at rest may
 * stand for hours where just this one does not hear it.
 */
const AUDIBLE = 0.5

export function emptyWatch({ layout }: RoomModel): ReceiverWatch {
  const size = layout.receivers.length
  return {
    expected: new Float64Array(size),
    byOthers: new Float64Array(size),
    witness: new Float64Array(size),
    seen: new Float64Array(size),
    missed: new Float64Array(size),
    masked: new Uint8Array(size),
    readings: new Float64Array(size),
    down: new Uint8Array(size),
    reported: undefined,
    atSeconds: Number.NaN,
  }
}

/**
 * Receivers of each room that should hear a tag in it: those that did in the survey, and without one those in the room
 * or next to it. Of receivers elsewhere the map alone expects nothing: most of a building is out of their reach.
 */
export type Audible = readonly Int32Array[]

export function audibleOf({ layout, rooms, useful, surveyed }: RoomModel): Audible {
  const receivers = layout.receivers.length
  return layout.rooms.map((_, k) => {
    const logMissed = (i: number): number => at(rooms.cells, (k * receivers + i) * CELL.size + CELL.logMissed)
    const isNear = (i: number): boolean =>
      useful[i] === 1 &&
      layout.inDoorway[i] !== true &&
      (surveyed[k] === true || relation(layout, k, i) < 2) &&
      logMissed(i) < Math.log1p(-AUDIBLE)
    return Int32Array.from(layout.receivers.flatMap((_id, i) => (isNear(i) ? [i] : [])))
  })
}

interface Watching {
  readonly model: RoomModel
  readonly audible: Audible
  readonly belief: Belief
  readonly heard: Heard
  /** Power of the tag against that of the survey tag: a weak one is heard by fewer receivers. */
  readonly offset: Readonly<Offset>
  readonly atSeconds: number
  /** Number of the tag, from 1, and whether it is the only one there is. */
  readonly tag: number
  readonly alone: boolean
}

/** Adds one window, and masks or takes back receivers. */
export function watchReceivers(watch: ReceiverWatch, watching: Watching): void {
  decay(watch, watching.atSeconds)
  const isBack = takeHeard(watch, watching.heard)
  const isGone = expectNear(watch, watching)
  if (isBack || isGone) listenTo(watching.model, watch.masked)
}

/** @returns whether a masked receiver is taken back */
function takeHeard(watch: ReceiverWatch, heard: Heard): boolean {
  let changed = false
  for (let n = 0; n < heard.all; n++) {
    const i = indexAt(heard.receivers, n)
    add(watch.seen, i, 1)
    watch.missed[i] = 0
    watch.byOthers[i] = 0
    watch.witness[i] = 0
    if (watch.masked[i] !== 1 || watch.down[i] === 1) continue
    add(watch.readings, i, 1)
    if (at(watch.readings, i) < BACK_READINGS && at(watch.seen, i) <= BACK_SHARE * at(watch.expected, i)) continue
    watch.masked[i] = 0
    watch.expected[i] = 0
    changed = true
  }
  return changed
}

function decay(watch: ReceiverWatch, atSeconds: number): void {
  if (Number.isNaN(watch.atSeconds)) watch.atSeconds = atSeconds
  const passed = atSeconds - watch.atSeconds
  // A clock that steps back counts as no time passed.
  if (passed < STEP_SECONDS) {
    if (passed < 0) watch.atSeconds = atSeconds
    return
  }
  watch.atSeconds = atSeconds
  const share = 0.5 ** (passed / HALF_LIFE_SECONDS)
  for (let i = 0; i < watch.expected.length; i++) {
    watch.expected[i] = at(watch.expected, i) * share
    watch.byOthers[i] = at(watch.byOthers, i) * share
    watch.seen[i] = at(watch.seen, i) * share
  }
}

/** @returns whether a receiver is masked for its silence */
function expectNear(watch: ReceiverWatch, watching: Watching): boolean {
  const { belief, audible } = watching
  let changed = false
  for (let b = 0; b < belief.count; b++) {
    if (at(belief.answer, b) < POSSIBLE) continue
    const isInside = indexAt(belief.rooms, b) < audible.length
    if (isInside && expectFrom(watch, watching, b)) changed = true
  }
  return changed
}

/** @param b place of a room in the belief */
function expectFrom(watch: ReceiverWatch, watching: Watching, b: number): boolean {
  const { model, audible, belief, heard, offset, tag, alone } = watching
  const { medium } = model.layout
  const room = indexAt(belief.rooms, b)
  const probability = at(belief.answer, b)
  const near = audible[room] as Int32Array
  const table = tablesAt(model, offset.db).rooms
  const chances = table.chances[room] ?? chancesIn(model, table, { room, near })
  let changed = false
  for (let n = 0; n < near.length; n++) {
    const i = indexAt(near, n)
    if (medium[i] !== heard.medium) continue
    const chance = heard.rounds === 1 ? at(chances, n) : chanceOf(model, table, { room, i, rounds: heard.rounds })
    expectAt(watch, i, { mass: probability * chance, tag })
    if (!isSilent(watch, i, alone)) continue
    watch.masked[i] = 1
    watch.readings[i] = 0
    changed = true
  }
  return changed
}

interface Cell {
  readonly room: number
  readonly i: number
  readonly rounds: number
}

/** That so many adverts from a room are not all missed. */
function chanceOf({ layout }: RoomModel, { cells }: Table, { room, i, rounds }: Cell): number {
  return -Math.expm1(rounds * at(cells, (room * layout.receivers.length + i) * CELL.size + CELL.logMissed))
}

/** Of one advert, which is what most windows hold. */
function chancesIn(
  model: RoomModel,
  table: Table,
  { room, near }: { readonly room: number; readonly near: Int32Array },
): Float64Array {
  const made = Float64Array.from(near, (i) => chanceOf(model, table, { room, i, rounds: 1 }))
  table.chances[room] = made
  return made
}

function expectAt(
  watch: ReceiverWatch,
  i: number,
  { mass, tag }: { readonly mass: number; readonly tag: number },
): void {
  const usual = clamp((at(watch.seen, i) + 1) / (at(watch.expected, i) + 1), 0.1, 1)
  add(watch.missed, i, mass * usual)
  add(watch.expected, i, mass)
  if (at(watch.witness, i) === 0) watch.witness[i] = tag
  else if (at(watch.witness, i) !== tag) add(watch.byOthers, i, mass)
}

/** One tag may simply stand where a receiver cannot hear it; several cannot. */
function isSilent(watch: ReceiverWatch, i: number, alone: boolean): boolean {
  const expected = at(watch.expected, i)
  if (watch.masked[i] === 1 || expected <= ENOUGH_EXPECTED) return false
  if (!alone && at(watch.byOthers, i) < OTHERS_NEEDED) return false
  return at(watch.seen, i) < SILENT_SHARE * expected || at(watch.missed, i) > ENOUGH_MISSED
}

/**
 * Takes over which receivers are reported down: these are masked at once, and taken back when the report ends.
 * @param down another set whenever it says anything new
 */
export function reportDown(watch: ReceiverWatch, model: RoomModel, down: ReadonlySet<ReceiverId>): void {
  if (watch.reported === down) return
  watch.reported = down
  let changed = false
  for (let i = 0; i < watch.down.length; i++) {
    const isDown = down.has(model.layout.receivers[i] as ReceiverId) ? 1 : 0
    if (watch.down[i] === isDown) continue
    watch.down[i] = isDown
    watch.masked[i] = isDown
    watch.expected[i] = 0
    watch.seen[i] = 0
    changed = true
  }
  if (changed) listenTo(model, watch.masked)
}
