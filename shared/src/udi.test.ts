import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseUdi } from './udi.ts'

const year = 2026
const parse = (text: string) => parseUdi(text, { year })

/** FDA, "UDI formats by FDA-accredited issuing agency", version 1.3: one example of each agency. */
describe('the published examples of each agency', () => {
  it('reads GS1 in brackets', () => {
    expect(parse('(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234')).toEqual({
      ok: true,
      issuer: 'gs1',
      di: '51022222233336',
      pi: '(11)141231(17)150707(10)A213B1(21)1234',
      lot: 'A213B1',
      serial: '1234',
      expiresOn: '2015-07-07',
      madeOn: '2014-12-31',
    })
  })

  it('reads HIBCC, with the check character that ANSI/HIBC asks for: the document has C, where H is right', () => {
    const text = '+H123PARTNO1234567890120/$$420020216LOT123456789012345/SXYZ456789012345678/16D20130202H'
    const expected = {
      ok: true,
      issuer: 'hibcc',
      di: 'H123PARTNO1234567890120',
      pi: '$$420020216LOT123456789012345/SXYZ456789012345678/16D20130202',
      lot: 'LOT123456789012345',
      serial: 'XYZ456789012345678',
      expiresOn: '2020-02-02',
      madeOn: '2013-02-02',
    }
    expect(parse(text)).toEqual(expected)
    expect(parse(`*${text}*`)).toEqual(expected)
  })

  it('reads ICCBBA, for human tissue and for blood bags', () => {
    expect(parse('=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123')).toEqual({
      ok: true,
      issuer: 'iccbba',
      di: 'A9999XYZ100T0944',
      pi: '=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123',
      lot: '000000000000XYZ123',
      serial: '000025',
      expiresOn: '2014-02-01',
      madeOn: '2013-02-01',
    })
    expect(parse('=)1TE123456A&)RZ12345678')).toMatchObject({ ok: true, di: '1TE123456A', lot: 'RZ12345678' })
  })
})

describe('GS1', () => {
  const raw = '0151022222233336111412311715070710A213B1\u001d211234'

  it.each([raw, `]d2${raw}`, `]C1${raw}`, `\u001d${raw}`, ` ${raw}\n`])('reads element strings: %j', (text) => {
    expect(parse(text)).toMatchObject({ di: '51022222233336', lot: 'A213B1', serial: '1234', expiresOn: '2015-07-07' })
  })

  it('keeps a bracket that is part of a lot', () => {
    expect(parse('(01)51022222233336(10)A(3)B')).toMatchObject({ lot: 'A(3)B' })
  })

  it('takes a bare GTIN of 8, 12, 13 or 14 digits, and gives it 14', () => {
    expect(parse('51022222233336')).toMatchObject({ issuer: 'gs1', di: '51022222233336', pi: '' })
    // The example of GS1 General Specifications 7.9 is 629104150021 with check digit 3.
    expect(parse('6291041500213')).toMatchObject({ di: '06291041500213' })
  })

  it('takes day 00 for the last of the month, and the century from the year it is read in', () => {
    expect(parse('(01)51022222233336(17)280200')).toMatchObject({ expiresOn: '2028-02-29' })
    expect(parse('(01)51022222233336(11)990101')).toMatchObject({ madeOn: '1999-01-01' })
  })

  it.each([
    ['51022222233337', 'CHECK_DIGIT'],
    ['(01)51022222233337(10)A', 'CHECK_DIGIT'],
    ['(01)51022222233336(17)150732', 'DATE'],
    ['(01)51022222233336(17)151301', 'DATE'],
    ['(10)A213B1', 'NO_DEVICE'],
    ['(01)51022222233336(21)123456789012345678901', 'CONTENT'],
    ['(01)51022222233336(10)', 'CONTENT'],
    ['(01)51022222233336(10)A(10)B', 'REPEATED'],
    ['(77)51022222233336', 'UNKNOWN_FORMAT'],
    ['pump 17', 'UNKNOWN_FORMAT'],
    ['', 'EMPTY'],
    ['0'.repeat(201), 'TOO_LONG'],
  ])('refuses %j', (text, code) => {
    expect(parse(text)).toMatchObject({ ok: false, code })
  })
})

describe('HIBCC', () => {
  it('reads primary data alone: the worked example of ANSI/HIBC 2.6, appendix B', () => {
    expect(parse('+A123BJC5D6E71G')).toEqual({ ok: true, issuer: 'hibcc', di: 'A123BJC5D6E71', pi: '' })
  })

  /** Any text with its check character, which the example above proves. */
  const withCheck = (body: string) => {
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%'
    return body + alphabet[[...body].reduce((sum, character) => sum + alphabet.indexOf(character), 0) % 43]
  }

  it.each([
    ['$LOT1', { lot: 'LOT1' }],
    ['$+SER1', { serial: 'SER1' }],
    ['$$0527LOT1', { expiresOn: '2027-05-31', lot: 'LOT1' }],
    ['$$2053127LOT1', { expiresOn: '2027-05-31', lot: 'LOT1' }],
    ['$$3270531LOT1', { expiresOn: '2027-05-31', lot: 'LOT1' }],
    ['$$527001LOT1', { expiresOn: '2027-01-01', lot: 'LOT1' }],
    ['$$62700112LOT1', { expiresOn: '2027-01-01', lot: 'LOT1' }],
    ['$$7LOT1', { lot: 'LOT1' }],
    ['$$8053270531LOT1', { expiresOn: '2027-05-31', lot: 'LOT1' }],
    ['$$+3270531SER1', { expiresOn: '2027-05-31', serial: 'SER1' }],
    ['27032LOT1', { expiresOn: '2027-02-01', lot: 'LOT1' }],
    ['SSER1/14D20270531/Q5', { serial: 'SER1', expiresOn: '2027-05-31' }],
  ])('reads secondary data %s', (secondary, expected) => {
    expect(parse(withCheck(`+A123BJC5D6E71/${secondary}`))).toEqual({
      ok: true,
      issuer: 'hibcc',
      di: 'A123BJC5D6E71',
      pi: secondary,
      ...expected,
    })
  })

  it.each([
    ['+A123BJC5D6E71H', 'CHECK_DIGIT'],
    ['+a123bjc5d6e71G', 'CONTENT'],
    [withCheck('+$$7LOT1'), 'NO_DEVICE'],
    [withCheck('+A123BJC5D6E71/$$3270532LOT'), 'DATE'],
    [withCheck('+A123BJC5D6E71/27400LOT'), 'DATE'],
    [withCheck('+A123BJC5D6E71/$A/XB'), 'CONTENT'],
    ['+', 'CHECK_DIGIT'],
  ])('refuses %s', (text, code) => {
    expect(parse(text)).toMatchObject({ ok: false, code })
  })

  it('finds every single character that was misread', () => {
    const good = '+A123BJC5D6E71G'
    fc.assert(
      fc.property(
        fc.nat({ max: good.length - 1 }),
        fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'),
        (at, c) => {
          const read = good.slice(0, at) + c + good.slice(at + 1)
          if (read !== good) expect(parse(read).ok).toBe(false)
        },
      ),
    )
  })
})

describe('ICCBBA', () => {
  it.each([
    ['=/A9999XYZ100T094', 'CONTENT'],
    ['=,000025', 'NO_DEVICE'],
    ['=/A9999XYZ100T0944=>014367', 'DATE'],
    ['=/A9999XYZ100T0944=/A9999XYZ100T0945', 'REPEATED'],
  ])('refuses %s', (text, code) => {
    expect(parse(text)).toMatchObject({ ok: false, code })
  })
})

describe('any text', () => {
  const parts = fc.constantFrom(
    '(01)',
    '51022222233336',
    '(10)',
    '(17)',
    '01',
    '+',
    '$$',
    '=/',
    '=>',
    '&,1',
    '\u001d',
    '/',
    ']d2',
    '16D',
    '*',
  )
  const texts = fc.oneof(
    fc.string({ maxLength: 220 }),
    fc.array(fc.oneof(parts, fc.string({ maxLength: 8 }))).map((all) => all.join('')),
  )

  it('gets a verdict: never an exception, and dates that exist', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const verdict = parse(text)
        if (!verdict.ok) return verdict.reason.length > 0
        return [verdict.expiresOn, verdict.madeOn].every((day) => day === undefined || !Number.isNaN(Date.parse(day)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads what GS1 element strings carry, whatever lot and serial are', () => {
    const value = fc.stringMatching(/^[!"%&'*+,\-./0-9:;<=>?A-Z_a-z]{1,20}$/)
    fc.assert(
      fc.property(value, value, (lot, serial) => {
        expect(parse(`015102222223333610${lot}\u001d21${serial}`)).toMatchObject({ ok: true, lot, serial })
      }),
    )
  })
})
