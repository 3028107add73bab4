import type { ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

import { cellsOf } from './cells.ts'
import { type Layout, layoutOf } from './layout.ts'
import { at } from './numbers.ts'
import { sumsFrom } from './sums.ts'

/** A tag in a known room that never moves: it makes drift certain. */
export interface ReferenceTag {
  readonly tag: TagId
  readonly room: RoomId
}

interface DriftFinding {
  readonly kind: 'receiver' | 'room' | 'deaf'
  readonly name: string
  /** Mean of what is heard less what the survey expects, dB; for `deaf` 0. */
  readonly db: number
  /** Rooms of a receiver, or receivers of a room, that agree, and those that were looked at. */
  readonly agree: number
  readonly of: number
  /** In plain words, with the next step. */
  readonly words: string
}

export interface DriftReport {
  /** Seconds of tags at rest, surely located, that were compared. */
  readonly ticks: number
  readonly tags: number
  /** Pairs of room and receiver with enough of them. */
  readonly pairs: number
  readonly findings: readonly DriftFinding[]
}

export interface DriftWatch {
  /**
   * Takes one window with its answer.
   * @param answer the room it was located in and how surely, per mille
   */
  take(window: TagWindow, answer: { readonly room: RoomId | null; readonly confidence: number }): void
  report(): DriftReport
}

/** As surely as this a tag must be located, per mille, and for so long in the same room, to be compared. */
const SURE = 900
const REST_MS = 30_000
const HALF_LIFE_MS = 86_400_000
/** A pair of room and receiver counts from so many seconds on. */
const LEAST_TICKS = 200
/** One tag says what its own power is once it was compared in so many seconds. */
const OFFSET_RATE = 0.02
const ALARM_DB = 6
/** So many of the pairs of a receiver, or of a room, must agree. */
const MOST = 0.6
const LEAST_PAIRS = 2
const MAX_TAGS = 10_000
/** Below this share of what the survey heard, a receiver has gone deaf. */
const DEAF_SHARE = 0.5
/** Pairs in which the survey seldom heard the tag say nothing of deafness. */
const OFTEN_HEARD = 0.5

interface Pair {
  sum: number
  weight: number
  ticks: number
  heard: number
  atMs: number
}

interface Rest {
  readonly room: RoomId
  readonly sinceMs: number
  offsetDb: number
}

/**
 * Compares what is heard of tags at rest with what the survey expects. It never learns from it: a fingerprint that
 * follows the engine's own answers would drift with its mistakes.
 * @param map with a survey; pairs that were not surveyed are not compared
 */
export function createDriftWatch(map: SiteMap, references: readonly ReferenceTag[] = []): DriftWatch {
  const layout = layoutOf(map)
  const sums = sumsFrom(layout, map.survey)
  const cells = cellsOf(layout, sums)
  const pairs = new Map<number, Pair>()
  const rests = new Map<TagId, Rest>()
  const fixed = new Map(references.map(({ tag, room }) => [tag, room]))
  let ticks = 0
  const isSurveyed = (cell: number): boolean => at(sums.ticks, cell) > 0

  const compare = (window: TagWindow, rest: Rest): void => {
    const room = layout.roomNumber.get(rest.room)
    if (room === undefined || at(sums.rounds, room) === 0) return
    const residuals = residualsOf(window, room)
    if (residuals.length === 0) return
    ticks += 1
    // The tag's own power shifts all receivers alike; one that has drifted does not move the middle of them.
    rest.offsetDb += OFFSET_RATE * (middle(residuals.map(({ db }) => db)) - rest.offsetDb)
    const heard = new Set(residuals.map(({ cell }) => cell))
    for (const { cell, db } of residuals) addTo(cell, { db: db - rest.offsetDb, heard: 1, atMs: window.atMs })
    for (let i = 0; i < layout.receivers.length; i++) {
      const cell = room * layout.receivers.length + i
      if (isSurveyed(cell) && !heard.has(cell)) addTo(cell, { db: undefined, heard: 0, atMs: window.atMs })
    }
  }

  const residualsOf = ({ sightings }: TagWindow, room: number): { cell: number; db: number }[] =>
    sightings.flatMap(({ receiver, rssiDbm }) => {
      const i = layout.receiverNumber.get(receiver)
      const cell = room * layout.receivers.length + (i ?? 0)
      if (i === undefined || rssiDbm === undefined || !isSurveyed(cell)) return []
      return [{ cell, db: rssiDbm - at(cells.mean, cell) }]
    })

  const addTo = (cell: number, { db, heard, atMs }: { db: number | undefined; heard: 0 | 1; atMs: number }): void => {
    const pair = pairs.get(cell) ?? { sum: 0, weight: 0, ticks: 0, heard: 0, atMs }
    const kept = 0.5 ** (Math.max(0, atMs - pair.atMs) / HALF_LIFE_MS)
    pair.sum = pair.sum * kept + (db ?? 0)
    pair.weight = pair.weight * kept + (db === undefined ? 0 : 1)
    pair.ticks = pair.ticks * kept + 1
    pair.heard = pair.heard * kept + heard
    pair.atMs = Math.max(pair.atMs, atMs)
    pairs.set(cell, pair)
  }

  return {
    take(window, { room: answered, confidence }) {
      if (window.sightings.length === 0 || window.moving === true) return
      const known = fixed.get(window.tag)
      const room = known ?? (confidence > SURE ? answered : null)
      const rest = settle(rests, { tag: window.tag, room, atMs: window.atMs })
      if (rest && (known !== undefined || window.atMs - rest.sinceMs >= REST_MS)) compare(window, rest)
    },
    report() {
      const views = viewsOf(layout, { pairs, heardRate: (cell) => at(cells.heard, cell) })
      return { ticks, tags: rests.size, pairs: views.length, findings: findingsOf(map, views) }
    },
  }
}

interface Stay {
  readonly tag: TagId
  readonly room: RoomId | null
  readonly atMs: number
}

/** @returns the tag's stay in this room when it goes on */
function settle(rests: Map<TagId, Rest>, { tag, room, atMs }: Stay): Rest | undefined {
  const before = rests.get(tag)
  if (room === null) {
    rests.delete(tag)
    return undefined
  }
  if (before?.room === room) return before
  if (before || rests.size < MAX_TAGS) rests.set(tag, { room, sinceMs: atMs, offsetDb: before?.offsetDb ?? 0 })
  return undefined
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
}

interface View {
  readonly room: RoomId
  readonly receiver: ReceiverId
  readonly db: number
  /** Share of the seconds in which it was heard, beside what the survey expects. */
  readonly heard: number
  readonly expected: number
}

interface Seen {
  readonly pairs: ReadonlyMap<number, Pair>
  readonly heardRate: (cell: number) => number
}

function viewsOf({ rooms, receivers }: Layout, { pairs, heardRate }: Seen): View[] {
  return [...pairs].flatMap(([cell, { sum, weight, ticks, heard }]) => {
    const [room, receiver] = [rooms[Math.floor(cell / receivers.length)], receivers[cell % receivers.length]]
    if (room === undefined || receiver === undefined || ticks < LEAST_TICKS) return []
    const db = weight > 0 ? sum / weight : 0
    return [{ room, receiver, db, heard: heard / ticks, expected: heardRate(cell) }]
  })
}

function findingsOf(map: SiteMap, views: readonly View[]): DriftFinding[] {
  const receivers = map.receivers.flatMap(({ id }) => {
    const own = views.filter(({ receiver }) => receiver === id)
    return shiftFinding('receiver', { name: id, own }) ?? deafFinding(id, own) ?? []
  })
  const shifted = new Set(receivers.map(({ name }) => name))
  const rooms = map.rooms.flatMap(({ id }) => {
    // A receiver that has shifted everywhere explains itself.
    const own = views.filter(({ room, receiver }) => room === id && !shifted.has(receiver))
    return shiftFinding('room', { name: id, own }) ?? []
  })
  return [...receivers, ...rooms]
}

interface Of {
  readonly name: string
  readonly own: readonly View[]
}

function shiftFinding(kind: 'receiver' | 'room', { name, own }: Of): DriftFinding | undefined {
  const heard = own.filter((view) => view.heard > 0)
  const up = heard.filter(({ db }) => db > ALARM_DB).length
  const down = heard.filter(({ db }) => db < -ALARM_DB).length
  const agree = Math.max(up, down)
  if (heard.length < LEAST_PAIRS || agree < MOST * heard.length) return undefined
  const db = heard.reduce((sum, view) => sum + view.db, 0) / heard.length
  const by = `${Math.abs(db).toFixed(0)} dB ${db > 0 ? 'louder' : 'weaker'} than in the survey`
  const words =
    kind === 'receiver'
      ? `Receiver ${name} hears ${agree} of ${heard.length} rooms ${by}. Was it moved, turned or its antenna changed? Put it back, or survey the rooms around it anew.`
      : `Room ${name} is heard by ${agree} of ${heard.length} receivers ${by}. Has it been refurnished, or are its doors open? Run: biotrakr calibrate survey --room ${name}`
  return { kind, name, db, agree, of: heard.length, words }
}

function deafFinding(name: ReceiverId, own: readonly View[]): DriftFinding | undefined {
  const often = own.filter(({ expected }) => expected >= OFTEN_HEARD)
  const deaf = often.filter(({ heard, expected }) => heard < DEAF_SHARE * expected).length
  if (often.length < LEAST_PAIRS || deaf < MOST * often.length) return undefined
  const words = `Receiver ${name} hears less than half of what it did in the survey, in ${deaf} of ${often.length} rooms. Check its antenna, its place and its power.`
  return { kind: 'deaf', name, db: 0, agree: deaf, of: often.length, words }
}
