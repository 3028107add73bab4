import type { Method, Reason, ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

import { confidenceOf, slotOf } from './belief.ts'
import { createEngine, createTrack, type Engine, relax, step, type Track } from './engine.ts'
import { encodeEvidence, MOST_KEPT } from './evidence.ts'
import { evidenceFor } from './explain.ts'
import { migrate } from './migrate.ts'
import type { Points } from './points.ts'
import { placeOf } from './position.ts'
import { reportDown } from './receivers.ts'
import { emptyRecency, forgetOldest, type Recency, touch } from './recency.ts'

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
export interface LocateState extends Recency<Track> {
  readonly maxTags: number
  /** A room less likely than this, 0-1, is not answered. */
  readonly minConfidence: number
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
  return { maxTags, minConfidence, ...emptyRecency<Track>(), evicted: 0, met: 0, engine: undefined }
}

/** Starts anew with all tags, keeping what was made of the site map and what is known of the receivers. */
export function forgetTags(state: LocateState): LocateState {
  return { ...state, ...emptyRecency<Track>() }
}

export interface LocateOptions {
  /**
   * Receivers known to be down from their own link or heartbeat: left out at once, without waiting for statistics.
   * Another set whenever it says anything new.
   */
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
  options?: LocateOptions,
): { readonly state: LocateState; readonly located: Located } {
  const engine = engineFor(map, state)
  engine.moment.window = window
  reportDown(engine.watch, engine.model, options?.down ?? NO_RECEIVERS)
  const track =
    state.tracks.get(window.tag) ?? (window.sightings.length > 0 ? meet(state, engine, window.tag) : undefined)
  if (!track) return { state, located: unknown(window, 'not_heard', undefined) }
  const located = answerTo(engine, state, track)
  const before = track.last?.located.room
  remember(track, window, located)
  // Why is told of what is worth a record.
  if (before === located.room) return { state, located }
  return { state, located: { ...located, evidence: encodeEvidence(evidenceFor(state, track, MOST_KEPT)) } }
}

function answerTo(engine: Engine, state: LocateState, track: Track): Located {
  const { moment } = engine
  const { window } = moment
  if (window.sightings.length === 0) {
    relax(engine, track, window)
    return unknown(window, 'not_heard', roomOf(engine, track.answer))
  }
  touch(state, track)
  if (state.tracks.size > state.maxTags && forgetOldest(state)) state.evicted += 1
  moment.alone = state.tracks.size === 1
  return step(engine, track) ? answer(engine, track, state.minConfidence) : deaf(engine, track, window)
}

/** Keeps what was taken and answered for those who ask why. */
function remember(track: Track, window: TagWindow, located: Located): void {
  const { last } = track
  if (!last) {
    track.last = { window, located, changedMs: undefined, changedFrom: null }
    return
  }
  if (last.located.likeliest !== located.likeliest) {
    last.changedMs = window.atMs
    last.changedFrom = last.located.likeliest
  }
  last.window = window
  last.located = located
}

function engineFor(map: SiteMap, state: LocateState): Engine {
  if (state.engine?.map === map) return state.engine
  const engine = createEngine(map)
  if (state.engine) migrate(state.engine, engine, state)
  state.engine = engine
  return engine
}

function meet(state: LocateState, engine: Engine, tag: TagId): Track {
  state.met += 1
  return createTrack(engine, { tag, number: state.met })
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

function answer(engine: Engine, track: Track, minConfidence: number): Located {
  const { window } = engine.moment
  const confidence = confidenceIn(engine, track)
  const room = roomOf(engine, track.answer)
  track.told = confidence >= minConfidence * (track.told ? KEPT_SHARE : 1)
  const perMille = Math.round(1000 * Math.min(confidence, 0.999))
  if (room === undefined && track.told) return { ...unknown(window, 'outside', undefined), confidence: perMille }
  const found: Located = {
    tag: window.tag,
    room: (track.told && room) || null,
    reason: track.told ? reasonIn(engine, track) : 'ambiguous',
    method: (track.told && track.how) || window.medium,
    confidence: track.told ? perMille : 0,
    atMs: window.atMs,
    likeliest: room ?? null,
    likeliestConfidence: room ? perMille : 0,
  }
  return engine.points
    ? placed(found, track, { points: engine.points, confidence: track.told ? confidence : 0 })
    : found
}

function reasonIn({ model }: Engine, { answer: room }: Track): Reason {
  return model.listening.deaf[room] === 1 ? 'receiver_down' : 'none'
}

/** In whole centimetres, as the ledger has them. */
function placed(
  located: Located,
  { place, belief, answer: room }: Track,
  { points, confidence }: { readonly points: Points; readonly confidence: number },
): Located {
  const found = placeOf(place, { points, belief, room, confidence })
  if (!found) return located
  const { x, y, accuracy } = found
  return { ...located, xCm: Math.round(100 * x), yCm: Math.round(100 * y), accuracyCm: Math.round(100 * accuracy) }
}

/** The answer filter is too sure of itself the longer it walks; the power was fitted on surveys and simulated wards. */
function confidenceIn({ model }: Engine, { belief, motion, answer: own, how }: Track): number {
  const sure = how ? 1 : Math.max(motion.rest, Math.max(0, 1 - model.trust.error / 0.1))
  return confidenceOf(belief, Math.max(0, slotOf(belief, own)), 0.5 + 0.4 * sure)
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
