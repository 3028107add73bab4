import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { CA_PIN_BYTES, ENROLMENT_SECRET_BYTES, formatEnrolmentCode, parseEnrolmentCode } from './enrolment.ts'

const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count })
const codes = fc.record({ secret: bytes(ENROLMENT_SECRET_BYTES), caPin: bytes(CA_PIN_BYTES) })

describe('an enrolment code', () => {
  it('is read back as it was made, in any case and with any spaces and hyphens', () => {
    fc.assert(
      fc.property(codes, (code) => {
        const text = formatEnrolmentCode(code)
        expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/)
        for (const typed of [text, text.toLowerCase(), text.replaceAll('-', ''), ` ${text.replaceAll('-', ' ')}\n`]) {
          expect(parseEnrolmentCode(typed)).toEqual(code)
        }
      }),
    )
  })

  it('is refused when one letter is wrong, two are swapped, or some are missing', () => {
    fc.assert(
      fc.property(codes, fc.nat({ max: 55 }), fc.nat({ max: 30 }), (code, at, shift) => {
        const text = formatEnrolmentCode(code).replaceAll('-', '')
        const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
        const wrong = letters[(letters.indexOf(text.charAt(at)) + 1 + shift) % 32]
        expect(parseEnrolmentCode(text.slice(0, at) + wrong + text.slice(at + 1))).toBeUndefined()
        expect(parseEnrolmentCode(text.slice(0, at))).toBeUndefined()
        const swapped =
          text.slice(0, at) +
          text
            .slice(at, at + 2)
            .split('')
            .reverse()
            .join('') +
          text.slice(at + 2)
        if (swapped !== text) expect(parseEnrolmentCode(swapped)).toBeUndefined()
      }),
    )
  })

  it('takes letters for the digits they look like, and nothing else for anything', () => {
    const code = { secret: new Uint8Array(16), caPin: new Uint8Array(16) }
    const text = formatEnrolmentCode(code)
    expect(parseEnrolmentCode(text.replaceAll('0', 'o'))).toEqual(code)
    for (const bad of ['', '-', 'U'.repeat(56), `${text}0`, 'x'.repeat(10_000), text.replace('0', '٠')]) {
      expect(parseEnrolmentCode(bad)).toBeUndefined()
    }
  })
})
