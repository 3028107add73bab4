import type { CondSpec, Endian, FieldSpec, IntField, IntType, Num, NumberRules } from './profile.ts'

export type { Num } from './profile.ts'

/** A number as profiles write it: 34 or "0x22". */
export function numberOf(value: Num): number {
  return typeof value === 'number' ? value : Number(value)
}

const BYTES: Readonly<Record<IntType, number>> = { u8: 1, u16: 2, u24: 3, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4 }

export function bytesOfInt(type: IntType): number {
  return BYTES[type]
}

/** Whether a field is a number of the frame. */
export function isIntField(spec: FieldSpec): spec is IntField {
  return Object.hasOwn(BYTES, spec.type)
}

export type ReadInt = (bytes: Uint8Array, at: number) => number

/** Reads an integer; 64 bits are exact up to 2^53. */
export function compileReadInt(type: IntType, endian: Endian = 'big'): ReadInt {
  const size = BYTES[type]
  const signed = type.startsWith('s')
  if (size === 1) return signed ? (bytes, at) => ((bytes[at] ?? 0) << 24) >> 24 : (bytes, at) => bytes[at] ?? 0
  if (size === 2 && !signed) {
    return endian === 'big'
      ? (bytes, at) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
      : (bytes, at) => ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0)
  }
  if (size === 4 && !signed) return endian === 'big' ? readBig32 : readLittle32
  const first = endian === 'big' ? 0 : size - 1
  const step = endian === 'big' ? 1 : -1
  const top = 2 ** (8 * size - 1)
  return (bytes, at) => {
    let value = 0
    for (let n = 0; n < size; n++) value = value * 256 + (bytes[at + first + n * step] ?? 0)
    return signed && value >= top ? value - 2 * top : value
  }
}

function readBig32(bytes: Uint8Array, at: number): number {
  const top = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16)
  return (top | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
}

function readLittle32(bytes: Uint8Array, at: number): number {
  const top = ((bytes[at + 3] ?? 0) << 24) | ((bytes[at + 2] ?? 0) << 16)
  return (top | ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0)) >>> 0
}

/** Writes an integer into bytes; false when it does not fit the type. */
export function writeInt(bytes: Uint8Array, at: number, spec: IntToWrite): boolean {
  const { type, endian = 'big', value } = spec
  const size = BYTES[type]
  const least = type.startsWith('s') ? -(2 ** (8 * size - 1)) : 0
  if (!Number.isInteger(value) || value < least || value >= least + 2 ** (8 * size)) return false
  let rest = value < 0 ? value + 2 ** (8 * size) : value
  for (let n = size - 1; n >= 0; n--) {
    bytes[at + (endian === 'big' ? n : size - 1 - n)] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return true
}

interface IntToWrite {
  readonly type: IntType
  readonly endian?: Endian | undefined
  readonly value: number
}

/** The bits of a number by mask and shift. */
export function compileBits(rules: NumberRules): (raw: number) => number {
  if (rules.mask === undefined && rules.shift === undefined) return (raw) => raw
  const mask = rules.mask === undefined ? 0xffffffff : numberOf(rules.mask)
  const shift = rules.shift ?? 0
  return (raw) => ((raw & mask) >>> 0) >>> shift
}

/** Scale and offset; a scaled value is rounded to 6 decimals, so that 865.1 + 14 x 0.2 is 867.9. */
export function compileScale(rules: NumberRules): (bits: number) => number {
  const { scale = 1, offset = 0 } = rules
  if (scale === 1 && offset === 0) return (bits) => bits
  if (Number.isInteger(scale) && Number.isInteger(offset)) return (bits) => bits * scale + offset
  return (bits) => Math.round((bits * scale + offset) * 1e6) / 1e6
}

/** The bits that scale, offset and shift make of a value: the way back; not a number when there is no way. */
export function bitsOf(rules: NumberRules, value: number): number {
  const bits = Math.round((value - (rules.offset ?? 0)) / (rules.scale ?? 1)) * 2 ** (rules.shift ?? 0)
  if (rules.mask === undefined) return bits
  return (bits & numberOf(rules.mask)) >>> 0 === bits ? bits : Number.NaN
}

/** How a value is shown. `size` is the bytes of the number it comes from. */
export function compileShow(rules: NumberRules, size: number): (value: number, bits: number) => number | string {
  const map = rules.map === undefined ? undefined : numberMap(rules.map)
  const plain = compileFormat(rules.format, size)
  return map === undefined ? plain : (value, bits) => map.get(bits) ?? plain(value, bits)
}

function compileFormat(format: NumberRules['format'], size: number): (value: number, bits: number) => number | string {
  if (format === undefined || format === 'number') return (value) => value
  const prefix = format === '0x' ? '0x' : ''
  return (_value, bits) =>
    prefix +
    bits
      .toString(16)
      .toUpperCase()
      .padStart(2 * size, '0')
}

/** A map whose keys are numbers as profiles write them. */
export function numberMap<T>(map: Readonly<Record<string, T>>): ReadonlyMap<number, T> {
  return new Map(Object.entries(map).map(([key, value]) => [Number(key), value]))
}

export type Test = (value: number, text: string | undefined) => boolean

/** A condition on one value; NaN and undefined stand for a field that was not read. */
export function compileCondition(spec: CondSpec): Test {
  if (isRange(spec)) {
    const { min, max } = boundsOf(spec)
    return (value) => value >= min && value <= max
  }
  if (isList(spec)) {
    // Few: to look at each is quicker than to look one up.
    const wanted = spec.map(numberOf)
    return (value) => wanted.includes(value)
  }
  if ('text' in spec) return (_value, text) => text !== undefined && spec.text.includes(text)
  if ('present' in spec) return (value, text) => (!Number.isNaN(value) || text !== undefined) === spec.present
  const mask = numberOf(spec.mask)
  if (spec.eq === undefined) return (value) => (value & mask) !== 0
  const wanted = numberOf(spec.eq)
  return (value) => !Number.isNaN(value) && (value & mask) >>> 0 === wanted
}

type Range = Num | { readonly min?: Num; readonly max?: Num }

/** Whether a condition is no more than a least and a greatest value. */
export function isRange(spec: CondSpec): spec is Range {
  if (typeof spec === 'number' || typeof spec === 'string') return true
  return !isList(spec) && !('text' in spec) && !('present' in spec) && !('mask' in spec)
}

/** Least and greatest value that fit. */
export function boundsOf(spec: Range): { readonly min: number; readonly max: number } {
  const { min = -Infinity, max = Infinity } = typeof spec === 'object' ? spec : { min: spec, max: spec }
  return { min: numberOf(min), max: numberOf(max) }
}

function isList(spec: CondSpec): spec is readonly Num[] {
  return Array.isArray(spec)
}
