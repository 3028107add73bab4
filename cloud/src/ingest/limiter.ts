import type { Clock } from '@biotrakr/shared'

export interface Limiter {
  /** True at most `count` times within each period for one name. */
  admits(name: string): boolean
}

/** Keeps what a misbehaving sender causes (log lines, answers, evidence rows) in bounds. Forgets by whole periods. */
export function createLimiter(clock: Clock, count: number, periodMs: number): Limiter {
  const used = new Map<string, number>()
  let sinceMs = -Infinity
  return {
    admits: (name) => {
      if (clock.monoMs() - sinceMs >= periodMs || used.size > MAX_NAMES) {
        used.clear()
        sinceMs = clock.monoMs()
      }
      const uses = used.get(name) ?? 0
      if (uses >= count) return false
      used.set(name, uses + 1)
      return true
    },
  }
}

const MAX_NAMES = 100_000
