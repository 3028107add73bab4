import { hexOf } from './hex.ts'
import type { MemoryCounters, MemoryTally } from './memory-counters.ts'

/** How many tag numbers are remembered: two in each of the sets that their bytes choose, a power of 2. */
const SETS = 2_048
/** Longest number remembered, bytes; what tags carry is 4 to 16. */
const ROOM = 32

/** The numbers' bytes, side by side, and their hex. 128 KiB, and at most that many texts. */
const BYTES = new Uint8Array(2 * SETS * ROOM)
const TEXTS: string[] = new Array<string>(2 * SETS).fill('')
/** Which of a set's two gives way next: the one that has been there for longer. */
const NEXT = new Uint8Array(SETS)

const TALLY: MemoryTally = { hits: 0, misses: 0, evictions: 0 }

/** Since the process began, of all readers together. */
export const numberMemoryCounters: MemoryCounters = TALLY

/**
 * Upper-case hex of a tag's number. Readers report the same tags over and over: the text made the first time is given
 * again, so that nothing is allocated and whoever looks the tag up by it finds the text's hash in place. What is
 * remembered makes no difference but in time.
 */
export function numberHex(bytes: Uint8Array, from: number, to: number): string {
  const size = to - from
  if (size > ROOM || size <= 0) return hexOf(bytes, from, to)
  const set = setOf(bytes, from, to)
  for (let slot = 2 * set; slot <= 2 * set + 1; slot++) {
    const known = TEXTS[slot] as string
    if (known.length === 2 * size && stands(bytes, from, slot * ROOM, size)) {
      TALLY.hits += 1
      return known
    }
  }
  const text = hexOf(bytes, from, to)
  remember(text, set, bytes.subarray(from, to))
  return text
}

function remember(text: string, set: number, number: Uint8Array): void {
  const way = NEXT[set] as number
  NEXT[set] = 1 - way
  const slot = 2 * set + way
  TALLY.misses += 1
  if (TEXTS[slot] !== '') TALLY.evictions += 1
  BYTES.set(number, slot * ROOM)
  TEXTS[slot] = text
}

/** Multiplied by the golden ratio's bits after every byte, the last bytes, which differ most, reach every bit of the set. */
function setOf(bytes: Uint8Array, from: number, to: number): number {
  let mixed = to - from
  for (let at = from; at < to; at++) mixed = Math.imul(mixed ^ (bytes[at] as number), 0x9e37_79b1)
  return mixed >>> 21
}

function stands(bytes: Uint8Array, from: number, room: number, size: number): boolean {
  for (let n = 0; n < size; n++) if (BYTES[room + n] !== bytes[from + n]) return false
  return true
}
