import type { BitReader, BitWriter } from './epc-bits.ts'

/** Characters that most AIs may carry: GS1 General Specifications, figure 7.11-1. */
const TEXT_82 = /^[!"%-?A-Z_a-z]+$/
/** Characters of component/part identifiers and of ADI: GS1 General Specifications, figure 7.11-2. */
const TEXT_39 = /^[#\-/0-9A-Z]+$/

export type Alphabet = 82 | 39

export function fitsAlphabet(text: string, alphabet: Alphabet): boolean {
  return (alphabet === 82 ? TEXT_82 : TEXT_39).test(text)
}

const RESERVED_IN_URN = /["%&/<>?#]/g
/** TDS 2.3 table A: what a URN must not carry plainly. */
export function escapeUrn(text: string): string {
  return text.replace(RESERVED_IN_URN, percent)
}

const PLAIN_IN_LINK = /^[A-Za-z0-9._-]*$/
const RESERVED_IN_LINK = /[^A-Za-z0-9._-]/g
/** GS1 Digital Link: everything but the unreserved characters of RFC 3986 section 2.3. */
export function escapeLink(text: string): string {
  return PLAIN_IN_LINK.test(text) ? text : text.replace(RESERVED_IN_LINK, percent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** @returns undefined for a `%` that no ASCII code follows */
export function unescapeUri(text: string): string | undefined {
  if (!text.includes('%')) return text
  if (/%(?![0-7][0-9A-Fa-f])/.test(text)) return undefined
  return text.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

const DIGITS = '0123456789'

/** Check digit of a GS1 key: GS1 General Specifications section 7.9. @param digits the key without it */
export function checkDigit(digits: string): string {
  let sum = 0
  let weight = 3
  for (let i = digits.length - 1; i >= 0; i--) {
    sum += (digits.charCodeAt(i) - 48) * weight
    weight = 4 - weight
  }
  return DIGITS[(10 - (sum % 10)) % 10] as string
}

/** Text of 7 bits a character, filled up with zeros: TDS 2.3 section 14.4.2. @param bits of the whole field */
export function readText7(reader: BitReader, bits: number, max: number): string {
  const room = Math.floor(bits / 7)
  let text = ''
  let ended = false
  for (let i = 0; i < room; i++) {
    const code = reader.number(7)
    if (code === 0) ended = true
    else if (ended) reader.fail('padding', 'a character follows the end of the text')
    else text += String.fromCharCode(code)
  }
  if (reader.number(bits - room * 7) !== 0) reader.fail('padding', 'the bits after the text are not zero')
  if (text.length > max) reader.fail('value', `${text.length} characters where ${max} are allowed`)
  if (!fitsAlphabet(text, 82)) reader.fail(text === '' ? 'value' : 'character', `the text is ${JSON.stringify(text)}`)
  return text
}

export function writeText7(writer: BitWriter, text: string, { bits, max }: { bits: number; max: number }): void {
  checkText(writer, text, { max: Math.min(max, Math.floor(bits / 7)), alphabet: 82 })
  if (writer.fault) return
  for (let i = 0; i < text.length; i++) writer.number(text.charCodeAt(i), 7)
  let left = bits - text.length * 7
  for (; left > 7; left -= 7) writer.number(0, 7)
  writer.number(0, left)
}

/** Text of 6 bits a character, ended by a character of zeros: TDS 2.3 section 14.4.8 and table G. May be empty. */
export function readText6(reader: BitReader, max: number): string {
  let text = ''
  for (let i = 0; i <= max; i++) {
    const code = reader.number(6)
    if (code === 0) {
      if (text !== '' && !fitsAlphabet(text, 39)) reader.fail('character', `the text is ${JSON.stringify(text)}`)
      return text
    }
    text += ascii(code)
  }
  reader.fail('value', `a text of more than ${max} characters`)
  return text
}

export function writeText6(writer: BitWriter, text: string, max: number): void {
  if (text !== '') checkText(writer, text, { max, alphabet: 39 })
  if (writer.fault) return
  for (let i = 0; i < text.length; i++) writer.number(text.charCodeAt(i) & 63, 6)
  writer.number(0, 6)
}

/** The ASCII character with these lowest six bits: letters and `@` below 32, digits and signs from there on. */
export function ascii(sixBits: number): string {
  return String.fromCharCode(sixBits < 32 ? sixBits + 64 : sixBits)
}

export function checkText(
  writer: BitWriter,
  text: string,
  { max, alphabet }: { max: number; alphabet: Alphabet },
): void {
  if (text.length === 0 || text.length > max)
    writer.fail('value', `${text.length} characters where 1 to ${max} are allowed`)
  else if (!fitsAlphabet(text, alphabet))
    writer.fail('character', `${JSON.stringify(text)} has a character that is not allowed`)
}
