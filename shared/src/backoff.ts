import type { Random } from './clock.ts'

export interface BackoffLimits {
  /** Upper bound of the first delay, milliseconds. */
  readonly firstMs: number
  /** Upper bound of every later delay, milliseconds. */
  readonly maxMs: number
}

/**
 * Full-jitter exponential back-off: a delay drawn evenly from [0, min(maxMs, firstMs * 2^attempt)).
 * Full jitter spreads the reconnects of a whole hospital after a power cut; a fixed ladder would keep them in step.
 * @param attempt failures so far, 0 for the first retry
 * @returns milliseconds, a whole number of at least 1
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: Random): number {
  const ceiling = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(attempt, 30))
  return Math.max(1, Math.floor(random() * ceiling))
}
