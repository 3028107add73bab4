import { describe, expect, it } from 'vitest'

import { decodeEpc } from './epc-decode.ts'
import { encodeEpc } from './epc-encode.ts'

describe('the scheme that is taken', () => {
  it.each([
    ['urn:epc:id:sgtin:0614141.812345.6789', 'SGTIN-96'],
    ['urn:epc:id:sgtin:0614141.812345.274877906943', 'SGTIN-96'],
    ['urn:epc:id:sgtin:0614141.812345.274877906944', 'SGTIN-198'],
    ['urn:epc:id:sgtin:0614141.812345.06789', 'SGTIN-198'],
    ['urn:epc:id:sgtin:0614141.812345.6789.A', 'SGTIN-198'],
    ['urn:epc:id:gdti:0614141.12345.007', 'GDTI-174'],
    ['urn:epc:id:giai:0614141.12345ab', 'GIAI-202'],
    ['urn:epc:id:cpi:0614141.12345.7', 'CPI-96'],
    ['urn:epc:id:cpi:0614141.12345AB.7', 'CPI-var'],
    ['urn:epc:id:sgln:123456789012..0', 'SGLN-96'],
    ['urn:epc:id:adi:W81X9C..%23X5', 'ADI-var'],
    ['urn:epc:tag:gdti-113:1.0614141.12345.007', 'GDTI-113'],
    ['https://id.gs1.org/8004/4012345A7', 'GIAI+'],
    ['https://ID.GS1.ORG/8004/4012345A7', 'GIAI+'],
    ['https://clinic.example/assets/8004/4012345A7', 'GIAI++'],
    ['/8004/4012345A7', 'GIAI+'],
    ['https://id.gs1.org/01/80614141123458/21/6789', 'SGTIN+'],
    ['https://id.gs1.org/01/80614141123458/21/6789?10=LOT&17=270630', 'DSGTIN+'],
    ['https://clinic.example/01/80614141123458/21/6789?17=270630', 'DSGTIN++'],
    ['https://id.gs1.org/414/9521141123454', 'SGLN+'],
  ])('for %s is %s, and it is the one that can carry it', (uri, scheme) => {
    const encoded = encodeEpc(uri)
    expect(encoded).toMatchObject({ ok: true, scheme })
    expect(decodeEpc((encoded as { hex: string }).hex)).toMatchObject({ ok: true, scheme })
  })

  it('can be named, also across the two families', () => {
    const urn = 'urn:epc:id:sgtin:0614141.812345.6789'
    expect(encodeEpc(urn, { scheme: 'sgtin-198' })).toMatchObject({ scheme: 'SGTIN-198' })
    const { hex } = encodeEpc(urn, { scheme: 'SGTIN+', filter: 3 }) as { hex: string }
    expect(decodeEpc(hex)).toMatchObject({ digitalLink: 'https://id.gs1.org/01/80614141123458/21/6789', filter: 3 })
    const link = 'https://id.gs1.org/01/80614141123458/21/6789'
    expect(encodeEpc(link, { scheme: 'SGTIN-96', companyPrefixLength: 7 })).toMatchObject({ ok: true })
    expect(encodeEpc(link, { scheme: 'SGTIN-96' })).toMatchObject({ ok: false, code: 'uri' })
  })

  it('keeps a host name in capitals as it is', () => {
    const { hex } = encodeEpc('https://CLINIC-7.EXAMPLE.COM/8004/4012345A7') as { hex: string }
    expect(decodeEpc(hex)).toMatchObject({ digitalLink: 'https://CLINIC-7.EXAMPLE.COM/8004/4012345A7' })
  })

  it.each(['www.klinik.co.at', 'qr.clinic.nhs.uk', 'id.ward.tech', '10.0.0.1', 'a.zw', 'x-ray.com.cn'])(
    'writes the host name %s in fewer bits than it has letters for, and back',
    (host) => {
      const link = `https://${host}/8004/4012345A7`
      const { hex } = encodeEpc(link) as { hex: string }
      expect(decodeEpc(hex)).toMatchObject({ digitalLink: link })
    },
  )
})

describe('what is refused', () => {
  it.each([
    ['', 'uri'],
    ['urn:epc:id:sgtin', 'uri'],
    ['urn:epc:id:pgln:0614141.12345', 'uri'],
    ['urn:epc:id:sgtin:0614141.812345', 'uri'],
    ['urn:epc:id:sgtin:0614141.812345.%', 'uri'],
    ['urn:epc:id:sgtin:0614141.812345.%80', 'uri'],
    ['urn:epc:id:sgtin:0614141.812345.a b', 'character'],
    ['urn:epc:id:sgtin:0614141.812345.', 'value'],
    ['urn:epc:id:sgtin:0614141.81234.6789', 'value'],
    ['urn:epc:id:sgtin:06141.81234567.6789', 'value'],
    ['urn:epc:id:sgtin:061414A.812345.6789', 'value'],
    ['urn:epc:id:sgtin:0614141.812345.123456789012345678901', 'value'],
    ['urn:epc:tag:sgtin-96:8.0614141.812345.6789', 'value'],
    ['urn:epc:tag:sgtin-96:0614141.812345.6789', 'uri'],
    ['urn:epc:id:gid:268435456.1.1', 'value'],
    ['urn:epc:id:usdod:CAGEI.1', 'character'],
    ['urn:epc:id:adi:35962.A#B.1', 'character'],
    ['urn:epc:id:adi:35962..%23', 'value'],
    ['urn:epc:id:itip:9521141.012345.1.02.981', 'value'],
    ['urn:epc:id:cpi:0614141..7', 'value'],
    ['https://id.gs1.org/01/80614141123459/21/6789', 'check'],
    ['https://id.gs1.org/01/80614141123458', 'uri'],
    ['https://id.gs1.org/01/80614141123458/10/A/21/6789', 'uri'],
    ['https://id.gs1.org/8003/195211411234545678', 'value'],
    ['https://id.gs1.org/8004/A4012345', 'value'],
    ['https://id.gs1.org/8010/4012345A7/8011/1234567890123', 'value'],
    ['https://exa_mple.com/8004/4012345A7', 'uri'],
    ['ftp://id.gs1.org/8004/4012345A7', 'uri'],
  ])('%j', (uri, code) => {
    expect(encodeEpc(uri)).toMatchObject({ ok: false, code, why: expect.any(String) })
  })

  it.each([-1, 8, 1.5, Number.NaN])('filter %d', (filter) => {
    expect(encodeEpc('urn:epc:id:sgtin:0614141.812345.6789', { filter })).toMatchObject({ ok: false, code: 'value' })
  })

  it('a scheme that is not there, or is for something else', () => {
    const urn = 'urn:epc:id:sgtin:0614141.812345.6789'
    expect(encodeEpc(urn, { scheme: 'SGTIN-64' })).toMatchObject({ ok: false, code: 'uri' })
    expect(encodeEpc(urn, { scheme: 'SSCC-96' })).toMatchObject({ ok: false, code: 'uri' })
    expect(encodeEpc(urn, { scheme: 'SSCC+' })).toMatchObject({ ok: false, code: 'uri' })
    expect(encodeEpc(urn, { scheme: 'SGTIN++' })).toMatchObject({ ok: false, code: 'uri' })
    expect(encodeEpc(urn, { scheme: 'DSGTIN+' })).toMatchObject({ ok: false, code: 'uri' })
  })
})
