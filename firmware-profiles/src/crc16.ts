import { type Num, numberOf } from './number.ts'

export interface Crc16Rules {
  readonly poly: Num
  readonly init?: Num
  readonly refin?: boolean
  readonly refout?: boolean
  readonly xorout?: Num
  readonly augment?: boolean
}

export type Crc16 = (bytes: Uint8Array, from: number, to: number) => number

/**
 * A 16-bit CRC by the usual parameters (Ross Williams' model). `augment: false` is ThingMagic's form: message bits are
 * shifted in at the low end and no 16 padding bits follow (JADAK Mercury API, serial_reader_l3.c).
 */
export function compileCrc16(rules: Crc16Rules): Crc16 {
  const poly = numberOf(rules.poly)
  const init = numberOf(rules.init ?? 0)
  const xorout = numberOf(rules.xorout ?? 0)
  const isLow = rules.augment !== false && rules.refin === true
  const run = isLow ? lowFirst(mirrored(poly)) : highFirst(poly)
  if (rules.augment === false) return unaugmented({ run, init, xorout })
  const start = isLow ? mirrored(init) : init
  const mirror = isLow ? rules.refout === false : rules.refout === true
  return (bytes, from, to) => {
    const crc = run(start, bytes, from, to)
    return (mirror ? mirrored(crc) : crc) ^ xorout
  }
}

/** Goes on with a remainder. */
type Run = (crc: number, bytes: Uint8Array, from: number, to: number) => number

const ZEROS = new Uint8Array(2)

/**
 * The last 16 bits have not gone through the division: they lie over the remainder of those before, which are divided
 * as with padding, from a start 16 bits on.
 */
function unaugmented({ run, init, xorout }: { run: Run; init: number; xorout: number }): Crc16 {
  const start = run(init, ZEROS, 0, 2)
  return (bytes, from, to) => {
    const last = to - 2
    if (last < from) return (from < to ? run(init, ZEROS, 0, 1) ^ (bytes[from] as number) : init) ^ xorout
    const tail = ((bytes[last] as number) << 8) | (bytes[last + 1] as number)
    return run(start, bytes, from, last) ^ tail ^ xorout
  }
}

/** Four bytes at a time: what each adds to the remainder is looked up apart, so that no look-up waits for another. */
function highFirst(poly: number): Run {
  const [one, two, three, four] = tablesOf(
    (byte) => {
      let crc = byte << 8
      for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ poly) & 0xffff : (crc << 1) & 0xffff
      return crc
    },
    (crc, table) => ((crc << 8) & 0xffff) ^ (table[crc >> 8] as number),
  )
  return (crc, bytes, from, to) => {
    let rest = crc
    let at = from
    for (; at + 3 < to; at += 4) {
      rest =
        (four[(rest >> 8) ^ (bytes[at] as number)] as number) ^
        (three[(rest & 0xff) ^ (bytes[at + 1] as number)] as number) ^
        (two[bytes[at + 2] as number] as number) ^
        (one[bytes[at + 3] as number] as number)
    }
    for (; at < to; at++) rest = ((rest << 8) & 0xffff) ^ (one[(rest >> 8) ^ (bytes[at] as number)] as number)
    return rest
  }
}

/** The same for rules that take the lowest bit of each byte first; `poly` is mirrored already. */
function lowFirst(poly: number): Run {
  const [one, two, three, four] = tablesOf(
    (byte) => {
      let crc = byte
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ poly : crc >> 1
      return crc
    },
    (crc, table) => (crc >> 8) ^ (table[crc & 0xff] as number),
  )
  return (crc, bytes, from, to) => {
    let rest = crc
    let at = from
    for (; at + 3 < to; at += 4) {
      rest =
        (four[(rest & 0xff) ^ (bytes[at] as number)] as number) ^
        (three[(rest >> 8) ^ (bytes[at + 1] as number)] as number) ^
        (two[bytes[at + 2] as number] as number) ^
        (one[bytes[at + 3] as number] as number)
    }
    for (; at < to; at++) rest = (rest >> 8) ^ (one[(rest ^ (bytes[at] as number)) & 0xff] as number)
    return rest
  }
}

/** What a byte adds to the remainder: as the last byte, and with one, two and three zero bytes behind it. */
function tablesOf(
  remainder: (byte: number) => number,
  afterZero: (crc: number, table: Uint16Array) => number,
): readonly [Uint16Array, Uint16Array, Uint16Array, Uint16Array] {
  const one = Uint16Array.from({ length: 256 }, (_, byte) => remainder(byte))
  const two = one.map((crc) => afterZero(crc, one))
  const three = two.map((crc) => afterZero(crc, one))
  return [one, two, three, three.map((crc) => afterZero(crc, one))]
}

function mirrored(value: number): number {
  let result = 0
  for (let bit = 0; bit < 16; bit++) if (value & (1 << bit)) result |= 0x8000 >> bit
  return result
}
