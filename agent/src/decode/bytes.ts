/**
 * Reads out of the bytes of one advert, without views and copies: a ward's adverts come by the thousand. Every reader is
 * given a place that its caller has measured; beyond the end it reads zeros, never anything else.
 */

/** Codes of the two digits of every byte. */
const HIGH = Uint8Array.from({ length: 256 }, (_, value) => digitCode(value >> 4))
const LOW = Uint8Array.from({ length: 256 }, (_, value) => digitCode(value & 0x0f))
const HYPHEN = 0x2d
const COLON = 0x3a
const PRINTABLE: readonly (string | undefined)[] = Array.from({ length: 0x7f }, (_, code) =>
  code < 0x20 ? undefined : String.fromCharCode(code),
)
/** One call for all letters of a text: three times as fast as joining pieces. */
const letters = String.fromCharCode

function digitCode(digit: number): number {
  return digit.toString(16).charCodeAt(0)
}

export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

export function s8(bytes: Uint8Array, at: number): number {
  return (u8(bytes, at) << 24) >> 24
}

export function u16be(bytes: Uint8Array, at: number): number {
  return (u8(bytes, at) << 8) | u8(bytes, at + 1)
}

export function u16le(bytes: Uint8Array, at: number): number {
  return u8(bytes, at) | (u8(bytes, at + 1) << 8)
}

export function s16be(bytes: Uint8Array, at: number): number {
  return (u16be(bytes, at) << 16) >> 16
}

export function s16le(bytes: Uint8Array, at: number): number {
  return (u16le(bytes, at) << 16) >> 16
}

export function u32be(bytes: Uint8Array, at: number): number {
  return u16be(bytes, at) * 0x1_0000 + u16be(bytes, at + 2)
}

export function u32le(bytes: Uint8Array, at: number): number {
  return u16le(bytes, at) + u16le(bytes, at + 2) * 0x1_0000
}

function high(bytes: Uint8Array, at: number): number {
  return HIGH[u8(bytes, at)] ?? 0
}

function low(bytes: Uint8Array, at: number): number {
  return LOW[u8(bytes, at)] ?? 0
}

export function hex(bytes: Uint8Array, at: number, end: number): string {
  let digits = ''
  let index = at
  for (; index + 4 <= end; index += 4) digits += hex4(bytes, index)
  if (index + 2 <= end) {
    digits += letters(high(bytes, index), low(bytes, index), high(bytes, index + 1), low(bytes, index + 1))
    index += 2
  }
  return index < end ? digits + letters(high(bytes, index), low(bytes, index)) : digits
}

// biome-ignore format: one byte a pair
function hex4(bytes: Uint8Array, at: number): string {
  return letters(
    high(bytes, at), low(bytes, at), high(bytes, at + 1), low(bytes, at + 1),
    high(bytes, at + 2), low(bytes, at + 2), high(bytes, at + 3), low(bytes, at + 3),
  )
}

// biome-ignore format: one byte a pair
export function uuid(bytes: Uint8Array, at: number): string {
  return letters(
    high(bytes, at), low(bytes, at), high(bytes, at + 1), low(bytes, at + 1),
    high(bytes, at + 2), low(bytes, at + 2), high(bytes, at + 3), low(bytes, at + 3), HYPHEN,
    high(bytes, at + 4), low(bytes, at + 4), high(bytes, at + 5), low(bytes, at + 5), HYPHEN,
    high(bytes, at + 6), low(bytes, at + 6), high(bytes, at + 7), low(bytes, at + 7), HYPHEN,
    high(bytes, at + 8), low(bytes, at + 8), high(bytes, at + 9), low(bytes, at + 9), HYPHEN,
    high(bytes, at + 10), low(bytes, at + 10), high(bytes, at + 11), low(bytes, at + 11),
    high(bytes, at + 12), low(bytes, at + 12), high(bytes, at + 13), low(bytes, at + 13),
    high(bytes, at + 14), low(bytes, at + 14), high(bytes, at + 15), low(bytes, at + 15),
  )
}

/** An address that is sent most significant byte first, as `aa:bb:cc:dd:ee:ff`. */
// biome-ignore format: one byte a pair
export function macBe(bytes: Uint8Array, at: number): string {
  return letters(
    high(bytes, at), low(bytes, at), COLON, high(bytes, at + 1), low(bytes, at + 1), COLON,
    high(bytes, at + 2), low(bytes, at + 2), COLON, high(bytes, at + 3), low(bytes, at + 3), COLON,
    high(bytes, at + 4), low(bytes, at + 4), COLON, high(bytes, at + 5), low(bytes, at + 5),
  )
}

/** An address that is sent least significant byte first, written the usual way round. */
// biome-ignore format: one byte a pair
export function macLe(bytes: Uint8Array, at: number): string {
  return letters(
    high(bytes, at + 5), low(bytes, at + 5), COLON, high(bytes, at + 4), low(bytes, at + 4), COLON,
    high(bytes, at + 3), low(bytes, at + 3), COLON, high(bytes, at + 2), low(bytes, at + 2), COLON,
    high(bytes, at + 1), low(bytes, at + 1), COLON, high(bytes, at), low(bytes, at),
  )
}

/** Printable ASCII; anything else becomes U+FFFD, so that a name can neither break a terminal nor a log line. */
export function text(bytes: Uint8Array, at: number, end: number): string {
  let shown = ''
  for (let index = at; index < end; index++) {
    const code = u8(bytes, index)
    if (code === 0) break
    shown += PRINTABLE[code] ?? '\uFFFD'
  }
  return shown
}

export function allOnes(bytes: Uint8Array, at: number, end: number): boolean {
  for (let index = at; index < end; index++) if (u8(bytes, index) !== 0xff) return false
  return true
}
