import { describe, expect, it } from 'vitest'

import { bytesOfHex } from './bytes.ts'
import { gen2Crc, parsePc } from './epc-pc.ts'

describe('parsePc', () => {
  it.each([
    [0x3000, { bits: 96, userMemory: false, extended: false }],
    [0x3400, { bits: 96, userMemory: true, extended: false }],
    [0xfa00, { bits: 496, userMemory: false, extended: true }],
    [0x29a1, { bits: 80, userMemory: false, extended: false, afi: 0xa1 }],
    [0x30ff, { bits: 96, userMemory: false, extended: false }],
    [0, { bits: 0, userMemory: false, extended: false }],
  ])('reads %d', (pc, word) => {
    expect(parsePc(pc)).toEqual({ ok: true, ...word })
  })

  it.each([-1, 65_536, 0.5, Number.NaN])('refuses %d', (pc) => {
    expect(parsePc(pc)).toMatchObject({ ok: false, code: 'pc' })
  })
})

describe('gen2Crc', () => {
  it.each([
    ['3400', '30751FEB705C5904E3D50D70', 0x3a76],
    ['3000', 'E20010710000529B0940B402', 0xeb98],
    ['3400', 'E20010710000529B0940B402', 0x163d],
  ])('of PC %s and EPC %s is what the tag sent, wherever they stand', (pc, epc, crc) => {
    expect(gen2Crc(bytesOfHex(pc + epc))).toBe(crc)
    expect(gen2Crc(bytesOfHex(`ff00${pc}${epc}3a`), 2, 16)).toBe(crc)
  })

  it('is CRC-16/GENIBUS: its check value over the digits 1 to 9', () => {
    const digits = new TextEncoder().encode('123456789')
    expect(gen2Crc(digits)).toBe(0xd64e)
  })
})
