import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { bytesOfHex } from './bytes.ts'
import { type DecodedEpc, decodeEpc, epcIdentity, type RefusedEpc } from './epc-decode.ts'
import { encodeEpc } from './epc-encode.ts'

interface Example {
  readonly scheme: string
  readonly hex: string
  readonly tagUri?: string
  readonly digitalLink?: string
}

const { examples } = JSON.parse(readFileSync(new URL('./golden/epc.json', import.meta.url), 'utf8')) as {
  readonly examples: readonly Example[]
}

function refusal(hex: string, pc?: number): string {
  return (decodeEpc(hex, pc) as RefusedEpc).code
}

describe('the examples of the standard', () => {
  it.each(examples)('$scheme $hex decodes', ({ scheme, hex, tagUri, digitalLink }) => {
    const decoded = decodeEpc(hex)
    expect(decoded).toMatchObject({ ok: true, scheme, ...(tagUri && { tagUri }), ...(digitalLink && { digitalLink }) })
    const tagged = tagUri?.replace(/:tag:([a-z]+)-\w+:(?:\d+\.)?/, ':id:$1:').replace(':gid:', ':gid:952056.')
    const linked = digitalLink?.replace('id.example.com', 'id.gs1.org').replace(/\?.*/, '')
    expect((decoded as DecodedEpc).pureUri).toBe(tagged ?? linked)
  })

  it.each(examples)('$scheme $hex is written back with the same bits from any of its URIs', ({ scheme, hex }) => {
    const { tagUri, pureUri, digitalLink, filter } = decodeEpc(hex) as DecodedEpc
    const options = { scheme, ...(filter !== undefined && { filter }) }
    const companyPrefixLength = tagUri?.split('.')[1]?.length ?? 7
    const padded = hex.toLowerCase().padEnd(Math.ceil(hex.length / 4) * 4, '0')
    if (tagUri) {
      expect(encodeEpc(tagUri)).toMatchObject({ hex: padded })
      expect(encodeEpc(pureUri, options)).toMatchObject({ hex: padded })
    }
    if (digitalLink) expect(encodeEpc(digitalLink, { ...options, companyPrefixLength })).toMatchObject({ hex: padded })
  })

  it.each(examples)('$scheme $hex has one identity, as bytes, hex of any case and with its PC word', ({ hex }) => {
    const padded = hex.padEnd(Math.ceil(hex.length / 4) * 4, '0')
    const { pureUri } = decodeEpc(hex) as DecodedEpc
    const pc = (padded.length / 4) << 11
    for (const epc of [hex, hex.toLowerCase(), padded, bytesOfHex(padded)]) {
      expect(epcIdentity(epc)).toMatchObject({ ok: true, pureUri })
    }
    expect(epcIdentity(`${padded}ffff`, pc)).toMatchObject({ ok: true, pureUri })
  })
})

describe('what an EPC tells beside its identity', () => {
  it('marks patients and staff as personal, and nothing else', () => {
    const personal = examples.filter(({ hex }) => (decodeEpc(hex) as DecodedEpc).personal).map(({ scheme }) => scheme)
    expect(personal).toEqual(['GSRN-96', 'GSRN+', 'GSRN++', 'GSRNP-96', 'GSRNP+', 'GSRNP++'])
  })

  it('has no filter where the scheme has none', () => {
    expect(decodeEpc('3500E86F8000A9E000000586')).not.toHaveProperty('filter')
  })

  it('passes over more data behind a key of a + scheme, and says that they are there', () => {
    expect(decodeEpc('F90095201234567891235')).not.toHaveProperty('aidcData')
    const followed = decodeEpc('F98095201234567891235171b4c1e0')
    expect(followed).toMatchObject({
      ok: true,
      digitalLink: 'https://id.gs1.org/00/095201234567891235',
      aidcData: true,
    })
  })

  it('leaves out the extension of a location that has none', () => {
    const { hex } = encodeEpc('urn:epc:tag:sgln-96:0.9521141.12345.0') as { hex: string }
    expect(decodeEpc(hex)).toMatchObject({ digitalLink: 'https://id.gs1.org/414/9521141123454' })
  })

  it('keeps digits beyond the exact range of numbers', () => {
    const tagUri = 'urn:epc:tag:giai-96:0.123456.4611686018427387903'
    const { hex } = encodeEpc(tagUri) as { hex: string }
    expect(decodeEpc(hex)).toMatchObject({ tagUri })
  })
})

describe('the PC word', () => {
  const sgtin = '3074257BF7194E4000001A85'

  it('gives the length', () => {
    expect(decodeEpc(`${sgtin}DEAD`, 0x3000)).toMatchObject({ scheme: 'SGTIN-96' })
    expect(refusal(`${sgtin}DEAD`)).toBe('padding')
    expect(refusal(sgtin, 0x2800)).toBe('short')
  })

  it('tells ISO identifiers from EPCs', () => {
    expect(decodeEpc(sgtin, 0x31a1)).toMatchObject({ ok: false, code: 'iso', hex: sgtin.toLowerCase() })
  })

  it.each([0x3800, 0xf800, 0x0000, 0x07ff, -1, 0x1_0000, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'that is nonsense, such as %d, is refused and leaves the bits',
    (pc) => {
      expect(decodeEpc(sgtin, pc)).toMatchObject({ ok: false, code: 'pc', hex: sgtin.toLowerCase() })
    },
  )

  it('may announce user memory and extended protocol control', () => {
    expect(decodeEpc(sgtin, 0x3600)).toMatchObject({ ok: true })
  })
})

describe('what is refused', () => {
  it.each([
    ['a code of the chip maker', 'E20010710000529B0940B402', 'header'],
    ['a blank tag', '000000000000000000000000', 'header'],
    ['a header of no scheme', 'AB0000000000000000000000', 'header'],
    ['no text', '', 'input'],
    ['a single digit', '3', 'input'],
    ['what is not hex', '3074257BF7194E4000001A8G', 'input'],
    ['hex with a letter beyond ASCII', '3074257BF7194E4000001Aé5', 'input'],
    ['more than a PC word can announce', '30'.repeat(63), 'input'],
    ['partition 7', '303C83F1B7DD441678901234', 'reserved'],
    ['a company prefix with too many digits', '307BFFFFF7194E4000001A85', 'value'],
    ['too few bits', '3074257BF7194E4000001A', 'short'],
    ['bits behind the key', '3074257BF7194E4000001A850001', 'padding'],
    ['bits that must be zero', '311BA1B300CE0A6A83000001', 'padding'],
    [
      'a character that a serial number may not have',
      '3674257BF7194E40800000000000000000000000000000000000',
      'character',
    ],
    ['a serial number without characters', '3674257BF7194E40000000000000000000000000000000000000', 'value'],
    ['a wrong check digit', 'F90095201234567891236', 'check'],
    ['a digit above 9', 'F900952012345678912A5', 'value'],
    ['an encoding that is reserved', 'F7379521141123453C566CB0AFC4', 'reserved'],
    ['a month 13', 'FB342DBE795211411234538566CB0AFC4', 'value'],
    ['a kind of date that is reserved', 'FB372CDE795211411234538566CB0AFC4', 'reserved'],
  ])('%s', (_, hex, code) => {
    expect(decodeEpc(hex)).toMatchObject({ ok: false, code, why: expect.any(String) })
    expect(epcIdentity(hex)).toEqual(decodeEpc(hex))
  })

  it('keeps its bits as hex', () => {
    expect(decodeEpc('E20010710000529B0940B402')).toMatchObject({ hex: 'e20010710000529b0940b402' })
    expect(decodeEpc('ABC')).toMatchObject({ hex: 'abc' })
  })

  it('bytes: none or too many', () => {
    expect(decodeEpc(new Uint8Array(0))).toMatchObject({ code: 'input' })
    expect(decodeEpc(new Uint8Array(63))).toMatchObject({ code: 'input' })
  })
})
