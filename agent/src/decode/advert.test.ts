import { readFileSync } from 'node:fs'

import { isTagId } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeAdvert } from './advert.ts'

interface Vector {
  readonly id: string
  readonly format: string
  readonly ad_hex: string
}

const file = new URL('./ble-vectors.json', import.meta.url)
const vectors: readonly Vector[] = JSON.parse(readFileSync(file, 'utf8')).vectors

/** Whose an advert is, for those vectors whose format does not say it. */
const CLASSES: Record<string, string> = {
  'noise-apple-findmy': 'apple',
  'noise-apple-continuity': 'apple',
  'noise-exposure-notification': 'exposure',
  rpa: 'empty',
}

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const classOf = (hex: string) => {
  const verdict = decodeAdvert(bytesOf(hex))
  return verdict.kind === 'class' ? verdict.class : verdict
}

describe('an advert', () => {
  const classed = vectors.filter(({ format }) => !format.startsWith('malformed'))
  it.each(classed)('published as $id is a beacon with an identity, or of its class', ({ ad_hex, format }) => {
    const verdict = decodeAdvert(bytesOf(ad_hex))
    if (verdict.kind === 'identity') expect(isTagId(verdict.tag)).toBe(true)
    else expect(verdict).toEqual({ kind: 'class', class: CLASSES[format] ?? format })
  })

  it.each([
    ['ibeacon-aprilbrother-doc', 'ibeacon:b5b182c7-eab1-4988-aa99-b5c1517008d9/1/53092'],
    ['altbeacon-lib', 'altbeacon:2f234454-cf6d-4a0f-adf2-f4911ba9ffa6/1/2'],
    ['eddystone-uid', 'eddystone:00112233445566778899/aabbccddeeff'],
    ['kontakt-plain', 'kontakt:abcdef'],
    ['ruuvi-df5-valid', 'ble:cbb8334c884f'],
    ['minew-ht', 'ble:ffeeddccbbaa'],
  ])('published as %s names itself %s', (id, tag) => {
    const vector = vectors.find((each) => each.id === id)
    expect(decodeAdvert(bytesOf(vector?.ad_hex ?? ''))).toEqual({ kind: 'identity', tag })
  })

  it.each([
    ['0201061aff4c000215', 'length beyond the end'],
    ['19ff4c000215f7826da64fa24e988024bc5b71e0893e01020304', 'iBeacon of a wrong length'],
  ])('of the bytes %s is refused: %s', (hex, why) => {
    expect(decodeAdvert(bytesOf(hex))).toEqual({ kind: 'malformed', why })
  })

  it.each([
    ['', 'empty'],
    ['000000', 'empty'],
    ['020106', 'other'],
    ['0cff0600010920020011223344', 'microsoft'],
    ['0303f3fe', 'google'],
    ['0716f1fc04000000', 'google'],
    ['02010603032cfe', 'google'],
    ['03039ffe', 'google'],
    ['03036ffd', 'exposure'],
    ['05030f18f3fe', 'google'],
    ['03ff4c00', 'apple'],
    ['02ff4c', 'other'],
    ['01ff', 'other'],
    ['0203f3', 'other'],
    ['0316aafe', 'other'],
  ])('with the bytes "%s" is of class %s', (hex, expected) => {
    expect(classOf(hex)).toBe(expected)
  })

  const uid = '00fc00112233445566778899aabbccddeeff'

  it('is an Eddystone-UID with or without its reserved bytes, and with no other length', () => {
    const tag = 'eddystone:00112233445566778899/aabbccddeeff'
    expect(decodeAdvert(bytesOf(`1516aafe${uid}`))).toEqual({ kind: 'identity', tag })
    expect(decodeAdvert(bytesOf(`1716aafe${uid}0000`))).toEqual({ kind: 'identity', tag })
    expect(decodeAdvert(bytesOf(`1416aafe${uid.slice(0, -2)}`))).toEqual({
      kind: 'malformed',
      why: 'Eddystone-UID of a wrong length',
    })
  })

  it('keeps its identity when something after it is broken, and beside other classes', () => {
    const verdict = { kind: 'identity' }
    expect(decodeAdvert(bytesOf(`1516aafe${uid}ff16`))).toMatchObject(verdict)
    expect(decodeAdvert(bytesOf(`03ff4c001516aafe${uid}`))).toMatchObject(verdict)
  })

  it('is refused above the length that Bluetooth allows', () => {
    expect(decodeAdvert(new Uint8Array(1_650))).toEqual({ kind: 'class', class: 'empty' })
    expect(decodeAdvert(new Uint8Array(1_651))).toEqual({ kind: 'malformed', why: 'too long' })
  })

  it('of any bytes gets a verdict, never a throw', () => {
    const random = fc.uint8Array({ maxLength: 255 })
    const full = fc.uint8Array({ minLength: 255, maxLength: 255 })
    // Structures with lengths that mostly fit reach further into the decoder than plain noise does.
    const structures = fc
      .array(
        fc.tuple(
          fc.constantFrom(0x02, 0x03, 0x16, 0xff),
          fc.constantFrom('', '4c000215', '4c00', '0600', 'aafe00', 'f3fe', '6ffd'),
          fc.uint8Array({ maxLength: 26 }),
          fc.integer({ min: -1, max: 1 }),
        ),
        { maxLength: 4 },
      )
      .map((parts) =>
        Uint8Array.from(
          parts.flatMap(([type, start, tail, slip]) => {
            const data = [...bytesOf(start), ...tail]
            return [Math.max(0, data.length + 1 + slip), type, ...data]
          }),
        ),
      )
    const check = (bytes: Uint8Array) => {
      const verdict = decodeAdvert(bytes)
      if (verdict.kind === 'identity' && !isTagId(verdict.tag)) throw new Error(`not canonical: ${verdict.tag}`)
    }
    fc.assert(fc.property(random, check), { numRuns: 50_000 })
    fc.assert(fc.property(full, check), { numRuns: 5_000 })
    fc.assert(fc.property(structures, check), { numRuns: 45_000 })
  })
})
