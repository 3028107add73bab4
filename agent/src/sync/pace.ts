import type { Random } from '@biotrakr/shared'

/**
 * When to connect again. An outage is cut into growing intervals, up to a minute long, and each gateway connects once in
 * each of them, at a place that it draws anew for every outage. However long the broker was away, the gateways of a
 * hospital then come back spread evenly: drawing every delay by itself would bunch half of them into the first seconds,
 * since those whose turn is near are always the most.
 */
export interface Pace {
  /** Connections lost or refused in a row. */
  readonly failures: number
  /** When the last connects were tried, monotonic milliseconds, oldest first. */
  readonly triedMs: readonly number[]
  /** When the outage began, monotonic milliseconds. */
  readonly sinceMs: number
  /** Place in every interval, 0 to 1. */
  readonly place: number
}

export interface PaceLimits {
  /** The first interval, milliseconds. */
  readonly firstMs: number
  /** Bound of the intervals, milliseconds. */
  readonly maxMs: number
  /** No minute sees more connects than this, however the line flaps. */
  readonly perMinute: number
}

export const DEFAULT_PACE: PaceLimits = { firstMs: 4_000, maxMs: 60_000, perMinute: 6 }

/** With 4 s and 60 s, six intervals begin in the first minute: the bound per minute then moves nobody. */
const GROWTH = 1.5
const MINUTE_MS = 60_000

export const freshPace: Pace = { failures: 0, triedMs: [], sinceMs: 0, place: 0 }

export function tried(pace: Pace, nowMs: number, { perMinute }: PaceLimits): Pace {
  return { ...pace, triedMs: [...pace.triedMs, nowMs].slice(-perMinute) }
}

export function failed(pace: Pace, nowMs: number, random: Random): Pace {
  const outage = pace.failures === 0 ? { sinceMs: nowMs, place: random() } : {}
  return { ...pace, ...outage, failures: pace.failures + 1 }
}

export function steady(pace: Pace): Pace {
  return { ...pace, failures: 0 }
}

/** @returns milliseconds until the next connect may be tried, at least 1 */
export function connectDelayMs({ sinceMs, place, triedMs }: Pace, nowMs: number, limits: PaceLimits): number {
  const waitMs = sinceMs + turnAfter(nowMs - sinceMs, place, limits) - nowMs
  const [oldestMs] = triedMs
  const isFull = oldestMs !== undefined && triedMs.length >= limits.perMinute
  return Math.max(1, Math.ceil(isFull ? Math.max(waitMs, oldestMs + MINUTE_MS - nowMs) : waitMs))
}

/** @returns the first turn later than `passedMs`, both counted from the beginning of the outage */
function turnAfter(passedMs: number, place: number, { firstMs, maxMs }: PaceLimits): number {
  let startMs = 0
  let lengthMs = Math.min(firstMs, maxMs)
  while (lengthMs < maxMs && startMs + place * lengthMs <= passedMs) {
    startMs += lengthMs
    lengthMs = Math.min(maxMs, lengthMs * GROWTH)
  }
  const turnMs = startMs + place * lengthMs
  // From here on all intervals are alike.
  const missed = turnMs > passedMs ? 0 : Math.floor((passedMs - turnMs) / lengthMs) + 1
  return turnMs + missed * lengthMs
}
