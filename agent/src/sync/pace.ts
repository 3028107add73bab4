import { type BackoffLimits, backoffMs, type Random } from '@biotrakr/shared'

/**
 * When to connect again. Full jitter keeps a hospital's gateways from coming back in step after a power cut, and no
 * minute sees more than `perMinute` connects, however the line flaps: the first few come quickly, then the bound holds.
 */
export interface Pace {
  /** Connections lost or refused in a row. */
  readonly failures: number
  /** When the last connects were tried, monotonic milliseconds, oldest first. */
  readonly triedMs: readonly number[]
}

export interface PaceLimits extends BackoffLimits {
  readonly perMinute: number
}

export const DEFAULT_PACE: PaceLimits = { firstMs: 1_000, maxMs: 60_000, perMinute: 6 }

const MINUTE_MS = 60_000

export const freshPace: Pace = { failures: 0, triedMs: [] }

export function tried(pace: Pace, nowMs: number, { perMinute }: PaceLimits): Pace {
  return { ...pace, triedMs: [...pace.triedMs, nowMs].slice(-perMinute) }
}

export function failed(pace: Pace): Pace {
  return { ...pace, failures: pace.failures + 1 }
}

export function steady(pace: Pace): Pace {
  return { ...pace, failures: 0 }
}

/** @returns milliseconds until the next connect may be tried */
export function connectDelayMs(
  pace: Pace,
  nowMs: number,
  { limits, random }: { readonly limits: PaceLimits; readonly random: Random },
): number {
  const jitterMs = backoffMs(Math.max(0, pace.failures - 1), limits, random)
  const [oldestMs] = pace.triedMs
  const isFull = oldestMs !== undefined && pace.triedMs.length >= limits.perMinute
  return isFull ? Math.max(jitterMs, oldestMs + MINUTE_MS - nowMs) : jitterMs
}
