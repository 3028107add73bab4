import type { Reading, ReceiverId, TagId, TagWindow } from '@biotrakr/shared'
import { calm, type Emergency, type EmergencyMemory, emergenciesIn, tellsEmergency } from './emergency.ts'
import { addTo, emptyWindow, marksIn, mergeInto, type OpenWindow, sightingsOf, toldIn } from './open-window.ts'
import { emptyMemory, type Observation, observe, rewindMemory, type TelemetryMemory } from './telemetry.ts'

export interface FilterOptions {
  /** Length of a window, milliseconds; default 1000. */
  readonly windowMs?: number
  /** A tag not heard for this long, or for six of its learned intervals if that is longer, is silent; default 15,000. */
  readonly silentAfterMs?: number
  /** Tags remembered; default 10,000. Beyond it a silent tag makes room; with none silent, newcomers are refused. */
  readonly maxTags?: number
  /** Readings that wait for their window to close; default 200,000. Beyond it the newest is let go. */
  readonly maxPending?: number
  /** One sensor of one tag is passed on at most once in this time, milliseconds; default 60,000. */
  readonly telemetryEveryMs?: number
  /** BLE readings below this are dropped, dBm; default -95: a radio at its limit tells noise from a tag by luck. */
  readonly floorDbm?: number
}

export interface FilterCounters {
  /** Readings taken in, the dropped ones included. */
  readonly readings: number
  /** Dropped: exact repeat of time, receiver, tag and value. */
  readonly repeated: number
  /** Dropped: RSSI of 0 dBm or more (127 means "not available"), of -128 or less, or no number; for BLE also none. */
  readonly invalidRssi: number
  /** Dropped: BLE below the floor. */
  readonly weak: number
  /** Dropped: no usable time. */
  readonly invalidTime: number
  /** Moved into the open window: its own had just been closed. */
  readonly late: number
  /** Dropped: more than 10 s behind the closed windows. */
  readonly stale: number
  /** Windows more than 10 s ahead of the clock, moved to the present. */
  readonly ahead: number
  /** Dropped: the table of tags was full of tags that are being heard. */
  readonly refused: number
  /** Silent tags forgotten to make room. */
  readonly evicted: number
  /** Dropped: too many readings waited for their window to close, or too many receivers heard one tag. */
  readonly overflow: number
  /** Presses and opened cases withheld: one tag told more than anybody presses. */
  readonly withheld: number
  /** Times the clock was set back by more than 5 s. */
  readonly clockSteps: number
  /** Tags remembered now. */
  readonly tags: number
}

export interface FilterOutput {
  /** In time order, tags of one time in the order of their names. */
  readonly windows: readonly TagWindow[]
  readonly telemetry: readonly Observation[]
}

/**
 * Turns readings into one window per tag and second. No clock of its own: time is what `close` is told. For readings
 * that are in time, the windows do not depend on how often `close` is called.
 */
export interface Filter {
  /**
   * @returns what cannot wait for the window: presses and opened cases that are new. No limit holds them back, neither
   * the floor nor a full table of readings; only what is of no time at all is ignored.
   */
  add(reading: Reading): readonly Emergency[]
  /** Closes every window that ends at or before `nowMs`, wall milliseconds, and reports tags that have gone silent. */
  close(nowMs: number): FilterOutput
  readonly counters: FilterCounters
}

const LATE_MS = 10_000
const AHEAD_MS = 10_000
/** Time servers slew or step by less than this; a longer step means that the clock had been wrong. */
const CLOCK_TOLERANCE_MS = 5000
const SILENT_INTERVALS = 6
const LEARNING_RATE = 0.15
/** One absence must not be learned as an interval, a slow tag must be within a few adverts. */
const LEARNING_GROWTH = 4
const MAX_INTERVAL_MS = 60_000

interface Track {
  readonly tag: TagId
  medium: Reading['medium']
  /** Windows not closed yet, by their number since 1970. */
  readonly open: Map<number, OpenWindow>
  /** Newest reading of each receiver that was in the latest closed windows: repeats come late as well. */
  readonly newest: Map<ReceiverId, { readonly atMs: number; readonly rssiDbm: number | undefined }>
  /** End of the last window in which the tag was heard; undefined before the first. */
  heardMs: number | undefined
  intervalMs: number
  silent: boolean
  readonly memory: TelemetryMemory
  readonly emergency: EmergencyMemory
}

type Settings = Required<FilterOptions>

interface State {
  readonly settings: Settings
  readonly counters: { -readonly [Name in keyof FilterCounters]: number }
  readonly tracks: Map<TagId, Track>
  /** Tags that have gone silent, longest silent first. */
  readonly silent: Set<TagId>
  /** Everything before this is closed, wall milliseconds. */
  closedMs: number
  pending: number
}

export function createFilter(options: FilterOptions = {}): Filter {
  const state: State = {
    settings: {
      windowMs: 1000,
      silentAfterMs: 15_000,
      maxTags: 10_000,
      maxPending: 200_000,
      telemetryEveryMs: 60_000,
      floorDbm: -95,
      ...options,
    },
    counters: {
      readings: 0,
      repeated: 0,
      invalidRssi: 0,
      weak: 0,
      invalidTime: 0,
      late: 0,
      stale: 0,
      ahead: 0,
      refused: 0,
      evicted: 0,
      overflow: 0,
      withheld: 0,
      clockSteps: 0,
      tags: 0,
    },
    tracks: new Map(),
    silent: new Set(),
    closedMs: Number.NEGATIVE_INFINITY,
    pending: 0,
  }
  return { add: (reading) => add(state, reading), close: (nowMs) => close(state, nowMs), counters: state.counters }
}

const NONE: readonly Emergency[] = []

function add(state: State, reading: Reading): readonly Emergency[] {
  state.counters.readings += 1
  const fault = faultOf(state, reading)
  if (fault) state.counters[fault] += 1
  const tells = fault !== 'invalidTime' && tellsEmergency(reading.telemetry)
  if (fault && !tells) return NONE
  const track = state.tracks.get(reading.tag) ?? admit(state, reading)
  if (!track) return NONE
  if (!fault) keep(state, track, reading)
  else if (track.heardMs === undefined && track.open.size === 0) fallSilent(state, track)
  if (!tells) return NONE
  const { emergencies, withheld } = emergenciesIn(track.emergency, reading)
  state.counters.withheld += withheld
  return emergencies
}

function keep(state: State, track: Track, reading: Reading): void {
  if (reading.atMs < state.closedMs) state.counters.late += 1
  track.medium = reading.medium
  const newest = track.newest.get(reading.receiver)
  if (newest?.atMs === reading.atMs && newest.rssiDbm === reading.rssiDbm) {
    state.counters.repeated += 1
    return
  }
  const kept = addTo(openAt(state, track, Math.max(reading.atMs, state.closedMs)), reading)
  if (kept === 'kept') state.pending += 1
  else state.counters[kept === 'repeated' ? 'repeated' : 'overflow'] += 1
}

type Fault = 'invalidRssi' | 'invalidTime' | 'weak' | 'stale' | 'overflow'

function faultOf(state: State, { rssiDbm, atMs, medium }: Reading): Fault | undefined {
  if (!Number.isFinite(atMs)) return 'invalidTime'
  if (rssiDbm === undefined ? medium === 'BLE' : !(rssiDbm < 0 && rssiDbm > -128)) return 'invalidRssi'
  if (medium === 'BLE' && rssiDbm !== undefined && rssiDbm < state.settings.floorDbm) return 'weak'
  if (state.closedMs - atMs > LATE_MS) return 'stale'
  return state.pending >= state.settings.maxPending ? 'overflow' : undefined
}

function openAt({ settings }: State, track: Track, atMs: number): OpenWindow {
  const number = Math.floor(atMs / settings.windowMs)
  const window = track.open.get(number) ?? emptyWindow()
  track.open.set(number, window)
  return window
}

/** A tag that is being heard never makes room for a stranger: a flood of made-up addresses must not evict the ward. */
function admit(state: State, { tag, medium }: Reading): Track | undefined {
  if (state.tracks.size >= state.settings.maxTags) {
    const [longestSilent] = state.silent
    if (longestSilent === undefined) {
      state.counters.refused += 1
      return undefined
    }
    state.silent.delete(longestSilent)
    state.tracks.delete(longestSilent)
    state.counters.evicted += 1
  }
  const track: Track = {
    tag,
    medium,
    open: new Map(),
    newest: new Map(),
    heardMs: undefined,
    intervalMs: state.settings.windowMs,
    silent: false,
    memory: emptyMemory(),
    emergency: calm(),
  }
  state.tracks.set(tag, track)
  state.counters.tags = state.tracks.size
  return track
}

interface Collected {
  readonly windows: TagWindow[]
  readonly telemetry: Observation[]
}

function close(state: State, nowMs: number): FilterOutput {
  const output: Collected = { windows: [], telemetry: [] }
  if (!Number.isFinite(nowMs)) return output
  const untilMs = Math.floor(nowMs / state.settings.windowMs) * state.settings.windowMs
  if (untilMs < state.closedMs) {
    if (state.closedMs - untilMs <= CLOCK_TOLERANCE_MS) return output
    setBack(state, untilMs)
  }
  for (const track of state.tracks.values()) {
    bringBack(state, track, untilMs)
    closeTrack(state, track, { untilMs, output })
  }
  state.closedMs = untilMs
  output.windows.sort((a, b) => a.atMs - b.atMs || (a.tag < b.tag ? -1 : 1))
  output.telemetry.sort((a, b) => a.atMs - b.atMs)
  return output
}

/** The clock had been ahead and is right now: time goes on from here, and nothing waits for the old time to return. */
function setBack(state: State, nowMs: number): void {
  state.counters.clockSteps += 1
  for (const track of state.tracks.values()) {
    if (track.heardMs !== undefined) track.heardMs = Math.min(track.heardMs, nowMs)
    track.newest.clear()
    rewindMemory(track.memory, nowMs)
  }
}

/** Windows far ahead of the clock would otherwise wait, unseen, for their time to come. */
function bringBack(state: State, track: Track, untilMs: number): void {
  const { windowMs } = state.settings
  for (const [number, window] of track.open) {
    if (number * windowMs <= untilMs + AHEAD_MS) continue
    state.counters.ahead += 1
    track.open.delete(number)
    mergeInto(openAt(state, track, untilMs - windowMs), window)
  }
}

interface Closing {
  readonly untilMs: number
  readonly output: Collected
}

function closeTrack(state: State, track: Track, { untilMs, output }: Closing): void {
  const { windowMs } = state.settings
  const due = [...track.open.keys()].filter((number) => (number + 1) * windowMs <= untilMs).sort((a, b) => a - b)
  for (const number of due) {
    const window = track.open.get(number)
    if (!window) continue
    silenceBy(state, track, { untilMs: number * windowMs, output })
    track.open.delete(number)
    closeWindow(state, track, { window, endMs: (number + 1) * windowMs, output })
  }
  silenceBy(state, track, { untilMs, output })
}

interface ClosingWindow {
  readonly window: OpenWindow
  readonly endMs: number
  readonly output: Collected
}

function closeWindow(state: State, track: Track, { window, endMs, output }: ClosingWindow): void {
  const { windowMs, telemetryEveryMs } = state.settings
  learnInterval(track, endMs)
  track.heardMs = endMs
  track.silent = false
  state.silent.delete(track.tag)
  track.newest.clear()
  state.pending -= window.readings
  for (const [receiver, { values }] of window.heard) {
    const last = values.reduce((a, b) => (b.atMs >= a.atMs ? b : a))
    track.newest.set(receiver, last)
  }
  const told = toldIn(window)
  for (const { atMs, telemetry } of told) {
    const within = Math.min(Math.max(atMs, endMs - windowMs), endMs)
    output.telemetry.push(
      ...observe(track.memory, { tag: track.tag, telemetry, atMs: within, everyMs: telemetryEveryMs }),
    )
  }
  const moving = told.findLast(({ telemetry }) => telemetry.moving !== undefined)?.telemetry.moving
  const sightings = sightingsOf(window, { isTimed: track.medium === 'RFID' })
  const namedRooms = marksIn(told)
  output.windows.push({
    tag: track.tag,
    atMs: endMs,
    medium: track.medium,
    sightings,
    ...(moving !== undefined && { moving }),
    ...(namedRooms.length > 0 && { namedRooms }),
  })
}

function learnInterval(track: Track, endMs: number): void {
  if (track.heardMs === undefined) return
  const gapMs = Math.min(Math.max(0, endMs - track.heardMs), LEARNING_GROWTH * track.intervalMs)
  track.intervalMs = Math.min(MAX_INTERVAL_MS, track.intervalMs + LEARNING_RATE * (gapMs - track.intervalMs))
}

/** Reports a tag as silent, once, at the end of the window in which its time ran out. */
function silenceBy(state: State, track: Track, { untilMs, output }: Closing): void {
  if (track.silent || track.heardMs === undefined) return
  const { windowMs, silentAfterMs } = state.settings
  const patienceMs = Math.max(silentAfterMs, SILENT_INTERVALS * track.intervalMs)
  const atMs = Math.ceil((track.heardMs + patienceMs) / windowMs) * windowMs
  if (atMs > untilMs) return
  fallSilent(state, track)
  output.windows.push({ tag: track.tag, atMs, medium: track.medium, sightings: [] })
}

/** From now on it makes room when the table is full. */
function fallSilent(state: State, track: Track): void {
  track.silent = true
  state.silent.add(track.tag)
  track.newest.clear()
}
