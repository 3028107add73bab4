import type { Method, Reason, ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

import { confidenceOf, slotOf } from './belief.ts'
import { createEngine, createTrack, type Engine, relax, step, type Track } from './engine.ts'
import { encodeEvidence } from './evidence.ts'
import { explainTag } from './explain.ts'
import { migrate } from './migrate.ts'
import { indexAt } from './numbers.ts'
import { placeOf } from './position.ts'
import { reportDown } from './receivers.ts'

/**
 * Where a tag is, from what the receivers heard of it: a probability for every room, from the site map and, where there
 * is one, its survey. The answer is the room that is likely enough, or that this is not known and why. The same windows
 * give the same answers.
 */
export interface Located {
  readonly tag: TagId
  /** Null = unknown; `reason` says why. */
  readonly room: RoomId | null
  /** With a room, `receiver_down` says that none of its own receivers is heard: the answer rests on its neighbours. */
  readonly reason: Reason
  readonly method: Method
  /** Probability that the answer is right, per mille; of being outside, too; 0 when it is unknown. */
  readonly confidence: number
  /** Event time, wall milliseconds: that of the window. */
  readonly atMs: number
  /** The likeliest room even where it is too unlikely to be answered, or the last one of a silent tag; null = none. */
  readonly likeliest: RoomId | null
  /** Its probability, per mille; 0 where there is none or nothing was heard. */
  readonly likeliestConfidence: number
  /** Place on the floor and the radius in which the tag is in five of six cases; where the map has places. */
  readonly xCm?: number
  readonly yCm?: number
  readonly accuracyCm?: number
  /** Why, in at most 256 bytes (`decodeEvidence`); where the room told is another than before. */
  readonly evidence?: Uint8Array
}

/**
 * What is remembered between windows. Opaque to callers, plain data, for one owner: `locate` may write into the state
 * it is given, so go on with the one it returns.
 */
export interface LocateState {
  readonly maxTags: number
  /** A room less likely than this, 0-1, is not answered. */
  readonly minConfidence: number
  /** Least recently heard first. */
  readonly tracks: Map<TagId, Track>
  /** Tags forgotten to make room for others. */
  evicted: number
  /** Tags met so far: their numbers. */
  met: number
  engine: Engine | undefined
}

interface StateOptions {
  /** Tags remembered; beyond it the least recently heard is forgotten; default 10,000. */
  readonly maxTags?: number
  /** Default .5; rules that act on people ask for .9. */
  readonly minConfidence?: number
}

/** An answer that stands is kept down to this share of the confidence that it needed: no flicker at the border. */
const KEPT_SHARE = 0.8

export function emptyState({ maxTags = 10_000, minConfidence = 0.5 }: StateOptions = {}): LocateState {
  return { maxTags, minConfidence, tracks: new Map(), evicted: 0, met: 0, engine: undefined }
}

/** Starts anew with all tags, keeping what was made of the site map and what is known of the receivers. */
export function forgetTags(state: LocateState): LocateState {
  return { ...state, tracks: new Map() }
}

export interface LocateOptions {
  /** Receivers known to be down from their own link or heartbeat: left out at once, without waiting for statistics. */
  readonly down?: ReadonlySet<ReceiverId>
}

const NO_RECEIVERS: ReadonlySet<ReceiverId> = new Set()

/**
 * Takes one window of one tag.
 * @param map a checked site map; a receiver that it lacks, or that it gives no room and no survey, is no evidence
 * @param window an empty one means that the tag has gone silent
 */
export function locate(
  map: SiteMap,
  state: LocateState,
  window: TagWindow,
  { down = NO_RECEIVERS }: LocateOptions = {},
): { readonly state: LocateState; readonly located: Located } {
  const engine = engineFor(map, state)
  reportDown(engine.watch, engine.model, down)
  const located = answerTo(engine, state, window)
  const track = state.tracks.get(window.tag)
  if (!track) return { state, located }
  const before = track.last?.located.room
  remember(track, window, located)
  const explanation = before === located.room ? undefined : explainTag(state, window.tag)
  return { state, located: explanation ? { ...located, evidence: encodeEvidence(explanation) } : located }
}

function answerTo(engine: Engine, state: LocateState, window: TagWindow): Located {
  const known = state.tracks.get(window.tag)
  if (window.sightings.length === 0) {
    if (known) relax(engine, known, window)
    return unknown(window, 'not_heard', known && roomOf(engine, known.answer))
  }
  const track = known ?? meet(state, engine)
  state.tracks.delete(window.tag)
  state.tracks.set(window.tag, track)
  forgetOne(state)
  const looked = step(engine, track, { window, alone: state.tracks.size === 1 })
  return looked ? answer(engine, track, { window, minConfidence: state.minConfidence }) : deaf(engine, track, window)
}

/** Keeps what was taken and answered for those who ask why. */
function remember(track: Track, window: TagWindow, located: Located): void {
  const before = track.last
  const hasChanged = before !== undefined && before.located.likeliest !== located.likeliest
  track.last = {
    window,
    located,
    changedMs: hasChanged ? window.atMs : before?.changedMs,
    changedFrom: hasChanged ? before.located.likeliest : (before?.changedFrom ?? null),
  }
}

function engineFor(map: SiteMap, state: LocateState): Engine {
  if (state.engine?.map === map) return state.engine
  const engine = createEngine(map)
  if (state.engine) migrate(state.engine, engine, state.tracks)
  state.engine = engine
  return engine
}

function meet(state: LocateState, engine: Engine): Track {
  state.met += 1
  return createTrack(engine, state.met)
}

function forgetOne(state: LocateState): void {
  const [oldest] = state.tracks.keys()
  if (state.tracks.size <= state.maxTags || oldest === undefined) return
  state.tracks.delete(oldest)
  state.evicted += 1
}

function roomOf({ model }: Engine, room: number): RoomId | undefined {
  return model.layout.rooms[room]
}

/** Only strangers heard it, or only receivers that are left out. */
function deaf(engine: Engine, track: Track, window: TagWindow): Located {
  track.told = false
  const last = roomOf(engine, track.answer)
  return unknown(window, engine.heard.all > 0 ? 'receiver_down' : 'not_calibrated', last)
}

interface Asked {
  readonly window: TagWindow
  readonly minConfidence: number
}

function answer(engine: Engine, track: Track, { window, minConfidence }: Asked): Located {
  const confidence = confidenceIn(engine, track)
  const room = roomOf(engine, track.answer)
  track.told = confidence >= minConfidence * (track.told ? KEPT_SHARE : 1)
  const perMille = Math.round(1000 * Math.min(confidence, 0.999))
  if (room === undefined && track.told) return { ...unknown(window, 'outside', undefined), confidence: perMille }
  const place = placeIn(engine, track, track.told ? confidence : 0)
  if (!track.told) {
    return { ...unknown(window, 'ambiguous', room), likeliestConfidence: room ? perMille : 0, ...place }
  }
  return {
    tag: window.tag,
    room: room ?? null,
    reason: isDeafRoom(engine, track.answer) ? 'receiver_down' : 'none',
    method: track.how ?? window.medium,
    confidence: perMille,
    atMs: window.atMs,
    likeliest: room ?? null,
    likeliestConfidence: perMille,
    ...place,
  }
}

/** In whole centimetres, as the ledger has them. */
function placeIn(
  { points }: Engine,
  { place, belief, answer: room }: Track,
  confidence: number,
): Pick<Located, 'xCm' | 'yCm' | 'accuracyCm'> {
  const found = points && placeOf(place, { points, belief, room, confidence })
  if (!found) return {}
  const { x, y, accuracy } = found
  return { xCm: Math.round(100 * x), yCm: Math.round(100 * y), accuracyCm: Math.round(100 * accuracy) }
}

/** The answer filter is too sure of itself the longer it walks; the power was fitted on surveys and simulated wards. */
function confidenceIn({ model }: Engine, { belief, motion, answer: own, how }: Track): number {
  const sure = how ? 1 : Math.max(motion.rest, Math.max(0, 1 - model.trust.error / 0.1))
  return confidenceOf(belief, Math.max(0, slotOf(belief, own)), 0.5 + 0.4 * sure)
}

function isDeafRoom({ model, watch }: Engine, room: number): boolean {
  const { receiverRoom } = model.layout
  let own = 0
  let masked = 0
  for (let i = 0; i < receiverRoom.length; i++) {
    if (indexAt(receiverRoom, i) !== room) continue
    own += 1
    if (watch.masked[i] === 1) masked += 1
  }
  return own > 0 && own === masked
}

function unknown({ tag, medium, atMs }: TagWindow, reason: Reason, last: RoomId | undefined): Located {
  return {
    tag,
    room: null,
    reason,
    method: medium,
    confidence: 0,
    atMs,
    likeliest: last ?? null,
    likeliestConfidence: 0,
  }
}
