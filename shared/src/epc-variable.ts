import type { BitReader, BitWriter } from './epc-bits.ts'
import { type Alphabet, checkText, fitsAlphabet } from './epc-text.ts'

const DIGITS = '0123456789'
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LOWER = 'abcdefghijklmnopqrstuvwxyz'

/** RFC 4648 section 5, by six-bit value. */
const BASE64 = `${UPPER}${LOWER}${DIGITS}-_`
/** URN Code 40 by index, TDS 2.3 table 14-8; index 0 fills up the last group of three. */
const CODE40 = `\0${UPPER}-.:${DIGITS}`

/** Bits of a decimal number of so many digits. */
function digitBits(digits: number): number {
  return Math.ceil(digits * Math.log2(10))
}

interface Encoding {
  readonly indicator: number
  readonly fits: RegExp
  bits(length: number): number
  read(reader: BitReader, length: number): string
  write(writer: BitWriter, text: string): void
}

/** A table of characters, each as many bits as the table needs. */
function byTable(indicator: number, { table, bits, fits }: { table: string; bits: number; fits: RegExp }): Encoding {
  return {
    indicator,
    fits,
    bits: (length) => length * bits,
    read: (reader, length) => {
      let text = ''
      for (let i = 0; i < length; i++) text += table[reader.number(bits)]
      return text
    },
    write: (writer, text) => {
      for (const character of text) writer.number(table.indexOf(character), bits)
    },
  }
}

/** TDS 2.3 table E, section 14.5.6, by encoding indicator. */
const ENCODINGS: readonly Encoding[] = [
  { indicator: 0, fits: /^\d+$/, bits: digitBits, read: readDigits, write: writeDigits },
  byTable(1, { table: `${DIGITS}ABCDEF`, bits: 4, fits: /^[0-9A-F]+$/ }),
  byTable(2, { table: `${DIGITS}abcdef`, bits: 4, fits: /^[0-9a-f]+$/ }),
  byTable(3, { table: BASE64, bits: 6, fits: /^[\w-]+$/ }),
  byTable(4, { table: String.fromCharCode(...Array(128).keys()), bits: 7, fits: /^[!-z]+$/ }),
  {
    indicator: 5,
    fits: /^[A-Z0-9.:-]+$/,
    bits: (length) => Math.ceil(length / 3) * 16,
    read: readCode40,
    write: writeCode40,
  },
]

function readDigits(reader: BitReader, length: number): string {
  const text = reader.decimal(digitBits(length)).padStart(length, '0')
  if (text.length > length) reader.fail('value', `${text} has more than ${length} digits`)
  return text
}

function writeDigits(writer: BitWriter, text: string): void {
  writer.decimal(text, digitBits(text.length))
}

/** Three characters in 16 bits, TDS 2.3 section 14.5.6.5. */
export function readCode40(reader: BitReader, length: number): string {
  let text = ''
  for (let i = 0; i < length; i += 3) {
    const value = reader.number(16) - 1
    if (value < 0 || value >= 64_000) reader.fail('value', 'a group of URN Code 40 that stands for no characters')
    const group = [Math.floor(value / 1600), Math.floor(value / 40) % 40, value % 40]
    for (const index of group) text += CODE40[index] ?? ''
  }
  const filled = text.slice(length)
  if (text.slice(0, length).includes('\0') || /[^\0]/.test(filled))
    reader.fail('value', 'URN Code 40 of another length')
  return text.slice(0, length)
}

export function writeCode40(writer: BitWriter, text: string): void {
  const index = (at: number) => Math.max(CODE40.indexOf(text[at] ?? '\0'), 0)
  for (let i = 0; i < text.length; i += 3) writer.number(1600 * index(i) + 40 * index(i + 1) + index(i + 2) + 1, 16)
}

interface Limits {
  readonly max: number
  readonly alphabet: Alphabet
}

/** Encoding indicator, length, characters: TDS 2.3 section 14.5.6. One character at least. */
export function readAlphanumeric(reader: BitReader, { max, alphabet }: Limits): string {
  const indicator = reader.number(3)
  const length = reader.number(5)
  const encoding = ENCODINGS[indicator]
  if (!encoding) reader.fail('reserved', `encoding indicator ${indicator} is reserved`)
  if (length === 0 || length > max) reader.fail('value', `${length} characters where 1 to ${max} are allowed`)
  if (!encoding || reader.fault) return ''
  const text = encoding.read(reader, length)
  if (!fitsAlphabet(text, alphabet))
    reader.fail('character', `${JSON.stringify(text)} has a character that is not allowed`)
  return text
}

/** Takes the encoding with the fewest bits, the first of equals. */
export function writeAlphanumeric(writer: BitWriter, text: string, { max, alphabet }: Limits): void {
  checkText(writer, text, { max, alphabet })
  let best: Encoding | undefined
  for (const encoding of ENCODINGS) {
    if (!encoding.fits.test(text)) continue
    if (!best || encoding.bits(text.length) < best.bits(text.length)) best = encoding
  }
  if (!best || writer.fault) return
  writer.number(best.indicator, 3)
  writer.number(text.length, 5)
  best.write(writer, text)
}

/** Length in four bits, then one number, leading zeros kept: TDS 2.3 section 14.5.13. */
export function readNumericString(reader: BitReader, max: number): string {
  const length = reader.number(4)
  if (length === 0 || length > max) reader.fail('value', `${length} digits where 1 to ${max} are allowed`)
  return reader.fault ? '' : readDigits(reader, length)
}

export function writeNumericString(writer: BitWriter, text: string, max: number): void {
  if (!/^\d+$/.test(text) || text.length > max)
    writer.fail('value', `${JSON.stringify(text)} is not 1 to ${max} digits`)
  if (writer.fault) return
  writer.number(text.length, 4)
  writeDigits(writer, text)
}

/** Digits of four bits each, as many as the key has: TDS 2.3 section 14.5.4. */
export function readFixedDigits(reader: BitReader, count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) {
    const digit = reader.number(4)
    if (digit > 9) reader.fail('value', `${digit} is no digit`)
    text += digit
  }
  return text
}

export function writeFixedDigits(writer: BitWriter, text: string): void {
  for (let i = 0; i < text.length; i++) writer.number(text.charCodeAt(i) - 48, 4)
}

const DELIMITER = 14
const TERMINATOR = 15

/** Digits up to a terminator, or up to a delimiter that other characters follow: TDS 2.3 section 14.5.5. */
export function readDelimited(reader: BitReader, { max, alphabet }: Limits): string {
  let text = ''
  while (text.length <= max) {
    const digit = reader.number(4)
    if (digit === TERMINATOR || reader.fault) return text
    if (digit === DELIMITER) {
      const rest = readAlphanumeric(reader, { max: max - text.length, alphabet })
      return text + rest
    }
    if (digit > 9) reader.fail('value', `${digit} is no digit, delimiter or terminator`)
    text += digit
  }
  reader.fail('value', `more than ${max} digits`)
  return text
}

export function writeDelimited(writer: BitWriter, text: string, { max, alphabet }: Limits): void {
  const digits = /^\d*/.exec(text)?.[0] ?? ''
  checkText(writer, text, { max, alphabet })
  if (writer.fault) return
  writeFixedDigits(writer, digits)
  writer.number(digits === text ? TERMINATOR : DELIMITER, 4)
  if (digits !== text) writeAlphanumeric(writer, text.slice(digits.length), { max, alphabet })
}
