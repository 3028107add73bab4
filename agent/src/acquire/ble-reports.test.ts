import { Controller } from '@biotrakr/sim'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { AdvertReader, type AdvertReport, isAdvertPacket } from './ble-reports.ts'

const now = { wallMs: 1_000, monoMs: 0 }

function reader() {
  const reports: AdvertReport[] = []
  const own = new AdvertReader((report) => reports.push({ ...report, bytes: report.bytes.slice() }))
  return { reports, own }
}

function packets(data: Uint8Array, { address = 'c12233445566', extended = true } = {}): readonly Uint8Array[] {
  const controller = new Controller({ address: '001122334455', extended })
  controller.receive(Uint8Array.of(1, 0x42, 0x20, 6, 1, 0, 0, 0, 0, 0))
  return controller.hear({ address, data, rssiDbm: -70 })
}

const text = (address: Uint8Array | undefined) => Buffer.from(address ?? []).toString('hex')

describe('reader of HCI advertising reports', () => {
  it('reads several reports from one packet, most significant address byte first', () => {
    const { reports, own } = reader()
    const one = [0x03, 0x01, 0x66, 0x55, 0x44, 0x33, 0x22, 0xc1, 2, 0xaa, 0xbb, 0xc3]
    const two = [0x00, 0x00, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0, 0x7f]
    own.take(Uint8Array.of(4, 0x3e, 24, 2, 2, ...one, ...two), now)
    expect(reports.map(({ address }) => text(address))).toEqual(['c12233445566', '010203040506'])
    expect(reports[0]).toMatchObject({
      addressType: 'random',
      rssiDbm: -61,
      bytes: Uint8Array.of(0xaa, 0xbb),
      atMs: 1_000,
    })
    expect(reports[1]).not.toHaveProperty('rssiDbm')
    expect(own.counts).toEqual({ reports: 2, malformed: 0, truncated: 0, fragmentsLost: 0 })
  })

  it('joins fragments of advertisers whose packets come mixed', () => {
    const { reports, own } = reader()
    const data = [1, 2].map((fill) => new Uint8Array(600).fill(fill))
    const first = packets(data[0]!, { address: 'c00000000001' })
    const second = packets(data[1]!, { address: 'c00000000002' })
    for (let i = 0; i < first.length; i++) for (const packet of [first[i]!, second[i]!]) own.take(packet, now)
    expect(reports.map(({ bytes }) => bytes)).toEqual(data)
  })

  it('gives up fragments whose end does not come within a second', () => {
    const { reports, own } = reader()
    const [begin, , end] = packets(new Uint8Array(600))
    own.take(begin!, now)
    own.take(end!, { wallMs: 3_000, monoMs: 2_000 })
    expect(own.counts).toMatchObject({ fragmentsLost: 1, reports: 1 })
    expect(reports[0]?.bytes.length).toBeLessThan(229)
  })

  it('bounds adverts that never end, in length and in number', () => {
    const { reports, own } = reader()
    const [endless] = packets(new Uint8Array(600))
    for (let i = 0; i < 1_000; i++) own.take(endless!, now)
    for (let i = 0; i < 1_000; i++) own.take(packets(new Uint8Array(600), { address: `c0000000${1_000 + i}` })[0]!, now)
    expect(reports).toEqual([])
    expect(own.counts.fragmentsLost).toBeGreaterThanOrEqual(1_000 - 64)
  })

  it('hands on what there is of an advert that the controller cut off', () => {
    const { reports, own } = reader()
    const [first, second] = packets(new Uint8Array(400))
    second![5] = 0x40
    own.take(first!, now)
    own.take(second!, now)
    expect(reports).toHaveLength(1)
    expect(own.counts).toMatchObject({ truncated: 1, reports: 1 })
  })

  it('gives back any advert that a controller sends, whole', () => {
    const data = fc.uint8Array({ maxLength: 1_650 })
    fc.assert(
      fc.property(data, fc.boolean(), (bytes, extended) => {
        const { reports, own } = reader()
        const sent = packets(bytes, { extended })
        for (const packet of sent) own.take(packet, now)
        expect(reports.map(({ bytes: got }) => got)).toEqual(sent.length === 0 ? [] : [bytes])
      }),
      { numRuns: 200 },
    )
  })

  it('never throws, and counts what contradicts itself', () => {
    const { own } = reader()
    const head = fc.tuple(fc.constantFrom(2, 0x0d), fc.nat({ max: 255 }))
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 260 }), ([kind, count], bytes) => {
        own.take(Uint8Array.of(4, 0x3e, bytes.length, kind, count, ...bytes), now)
      }),
      { numRuns: 2_000 },
    )
    expect(own.counts.malformed).toBeGreaterThan(0)
  })

  it('knows packets with adverts from others', () => {
    expect(isAdvertPacket(Uint8Array.of(4, 0x3e, 12, 2, 1))).toBe(true)
    expect(isAdvertPacket(Uint8Array.of(4, 0x3e, 12, 1, 1))).toBe(false)
    expect(isAdvertPacket(Uint8Array.of(4, 0x0e, 4, 2))).toBe(false)
    expect(isAdvertPacket(Uint8Array.of())).toBe(false)
  })
})
