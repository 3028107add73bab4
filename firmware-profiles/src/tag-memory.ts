import type { MemoryCounters } from './memory-counters.ts'
import { numberMemoryCounters } from './number-memory.ts'
import { nameMemoryCounters } from './tag-id.ts'

/** What all readers of this process remember of tags, for health and metrics: the hex of their numbers, and their names. */
export const tagMemory: { readonly numbers: MemoryCounters; readonly names: MemoryCounters } = {
  numbers: numberMemoryCounters,
  names: nameMemoryCounters,
}
