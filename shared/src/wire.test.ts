import { readFileSync } from 'node:fs'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bytesOfHex } from './bytes.ts'
import type { GatewayId, ReceiverId, RoomId, TagId } from './ids.ts'
import { isRoomId } from './ids.ts'
import {
  type Batch,
  type Fix,
  GAP_REASON,
  type LedgerRecord,
  METHOD,
  REASON,
  RECEIVER_STATE,
  SENSOR,
  seqSpan,
  TAG_EVENT,
} from './model.ts'
import {
  type Compression,
  decodeBatch,
  decodeLive,
  encodeBatch,
  encodeLive,
  MAX_BATCH_BYTES,
  MAX_BATCH_RECORDS,
} from './wire.ts'

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
/** Leaves the body as it is, so that the bytes do not hang on a version of zlib. */
const plain: Compression = { ...zlib, deflate: (bytes) => bytes }

const object = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true })
const natural = fc.oneof(fc.nat(), fc.maxSafeNat())
const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits })
const names = <T extends string>(codes: Readonly<Record<T, number>>) => fc.constantFrom(...(Object.keys(codes) as T[]))
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(isRoomId)
const tag = fc
  .oneof(
    hex(12).map((digits) => `ble:${digits}`),
    hex(24).map((digits) => `epc:${digits}`),
    fc.tuple(hex(20), hex(12)).map(([namespace, instance]) => `eddystone:${namespace}/${instance}`),
    fc.nat(3).map((n) => `dataset:tag${n}`),
  )
  .map((text) => text as TagId)
const room = fc.option(name as fc.Arbitrary<RoomId>)
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

const fix: fc.Arbitrary<Fix> = object({
  kind: fc.constant('fix' as const),
  tag,
  room,
  reason: names(REASON),
  method: names(METHOD),
  confidence: fc.nat(1000),
  atMs: natural,
  spanMs: natural,
  mapVersion: fc.nat(),
  xCm: optional(fc.maxSafeInteger()),
  yCm: optional(fc.maxSafeInteger()),
  accuracyCm: optional(natural),
  evidence: optional(bytes(256)),
}).map(
  (drawn) => Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)) as unknown as Fix,
)

const ledgerRecord: fc.Arbitrary<LedgerRecord> = fc.oneof(
  { weight: 4, arbitrary: fix },
  object({
    kind: fc.constant('sensor' as const),
    tag,
    room,
    sensor: names(SENSOR),
    milli: fc.oneof(fc.integer(), fc.maxSafeInteger()),
    atMs: natural,
  }),
  object({ kind: fc.constant('event' as const), tag, room, event: names(TAG_EVENT), value: natural, atMs: natural }),
  object({
    kind: fc.constant('health' as const),
    receiver: name as unknown as fc.Arbitrary<ReceiverId>,
    state: names(RECEIVER_STATE),
    readings: natural,
    errors: natural,
    atMs: natural,
  }),
  object({
    kind: fc.constant('gap' as const),
    count: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    reason: names(GAP_REASON),
    fromMs: natural,
    toMs: natural,
  }),
  object({
    kind: fc.constant('anchor' as const),
    bootId: hex(16),
    monoMs: natural,
    atMs: natural,
    errorMs: natural,
  }),
  object({
    kind: fc.constant('anchor' as const),
    bootId: hex(16),
    monoMs: natural,
    atMs: natural,
    errorMs: natural,
    unsynced: fc.constant(true as const),
  }),
  object({ kind: fc.constant('opaque' as const), code: fc.integer({ min: 7, max: 0xffff }), bytes: bytes(40) }),
)

const batch: fc.Arbitrary<Batch> = object({
  gateway: fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,62}$/).map((text) => text as GatewayId),
  epoch: object({ counter: fc.integer({ min: 0, max: 9_999_999_999 }), nonce: hex(16) }),
  first: fc.integer({ min: 1, max: 2 ** 52 }),
  records: fc.array(ledgerRecord, { minLength: 1, maxLength: 60 }),
}).map((drawn) => ({ ...drawn, last: drawn.first + span(drawn.records) - 1 }))

const span = (records: readonly LedgerRecord[]) => records.reduce((total, each) => total + seqSpan(each), 0)

function batchOf(records: readonly LedgerRecord[], last = span(records)): Batch {
  return { gateway: 'ward-3' as GatewayId, epoch: { counter: 1, nonce: '0123456789abcdef' }, first: 1, last, records }
}

const plainFix: Fix = {
  kind: 'fix',
  tag: 'ble:c30000123456' as TagId,
  room: 'Bay 2' as RoomId,
  reason: 'none',
  method: 'BLE',
  confidence: 900,
  atMs: 1_792_000_000_000,
  spanMs: 0,
  mapVersion: 1,
}

describe('version 1 of the wire', () => {
  const golden = readFileSync(new URL('./golden/wire-v1.hex', import.meta.url), 'utf8')
  const messages = new Map(
    golden
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  )
  const expected = JSON.parse(readFileSync(new URL('./golden/wire-v1.json', import.meta.url), 'utf8'), (_, value) =>
    typeof value?.hex === 'string' ? bytesOfHex(value.hex) : value,
  )
  const message = (what: string) => bytesOfHex(messages.get(what) ?? '')

  it.each(['ledger-stored', 'ledger-deflated'])('is read as it was when it was laid down: %s', (what) => {
    expect(decodeBatch(message(what), zlib)).toStrictEqual({ ok: true, batch: expected.batch })
  })

  it('is read as it was when it was laid down: live', () => {
    expect(decodeLive(message('live-stored'), zlib)).toStrictEqual({ ok: true, ...expected.live, events: [] })
  })

  it('is written as it was when it was laid down', () => {
    expect(encodeBatch(expected.batch, plain)).toEqual(message('ledger-stored'))
    expect(encodeLive(expected.live.gateway, expected.live.fixes, plain)).toEqual(message('live-stored'))
  })

  it('is laid down with every kind of record', () => {
    const kinds = new Set(expected.batch.records.map((each: LedgerRecord) => each.kind))
    expect([...kinds].sort()).toEqual(['anchor', 'event', 'fix', 'gap', 'health', 'opaque', 'sensor'])
  })
})

describe('encodeBatch and decodeBatch', () => {
  it('give back any batch, unknown kinds byte for byte', () => {
    fc.assert(
      fc.property(batch, (drawn) => {
        expect(decodeBatch(encodeBatch(drawn, zlib), zlib)).toStrictEqual({ ok: true, batch: drawn })
        expect(decodeBatch(encodeBatch(drawn, plain), plain)).toStrictEqual({ ok: true, batch: drawn })
      }),
      { numRuns: 200 },
    )
  })

  it('keep the order of records whose kinds alternate', () => {
    const opaque = (code: number, byte: number) => ({ kind: 'opaque', code, bytes: Uint8Array.of(byte) }) as const
    const records = [opaque(9, 1), plainFix, opaque(8, 2), opaque(9, 3), { ...plainFix, room: null }, opaque(8, 4)]
    const verdict = decodeBatch(encodeBatch(batchOf(records), zlib), zlib)
    expect(verdict.ok && verdict.batch.records).toEqual(records)
  })

  it('store the body as it is when deflate does not make it smaller', () => {
    const swollen: Compression = { ...zlib, deflate: (body) => new Uint8Array(body.length) }
    const message = encodeBatch(batchOf([plainFix]), swollen)
    expect(decodeBatch(message, zlib).ok).toBe(true)
  })

  it('leave out columns that no record needs', () => {
    const bare = encodeBatch(batchOf([plainFix]), plain).length
    const placed = encodeBatch(batchOf([{ ...plainFix, xCm: 1 }]), plain).length
    expect(placed - bare).toBe(4)
  })

  it('take the largest batch, and say by its length when a batch must be split', () => {
    const many = batchOf(Array.from({ length: MAX_BATCH_RECORDS }, () => plainFix))
    const fits = encodeBatch(many, zlib)
    expect(fits.length).toBeLessThanOrEqual(MAX_BATCH_BYTES)
    expect(decodeBatch(fits, zlib).ok).toBe(true)
    const noise = Uint8Array.from({ length: 256 }, (_, i) => i)
    const bulky = batchOf(many.records.slice(0, 20_000).map(() => ({ ...plainFix, evidence: noise })))
    expect(encodeBatch(bulky, zlib).length).toBeGreaterThan(MAX_BATCH_BYTES)
  })

  it.each([
    ['a confidence above 1000', { ...plainFix, confidence: 1001 }],
    ['a time with a fraction', { ...plainFix, atMs: 0.5 }],
    ['a time before 1970', { ...plainFix, atMs: -1 }],
    ['a span that is not a number', { ...plainFix, spanMs: Number.NaN }],
    ['a tag without a scheme', { ...plainFix, tag: 'c30000123456' as TagId }],
    ['an empty room', { ...plainFix, room: '' as RoomId }],
    ['evidence that is too long', { ...plainFix, evidence: new Uint8Array(257) }],
    ['a gap of nothing', { kind: 'gap', count: 0, reason: 'evicted', fromMs: 0, toMs: 0 } as const],
    ['an unknown record with the code of a known kind', { kind: 'opaque', code: 1, bytes: new Uint8Array(2) } as const],
  ])('refuse a record outside of the model, with its run: %s', (_, wrong) => {
    const verdict = decodeBatch(encodeBatch(batchOf([wrong], 1), zlib), zlib)
    expect(verdict).toMatchObject({ ok: false, code: 'WIRE_CONTENT', run: { first: 1, last: 1 } })
  })
})

describe('a run', () => {
  const gap = { kind: 'gap', count: 10, reason: 'evicted', fromMs: 0, toMs: 0 } as const

  it('is covered by a gap as by the records that it stands for', () => {
    expect(decodeBatch(encodeBatch(batchOf([plainFix, gap], 11), zlib), zlib).ok).toBe(true)
  })

  it.each([
    ['too few records', batchOf([plainFix], 2)],
    ['too many records', batchOf([plainFix, plainFix], 1)],
    ['too long a gap', batchOf([plainFix, gap], 10)],
    ['no record', batchOf([], 1)],
    ['a gap beyond all numbers', batchOf([{ ...gap, count: Number.MAX_SAFE_INTEGER }, plainFix], 1)],
  ])('that is not covered is refused with its run: %s', (_, wrong) => {
    const { gateway, epoch, first, last } = wrong
    expect(decodeBatch(encodeBatch(wrong, zlib), zlib)).toMatchObject({
      ok: false,
      code: 'WIRE_RUN',
      run: { gateway, epoch, first, last },
    })
  })

  it.each([
    ['starts before 1', { first: 0, last: 0 }],
    ['ends before it starts', { first: 2, last: 1 }],
  ])('that %s is no run, so none is named', (_, ends) => {
    const verdict = decodeBatch(encodeBatch({ ...batchOf([plainFix]), ...ends }, zlib), zlib)
    expect(verdict).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
    expect(verdict).not.toHaveProperty('run')
  })
})

describe('encodeLive and decodeLive', () => {
  const gateway = 'ward-3' as GatewayId

  it('give back any fixes, none included', () => {
    fc.assert(
      fc.property(fc.array(fix, { maxLength: 20 }), (fixes) => {
        expect(decodeLive(encodeLive(gateway, fixes, zlib), zlib)).toStrictEqual({
          ok: true,
          gateway,
          fixes,
          events: [],
        })
      }),
    )
  })

  it('do not take a batch for a live message, nor a live message for a batch', () => {
    const asLive = decodeLive(encodeBatch(batchOf([plainFix]), zlib), zlib)
    const asBatch = decodeBatch(encodeLive(gateway, [plainFix], zlib), zlib)
    expect(asLive).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
    expect(asBatch).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
    expect(asBatch).not.toHaveProperty('run')
  })
})
