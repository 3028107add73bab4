import { hexOf } from './hex.ts'

/** How many tag numbers are remembered, a power of 2; two that fall into one slot take turns. */
const SLOTS = 4_096
/** Longest number remembered, bytes; what tags carry is 4 to 16. */
const ROOM = 32

/** The numbers' bytes, side by side, and their hex. 128 KiB, and at most that many texts. */
const BYTES = new Uint8Array(SLOTS * ROOM)
const TEXTS: string[] = new Array<string>(SLOTS).fill('')

/**
 * Upper-case hex of a tag's number. Readers report the same tags over and over: the text made the first time is given
 * again, so that nothing is allocated and whoever looks the tag up by it finds the text's hash in place. What is
 * remembered makes no difference but in time.
 */
export function numberHex(bytes: Uint8Array, from: number, to: number): string {
  const size = to - from
  if (size > ROOM || size <= 0) return hexOf(bytes, from, to)
  const slot = slotOf(bytes, from, to)
  const known = TEXTS[slot] ?? ''
  const room = slot * ROOM
  if (known.length === 2 * size && stands(bytes, from, { room, size })) return known
  for (let n = 0; n < size; n++) BYTES[room + n] = bytes[from + n] ?? 0
  const text = hexOf(bytes, from, to)
  TEXTS[slot] = text
  return text
}

/** Multiplied by the golden ratio's bits after every byte, the last bytes, which differ most, reach every bit of the slot. */
function slotOf(bytes: Uint8Array, from: number, to: number): number {
  let mixed = to - from
  for (let at = from; at < to; at++) mixed = Math.imul(mixed ^ (bytes[at] ?? 0), 0x9e37_79b1)
  return mixed >>> 20
}

function stands(bytes: Uint8Array, from: number, { room, size }: { room: number; size: number }): boolean {
  for (let n = 0; n < size; n++) if (BYTES[room + n] !== bytes[from + n]) return false
  return true
}
