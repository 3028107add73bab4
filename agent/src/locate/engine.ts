import type { RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

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
  type Step,
  slotOf,
  update,
} from './belief.ts'
import { logLikelihoods } from './emission.ts'
import { emptyHeard, type Heard, hear } from './heard.ts'
import { hasComeToStay } from './layout.ts'
import type { Located } from './locate.ts'
import { listenTo, modelOf, type RoomModel } from './model.ts'
import { emptyFound, emptyMotion, type Found, feelMotion, type Motion, paceOf } from './motion.ts'
import { add, at, clamp, indexAt } from './numbers.ts'
import { emptyOffset, learnOffset, type Offset } from './offset.ts'
import { type Points, pointsOf } from './points.ts'
import { emptyPassage, feelPortal, type Passage, type Portals, portalsOf } from './portal.ts'
import { emptyPlace, emptyPlaceScratch, feelPlace, type PlaceBelief, type PlaceScratch } from './position.ts'
import { type Curve, curveFor, emptyQuickHeard, emptyRows, type QuickHeard, type Rows } from './quick.ts'
import { type Audible, audibleOf, emptyWatch, type ReceiverWatch, watchReceivers } from './receivers.ts'
import type { Neighbours } from './recency.ts'
import { emptyNames, heedNames, isNamed, type RoomNames, settleOn } from './room-evidence.ts'

/** What is made once per site map, and what all tags share. */
export interface Engine {
  readonly map: SiteMap
  readonly model: RoomModel
  readonly watch: ReceiverWatch
  readonly scratch: Scratch
  readonly heard: Heard
  /** Where the map says where things are. */
  readonly points: Points | undefined
  readonly portals: Portals | undefined
  readonly placeScratch: PlaceScratch | undefined
  readonly moment: Moment
  readonly fastStep: Step
  readonly answerStep: Step
}

/** All that one step hands from one part to the next: one object for ever, so that no answer makes any. */
interface Moment {
  readonly model: RoomModel
  readonly layout: RoomModel['layout']
  readonly audible: Audible
  readonly masked: Uint8Array
  readonly scratch: Scratch
  readonly heard: Heard
  readonly found: Found
  readonly spotRows: Rows
  readonly quickHeard: QuickHeard
  /** Receivers of the model, and the weight of heard and not heard. */
  readonly receivers: number
  readonly heardWeight: number
  curve: Curve
  window: TagWindow
  /** Since the tag's last window. */
  seconds: number
  /** Event time, seconds. */
  atSeconds: number
  /** Of the tag. */
  belief: Belief
  offset: Offset
  tag: number
  /** Whether this is the only tag there is. */
  alone: boolean
  doubt: number
  inRoom: boolean
  bit: boolean | undefined
  /** Probability of the likeliest room. */
  sure: number
}

/** What is remembered of one tag. Numbers only, of bounded size. */
export interface Track extends Neighbours<Track> {
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
  /** Rooms that named themselves, and the doorway that the tag is in. */
  readonly names: RoomNames
  readonly passage: Passage
  /** How the room answered was found, if by other means than its sound. */
  how: 'PORTAL' | 'ROOM_BEACON' | undefined
  /** What was taken and answered last, for those who ask why. */
  last: LastAnswer | undefined
}

interface LastAnswer {
  window: TagWindow
  located: Located
  /** When the likeliest room changed last, wall milliseconds, and from which. */
  changedMs: number | undefined
  changedFrom: RoomId | null
}

interface Who {
  readonly tag: TagId
  readonly number: number
}

/** A fast filter that looks back further than this would forget where a walking tag was. */
const FAST_SECONDS = 3
const LONGEST_SECONDS = 600
/** The resting power of a slow tag grows no further. */
const MOST_FOR_SLOW = 0.16
/**
 * A change must gain this much probability while resting; a walking thing's belief is too short-lived to wait. Where
 * the map has corridors a thing walks in them, and what is in a room has mostly come to stay. Of a tag that says itself
 * that it is still, no change is expected at all.
 */
const MARGIN = { resting: 0.2, inRoom: 0.4, saysStill: 0.5 }
/** Until the rest is this sure, the answer follows the fast filter. */
const RESTING = 0.6
/** Where fewer single seconds than this are wrong, the fast filter is right. */
const SURE_ERROR = 0.1
/** Belief in the room behind a doorway that was crossed, and that what moved a moment ago rests. */
const CROSSED = { belief: 0.95, rest: 0.3 }

export function createEngine(map: SiteMap): Engine {
  const model = modelOf(map)
  const watch = emptyWatch(model)
  listenTo(model, watch.masked)
  const points = pointsOf(map, model.layout)
  const shared = { model, scratch: emptyScratch(model), heard: emptyHeard() }
  const { passages } = model
  return {
    ...shared,
    map,
    watch,
    points,
    portals: portalsOf(map, model.layout),
    placeScratch: points && points.count > 0 ? emptyPlaceScratch(points) : undefined,
    moment: { ...shared, ...emptyMoment(model), masked: watch.masked },
    fastStep: { passages, kind: 'fast', rest: 0, seconds: 0.5 },
    answerStep: { passages, kind: 'answer', rest: 0.5, seconds: 0.5 },
  }
}

function emptyMoment(model: RoomModel): Omit<Moment, 'model' | 'scratch' | 'heard' | 'masked'> {
  return {
    layout: model.layout,
    audible: audibleOf(model),
    found: emptyFound(model),
    spotRows: emptyRows(mostSpots(model)),
    quickHeard: emptyQuickHeard(),
    receivers: model.layout.receivers.length,
    heardWeight: model.trust.heard,
    curve: curveFor(model.curves, 1),
    window: NO_WINDOW,
    seconds: 0.5,
    atSeconds: 0.5,
    belief: emptyBelief(model),
    offset: emptyOffset(),
    tag: 0,
    alone: false,
    doubt: 0.5,
    inRoom: false,
    bit: undefined,
    sure: 0.5,
  }
}

const NO_WINDOW: TagWindow = { tag: '' as TagId, atMs: 0, medium: 'BLE', sightings: [] }

function mostSpots({ spotStart }: RoomModel): number {
  let most = 0
  for (let k = 0; k + 1 < spotStart.length; k++) {
    most = Math.max(most, indexAt(spotStart, k + 1) - indexAt(spotStart, k))
  }
  return most
}

export function createTrack(
  { model, placeScratch }: Pick<Engine, 'model' | 'placeScratch'>,
  { tag, number }: Who,
): Track {
  return {
    tag,
    number,
    belief: emptyBelief(model),
    motion: emptyMotion(model),
    offset: emptyOffset(),
    place: placeScratch && emptyPlace(),
    answer: -1,
    told: false,
    atMs: Number.NaN,
    names: emptyNames(),
    passage: emptyPassage(),
    how: undefined,
    last: undefined,
    older: undefined,
    newer: undefined,
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
 * rests, because seconds at one place repeat the same error. The window, and whether the tag is alone, are the moment's.
 * @returns false when nothing heard says anything about rooms
 */
export function step(engine: Engine, track: Track): boolean {
  const { scratch, heard, watch, moment } = engine
  const { window } = moment
  hear(heard, window, moment)
  if (heard.all === 0) return false
  moment.seconds = advanceTo(track, window.atMs)
  moment.atSeconds = window.atMs / 1000
  moment.belief = track.belief
  moment.offset = track.offset
  moment.tag = track.number
  if (heard.trusted > 0) look(engine, track)
  watchReceivers(watch, moment)
  return scratch.count > 0 && heard.trusted > 0
}

function look(engine: Engine, track: Track): void {
  const { model, scratch, moment } = engine
  const { belief } = track
  proposeRooms(scratch, belief, moment)
  moment.curve = curveFor(model.curves, engine.heard.rounds)
  logLikelihoods(model, scratch, moment)
  if (belief.count === 0) begin(scratch, model)
  filterFast(engine, track)
  feelMotion(track.motion, moment)
  filterAnswer(engine, track)
  const arrived = heedCertain(engine, track)
  keep(belief, scratch)
  const before = track.answer
  decide(track, moment.inRoom)
  if (track.answer === arrived && arrived !== before) track.how = 'PORTAL'
  else if (moment.window.namedRooms && isNamed(track.names, track.answer)) track.how = 'ROOM_BEACON'
  else if (track.answer !== before) track.how = undefined
  moment.sure = at(belief.answer, likeliest(belief))
  learnOffset(track.offset, moment)
  const { points, placeScratch } = engine
  if (points && placeScratch && track.place) feelPlace(track.place, { points, scratch: placeScratch, moment })
}

/** Trusts every second. What it gives to other rooms than the one answered is doubt. */
function filterFast({ model, scratch, moment, fastStep }: Engine, { belief, answer: room }: Track): void {
  if (belief.count > 0) {
    fastStep.seconds = Math.min(moment.seconds, FAST_SECONDS)
    predict(scratch, belief, fastStep)
  }
  update(scratch, scratch.fast, model.walkingPower)
  const own = room < 0 ? -1 : indexAt(scratch.slot, room)
  moment.doubt = own < 0 ? 0 : 1 - at(scratch.fast, own)
  moment.inRoom = hasComeToStay(model.layout, room)
  moment.bit = moment.window.moving
}

/** Trusts the less the longer the tag rests, and follows the fast filter while it walks. */
function filterAnswer({ model, scratch, heard, moment, answerStep }: Engine, { belief, motion }: Track): void {
  const { rest } = motion
  if (belief.count > 0) {
    answerStep.seconds = moment.seconds
    answerStep.rest = rest
    predict(scratch, belief, answerStep)
  }
  update(scratch, scratch.answer, model.walkingPower ** (1 - rest) * restingPower(model, motion, heard) ** rest)
  const sure = Math.max(0, 1 - model.trust.error / SURE_ERROR)
  mix(scratch, Math.max(sure, clamp((RESTING - rest) / RESTING, 0, 1)))
}

/** Seconds of a slow tag are less alike than those that follow each other at once. */
function restingPower(model: RoomModel, motion: Motion, heard: Heard): number {
  if (heard.medium !== 0) return model.restingPower
  return Math.max(model.restingPower, Math.min(MOST_FOR_SLOW, model.restingPower * paceOf(motion, heard)))
}

function begin({ rooms, count, answer, fast }: Scratch, { first }: RoomModel): void {
  for (let c = 0; c < count; c++) {
    answer[c] = at(first, indexAt(rooms, c))
    fast[c] = at(first, indexAt(rooms, c))
  }
}

/**
 * What is nearly certain: rooms that name themselves, and ways through a doorway.
 * @returns the room in which the tag has arrived through a doorway, -1 = none
 */
function heedCertain({ scratch, portals, moment }: Engine, track: Track): number {
  const crossing = portals && feelPortal(track.passage, portals, moment)
  if (crossing) settleOn(scratch, crossing.to, CROSSED.belief)
  const hasMoved = heedNames(track.names, moment)
  if (crossing || hasMoved) track.motion.rest = Math.min(track.motion.rest, CROSSED.rest)
  if (track.names.isTorn) track.told = false
  return crossing?.to ?? -1
}

function decide(track: Track, inRoom: boolean): void {
  const { belief, motion } = track
  const best = likeliest(belief)
  const own = track.answer < 0 ? -1 : slotOf(belief, track.answer)
  const held = own < 0 ? -1 : at(belief.answer, own)
  const margin =
    (motion.bit === 0 ? MARGIN.saysStill : MARGIN.resting) * motion.rest +
    (inRoom ? MARGIN.inRoom * (1 - motion.rest) : 0)
  if (own < 0 || at(belief.answer, best) - held > margin) track.answer = indexAt(belief.rooms, best)
}

/** Nothing was heard for long: the belief spreads out, at the pace of resting things. */
export function relax({ model, scratch, portals }: Engine, track: Track, window: TagWindow): void {
  const { belief } = track
  const seconds = advanceTo(track, window.atMs)
  track.told = false
  if (belief.count === 0) return
  recall(scratch, belief)
  for (const kind of ['fast', 'answer'] as const) {
    predict(scratch, belief, { passages: model.passages, kind, rest: 1, seconds })
    let total = 0
    for (let c = 0; c < scratch.count; c++) total += at(scratch[kind], c)
    for (let c = 0; c < scratch.count; c++) add(scratch[kind], c, at(scratch[kind], c) * (1 / total - 1))
  }
  // What went through a doorway within one window is known to be through when it is not heard again.
  const crossing = portals && feelPortal(track.passage, portals, { window, layout: model.layout })
  if (crossing) settleOn(scratch, crossing.to, CROSSED.belief)
  keep(belief, scratch)
  if (crossing) decide(track, false)
}

/** Takes the rooms that a tag may be in for those that this step looks at. */
function recall(scratch: Scratch, belief: Belief): void {
  for (let c = 0; c < scratch.count; c++) scratch.slot[indexAt(scratch.rooms, c)] = -1
  scratch.count = belief.count
  for (let c = 0; c < belief.count; c++) {
    scratch.rooms[c] = indexAt(belief.rooms, c)
    scratch.slot[indexAt(belief.rooms, c)] = c
  }
}
