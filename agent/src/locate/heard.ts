import type { ReceiverId, Sighting, TagWindow } from '@biotrakr/shared'

import type { Layout } from './layout.ts'
import type { RoomModel } from './model.ts'
import { at } from './numbers.ts'

/** What one window says, by receiver numbers of the model. Filled anew for every window, never allocated anew. */
export interface Heard {
  /** Receivers heard that say anything about rooms and are not masked, then the masked ones. */
  readonly receivers: Int32Array
  readonly dbm: Float64Array
  readonly counts: Float64Array
  /** How many there are of the first kind, and of both. */
  trusted: number
  all: number
  /** Adverts that the tag sent, estimated from its best receiver: a slow tag must not be taken for an absent one. */
  rounds: number
  strongestDbm: number
  /** That of the receivers heard, as in the layout. */
  medium: number
}

/** The filter stage lets no more receivers through in one window. */
export const MAX_HEARD = 64
/** A reader that only reports presence (LF, HF) reaches a metre: as good as a strong signal. */
const PRESENCE_DBM = -55
/** What each reading beyond the first of a second adds: they are alike. */
const REPEAT_WORTH = 0.6

export function emptyHeard(): Heard {
  return {
    receivers: new Int32Array(MAX_HEARD),
    dbm: new Float64Array(MAX_HEARD),
    counts: new Float64Array(MAX_HEARD),
    trusted: 0,
    all: 0,
    rounds: 1,
    strongestDbm: Number.NEGATIVE_INFINITY,
    medium: 0,
  }
}

export function effectiveCount(readings: number): number {
  return 1 + REPEAT_WORTH * (Math.max(1, readings) - 1)
}

/** Reads a window: receivers that the map lacks, or of which it knows nothing, are no evidence. */
export function hear(heard: Heard, window: TagWindow, ears: Ears): void {
  heard.trusted = 0
  heard.all = 0
  heard.rounds = 1
  heard.strongestDbm = Number.NEGATIVE_INFINITY
  const { sightings } = window
  let leftOut = 0
  for (let s = 0; s < sightings.length; s++) {
    const sighting = sightings[s] as Sighting
    const i = numberOf(ears.model, sighting.receiver)
    if (i < 0) continue
    if (ears.masked[i] === 1) leftOut += 1
    else if (take(heard, i, sighting)) weighNewest(heard)
  }
  heard.trusted = heard.all
  for (let s = 0; leftOut > 0 && s < sightings.length; s++) {
    const sighting = sightings[s] as Sighting
    const i = numberOf(ears.model, sighting.receiver)
    if (i >= 0 && ears.masked[i] === 1) take(heard, i, sighting)
  }
  heard.medium = mediumOf(ears.model.layout, heard.receivers)
}

/** @param receivers those heard; the first one speaks for all, as a tag has one radio */
export function mediumOf({ medium }: Layout, receivers: Int32Array): number {
  return medium[receivers[0] ?? 0] ?? 0
}

interface Ears {
  readonly model: RoomModel
  readonly masked: Uint8Array
}

/** @returns -1 for a receiver that says nothing about rooms */
function numberOf({ layout, useful }: RoomModel, receiver: ReceiverId): number {
  const i = layout.receiverNumber.get(receiver)
  return i !== undefined && useful[i] === 1 ? i : -1
}

function isPower(dbm: number): boolean {
  return dbm < 0 && dbm > -128
}

/** @returns false for what is no power, or too much */
function take(heard: Heard, i: number, { rssiDbm = PRESENCE_DBM, count }: Sighting): boolean {
  if (heard.all >= MAX_HEARD || !isPower(rssiDbm)) return false
  heard.receivers[heard.all] = i
  heard.dbm[heard.all] = rssiDbm
  heard.counts[heard.all] = effectiveCount(count)
  heard.all += 1
  return true
}

function weighNewest(heard: Heard): void {
  const newest = heard.all - 1
  heard.rounds = Math.max(heard.rounds, at(heard.counts, newest))
  heard.strongestDbm = Math.max(heard.strongestDbm, at(heard.dbm, newest))
}
