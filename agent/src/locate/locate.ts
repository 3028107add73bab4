import type { Method, Reason, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

import { type Candidate, indexRooms, type RoomIndex, rankRooms } from './rooms.ts'
import { listen, NO_SIGNAL, type Signal } from './signal.ts'

/**
 * Where a tag is, from what the receivers heard of it: the room of the strongest receiver over the last seconds, left
 * only for a room that is clearly stronger for a while. Rooms come from the site map alone; without evidence the answer
 * is "unknown" and why. The same windows give the same answers.
 */
export interface Located {
  readonly tag: TagId
  /** Null = unknown; `reason` says why. */
  readonly room: RoomId | null
  readonly reason: Reason
  readonly method: Method
  /** Probability that the room is right, per mille; 0 when it is unknown. */
  readonly confidence: number
  /** Event time, wall milliseconds: that of the window. */
  readonly atMs: number
}

/**
 * What is remembered between windows. Opaque to callers, plain data, for one owner: `locate` may write into the state
 * it is given, so go on with the one it returns.
 */
export interface LocateState {
  readonly maxTags: number
  /** Least recently heard first. */
  readonly tracks: Map<TagId, Track>
  /** Tags forgotten to make room for others. */
  readonly evicted: number
  readonly index: RoomIndex | undefined
}

interface Track {
  readonly atMs: number
  readonly signal: Signal
  readonly room: RoomId | undefined
  /** A stronger room, and for how long it has been one without a break. */
  readonly rival: { readonly room: RoomId; readonly heldMs: number } | undefined
  /** For how much longer the tag counts as moving, milliseconds. */
  readonly movingMs: number
}

/** Memory of the smoothing, milliseconds: a tag at rest is averaged for long, a moving one must be followed. */
const MEMORY_MS = { rest: 6000, moving: 2500 }
/** A window's age counts within these bounds: a tag that is heard every ten seconds keeps a memory of several windows. */
const STEP_MS = { min: 1000, max: 3000 }
/** What was heard before so long a pause says nothing any more. */
const PAUSE_MS = 60_000
/** One motion bit holds for this long, as most adverts carry none. */
const MOVING_MS = 6000
const MARGIN_DB = { rest: 4, moving: 2 }
const HOLD_MS = { rest: 4000, moving: 1000 }
/** Below this no receiver of a room really hears the tag. */
const WEAKEST_DBM = -100

/** @param options.maxTags tags remembered; beyond it the least recently heard is forgotten; default 10,000 */
export function emptyState({ maxTags = 10_000 }: { readonly maxTags?: number } = {}): LocateState {
  return { maxTags, tracks: new Map(), evicted: 0, index: undefined }
}

/**
 * Takes one window of one tag.
 * @param map a checked site map; a receiver that it lacks, or that it gives no room, is no evidence
 * @param window an empty one means that the tag has gone silent
 */
export function locate(
  map: SiteMap,
  state: LocateState,
  window: TagWindow,
): { readonly state: LocateState; readonly located: Located } {
  const index = state.index?.map === map ? state.index : indexRooms(map)
  const before = state.tracks.get(window.tag)
  state.tracks.delete(window.tag)
  if (window.sightings.length === 0) {
    return { state: { ...state, index }, located: unknown(window, 'not_heard') }
  }
  const track = advance(before, onlyMapped(window, index))
  const ranked = rankRooms(index, track.signal, track.movingMs > 0)
  const settled = settle(track, ranked, window.atMs - (before?.atMs ?? window.atMs))
  state.tracks.set(window.tag, settled)
  return {
    state: { ...state, index, evicted: state.evicted + makeRoom(state) },
    located: answer(window, settled, ranked),
  }
}

function makeRoom({ tracks, maxTags }: LocateState): number {
  const [oldest] = tracks.keys()
  if (tracks.size <= maxTags || oldest === undefined) return 0
  tracks.delete(oldest)
  return 1
}

/** Strangers must not crowd the ward's own receivers out of a tag's memory. */
function onlyMapped(window: TagWindow, { roomOf }: RoomIndex): TagWindow {
  return { ...window, sightings: window.sightings.filter(({ receiver }) => roomOf.has(receiver)) }
}

/** A clock that stepped back counts as no time passed. */
function advance(before: Track | undefined, window: TagWindow): Track {
  const fresh = { atMs: window.atMs, signal: NO_SIGNAL, room: undefined, rival: undefined, movingMs: 0 }
  const pausedMs = window.atMs - (before?.atMs ?? window.atMs)
  const track = before && pausedMs <= PAUSE_MS ? before : fresh
  const movingMs = window.moving === undefined ? Math.max(0, track.movingMs - Math.max(0, pausedMs)) : 0
  const stillMovingMs = window.moving ? MOVING_MS : movingMs
  const memoryMs = stillMovingMs > 0 ? MEMORY_MS.moving : MEMORY_MS.rest
  const stepMs = Math.min(Math.max(pausedMs, STEP_MS.min), STEP_MS.max)
  return {
    ...track,
    atMs: window.atMs,
    signal: listen(track.signal, window, Math.exp(-stepMs / memoryMs)),
    movingMs: stillMovingMs,
  }
}

/** Keeps the room unless another is stronger by the margin for the hold time, or the room is heard no more. */
function settle(track: Track, ranked: readonly Candidate[], pausedMs: number): Track {
  const best = ranked[0]
  const own = ranked.find(({ room }) => room === track.room)
  if (!best || best === own) return { ...track, rival: undefined }
  if (!own) return { ...track, room: best.room, rival: undefined }
  const mode = track.movingMs > 0 ? 'moving' : 'rest'
  if (best.dbm - own.dbm < MARGIN_DB[mode]) return { ...track, rival: undefined }
  const heldMs = track.rival?.room === best.room ? track.rival.heldMs + Math.max(0, pausedMs) : 0
  if (heldMs < HOLD_MS[mode]) return { ...track, rival: { room: best.room, heldMs } }
  return { ...track, room: best.room, rival: undefined }
}

function answer(window: TagWindow, { room }: Track, ranked: readonly Candidate[]): Located {
  const own = ranked.find((candidate) => candidate.room === room)
  if (!own) return unknown(window, 'not_calibrated')
  if (own.dbm < WEAKEST_DBM) return unknown(window, 'low_evidence')
  const other = ranked.find((candidate) => candidate.room !== room)
  return {
    tag: window.tag,
    room: own.room,
    reason: 'none',
    method: window.medium,
    confidence: confidenceOf(own.dbm - (other?.dbm ?? WEAKEST_DBM)),
    atMs: window.atMs,
  }
}

/** Fitted on simulated wards: the share of right answers at each lead over the next room. Never certain. */
function confidenceOf(leadDb: number): number {
  const probability = 1 / (1 + Math.exp(-(0.3 + leadDb / 4.6)))
  return Math.round(1000 * Math.min(0.99, Math.max(0.05, probability)))
}

function unknown({ tag, medium, atMs }: TagWindow, reason: Reason): Located {
  return { tag, room: null, reason, method: medium, confidence: 0, atMs }
}
