import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { compileCrc16 } from './crc16.ts'
import { bytesOfText, knownHex } from './hex.ts'

const digits = bytesOfText('123456789')

describe('a 16-bit CRC by its parameters', () => {
  // Check values of Greg Cook's catalogue of parametrised CRC algorithms.
  it.each([
    ['CCITT-FALSE (IBM-3740)', { poly: '0x1021', init: '0xFFFF' }, 0x29b1],
    ['XMODEM', { poly: '0x1021' }, 0x31c3],
    ['GENIBUS', { poly: '0x1021', init: '0xFFFF', xorout: '0xFFFF' }, 0xd64e],
    ['MCRF4XX', { poly: '0x1021', init: '0xFFFF', refin: true, refout: true }, 0x6f91],
    ['KERMIT', { poly: '0x1021', refin: true, refout: true }, 0x2189],
    ['X-25 (IBM-SDLC)', { poly: '0x1021', init: '0xFFFF', refin: true, refout: true, xorout: '0xFFFF' }, 0x906e],
    ['MODBUS', { poly: '0x8005', init: '0xFFFF', refin: true, refout: true }, 0x4b37],
    ['RIELLO, whose init is not a palindrome', { poly: '0x1021', init: '0xB2AA', refin: true, refout: true }, 0x63d0],
  ])('of kind %s has its catalogued check value', (_name, rules, check) => {
    expect(compileCrc16(rules)(digits, 0, digits.length)).toBe(check)
  })

  it('without padding bits is what ThingMagic modules send', () => {
    const crc = compileCrc16({ poly: '0x1021', init: '0xFFFF', augment: false })
    expect(crc(knownHex('FF00041D0B'), 1, 3)).toBe(0x1d0b)
  })

  it('is the same as bit by bit, at any length and with any parameters', () => {
    const word = fc.nat(0xffff)
    const rules = fc.record({ poly: word, init: word, xorout: word, refin: fc.boolean(), augment: fc.boolean() })
    fc.assert(
      fc.property(rules, fc.uint8Array({ maxLength: 40 }), (some, bytes) => {
        const refin = some.refin && some.augment
        const wanted = bitByBit({ ...some, refin }, bytes)
        expect(compileCrc16({ ...some, refin, refout: refin })(bytes, 0, bytes.length)).toBe(wanted)
      }),
    )
  })
})

interface Rules {
  readonly poly: number
  readonly init: number
  readonly xorout: number
  readonly refin: boolean
  readonly augment: boolean
}

/** The remainder one bit at a time. */
function bitByBit(rules: Rules, bytes: Uint8Array): number {
  const order = rules.refin ? [0, 1, 2, 3, 4, 5, 6, 7] : [7, 6, 5, 4, 3, 2, 1, 0]
  const bits = [...bytes].flatMap((byte) => order.map((n) => (byte >> n) & 1))
  const crc = bits.reduce((remainder, bit) => withBit(rules, remainder, bit), rules.init)
  return (rules.refin ? mirrored(crc) : crc) ^ rules.xorout
}

/** With padding a bit meets the top of the remainder, without it comes in at the end. */
function withBit({ poly, augment }: Rules, crc: number, bit: number): number {
  const top = crc >> 15
  const shifted = (crc << 1) & 0xffff
  if (augment) return shifted ^ (top === bit ? 0 : poly)
  return (shifted | bit) ^ (top === 1 ? poly : 0)
}

function mirrored(crc: number): number {
  return Number.parseInt([...crc.toString(2).padStart(16, '0')].reverse().join(''), 2)
}
