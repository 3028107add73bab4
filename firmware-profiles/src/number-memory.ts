import type { TagId } from '@biotrakr/shared'

import type { TagReport } from './driver.ts'
import { hexOf } from './hex.ts'
import { type MemoryCounters, type MemoryTally, NAME_TALLY } from './memory-counters.ts'

/** How many tag numbers are remembered: two in each of the sets that their bytes choose, a power of 2. */
const SETS = 2_048
/** Longest number remembered, bytes; what tags carry is 4 to 16. */
const LONGEST = 31
/** Bytes of a place: how long the number is, and the number. */
const ROOM = 1 + LONGEST

/** A tag's number as it was met first, and the name that was made of it. */
export interface TagNumber {
  /** Upper-case hex. */
  readonly text: string
  /** Whether what follows is known. */
  isNamed: boolean
  pc: string | undefined
  band: TagReport['band'] | undefined
  tag: TagId | undefined
}

/** The numbers' bytes, side by side, and what they are. 128 KiB, and at most that many objects. */
const BYTES = new Uint8Array(2 * SETS * ROOM)
const NUMBERS: TagNumber[] = new Array<TagNumber>(2 * SETS).fill(unnamed(''))
/** Which of a set's two gives way next: the one that has been there for longer. */
const NEXT = new Uint8Array(SETS)

const TALLY: MemoryTally = { hits: 0, misses: 0, evictions: 0 }

/** Since the process began, of all readers together. */
export const numberMemoryCounters: MemoryCounters = TALLY

/**
 * A tag's number. Readers report the same tags over and over: what was made the first time is given again, so that nothing
 * is allocated and the tag's name need not be looked up. What is remembered makes no difference but in time.
 *
 * @returns undefined for a number too long to be remembered, and for none
 */
export function tagNumber(bytes: Uint8Array, from: number, to: number): TagNumber | undefined {
  const size = to - from
  if (size > LONGEST || size <= 0) return undefined
  const set = setOf(bytes, from, to)
  for (let slot = 2 * set; slot <= 2 * set + 1; slot++) {
    if (!stands(bytes, from, slot * ROOM, size)) continue
    TALLY.hits += 1
    return NUMBERS[slot] as TagNumber
  }
  const number = unnamed(hexOf(bytes, from, to))
  remember(number, set, bytes, from)
  return number
}

function unnamed(text: string): TagNumber {
  return { text, isNamed: false, pc: undefined, band: undefined, tag: undefined }
}

function remember(number: TagNumber, set: number, bytes: Uint8Array, from: number): void {
  const way = NEXT[set] as number
  NEXT[set] = 1 - way
  const slot = 2 * set + way
  const size = number.text.length / 2
  const room = slot * ROOM
  TALLY.misses += 1
  if (BYTES[room] !== 0) TALLY.evictions += 1
  if (NUMBERS[slot]?.isNamed) NAME_TALLY.evictions += 1
  BYTES[room] = size
  for (let n = 0; n < size; n++) BYTES[room + 1 + n] = bytes[from + n] as number
  NUMBERS[slot] = number
}

/** Multiplied by the golden ratio's bits after every byte, the last bytes, which differ most, reach every bit of the set. */
function setOf(bytes: Uint8Array, from: number, to: number): number {
  let mixed = to - from
  for (let at = from; at < to; at++) mixed = Math.imul(mixed ^ (bytes[at] as number), 0x9e37_79b1)
  return mixed >>> 21
}

function stands(bytes: Uint8Array, from: number, room: number, size: number): boolean {
  if (BYTES[room] !== size) return false
  for (let n = 0; n < size; n++) if (BYTES[room + 1 + n] !== bytes[from + n]) return false
  return true
}
