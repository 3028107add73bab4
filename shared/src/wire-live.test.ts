import { readFileSync } from 'node:fs'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bytesOfHex } from './bytes.ts'
import { crc32c } from './crc32c.ts'
import type { GatewayId, RoomId, TagId } from './ids.ts'
import { type Fix, TAG_EVENT, type TagEvent, type TagEventKind } from './model.ts'
import { type Compression, decodeBatch, decodeLive, encodeBatch, encodeLive } from './wire.ts'

const zlib: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, maxBytes) => {
    try {
      return inflateRawSync(bytes, { maxOutputLength: maxBytes })
    } catch {
      return undefined
    }
  },
}
const plain: Compression = { ...zlib, deflate: (bytes) => bytes }
const gateway = 'ward-3' as GatewayId
const tag = 'ble:c30000123456' as TagId
const room = 'Bay 2' as RoomId
const press: TagEvent = { kind: 'event', tag, room, event: 'button', value: 7, atMs: 1_792_000_000_000 }
const place: Fix = {
  kind: 'fix',
  tag,
  room,
  reason: 'none',
  method: 'BLE',
  confidence: 900,
  atMs: 5,
  spanMs: 0,
  mapVersion: 1,
}

const golden = new Map(
  readFileSync(new URL('./golden/wire-v2.hex', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, string])
    .map(([what, hex]) => [what, bytesOfHex(hex)]),
)
const expected = JSON.parse(readFileSync(new URL('./golden/wire-v2.json', import.meta.url), 'utf8'))

function withChecksum(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - 4
  if (end >= 0) new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, crc32c(bytes, end), true)
  return bytes
}

/** The message with another byte at one place, and a sound checksum. */
const edited = (bytes: Uint8Array, at: number, byte: number) => withChecksum(bytes.with(at, byte))

describe('version 2 of the wire, live messages with events', () => {
  it.each(['events', 'mixed', 'deflated'])('is read as it was when it was laid down: %s', (what) => {
    expect(decodeLive(golden.get(what) ?? new Uint8Array(), zlib)).toStrictEqual({ ok: true, ...expected[what] })
  })

  it('is written as it was when it was laid down', () => {
    const { events, fixes } = expected.mixed
    expect(encodeLive(expected.mixed.gateway, events, plain)).toEqual(golden.get('events'))
    expect(encodeLive(expected.mixed.gateway, [events[0], ...fixes, events[1]], plain)).toEqual(golden.get('mixed'))
  })

  it('gives back any events, of a place that is known or not', () => {
    const event = fc.record<TagEvent>(
      {
        kind: fc.constant('event'),
        tag: fc.nat(5).map((n) => `dataset:tag${n}` as TagId),
        room: fc.option(fc.constantFrom('R1', 'Bay 2').map((name) => name as RoomId)),
        event: fc.constantFrom(...(Object.keys(TAG_EVENT) as TagEventKind[])),
        value: fc.maxSafeNat(),
        atMs: fc.maxSafeNat(),
      },
      { noNullPrototype: true },
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), fc.nat(3), (events, places) => {
        const fixes = Array.from({ length: places }, () => place)
        const message = encodeLive(gateway, [...fixes, ...events], zlib)
        expect(decodeLive(message, zlib)).toStrictEqual({ ok: true, gateway, fixes, events })
      }),
    )
  })

  it('is used only where there are events, so that whoever knows version 1 alone still reads every position', () => {
    expect(encodeLive(gateway, [place], zlib)[2]).toBe(1)
    expect(encodeLive(gateway, [place, press], zlib)[2]).toBe(2)
  })

  it('is no batch, and a batch of it does not exist', () => {
    expect(decodeBatch(encodeLive(gateway, [press], zlib), zlib)).toMatchObject({ ok: false, code: 'WIRE_VERSION' })
    const epoch = { counter: 1, nonce: '0123456789abcdef' }
    const batch = edited(encodeBatch({ gateway, epoch, first: 1, last: 1, records: [press] }, plain), 2, 2)
    expect(decodeBatch(batch, zlib)).toMatchObject({ ok: false, code: 'WIRE_VERSION', run: { first: 1, last: 1 } })
    expect(decodeLive(batch, zlib)).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
  })

  it('holds fixes and events only, and version 1 fixes only', () => {
    const message = encodeLive(gateway, [press], plain)
    expect(decodeLive(edited(message, 2, 1), zlib)).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
    expect(decodeLive(edited(message, 2, 3), zlib)).toMatchObject({ ok: false, code: 'WIRE_VERSION' })
    const sensor = { kind: 'sensor', tag, room, sensor: 'battery', milli: 1, atMs: 1 } as const
    const foreign = encodeLive(gateway, [press, sensor as unknown as Fix], plain)
    expect(decodeLive(foreign, zlib)).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
  })
})

type Change = readonly [where: number, byte: number, how: string]

function mutated(bytes: Uint8Array, [where, byte, how]: Change): Uint8Array {
  const at = where % Math.max(1, bytes.length)
  const rest = bytes.slice(how === 'insert' ? at : at + 1)
  return Uint8Array.from([...bytes.slice(0, at), ...(how === 'cut' ? [] : [byte]), ...rest])
}

describe('mutated live messages with events', () => {
  const originals = [...golden.values()]

  it('are refused, one bit flipped anywhere', () => {
    for (const original of originals) {
      for (let bit = 0; bit < original.length * 8; bit++) {
        const flipped = original.with(bit >> 3, (original[bit >> 3] as number) ^ (1 << (bit & 7)))
        expect(decodeLive(flipped, zlib).ok).toBe(false)
      }
    }
  })

  it('give a verdict, never a throw, and with a repaired checksum never a message that is not sound', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'insert'))
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(change, { minLength: 1, maxLength: 5 }),
        (original, changes) => {
          const bytes = changes.reduce(mutated, original)
          const verdict = decodeLive(withChecksum(bytes.slice()), zlib)
          if (!verdict.ok) return
          const again = encodeLive(verdict.gateway, [...verdict.fixes, ...verdict.events], zlib)
          expect(decodeLive(again, zlib)).toEqual(verdict)
        },
      ),
      { numRuns: 5_000 },
    )
  })
})
