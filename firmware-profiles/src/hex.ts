const DIGITS = '0123456789ABCDEF'
const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => `${DIGITS[byte >> 4]}${DIGITS[byte & 15]}`)

/** ASCII digits of each byte: the higher half and the lower. */
const HIGH = Uint8Array.from(PAIRS, (pair) => pair.charCodeAt(0))
const LOW = Uint8Array.from(PAIRS, (pair) => pair.charCodeAt(1))

/** Made when first needed: at most 65,536. */
const WORDS: string[] = []

/** Upper-case hex of a 16-bit number, 4 digits. */
export function hexOfWord(word: number): string {
  const known = WORDS[word]
  if (known !== undefined) return known
  const text = `${PAIRS[word >> 8]}${PAIRS[word & 0xff]}`
  WORDS[word] = text
  return text
}

/** Upper-case hex of bytes from (included) to end (not included). */
export function hexOf(bytes: Uint8Array, from = 0, to = bytes.length): string {
  let text = ''
  let at = from
  for (; at + 7 < to; at += 8) text += hexOfEight(bytes, at)
  for (; at + 3 < to; at += 4) text += hexOfFour(bytes, at)
  for (; at < to; at++) text += PAIRS[bytes[at] ?? 0]
  return text
}

/** Spelt out, since one call that makes 16 characters takes half the time of joining them from pieces. */
function hexOfEight(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    HIGH[bytes[at] as number] as number,
    LOW[bytes[at] as number] as number,
    HIGH[bytes[at + 1] as number] as number,
    LOW[bytes[at + 1] as number] as number,
    HIGH[bytes[at + 2] as number] as number,
    LOW[bytes[at + 2] as number] as number,
    HIGH[bytes[at + 3] as number] as number,
    LOW[bytes[at + 3] as number] as number,
    HIGH[bytes[at + 4] as number] as number,
    LOW[bytes[at + 4] as number] as number,
    HIGH[bytes[at + 5] as number] as number,
    LOW[bytes[at + 5] as number] as number,
    HIGH[bytes[at + 6] as number] as number,
    LOW[bytes[at + 6] as number] as number,
    HIGH[bytes[at + 7] as number] as number,
    LOW[bytes[at + 7] as number] as number,
  )
}

function hexOfFour(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    HIGH[bytes[at] as number] as number,
    LOW[bytes[at] as number] as number,
    HIGH[bytes[at + 1] as number] as number,
    LOW[bytes[at + 1] as number] as number,
    HIGH[bytes[at + 2] as number] as number,
    LOW[bytes[at + 2] as number] as number,
    HIGH[bytes[at + 3] as number] as number,
    LOW[bytes[at + 3] as number] as number,
  )
}

/** Value of an ASCII hex digit, or -1. */
export function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const upper = code & ~32
  return upper >= 65 && upper <= 70 ? upper - 55 : -1
}

/** Bytes of a hex text, blanks left out; undefined when it is none. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(' ', '')
  if (digits.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(digits.length / 2)
  for (let at = 0; at < bytes.length; at++) {
    const high = digitOf(digits.charCodeAt(2 * at))
    const low = digitOf(digits.charCodeAt(2 * at + 1))
    if (high < 0 || low < 0) return undefined
    bytes[at] = high * 16 + low
  }
  return bytes
}

/** Bytes of a hex text that the schema has checked already. */
export function knownHex(text: string | undefined): Uint8Array {
  return bytesOfHex(text ?? '') ?? new Uint8Array(0)
}

/** ASCII text of bytes from (included) to end (not included). */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] ?? 0)
  return text
}

/** Bytes of a text; what is not ASCII becomes a question mark. */
export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => {
    const code = character.charCodeAt(0)
    return code < 128 ? code : 63
  })
}
