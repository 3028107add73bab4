import type { ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'
import type { SurveyStop } from '@biotrakr/sim'

import type { Locator } from './ward-run.ts'

/**
 * Room rules of public projects, written from descriptions of their behaviour with their default numbers; they rank
 * against the product on the same windows. Their distances grow with falling power alike for all receivers, so
 * "nearest" is compared in the units in which each rule compares.
 */
interface Heard {
  readonly room: RoomId
  readonly dbm: number
  readonly atMs: number
}

type Track = Map<ReceiverId, Heard>

function rooms(map: SiteMap): ReadonlyMap<ReceiverId, RoomId> {
  return new Map(map.receivers.flatMap(({ id, room }) => (room === undefined ? [] : [[id, room] as const])))
}

function perTag<State>(create: () => State): (tag: TagId) => State {
  const states = new Map<TagId, State>()
  return (tag) => {
    const state = states.get(tag) ?? create()
    states.set(tag, state)
    return state
  }
}

function best<Item>(items: Iterable<Item>, value: (item: Item) => number): Item | undefined {
  let top: Item | undefined
  for (const item of items) if (top === undefined || value(item) > value(top)) top = item
  return top
}

/** The receiver that hears the tag strongest in this second. */
export function strongest(map: SiteMap): Locator {
  const roomOf = rooms(map)
  return ({ sightings }) => {
    const top = best(sightings, ({ rssiDbm }) => rssiDbm ?? -200)
    return (top && roomOf.get(top.receiver)) ?? null
  }
}

interface Filtered extends Heard {
  readonly variance: number
}

/** room-assistant: a scalar Kalman filter per receiver (process .008, measurement 4), nearest wins at once, 60 s memory. */
export function roomAssistant(map: SiteMap): Locator {
  const roomOf = rooms(map)
  const stateOf = perTag(() => new Map<ReceiverId, Filtered>())
  return ({ tag, atMs, sightings }) => {
    const track = stateOf(tag)
    for (const { receiver, rssiDbm } of sightings) {
      const room = roomOf.get(receiver)
      if (room === undefined || rssiDbm === undefined) continue
      track.set(receiver, filtered(track.get(receiver), { room, dbm: rssiDbm, atMs }))
    }
    return best(fresh(track, atMs, 60_000), ({ dbm }) => Math.round(dbm))?.room ?? null
  }
}

function filtered(before: Filtered | undefined, heard: Heard): Filtered {
  if (!before) return { ...heard, variance: 4 }
  const predicted = before.variance + 0.008
  const gain = predicted / (predicted + 4)
  return { ...heard, dbm: before.dbm + gain * (heard.dbm - before.dbm), variance: (1 - gain) * predicted }
}

function fresh<Kind extends Heard>(track: ReadonlyMap<ReceiverId, Kind>, atMs: number, memoryMs: number): Kind[] {
  return [...track.values()].filter((heard) => atMs - heard.atMs <= memoryMs)
}

interface Bermuda {
  readonly heard: Map<ReceiverId, { readonly room: RoomId; readonly history: number[]; atMs: number }>
  holder: ReceiverId | undefined
}

/**
 * Bermuda: distance 10^((-55 - rssi) / 30), smoothed by a mean that never rises above what is newer and nearer (20
 * samples); a challenger wins when clearly closer: 30 % outright, or 15 % with its worst of five below the holder's best.
 */
export function bermuda(map: SiteMap): Locator {
  const roomOf = rooms(map)
  const stateOf = perTag((): Bermuda => ({ heard: new Map(), holder: undefined }))
  return ({ tag, atMs, sightings }) => {
    const state = stateOf(tag)
    for (const { receiver, rssiDbm } of sightings) {
      const room = roomOf.get(receiver)
      if (room === undefined || rssiDbm === undefined) continue
      const own = state.heard.get(receiver) ?? { room, history: [], atMs }
      own.history.unshift(10 ** ((-55 - rssiDbm) / 30))
      own.history.length = Math.min(own.history.length, 20)
      own.atMs = atMs
      state.heard.set(receiver, own)
    }
    const live = [...state.heard].filter(([, own]) => atMs - own.atMs <= 10_000)
    const holder = live.find(([receiver]) => receiver === state.holder)
    const nearest = best(live, ([, own]) => -smoothed(own.history))
    if (nearest && (!holder || challenges(nearest[1].history, holder[1].history))) state.holder = nearest[0]
    return (state.holder && state.heard.get(state.holder)?.room) ?? null
  }
}

/** Running minimum from the newest backwards, averaged. */
function smoothed(history: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY
  let sum = 0
  for (const metres of history) {
    least = Math.min(least, metres)
    sum += least
  }
  return sum / Math.max(1, history.length)
}

function challenges(challenger: readonly number[], holder: readonly number[]): boolean {
  const [near, far] = [smoothed(challenger), smoothed(holder)]
  if (near < 0.7 * far) return true
  return near < 0.85 * far && Math.max(...challenger.slice(0, 5)) < Math.min(...holder.slice(0, 5))
}

/** ESPresense: mean of 15 s inside Tukey's fences (k 1.5); the nearest node is the room; forgotten after 150 s. */
export function espresense(map: SiteMap): Locator {
  const roomOf = rooms(map)
  const stateOf = perTag(() => new Map<ReceiverId, { dbm: number; atMs: number }[]>())
  return ({ tag, atMs, sightings }) => {
    const state = stateOf(tag)
    for (const { receiver, rssiDbm } of sightings) {
      if (rssiDbm === undefined) continue
      const kept = (state.get(receiver) ?? []).filter((own, i, all) => atMs - own.atMs < 15_000 || i >= all.length - 10)
      state.set(receiver, [...kept.filter((own) => atMs - own.atMs < 150_000), { dbm: rssiDbm, atMs }])
    }
    const live = [...state].filter(([, own]) => atMs - (own.at(-1)?.atMs ?? 0) < 30_000)
    const top = best(live, ([, own]) => fenced(own.map(({ dbm }) => dbm)))
    return (top && roomOf.get(top[0])) ?? null
  }
}

function fenced(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const quartile = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
  const reach = 1.5 * (quartile(0.75) - quartile(0.25))
  const inside = sorted.filter((dbm) => dbm >= quartile(0.25) - reach && dbm <= quartile(0.75) + reach)
  return inside.reduce((sum, dbm) => sum + dbm, 0) / inside.length
}

const UNHEARD_DBM = -100

/** The nearest survey stop to the mean of the last 5 s; what was not heard counts as -100 dBm. */
export function nearestFingerprint(map: SiteMap, survey: readonly SurveyStop[]): Locator {
  const receivers = map.receivers.map(({ id }) => id)
  const prints = survey.map(({ room, readings }) => ({
    room,
    sound: receivers.map((id) => meanDbm(readings.filter(({ receiver }) => receiver === id))),
  }))
  const stateOf = perTag((): Track[] => [])
  return (window) => {
    const recent = stateOf(window.tag)
    recent.push(trackOf(window))
    while (recent.length > 5) recent.shift()
    const sound = receivers.map((id) => {
      const own = recent.flatMap((track) => track.get(id)?.dbm ?? [])
      return own.length === 0 ? UNHEARD_DBM : own.reduce((sum, dbm) => sum + dbm, 0) / own.length
    })
    const distance = (print: readonly number[]): number =>
      print.reduce((sum, dbm, i) => sum + (dbm - (sound[i] ?? UNHEARD_DBM)) ** 2, 0)
    return best(prints, (print) => -distance(print.sound))?.room ?? null
  }
}

function trackOf({ sightings, atMs }: TagWindow): Track {
  const room = '' as RoomId
  return new Map(
    sightings.flatMap(({ receiver, rssiDbm }) =>
      rssiDbm === undefined ? [] : [[receiver, { room, dbm: rssiDbm, atMs }] as const],
    ),
  )
}

function meanDbm(readings: readonly { readonly rssiDbm?: number }[]): number {
  const values = readings.flatMap(({ rssiDbm }) => rssiDbm ?? [])
  return values.length === 0 ? UNHEARD_DBM : values.reduce((sum, dbm) => sum + dbm, 0) / values.length
}
