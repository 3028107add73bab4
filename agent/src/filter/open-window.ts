import type { Reading, ReceiverId, Sighting, Telemetry } from '@biotrakr/shared'

/** More values of one receiver than this do not move a median that is rounded to a decibel. */
const MAX_VALUES = 64
/** A tag that 64 receivers hear in one second is a fault or an attack, not a ward. */
const MAX_RECEIVERS = 64
/** Tukey's fence around the middle half, and how many values it takes. */
const FENCE = 1.5
const FENCED_FROM = 4
const ROUNDING_DB = 1
/** What a tag says of itself in one second, told by several receivers. */
const MAX_TOLD = 32
const MAX_MARKS = 16

interface Heard {
  count: number
  readonly values: { readonly atMs: number; readonly rssiDbm: number | undefined }[]
}

export interface Told {
  readonly atMs: number
  readonly telemetry: Telemetry
}

/** All that was heard of one tag in one window that is not closed yet. Bounded whatever arrives. */
export interface OpenWindow {
  /** Readings kept, also those beyond the values that are stored. */
  readings: number
  readonly heard: Map<ReceiverId, Heard>
  readonly told: Told[]
}

export type Kept = 'kept' | 'repeated' | 'crowded'

export function emptyWindow(): OpenWindow {
  return { readings: 0, heard: new Map(), told: [] }
}

/** Adds a reading unless it is an exact repeat of one in the window, or of one receiver too many. */
export function addTo(window: OpenWindow, { receiver, rssiDbm, atMs, telemetry }: Reading): Kept {
  let heard = window.heard.get(receiver)
  if (!heard) {
    if (window.heard.size >= MAX_RECEIVERS) return 'crowded'
    heard = { count: 0, values: [] }
    window.heard.set(receiver, heard)
  }
  if (heard.values.some((value) => value.atMs === atMs && value.rssiDbm === rssiDbm)) return 'repeated'
  window.readings += 1
  heard.count += 1
  if (heard.values.length < MAX_VALUES) heard.values.push({ atMs, rssiDbm })
  if (telemetry && window.told.length < MAX_TOLD) window.told.push({ atMs, telemetry })
  return 'kept'
}

/** Moves all of `from` into `into`, within the same bounds. */
export function mergeInto(into: OpenWindow, from: OpenWindow): void {
  into.readings += from.readings
  for (const [receiver, { count, values }] of from.heard) {
    const heard = into.heard.get(receiver)
    if (heard) {
      heard.count += count
      heard.values.push(...values.slice(0, MAX_VALUES - heard.values.length))
    } else if (into.heard.size < MAX_RECEIVERS) into.heard.set(receiver, { count, values: [...values] })
  }
  into.told.push(...from.told.slice(0, MAX_TOLD - into.told.length))
}

/**
 * One sighting per receiver, sorted by receiver.
 * @param isTimed also says when each receiver heard it best
 */
export function sightingsOf(window: OpenWindow, { isTimed = false } = {}): Sighting[] {
  const sightings = [...window.heard].map(([receiver, { count, values }]): Sighting => {
    const powers = withoutOutliers(values.flatMap((value) => value.rssiDbm ?? []).sort((a, b) => a - b))
    const maxDbm = powers.at(-1)
    if (maxDbm === undefined) return { receiver, count }
    const sighting = { receiver, rssiDbm: quantile(powers, 0.5), maxDbm, count }
    return isTimed ? { ...sighting, peakMs: peakOf(values, maxDbm) } : sighting
  })
  return sightings.sort((a, b) => (a.receiver < b.receiver ? -1 : 1))
}

/** Middle of the times at which the power was the highest but for the rounding of the radio. */
function peakOf(values: Heard['values'], maxDbm: number): number {
  const times = values.flatMap(({ atMs, rssiDbm = Number.NEGATIVE_INFINITY }) =>
    rssiDbm >= maxDbm - ROUNDING_DB && rssiDbm <= maxDbm ? [atMs] : [],
  )
  return Math.round(times.reduce((sum, atMs) => sum + atMs, 0) / times.length)
}

/** Numbers of rooms that tags passed on, each once. */
export function marksIn(told: readonly Told[]): string[] {
  const marks = new Set(told.flatMap(({ telemetry }) => telemetry.marks ?? []))
  return [...marks].slice(0, MAX_MARKS).sort()
}

/** What was told, oldest first. */
export function toldIn(window: OpenWindow): readonly Told[] {
  return window.told.sort((a, b) => a.atMs - b.atMs)
}

/**
 * Leaves out what lies further from the middle half than 1.5 times its width (Tukey 1977). Fewer than four values have
 * no middle half to speak of, and a decibel more or less is the rounding of the radio.
 * @param sorted ascending
 */
function withoutOutliers(sorted: readonly number[]): readonly number[] {
  if (sorted.length < FENCED_FROM) return sorted
  const lower = quantile(sorted, 0.25)
  const upper = quantile(sorted, 0.75)
  const reach = FENCE * Math.max(upper - lower, ROUNDING_DB)
  return sorted.filter((value) => value >= lower - reach && value <= upper + reach)
}

/** @param sorted ascending, at least one; between two values it is as far as its place is */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1)
  const below = sorted[Math.floor(place)] ?? 0
  const above = sorted[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}
