import { describe, expect, it } from 'vitest'

import { createWard } from './ward.ts'
import { bthomePayload, createWardAir } from './ward-air.ts'

const startMs = 1_760_000_000_000
const enable = Uint8Array.of(1, 0x0c, 0x20, 2, 1, 0)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('an advert of the ward', () => {
  it('is a BTHome payload of at most 31 bytes, its objects in order', () => {
    expect(hex(bthomePayload({}))).toBe('0201060416d2fc40')
    const all = { batteryPercent: 59, temperatureC: -1.5, moving: true, pressed: true, pressCount: 258 }
    expect(hex(bthomePayload(all))).toBe('0201060f16d2fc400002013b026aff22013a01')
    expect(bthomePayload(all).length).toBeLessThanOrEqual(31)
  })

  it('says nothing of a press that is over', () => {
    expect(hex(bthomePayload({ pressed: false, pressCount: 4 }))).toBe(hex(bthomePayload({})))
  })
})

describe('the air of the ward', () => {
  it('brings to every controller that scans what its receiver would hear, at its time', () => {
    const ward = createWard({ seed: 5, startMs, tags: 10 })
    const air = createWardAir(ward)
    const heard: [string, number, string, number][] = []
    let nowMs = 0
    for (const { receiver, port } of air.controllers) {
      const connection = port.attach({
        packet: (bytes) => {
          if (bytes[1] !== 0x3e) return
          const rssiDbm = new Int8Array(bytes.slice(-1).buffer)[0] ?? 0
          heard.push([receiver, nowMs, hex(bytes.slice(7, 13).reverse()), rssiDbm])
        },
        unplugged: () => undefined,
      })
      connection?.write(enable)
    }
    air.play(startMs, startMs + 5_000, (atMs) => {
      nowMs = atMs
    })
    const expected = ward
      .readingsBetween(startMs, startMs + 5_000)
      .map(({ receiver, atMs, tag, rssiDbm }) => [receiver, atMs, tag.slice(4), rssiDbm])
    expect(heard).toEqual(expected)
    expect(heard.length).toBeGreaterThan(50)
  })
})
