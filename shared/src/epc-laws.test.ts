import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type DecodedEpc, decodeEpc, epcIdentity } from './epc-decode.ts'
import { type EncodedEpc, encodeEpc } from './epc-encode.ts'
import { LINK_SCHEMES, URN_SCHEMES } from './epc-schemes.ts'
import { tagIdFromEpc } from './epc-tag.ts'
import { checkDigit, escapeLink, escapeUrn } from './epc-text.ts'
import { isTagId } from './tag-identity.ts'

const RANDOM_EPCS = 200_000

const CHARACTERS_82 = '!"%&\'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'
const CHARACTERS_39 = '#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const CAGE = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'

function text(alphabet: string, { min = 1, max }: { min?: number; max: number }): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...alphabet), minLength: min, maxLength: max })
}

function digits(length: number): fc.Arbitrary<string> {
  return text('0123456789', { min: length, max: length })
}

function below(limit: bigint): fc.Arbitrary<string> {
  return fc.bigInt({ min: 0n, max: limit - 1n }).map(String)
}

/** Company prefix and reference that together have `total` digits. */
function company(total: number): fc.Arbitrary<string> {
  return fc
    .integer({ min: 6, max: 12 })
    .chain((length) => fc.tuple(digits(length), digits(total - length)).map((parts) => parts.join('.')))
}

/** Company prefix and what may follow it in a key of at most 30 characters. */
function companyAnd(reference: (companyDigits: number) => fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .integer({ min: 6, max: 12 })
    .chain((length) => fc.tuple(digits(length), reference(length)).map((parts) => parts.join('.')))
}

function escaped(alphabet: string, max: number, min = 1): fc.Arbitrary<string> {
  return text(alphabet, { min, max }).map(escapeUrn)
}

function joined(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map((texts) => texts.join('.'))
}

/** The reference may take what the company prefix leaves of so many bits: TDS 2.3 tables 14-14 and following. */
const GIAI_96_BITS = [62, 58, 55, 52, 48, 45, 42]
const twoDigits = fc.integer({ min: 0, max: 99 }).map((value) => String(value).padStart(2, '0'))
const cage = fc.oneof(text(CAGE, { min: 5, max: 5 }), text(CAGE, { min: 6, max: 6 }))

/** What may stand behind `urn:epc:id:…:` for each scheme. */
const FIELDS: Record<string, fc.Arbitrary<string>> = {
  'SGTIN-96': joined(company(13), below(2n ** 38n)),
  'SGTIN-198': joined(company(13), escaped(CHARACTERS_82, 20)),
  'SSCC-96': company(17),
  'SGLN-96': joined(company(12), below(2n ** 41n)),
  'SGLN-195': joined(company(12), escaped(CHARACTERS_82, 20)),
  'GRAI-96': joined(company(12), below(2n ** 38n)),
  'GRAI-170': joined(company(12), escaped(CHARACTERS_82, 16)),
  'GIAI-96': companyAnd((length) => below(2n ** BigInt(GIAI_96_BITS[length - 6] ?? 0))),
  'GIAI-202': companyAnd((length) => escaped(CHARACTERS_82, 30 - length)),
  'GSRN-96': company(17),
  'GSRNP-96': company(17),
  'GDTI-96': joined(company(12), below(2n ** 41n)),
  'GDTI-174': joined(company(12), escaped(CHARACTERS_82, 17)),
  'GDTI-113': joined(company(12), text('0123456789', { max: 17 })),
  'CPI-96': joined(
    companyAnd((length) => below(10n ** BigInt(15 - length))),
    below(2n ** 31n),
  ),
  'CPI-var': joined(
    companyAnd((length) => escaped(CHARACTERS_39, 30 - length)),
    below(10n ** 12n),
  ),
  'SGCN-96': joined(company(12), text('0123456789', { max: 12 })),
  'ITIP-110': joined(company(13), twoDigits, twoDigits, below(2n ** 38n)),
  'ITIP-212': joined(company(13), twoDigits, twoDigits, escaped(CHARACTERS_82, 20)),
  'GID-96': joined(below(2n ** 28n), below(2n ** 24n), below(2n ** 36n)),
  'USDOD-96': joined(cage, below(2n ** 36n)),
  'ADI-var': joined(cage, escaped(CHARACTERS_39.slice(1), 32, 0), escaped(CHARACTERS_39.slice(1), 30)),
}

function checked(length: number): fc.Arbitrary<string> {
  return digits(length - 1).map((key) => key + checkDigit(key))
}

/** Texts of every encoding: digits, hex of both cases, base 64, URN Code 40 and the rest. */
function serial(max: number): fc.Arbitrary<string> {
  const alphabets = ['0123456789', '0123456789ABCDEF', '0123456789abcdef', 'ABYZabyz09-_', 'ABYZ09-.:', CHARACTERS_82]
  return fc.oneof(...alphabets.map((alphabet) => text(alphabet, { max }))).map(escapeLink)
}

function keyWithRest(alphabet: string): fc.Arbitrary<string> {
  return fc
    .tuple(text('0123456789', { min: 4, max: 20 }), text(alphabet, { max: 10 }))
    .map((parts) => escapeLink(parts.join('')))
}

function path(strings: TemplateStringsArray, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map((texts) => String.raw({ raw: strings.raw }, ...texts))
}

const gtin = path`/01/${checked(14)}/21/${serial(20)}`
const date = fc
  .tuple(
    fc.constantFrom('11', '13', '15', '16', '17', '7006', '7007'),
    fc.integer({ min: 0, max: 99 }),
    fc.integer({ min: 1, max: 12 }),
  )
  .map(([ai, year, month]) => `?${ai}=${String(year).padStart(2, '0')}${String(month).padStart(2, '0')}28`)

/** Paths of GS1 Digital Links for each scheme, without the signs that stand for its family. */
const PATHS: Record<string, fc.Arbitrary<string>> = {
  SGTIN: gtin,
  DSGTIN: path`${gtin}${date}`,
  SSCC: path`/00/${checked(18)}`,
  SGLN: path`/414/${checked(13)}/254/${serial(20).filter((text) => text !== '0')}`,
  GRAI: path`/8003/${digits(12).map((key) => `0${key}${checkDigit(`0${key}`)}`)}${serial(16)}`,
  GIAI: path`/8004/${keyWithRest(CHARACTERS_82)}`,
  GSRN: path`/8018/${checked(18)}`,
  GSRNP: path`/8017/${checked(18)}`,
  GDTI: path`/253/${checked(13)}${serial(17)}`,
  CPI: path`/8010/${keyWithRest(CHARACTERS_39)}/8011/${text('0123456789', { max: 12 })}`,
  SGCN: path`/255/${checked(13)}${text('0123456789', { max: 12 })}`,
  ITIP: path`/8006/${checked(14)}${digits(4)}/21/${serial(20)}`,
}

const host = fc
  .tuple(
    fc.constantFrom('id.', 'www.', 'qr.', ''),
    text('abcxyz0189-', { max: 20 }),
    fc.constantFrom('.com', '.de', '.co.uk', '.tech', '.x'),
  )
  .map(([before, name, after]) => `${before}a${name}${after}`)

describe('encode then decode', () => {
  it.each(URN_SCHEMES)('gives every $name back, with its filter', ({ name, urn, filterBits }) => {
    const fields = FIELDS[name] ?? fc.constant('')
    fc.assert(
      fc.property(fields, fc.nat({ max: 2 ** filterBits - 1 }), (rest, filter) => {
        const pureUri = `urn:epc:id:${urn}:${rest}`
        const encoded = encodeEpc(pureUri, { scheme: name, filter }) as EncodedEpc
        expect(encoded).toMatchObject({ ok: true })
        const decoded = decodeEpc(encoded.hex, (encoded.hex.length / 4) << 11) as DecodedEpc
        expect(decoded).toMatchObject({ ok: true, scheme: name, pureUri, ...(filterBits > 0 && { filter }) })
        expect(encodeEpc(decoded.tagUri ?? '')).toEqual(encoded)
        expect(encodeEpc(pureUri)).toMatchObject({ ok: true })
      }),
    )
  })

  it.each(LINK_SCHEMES)('gives every $name back, with filter, date and host name', ({ name, hosted }) => {
    const paths = PATHS[name.replace(/\++$/, '')] ?? fc.constant('')
    fc.assert(
      fc.property(paths, host, fc.nat({ max: 7 }), (rest, hostname, filter) => {
        const digitalLink = `https://${hosted ? hostname : 'id.gs1.org'}${rest}`
        const encoded = encodeEpc(digitalLink, { filter }) as EncodedEpc
        expect(encoded).toMatchObject({ ok: true, scheme: name })
        expect(decodeEpc(encoded.hex)).toMatchObject({ ok: true, scheme: name, digitalLink, filter })
      }),
    )
  })

  it('covers every scheme', () => {
    expect(URN_SCHEMES.map(({ name }) => name).filter((name) => !FIELDS[name])).toEqual([])
    expect(LINK_SCHEMES.map(({ name }) => name.replace(/\++$/, '')).filter((name) => !PATHS[name])).toEqual([])
    const headers = [...URN_SCHEMES, ...LINK_SCHEMES].map(({ header }) => header)
    expect(new Set(headers).size).toBe(headers.length)
  })
})

/** Numerical Recipes' generator: the same EPCs in every run. */
function lcg(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 8
  }
}

const headers = [...URN_SCHEMES, ...LINK_SCHEMES].map(({ header }) => header)

/** 1-62 bytes, every second time with few ones, or texts and lengths would hardly ever be right. */
function randomEpc(random: () => number, header: number | undefined): Uint8Array {
  const sparse = random() % 2 === 0
  const epc = Uint8Array.from({ length: 1 + (random() % 62) }, () => random() & (sparse ? random() & random() : 255))
  if (header !== undefined) epc[0] = header
  return epc
}

/** What all readers of one EPC say together; @returns the scheme or the refusal */
function readEveryWay(epc: Uint8Array): string {
  const decoded = decodeEpc(epc)
  const tag = tagIdFromEpc(epc)
  const right = tag && isTagId(tag.tag) && epcIdentity(epc).ok === decoded.ok && (!decoded.ok || sameBack(decoded))
  if (!right) throw new Error(`${Buffer.from(epc).toString('hex')}: ${JSON.stringify(decoded)}`)
  return decoded.ok ? decoded.scheme : decoded.code
}

describe('random bits', () => {
  it(`${RANDOM_EPCS} of them, half behind a header of a scheme, are read the same every way or refused`, () => {
    const random = lcg(42)
    const seen = new Set<string>()
    for (let i = 0; i < RANDOM_EPCS; i++) {
      seen.add(readEveryWay(randomEpc(random, i % 2 === 0 ? headers[random() % headers.length] : undefined)))
    }
    const refusals = ['header', 'short', 'value', 'reserved', 'padding', 'character', 'check']
    expect([...seen]).toEqual(expect.arrayContaining([...refusals, 'GID-96', 'SGTIN-96', 'GIAI+']))
  })

  it('with any PC word and any text never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.double(), fc.string(), (epc, pc, text) => {
        expect(typeof decodeEpc(epc, pc).ok).toBe('boolean')
        expect(typeof decodeEpc(text, pc).ok).toBe('boolean')
        expect(encodeEpc(text).ok).toBe(false)
        expect(encodeEpc(`urn:epc:id:sgtin:${text}`).ok).toBe(false)
        expect(encodeEpc(`https://${text}`).ok).toBe(false)
      }),
    )
  })
})

/** What was read can be written and read again to the same. */
function sameBack({ scheme, tagUri, digitalLink, filter, pureUri }: DecodedEpc): boolean {
  const encoded = encodeEpc(tagUri ?? digitalLink ?? '', { scheme, ...(filter !== undefined && { filter }) })
  if (!encoded.ok) return false
  const again = decodeEpc(encoded.hex)
  return again.ok && again.pureUri === pureUri && again.scheme === scheme
}
