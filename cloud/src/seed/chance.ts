/** Chance that comes out the same for the same number. */
export interface Chance {
  /** 0 up to, not including, 1. */
  next(): number
  /** Whole, 0 up to, not including, `count`. */
  below(count: number): number
  pick<T>(items: readonly T[]): T
  /** Waiting times as they are between things that do not know of each other. @param mean above 0 */
  wait(mean: number): number
}

/** Mulberry32, by Tommy Ettinger, in the public domain: small, and even enough for a demonstration. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (count: number) => Math.floor(next() * count)
  return {
    next,
    below,
    pick: (items) => items[below(items.length)] as never,
    wait: (mean) => -Math.log(1 - next()) * mean,
  }
}
