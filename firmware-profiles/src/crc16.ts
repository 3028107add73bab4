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
  const table = crcTable(poly)
  if (rules.augment === false) return unaugmented({ table, init, xorout })
  if (rules.refin === true) return reflected({ poly, init, xorout, mirror: rules.refout === false })
  const mirror = rules.refout === true
  return (bytes, from, to) => {
    let crc = init
    for (let at = from; at < to; at++) crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ (bytes[at] ?? 0)] ?? 0)
    return (mirror ? mirrored(crc) : crc) ^ xorout
  }
}

function unaugmented({ table, init, xorout }: { table: Uint16Array; init: number; xorout: number }): Crc16 {
  return (bytes, from, to) => {
    let crc = init
    for (let at = from; at < to; at++) crc = (((crc << 8) & 0xffff) | (bytes[at] ?? 0)) ^ (table[crc >> 8] ?? 0)
    return crc ^ xorout
  }
}

function reflected(rules: { poly: number; init: number; xorout: number; mirror: boolean }): Crc16 {
  const { xorout, mirror } = rules
  const start = mirrored(rules.init)
  const poly = mirrored(rules.poly)
  const table = Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ poly : crc >> 1
    return crc
  })
  return (bytes, from, to) => {
    let crc = start
    for (let at = from; at < to; at++) crc = (crc >> 8) ^ (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
    return (mirror ? mirrored(crc) : crc) ^ xorout
  }
}

function crcTable(poly: number): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ poly) & 0xffff : (crc << 1) & 0xffff
    return crc
  })
}

function mirrored(value: number): number {
  let result = 0
  for (let bit = 0; bit < 16; bit++) if (value & (1 << bit)) result |= 0x8000 >> bit
  return result
}
