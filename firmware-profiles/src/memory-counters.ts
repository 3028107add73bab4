/** What a memory of things met before has done. It has a bound, so that what is met again may have been forgotten. */
export interface MemoryCounters {
  /** Found as it was made the first time. */
  readonly hits: number
  /** Made, and remembered. */
  readonly misses: number
  /** Forgotten to make room. */
  readonly evictions: number
}

export type MemoryTally = { -readonly [key in keyof MemoryCounters]: MemoryCounters[key] }

/** Of the names of tags, wherever they are remembered. */
export const NAME_TALLY: MemoryTally = { hits: 0, misses: 0, evictions: 0 }
