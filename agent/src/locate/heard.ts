import type { TagWindow } from '@biotrakr/shared'

import type { Layout } from './layout.ts'
import type { RoomModel } from './model.ts'

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
const MAX_HEARD = 64
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
export function hear(heard: Heard, window: TagWindow, { model, masked }: Ears): void {
  heard.trusted = 0
  heard.all = 0
  heard.rounds = 1
  heard.strongestDbm = Number.NEGATIVE_INFINITY
  const leftOut = collect(heard, window, { model, masked, wanted: 0 })
  heard.trusted = heard.all
  if (leftOut > 0) collect(heard, window, { model, masked, wanted: 1 })
  heard.medium = mediumOf(model.layout, heard.receivers)
}

/** @param receivers those heard; the first one speaks for all, as a tag has one radio */
export function mediumOf({ medium }: Layout, receivers: Int32Array): number {
  return medium[receivers[0] ?? 0] ?? 0
}

interface Ears {
  readonly model: RoomModel
  readonly masked: Uint8Array
}

function isPower(dbm: number): boolean {
  return dbm < 0 && dbm > -128
}

/** @returns how many receivers are of the other kind */
function collect(
  heard: Heard,
  window: TagWindow,
  { model, masked, wanted }: Ears & { readonly wanted: 0 | 1 },
): number {
  let others = 0
  for (const { receiver, rssiDbm = PRESENCE_DBM, count } of window.sightings) {
    const i = model.layout.receiverNumber.get(receiver)
    if (i === undefined || model.useful[i] !== 1) continue
    if (masked[i] !== wanted) {
      others += 1
      continue
    }
    if (heard.all >= MAX_HEARD || !isPower(rssiDbm)) continue
    const counted = effectiveCount(count)
    heard.receivers[heard.all] = i
    heard.dbm[heard.all] = rssiDbm
    heard.counts[heard.all] = counted
    heard.all += 1
    if (wanted === 1) continue
    if (counted > heard.rounds) heard.rounds = counted
    if (rssiDbm > heard.strongestDbm) heard.strongestDbm = rssiDbm
  }
  return others
}
