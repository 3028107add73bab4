/**
 * The field kinds of LLRP's binary encoding (LLRP 1.0.1 and 1.1, binary encoding chapter; all numbers big endian).
 *
 * `bool` is one bit in the top of a byte with seven bits of padding; `bits` is a 16-bit count of bits, then as many bits
 * padded to whole bytes; lists carry a 16-bit count of elements; `text` and `hex` a 16-bit count of bytes.
 */
type FieldKind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 's8'
  | 's16'
  | 'bool'
  | 'text'
  | 'hex'
  | 'hex12'
  | 'bits'
  | 'u8list'
  | 'u16list'
  | 'u32list'

/** A string of bits: `hex` holds them left-aligned in whole bytes. */
interface Bits {
  readonly count: number
  readonly hex: string
}

type FieldValue<K extends FieldKind> = K extends 'text' | 'hex' | 'hex12'
  ? string
  : K extends 'bool'
    ? boolean
    : K extends 'bits'
      ? Bits
      : K extends 'u8list' | 'u16list' | 'u32list'
        ? readonly number[]
        : number

export type FieldTable = Readonly<Record<string, FieldKind>>
export type FieldsOf<T extends FieldTable> = { readonly [K in keyof T]: FieldValue<T[K]> }

type AnyValue = string | boolean | number | Bits | readonly number[]

/** Where a decoder stands in a message, what it skipped, and the first thing that was wrong. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  end: number
  fault: string | undefined
  /** Parameters passed over because this table does not know them, and those of vendors. */
  unknown: number
  custom: number
}

const EPC96_BYTES = 12
const TWO_32 = 0x1_0000_0000
/** Longest text taken from a reader: firmware versions and error descriptions are far shorter. */
const MAX_TEXT_BYTES = 512
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0').toUpperCase())
const utf8 = { decoder: new TextDecoder(), encoder: new TextEncoder() }

/** Upper case, as everywhere in tag reports. */
function hexOf(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let i = from; i < to; i++) text += HEX[bytes[i] as number]
  return text
}

/** Takes `size` bytes; at the end of the enclosing parameter it sets the fault and returns -1. */
function take(cursor: Cursor, size: number): number {
  const { at } = cursor
  if (at + size > cursor.end) {
    cursor.fault ??= 'ends early'
    return -1
  }
  cursor.at = at + size
  return at
}

/** An unsigned number of 1, 2 or 4 bytes, 0 when there are not as many. */
function unsigned(cursor: Cursor, size: 1 | 2 | 4): number {
  const at = take(cursor, size)
  if (at < 0) return 0
  const { bytes } = cursor
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] as number)
  return value
}

function unsigned64(cursor: Cursor): number {
  const value = unsigned(cursor, 4) * TWO_32 + unsigned(cursor, 4)
  if (Number.isSafeInteger(value)) return value
  cursor.fault ??= 'a time is later than year 2255'
  return 0
}

function hex(cursor: Cursor, size: number): string {
  const at = take(cursor, size)
  return at < 0 ? '' : hexOf(cursor.bytes, at, at + size)
}

function text(cursor: Cursor): string {
  const size = unsigned(cursor, 2)
  const at = take(cursor, size)
  if (at < 0) return ''
  const shown = utf8.decoder.decode(cursor.bytes.subarray(at, at + Math.min(size, MAX_TEXT_BYTES)))
  // Control characters would let a reader write into a terminal or forge a line of a log.
  return shown.replace(/\p{Cc}+/gu, ' ').trim()
}

function list(cursor: Cursor, size: 1 | 2 | 4): readonly number[] {
  const count = unsigned(cursor, 2)
  if (cursor.at + count * size > cursor.end) {
    cursor.fault ??= 'a list is longer than its parameter'
    return []
  }
  return Array.from({ length: count }, () => unsigned(cursor, size))
}

function bits(cursor: Cursor): Bits {
  const count = unsigned(cursor, 2)
  return { count, hex: hex(cursor, (count + 7) >> 3) }
}

const READ: { readonly [K in FieldKind]: (cursor: Cursor) => FieldValue<K> } = {
  u8: (cursor) => unsigned(cursor, 1),
  u16: (cursor) => unsigned(cursor, 2),
  u32: (cursor) => unsigned(cursor, 4),
  u64: unsigned64,
  s8: (cursor) => (unsigned(cursor, 1) << 24) >> 24,
  s16: (cursor) => (unsigned(cursor, 2) << 16) >> 16,
  bool: (cursor) => unsigned(cursor, 1) >= 0x80,
  text,
  hex: (cursor) => hex(cursor, unsigned(cursor, 2)),
  hex12: (cursor) => hex(cursor, EPC96_BYTES),
  bits,
  u8list: (cursor) => list(cursor, 1),
  u16list: (cursor) => list(cursor, 2),
  u32list: (cursor) => list(cursor, 4),
}

/** Reads the fields in the table's order; what is missing sets the fault and reads as zero or empty. */
export function readFields<T extends FieldTable>(cursor: Cursor, table: T): FieldsOf<T> {
  const fields: Record<string, AnyValue> = {}
  for (const name in table) fields[name] = READ[table[name] as FieldKind](cursor)
  return fields as FieldsOf<T>
}

/** Bytes under way to the reader. Commands are a few hundred bytes at most. */
export type Output = number[]

export function putUnsigned(out: Output, value: number, size: 1 | 2 | 4): void {
  for (let shift = (size - 1) * 8; shift >= 0; shift -= 8) out.push((value >>> shift) & 0xff)
}

function putHex(out: Output, value: string): void {
  for (let i = 0; i + 1 < value.length; i += 2) out.push(Number.parseInt(value.slice(i, i + 2), 16))
}

function putList(out: Output, values: readonly number[], size: 1 | 2 | 4): void {
  putUnsigned(out, values.length, 2)
  for (const value of values) putUnsigned(out, value, size)
}

function putText(out: Output, value: string): void {
  const bytes = utf8.encoder.encode(value)
  putUnsigned(out, bytes.length, 2)
  out.push(...bytes)
}

const WRITE: { readonly [K in FieldKind]: (out: Output, value: FieldValue<K>) => void } = {
  u8: (out, value) => putUnsigned(out, value, 1),
  u16: (out, value) => putUnsigned(out, value, 2),
  u32: (out, value) => putUnsigned(out, value, 4),
  u64(out, value) {
    putUnsigned(out, Math.floor(value / TWO_32), 4)
    putUnsigned(out, value % TWO_32, 4)
  },
  s8: (out, value) => putUnsigned(out, value, 1),
  s16: (out, value) => putUnsigned(out, value, 2),
  bool: (out, value) => putUnsigned(out, value ? 0x80 : 0, 1),
  text: putText,
  hex(out, value) {
    putUnsigned(out, value.length >> 1, 2)
    putHex(out, value)
  },
  hex12: putHex,
  bits(out, value) {
    putUnsigned(out, value.count, 2)
    putHex(out, value.hex)
  },
  u8list: (out, value) => putList(out, value, 1),
  u16list: (out, value) => putList(out, value, 2),
  u32list: (out, value) => putList(out, value, 4),
}

export function writeFields<T extends FieldTable>(out: Output, table: T, fields: FieldsOf<T>): void {
  for (const name in table) {
    const write = WRITE[table[name] as FieldKind] as (out: Output, value: AnyValue) => void
    write(out, fields[name] as AnyValue)
  }
}
