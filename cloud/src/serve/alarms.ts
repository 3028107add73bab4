import type { GatewayId, RoomId, TagEvent, TagEventKind, TagId } from '@biotrakr/shared'

import type { Board } from './board.ts'

/** A press, an opened case or the like, as a viewer is told of it. */
export interface Alarm {
  /** Rises with every alarm and every change of one. */
  readonly number: number
  /** The same through all changes; unique within one run of this service. */
  readonly id: number
  readonly tag: TagId
  readonly event: TagEventKind
  readonly value: number
  readonly facility: string
  /** Null = the tag's place was not known when it happened. */
  readonly room: RoomId | null
  /** Event time, wall milliseconds; not later than it was heard. */
  readonly atMs: number
}

/** Events of the live lane by what became of them. */
export interface AlarmCounters {
  taken: number
  /** The same press, heard by another gateway. */
  repeated: number
  unknownTag: number
  /** Taken, but as of no known place. */
  unknownRoom: number
  /** Older than alarms are kept. */
  stale: number
  /** Alarms that made room for newer ones before their time. */
  evicted: number
}

export interface AlarmBook {
  /** Events of a gateway that the board knows. @returns whether there is something to tell */
  hear(gateway: GatewayId, events: readonly TagEvent[], nowMs: number): boolean
  /** Alarms that are new or changed since `number`, of the last half an hour, in the order of their numbers. */
  since(number: number, nowMs: number): readonly Alarm[]
  readonly counters: Readonly<AlarmCounters>
}

interface Entry {
  alarm: Alarm
  /** Who told of it; told by another within a minute, it is the same press. */
  readonly gateway: GatewayId
}

const KEEP_MS = 30 * 60_000
const SAME_PRESS_MS = 60_000
const MAX_ALARMS = 200

/**
 * What happened of late, for the eye: heard on the live lane, not kept beyond this run. The record of it comes by the
 * ledger. Bounded by number and age.
 */
export function createAlarmBook(board: Pick<Board, 'facilityOf' | 'knowsTag' | 'knowsRoom'>): AlarmBook {
  const counters: AlarmCounters = { taken: 0, repeated: 0, unknownTag: 0, unknownRoom: 0, stale: 0, evicted: 0 }
  /** Oldest number first. */
  let entries: Entry[] = []
  let number = 0
  let lastId = 0

  const forget = (nowMs: number) => {
    entries = entries.filter(({ alarm }) => alarm.atMs > nowMs - KEEP_MS && board.knowsTag(alarm.tag))
    const over = Math.max(0, entries.length - MAX_ALARMS)
    counters.evicted += over
    entries.splice(0, over)
  }

  const add = (gateway: GatewayId, alarm: Omit<Alarm, 'number' | 'id'>): boolean => {
    const before = entries.find((entry) => entry.gateway !== gateway && isSame(entry.alarm, alarm))
    number += 1
    if (before === undefined) {
      counters.taken += 1
      lastId += 1
      entries.push({ gateway, alarm: { ...alarm, number, id: lastId } })
      return true
    }
    counters.repeated += 1
    if (before.alarm.room !== null || alarm.room === null) return false
    // Whoever told of it first did not know where.
    const { facility, room } = alarm
    before.alarm = { ...before.alarm, number, facility, room }
    entries = [...entries.filter((entry) => entry !== before), before]
    return true
  }

  const take = (gateway: GatewayId, event: TagEvent, nowMs: number): boolean => {
    const facility = board.facilityOf(gateway)
    if (facility === undefined) return false
    const atMs = Math.min(event.atMs, nowMs)
    if (!board.knowsTag(event.tag)) counters.unknownTag += 1
    else if (atMs <= nowMs - KEEP_MS) counters.stale += 1
    else {
      const isKnown = event.room === null || board.knowsRoom(facility, event.room)
      if (!isKnown) counters.unknownRoom += 1
      const room = isKnown ? event.room : null
      return add(gateway, { tag: event.tag, event: event.event, value: event.value, facility, room, atMs })
    }
    return false
  }

  return {
    hear: (gateway, events, nowMs) => {
      const told = events.map((event) => take(gateway, event, nowMs))
      forget(nowMs)
      return told.includes(true)
    },
    since: (told, nowMs) => {
      if (told >= number) return []
      forget(nowMs)
      return entries.map(({ alarm }) => alarm).filter((alarm) => alarm.number > told)
    },
    counters,
  }
}

function isSame(before: Alarm, next: Pick<Alarm, 'tag' | 'event' | 'value' | 'atMs'>): boolean {
  return (
    before.tag === next.tag &&
    before.event === next.event &&
    before.value === next.value &&
    Math.abs(before.atMs - next.atMs) < SAME_PRESS_MS
  )
}
