import type { RoomId, SiteMap, TagWindow } from '@biotrakr/shared'

import {
  type Belief,
  emptyBelief,
  emptyScratch,
  keep,
  likeliest,
  mix,
  predict,
  proposeRooms,
  type Scratch,
  slotOf,
  update,
} from './belief.ts'
import { logLikelihood } from './emission.ts'
import { emptyHeard, type Heard, hear } from './heard.ts'
import { listenTo, modelOf, type RoomModel } from './model.ts'
import { emptyMotion, feelMotion, type Motion } from './motion.ts'
import { add, at, clamp, indexAt } from './numbers.ts'
import { emptyOffset, learnOffset, type Offset } from './offset.ts'
import { type Points, pointsOf } from './points.ts'
import { emptyPlace, emptyPlaceScratch, feelPlace, type PlaceBelief, type PlaceScratch } from './position.ts'
import { type Audible, audibleOf, emptyWatch, type ReceiverWatch, watchReceivers } from './receivers.ts'

/** What is made once per site map, and what all tags share. */
export interface Engine {
  readonly map: SiteMap
  readonly model: RoomModel
  readonly audible: Audible
  readonly watch: ReceiverWatch
  readonly scratch: Scratch
  readonly heard: Heard
  /** Where the map says where things are. */
  readonly points: Points | undefined
  readonly placeScratch: PlaceScratch | undefined
}

/** What is remembered of one tag. Numbers only, of bounded size. */
export interface Track {
  /** From 1. */
  readonly number: number
  readonly belief: Belief
  readonly motion: Motion
  readonly offset: Offset
  /** Which surveyed points the tag may be at; undefined where the map has none. */
  readonly place: PlaceBelief | undefined
  /** Room answered last, the model's last number = outside, -1 = none yet. */
  answer: number
  /** Whether the answer was sure enough to be told. */
  told: boolean
  /** Event time of the last window, wall milliseconds. */
  atMs: number
  /** Room that named itself last, and for how long its word holds, seconds. */
  named: number
  namedFor: number
}

/** A fast filter that looks back further than this would forget where a walking tag was. */
const FAST_SECONDS = 1.5
const LONGEST_SECONDS = 600
/** A change must gain this much probability while resting; a walking thing's belief is too short-lived to wait. */
const MARGIN = 0.3
/** Until the rest is this sure, the answer follows the fast filter. */
const RESTING = 0.6
/** Where fewer single seconds than this are wrong, the fast filter is right. */
const SURE_ERROR = 0.1
const NAMED = { belief: 0.98, rest: 0.3, logLikelihood: 4, holdsSeconds: 10 }

export function createEngine(map: SiteMap): Engine {
  const model = modelOf(map)
  const watch = emptyWatch(model)
  listenTo(model, watch.masked)
  const points = pointsOf(map, model.layout)
  return {
    map,
    model,
    audible: audibleOf(model),
    watch,
    scratch: emptyScratch(model),
    heard: emptyHeard(),
    points,
    placeScratch: points && points.count > 0 ? emptyPlaceScratch(points) : undefined,
  }
}

export function createTrack({ model, placeScratch }: Pick<Engine, 'model' | 'placeScratch'>, number: number): Track {
  return {
    number,
    belief: emptyBelief(model),
    motion: emptyMotion(model),
    offset: emptyOffset(),
    place: placeScratch && emptyPlace(),
    answer: -1,
    told: false,
    atMs: Number.NaN,
    named: -1,
    namedFor: 0,
  }
}

/** Seconds since the tag's last window; a clock that steps back counts as no time. */
function advanceTo(track: Track, atMs: number): number {
  const seconds = Number.isNaN(track.atMs) ? 0 : (atMs - track.atMs) / 1000
  track.atMs = atMs
  return clamp(seconds, 0, LONGEST_SECONDS)
}

/**
 * Takes one window of one tag: two filters over rooms, one that trusts every second and one that is slow while the tag
 * rests, because seconds at one place repeat the same error.
 * @returns false when nothing heard says anything about rooms
 */
export function step(engine: Engine, track: Track, { window, alone }: Taken): boolean {
  const { model, scratch, heard, watch } = engine
  hear(heard, window, { model, masked: watch.masked })
  if (heard.all === 0) return false
  const seconds = advanceTo(track, window.atMs)
  if (heard.trusted > 0) look(engine, track, { window, seconds })
  watchReceivers(watch, {
    model,
    audible: engine.audible,
    belief: track.belief,
    heard,
    atSeconds: window.atMs / 1000,
    tag: track.number,
    alone,
  })
  return scratch.count > 0 && heard.trusted > 0
}

interface Taken {
  readonly window: TagWindow
  /** Whether this is the only tag there is. */
  readonly alone: boolean
}

interface Look {
  readonly window: TagWindow
  readonly seconds: number
}

function look(engine: Engine, track: Track, { window, seconds }: Look): void {
  const { model, scratch, heard, watch } = engine
  const { belief, motion, offset } = track
  proposeRooms(scratch, belief, { model, heard })
  judge({ model, scratch, heard }, offset)
  const isFirst = belief.count === 0
  if (isFirst) begin(scratch, model)
  else {
    predict(scratch, belief, {
      passages: model.passages,
      kind: 'fast',
      rest: 0,
      seconds: Math.min(seconds, FAST_SECONDS),
    })
  }
  update(scratch, scratch.fast, model.walkingPower)
  const own = track.answer < 0 ? -1 : indexAt(scratch.slot, track.answer)
  const doubt = own < 0 ? 0 : 1 - at(scratch.fast, own)
  feelMotion(motion, { model, heard, masked: watch.masked, seconds, doubt, bit: window.moving })
  const { rest } = motion
  if (!isFirst) predict(scratch, belief, { passages: model.passages, kind: 'answer', rest, seconds })
  update(scratch, scratch.answer, model.walkingPower ** (1 - rest) * model.restingPower ** rest)
  const sure = Math.max(0, 1 - model.trust.error / SURE_ERROR)
  mix(scratch, Math.max(sure, clamp((RESTING - rest) / RESTING, 0, 1)))
  heedNamed({ model, scratch, heard }, track, { window, seconds })
  keep(belief, scratch)
  decide(track)
  const best = at(belief.answer, likeliest(belief))
  learnOffset(offset, { model, belief, heard, sure: best, seconds })
  const { points, placeScratch } = engine
  if (!points || !placeScratch || !track.place) return
  feelPlace(track.place, {
    points,
    scratch: placeScratch,
    heard,
    offset,
    receivers: model.layout.receivers.length,
    seconds,
  })
}

type Seen = Pick<Engine, 'model' | 'scratch' | 'heard'>

function judge({ model, scratch, heard }: Seen, offset: Offset): void {
  const evidence = { heard, offset, receivers: model.layout.receivers.length, heardWeight: model.trust.heard }
  for (let c = 0; c < scratch.count; c++) {
    scratch.logLikelihood[c] = logLikelihood(model, indexAt(scratch.rooms, c), evidence)
  }
}

function begin({ rooms, count, answer, fast }: Scratch, { first }: RoomModel): void {
  for (let c = 0; c < count; c++) {
    answer[c] = at(first, indexAt(rooms, c))
    fast[c] = at(first, indexAt(rooms, c))
  }
}

/**
 * Rooms that name themselves (an infrared or LF room id, a dock, a bed-side reader that hears nothing beyond the bed).
 * One such room settles the matter; two at once stay two.
 */
function heedNamed({ model, scratch, heard }: Seen, track: Track, { window, seconds }: Look): void {
  track.namedFor -= seconds
  const named = namedRooms({ model, heard }, window)
  if (named.size === 0) return
  const [only] = named
  const isNew = track.namedFor <= 0 || track.named !== only
  if (named.size === 1 && only !== undefined && isNew) {
    settleOn(scratch, only)
    track.motion.rest = Math.min(track.motion.rest, NAMED.rest)
  } else {
    for (let c = 0; c < scratch.count; c++) {
      scratch.logLikelihood[c] = named.has(indexAt(scratch.rooms, c)) ? NAMED.logLikelihood : 0
    }
    update(scratch, scratch.answer, 1)
    update(scratch, scratch.fast, 1)
  }
  track.named = named.size === 1 && only !== undefined ? only : -1
  track.namedFor = NAMED.holdsSeconds
}

const NONE: ReadonlySet<number> = new Set()

function namedRooms({ model: { layout }, heard }: Omit<Seen, 'scratch'>, window: TagWindow): ReadonlySet<number> {
  let named: Set<number> | undefined
  for (let n = 0; n < heard.trusted; n++) {
    const receiver = indexAt(heard.receivers, n)
    const room = indexAt(layout.receiverRoom, receiver)
    if (layout.exact[receiver] === true && room >= 0) named = (named ?? new Set<number>()).add(room)
  }
  if (!window.namedRooms) return named ?? NONE
  for (const id of window.namedRooms) {
    const room = layout.roomNumber.get(id as RoomId)
    if (room !== undefined) named = (named ?? new Set<number>()).add(room)
  }
  return named ?? NONE
}

/** The room gets nearly all belief; the others share the rest as they stood. */
function settleOn(scratch: Scratch, room: number): void {
  const slot = indexAt(scratch.slot, room)
  if (slot < 0) return
  for (const values of [scratch.answer, scratch.fast]) {
    const others = Math.max(1e-9, 1 - at(values, slot))
    for (let c = 0; c < scratch.count; c++) values[c] = (at(values, c) * (1 - NAMED.belief)) / others
    values[slot] = NAMED.belief
  }
}

function decide(track: Track): void {
  const { belief, motion } = track
  const best = likeliest(belief)
  const own = track.answer < 0 ? -1 : slotOf(belief, track.answer)
  const held = own < 0 ? -1 : at(belief.answer, own)
  if (own < 0 || at(belief.answer, best) - held > MARGIN * motion.rest) track.answer = indexAt(belief.rooms, best)
}

/** Nothing was heard for long: the belief spreads out, at the pace of resting things. */
export function relax({ model, scratch }: Engine, track: Track, atMs: number): void {
  const { belief } = track
  const seconds = advanceTo(track, atMs)
  track.told = false
  if (belief.count === 0 || seconds === 0) return
  for (let c = 0; c < scratch.count; c++) scratch.slot[indexAt(scratch.rooms, c)] = -1
  scratch.count = belief.count
  for (let c = 0; c < belief.count; c++) {
    scratch.rooms[c] = indexAt(belief.rooms, c)
    scratch.slot[indexAt(belief.rooms, c)] = c
  }
  for (const kind of ['fast', 'answer'] as const) {
    predict(scratch, belief, { passages: model.passages, kind, rest: 1, seconds })
    let total = 0
    for (let c = 0; c < scratch.count; c++) total += at(scratch[kind], c)
    for (let c = 0; c < scratch.count; c++) add(scratch[kind], c, at(scratch[kind], c) * (1 / total - 1))
  }
  keep(belief, scratch)
}
