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
})
