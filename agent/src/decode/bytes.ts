/**
 * Reads out of the bytes of one advert, without views and copies: a ward's adverts come by the thousand. Every reader is
 * given a place that its caller has measured; beyond the end it reads zeros, never anything else.
 */

const HEX: readonly string[] = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))

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

function hex2(bytes: Uint8Array, at: number): string {
  return HEX[u8(bytes, at)] ?? '00'
}

export function hex(bytes: Uint8Array, at: number, end: number): string {
  let digits = ''
  for (let index = at; index < end; index++) digits += hex2(bytes, index)
  return digits
}

export function uuid(bytes: Uint8Array, at: number): string {
  return `${hex(bytes, at, at + 4)}-${hex(bytes, at + 4, at + 6)}-${hex(bytes, at + 6, at + 8)}-${hex(bytes, at + 8, at + 10)}-${hex(bytes, at + 10, at + 16)}`
}

/** An address that is sent most significant byte first, as `aa:bb:cc:dd:ee:ff`. */
export function macBe(bytes: Uint8Array, at: number): string {
  return `${hex2(bytes, at)}:${hex2(bytes, at + 1)}:${hex2(bytes, at + 2)}:${hex2(bytes, at + 3)}:${hex2(bytes, at + 4)}:${hex2(bytes, at + 5)}`
}

/** An address that is sent least significant byte first, written the usual way round. */
export function macLe(bytes: Uint8Array, at: number): string {
  return `${hex2(bytes, at + 5)}:${hex2(bytes, at + 4)}:${hex2(bytes, at + 3)}:${hex2(bytes, at + 2)}:${hex2(bytes, at + 1)}:${hex2(bytes, at)}`
}

/** Printable ASCII; anything else becomes U+FFFD, so that a name can neither break a terminal nor a log line. */
export function text(bytes: Uint8Array, at: number, end: number): string {
  let letters = ''
  for (let index = at; index < end; index++) {
    const code = u8(bytes, index)
    if (code === 0) break
    letters += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '\uFFFD'
  }
  return letters
}

export function allOnes(bytes: Uint8Array, at: number, end: number): boolean {
  for (let index = at; index < end; index++) if (u8(bytes, index) !== 0xff) return false
  return true
}
