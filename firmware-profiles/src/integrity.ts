import { compileCrc16 } from './crc16.ts'
import { digitOf } from './hex.ts'
import type { IntegritySpec } from './profile.ts'

/** One check of a frame that stands at bytes[start, start + total). */
export interface Check {
  verify(bytes: Uint8Array, start: number, total: number): boolean
  /** Fills the check into a frame that is whole but for it. */
  write(bytes: Uint8Array, start: number, total: number): void
  /** Bytes it occupies. */
  readonly size: number
}

type Value = (bytes: Uint8Array, from: number, to: number) => number

/** Compiles one check of a profile. */
export function compileCheck(spec: IntegritySpec): Check {
  if (spec.kind === 'pn532') return PN532
  if (spec.kind === 'asciiHexXor') return placed(spec, asciiHexXor, ASCII_HEX)
  if (spec.kind === 'asciiHexNegSum') return placed(spec, asciiHexNegSum, ASCII_HEX)
  if (spec.kind === 'crc16') {
    const crc = compileCrc16({ ...spec, poly: spec.poly ?? 0 })
    return placed(spec, crc, spec.endian === 'little' ? LITTLE : BIG)
  }
  return placed(spec, BYTE_CHECKS[spec.kind], BYTE)
}

/** How a check's value stands in the frame. */
interface Form {
  readonly size: number
  read(bytes: Uint8Array, at: number): number
  write(bytes: Uint8Array, at: number, value: number): void
}

function placed(spec: IntegritySpec, value: Value, form: Form): Check {
  const { from = 0, to = -form.size, at = -form.size } = spec
  const place = (offset: number, start: number, total: number) => start + (offset < 0 ? total + offset : offset)
  return {
    size: form.size,
    verify(bytes, start, total) {
      const begin = start + (from < 0 ? total + from : from)
      const end = start + (to < 0 ? total + to : to)
      const where = start + (at < 0 ? total + at : at)
      return form.read(bytes, where) === value(bytes, begin, end)
    },
    write(bytes, start, total) {
      const found = value(bytes, place(from, start, total), place(to, start, total))
      form.write(bytes, place(at, start, total), found)
    },
  }
}

const BYTE: Form = {
  size: 1,
  read: (bytes, at) => bytes[at] ?? -1,
  write(bytes, at, value) {
    bytes[at] = value
  },
}

const BIG: Form = {
  size: 2,
  read: (bytes, at) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0),
  write(bytes, at, value) {
    bytes[at] = value >> 8
    bytes[at + 1] = value & 0xff
  },
}

const LITTLE: Form = {
  size: 2,
  read: (bytes, at) => ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0),
  write(bytes, at, value) {
    bytes[at] = value & 0xff
    bytes[at + 1] = value >> 8
  },
}

const ASCII_HEX: Form = {
  size: 2,
  read: (bytes, at) => pairAt(bytes, at),
  write(bytes, at, value) {
    const text = value.toString(16).toUpperCase().padStart(2, '0')
    bytes[at] = text.charCodeAt(0)
    bytes[at + 1] = text.charCodeAt(1)
  },
}

function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0
  for (let at = from; at < to; at++) total += bytes[at] ?? 0
  return total & 0xff
}

function xor(bytes: Uint8Array, from: number, to: number): number {
  let result = 0
  for (let at = from; at < to; at++) result ^= bytes[at] ?? 0
  return result
}

const BYTE_CHECKS: Readonly<Record<'sum8' | 'negSum8' | 'xor8', Value>> = {
  sum8: sum,
  negSum8: (bytes, from, to) => -sum(bytes, from, to) & 0xff,
  xor8: xor,
}

/** The byte that two ASCII hex digits spell, or -1. */
function pairAt(bytes: Uint8Array, at: number): number {
  const high = digitOf(bytes[at] ?? 0)
  const low = digitOf(bytes[at + 1] ?? 0)
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Digits that are none, or half a byte too many, give -2, which no check equals. */
function asciiHexNegSum(bytes: Uint8Array, from: number, to: number): number {
  if ((to - from) % 2 !== 0) return -2
  let total = 0
  for (let at = from; at + 1 < to; at += 2) {
    const byte = pairAt(bytes, at)
    if (byte < 0) return -2
    total += byte
  }
  return -total & 0xff
}

/** The same, combined by XOR. */
function asciiHexXor(bytes: Uint8Array, from: number, to: number): number {
  if ((to - from) % 2 !== 0) return -2
  let result = 0
  for (let at = from; at + 1 < to; at += 2) {
    const byte = pairAt(bytes, at)
    if (byte < 0) return -2
    result ^= byte
  }
  return result
}

/** PN532 (user manual UM0701-02, 6.2.1): TFI, data and their check sum to 0; the length's check is the framing's. */
const PN532: Check = {
  size: 1,
  verify(bytes, start, total) {
    const tfi = pn532Tfi(bytes, start)
    return tfi >= start + total - 1 || sum(bytes, tfi, start + total - 1) === 0
  },
  write(bytes, start, total) {
    bytes[start + total - 2] = -sum(bytes, pn532Tfi(bytes, start), start + total - 2) & 0xff
  },
}

/** Where TFI stands: behind the start code, LEN and LCS; acknowledgements have none and end before it. */
function pn532Tfi(bytes: Uint8Array, start: number): number {
  return start + (bytes[start + 1] === 0xff ? 4 : 5)
}
