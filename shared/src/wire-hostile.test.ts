import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bytesOfHex, Writer } from './bytes.ts'
import { crc32c } from './crc32c.ts'
import type { GatewayId, RoomId, TagId } from './ids.ts'
import type { Fix } from './model.ts'
import {
  type Compression,
  decodeBatch,
  decodeLive,
  encodeBatch,
  MAX_BATCH_BYTES,
  MAX_BATCH_RECORDS,
  type WireCode,
} from './wire.ts'
import { BlockWriter } from './wire-columns.ts'
import { DICTIONARY, FIX, KIND } from './wire-kinds.ts'

const MIB = 1024 * 1024
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

const golden = readFileSync(new URL('./golden/wire-v1.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => bytesOfHex(line.split(' ')[1] ?? ''))
const stored = golden[0] as Uint8Array

const fix: Fix = {
  kind: 'fix',
  tag: 'ble:c30000123456' as TagId,
  room: 'Bay 2' as RoomId,
  reason: 'none',
  method: 'BLE',
  confidence: 900,
  atMs: 5,
  spanMs: 0,
  mapVersion: 1,
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - 4
  if (end >= 0) new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, crc32c(bytes, end), true)
  return bytes
}

interface Parts {
  readonly version?: number
  readonly flags?: number
  readonly last?: number
  readonly runs?: readonly (readonly [code: number, length: number])[]
  readonly declared?: number
  readonly body: Uint8Array
}

/** A message put together by hand, with a sound checksum. */
function message({ version = 1, flags = 0, last = 1, runs = [[KIND.fix, 1]], body, declared = body.length }: Parts) {
  const to = new Writer(64)
  to.raw(Uint8Array.of(0x42, 0x54, version, flags))
  to.text('ward-3')
  to.unsigned(1)
  to.raw(bytesOfHex('0123456789abcdef'))
  to.unsigned(1)
  to.unsigned(last)
  to.unsigned(runs.length)
  for (const run of runs) for (const value of run) to.unsigned(value)
  to.unsigned(declared)
  to.raw(body)
  to.raw(new Uint8Array(4))
  return withChecksum(to.view().slice())
}

type Edit = (block: BlockWriter) => void

/** The body of one fix, column by column, with what `edit` adds or, where it names a column left out, replaces. */
function fixBody({ leaveOut = 0, edit = () => {} }: { leaveOut?: number; edit?: Edit } = {}): Uint8Array {
  const body = new Writer(64)
  const block = new BlockWriter(body)
  block.texts(DICTIONARY.tags, [fix.tag], 1)
  block.texts(DICTIONARY.rooms, ['Bay 2'], 1)
  block.end(0)
  const { tag, room, reason, method, confidence, atMs, spanMs, mapVersion } = FIX
  const values = new Map([
    [tag, 0],
    [room, 1],
    [reason, 0],
    [method, 2],
    [confidence, 900],
    [spanMs, 0],
  ])
  for (const [id, value] of values) if (id !== leaveOut) block.unsigned(id, Float64Array.of(value))
  block.delta(atMs, Float64Array.of(5))
  block.delta(mapVersion, Float64Array.of(1))
  edit(block)
  block.end(KIND.fix)
  return body.view().slice()
}

const withColumn = (id: number, value: number) =>
  fixBody({ leaveOut: id, edit: (block) => block.unsigned(id, Float64Array.of(value)) })

function codeOf(bytes: Uint8Array): WireCode | 'ok' {
  const verdict = decodeBatch(bytes, zlib)
  return verdict.ok ? 'ok' : verdict.code
}

const run = { gateway: 'ward-3', epoch: { counter: 1, nonce: '0123456789abcdef' }, first: 1, last: 1 }

describe('a message of a later writer', () => {
  it('is laid out as the one that is put together here', () => {
    expect(decodeBatch(message({ body: fixBody() }), zlib)).toEqual({ ok: true, batch: { ...run, records: [fix] } })
  })

  it('may have columns that are not known here: they are passed over', () => {
    const body = fixBody({
      edit: (block) => {
        block.texts(13, ['mesh', 'solo'], 2)
        block.unsigned(999, Float64Array.of(1, 2, 3))
      },
    })
    expect(decodeBatch(message({ body }), zlib)).toMatchObject({ ok: true, batch: { records: [fix] } })
  })

  it('in a version that is not known here is refused with its run', () => {
    const verdict = decodeBatch(message({ version: 2, body: Uint8Array.of(1, 2, 3) }), zlib)
    expect(verdict).toMatchObject({ ok: false, code: 'WIRE_VERSION', run })
  })

  it('in a version that is not known here names no run when its checksum does not hold', () => {
    const damaged = message({ version: 2, body: Uint8Array.of(1, 2, 3) })
    damaged[10] = 0x7a
    const verdict = decodeBatch(damaged, zlib)
    expect(verdict).toMatchObject({ ok: false, code: 'WIRE_VERSION' })
    expect(verdict).not.toHaveProperty('run')
  })
})

describe('a message that is wrong, with a sound checksum', () => {
  it.each<[string, Uint8Array]>([
    ['an unknown method', withColumn(FIX.method, 11)],
    ['the method 0, which has no name', withColumn(FIX.method, 0)],
    ['an unknown reason', withColumn(FIX.reason, 8)],
    ['a tag beyond the dictionary', withColumn(FIX.tag, 1)],
    ['a room beyond the dictionary', withColumn(FIX.room, 2)],
    ['a confidence of 1001', withColumn(FIX.confidence, 1001)],
    ['a missing column', fixBody({ leaveOut: FIX.spanMs })],
    ['a column that stands twice', fixBody({ edit: (block) => block.unsigned(FIX.tag, Float64Array.of(0)) })],
    ['a column that is too long', fixBody({ edit: (block) => block.raw(FIX.xCm, [Uint8Array.of(1, 2, 2)]) })],
    ['a column that is too short', fixBody({ edit: (block) => block.raw(FIX.xCm, [Uint8Array.of(1)]) })],
    ['bytes left over', Uint8Array.of(...fixBody(), 0)],
    ['no bytes', new Uint8Array(0)],
  ])('is refused as WIRE_CONTENT with its run: %s', (_, body) => {
    expect(decodeBatch(message({ body }), zlib)).toMatchObject({ ok: false, code: 'WIRE_CONTENT', run })
  })

  it('names the block, the column and the value', () => {
    const verdict = decodeBatch(message({ body: withColumn(FIX.confidence, 1001) }), zlib)
    expect(verdict).toMatchObject({ detail: 'block 1 column 5: 1001 is not in 0..1000' })
  })

  it.each<[string, WireCode, Partial<Parts>]>([
    ['flags that are not known', 'WIRE_CONTENT', { flags: 4 }],
    [
      'a kind without its block',
      'WIRE_CONTENT',
      {
        runs: [
          [KIND.fix, 1],
          [KIND.gap, 1],
        ],
      },
    ],
    ['a block without its kind', 'WIRE_CONTENT', { runs: [[KIND.gap, 1]] }],
    ['the dictionaries as a kind', 'WIRE_CONTENT', { runs: [[0, 1]] }],
    ['a run of no records', 'WIRE_CONTENT', { runs: [[KIND.fix, 0]] }],
    ['too many records', 'WIRE_CONTENT', { runs: [[KIND.fix, MAX_BATCH_RECORDS + 1]] }],
    [
      'too many records in two runs',
      'WIRE_CONTENT',
      {
        runs: [
          [KIND.fix, MAX_BATCH_RECORDS],
          [KIND.gap, 1],
        ],
      },
    ],
    ['more records than bytes', 'WIRE_CONTENT', { runs: [[KIND.fix, MAX_BATCH_RECORDS]] }],
    ['a body said to be larger than it is', 'WIRE_INFLATE', { declared: 500 }],
    ['a body said to be huge', 'WIRE_TOO_LARGE', { declared: 5 * MIB }],
    ['a body that is said to be deflate and is not', 'WIRE_INFLATE', { flags: 2 }],
    ['a run that is too long for its records', 'WIRE_RUN', { last: Number.MAX_SAFE_INTEGER }],
  ])('is refused with its run: %s', (_, code, parts) => {
    const verdict = decodeBatch(message({ body: fixBody(), ...parts }), zlib)
    expect(verdict).toMatchObject({ ok: false, code, run: { first: 1, gateway: 'ward-3' } })
  })

  it('is refused when a dictionary holds text that is no UTF-8', () => {
    const body = fixBody()
    body[body.indexOf('B'.charCodeAt(0))] = 0xff
    expect(codeOf(message({ body }))).toBe('WIRE_CONTENT')
  })

  it('names no run when the gateway is not well-formed', () => {
    const bytes = message({ body: fixBody() })
    bytes[5] = '/'.charCodeAt(0)
    const verdict = decodeBatch(withChecksum(bytes), zlib)
    expect(verdict).toMatchObject({ ok: false, code: 'WIRE_CONTENT' })
    expect(verdict).not.toHaveProperty('run')
  })
})

describe('bytes that are no message', () => {
  it.each<[string, WireCode, Uint8Array]>([
    ['nothing', 'WIRE_TRUNCATED', new Uint8Array(0)],
    ['a few bytes', 'WIRE_TRUNCATED', stored.subarray(0, 7)],
    ['something else', 'WIRE_MAGIC', new TextEncoder().encode('{"type":"hello"}')],
    ['a message that was cut off', 'WIRE_CRC', stored.subarray(0, 100)],
    ['more than the broker takes', 'WIRE_TOO_LARGE', new Uint8Array(MAX_BATCH_BYTES + 1)],
  ])('are refused without a run: %s', (_, code, bytes) => {
    const verdict = decodeBatch(bytes, zlib)
    expect(verdict).toMatchObject({ ok: false, code })
    expect(verdict).not.toHaveProperty('run')
    expect(decodeLive(bytes, zlib)).toMatchObject({ ok: false, code })
  })
})

describe('mutated bytes', () => {
  it('are refused, one bit flipped anywhere', () => {
    for (const original of golden) {
      for (let bit = 0; bit < original.length * 8; bit++) {
        const flipped = original.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(decodeBatch(flipped, zlib).ok || decodeLive(flipped, zlib).ok).toBe(false)
      }
    }
  })

  type Mutation = (bytes: Uint8Array) => Uint8Array
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const at = (bytes: Uint8Array, where: number) => Math.floor(where * bytes.length)
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.tuple(place, fc.nat(255)).map(
      ([where, byte]): Mutation =>
        (bytes) =>
          bytes.with(at(bytes, where), byte),
    ),
    place.map(
      (where): Mutation =>
        (bytes) =>
          bytes.slice(0, at(bytes, where)),
    ),
    fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(([where, more]): Mutation => {
      return (bytes) => join(bytes.slice(0, at(bytes, where)), more, bytes.slice(at(bytes, where)))
    }),
    fc.tuple(place, place, fc.constantFrom(...golden)).map(([here, there, other]): Mutation => {
      return (bytes) => join(bytes.slice(0, at(bytes, here)), other.slice(at(other, there)))
    }),
  )
  const mutated = fc
    .tuple(fc.constantFrom(...golden), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([original, mutations]) => {
      return mutations.reduce((bytes, mutate) => (bytes.length > 0 ? mutate(bytes) : bytes), original)
    })

  it('give a verdict, never a throw, and with a repaired checksum never a batch that is not sound', () => {
    fc.assert(
      fc.property(mutated, fc.boolean(), (bytes, repair) => {
        const verdict = decodeBatch(repair ? withChecksum(bytes.slice()) : bytes, zlib)
        decodeLive(repair ? withChecksum(bytes.slice()) : bytes, zlib)
        if (verdict.ok) expect(decodeBatch(encodeBatch(verdict.batch, zlib), zlib)).toEqual(verdict)
      }),
      { numRuns: 3000 },
    )
  })

  it('give a verdict when the body is mutated and the whole put together again', () => {
    const body = fixBody()
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const changed = mutations.reduce((bytes, mutate) => (bytes.length > 0 ? mutate(bytes) : bytes), body)
        fc.pre(changed.length > 0)
        const deflated = { flags: 2, declared: changed.length, body: zlib.deflate(changed) }
        expect(['ok', 'WIRE_CONTENT', 'WIRE_INFLATE']).toContain(codeOf(message(deflated)))
        expect(codeOf(message({ body: changed }))).toBe(codeOf(message(deflated)))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('memory', () => {
  const bomb = deflateRawSync(new Uint8Array(128 * MIB), { level: 9 })

  it('is not given to a deflate bomb, whatever length it declares', () => {
    const asked: number[] = []
    const watched: Compression = {
      ...zlib,
      inflate: (bytes, maxBytes) => {
        asked.push(maxBytes)
        return zlib.inflate(bytes, maxBytes)
      },
    }
    for (const declared of [100, 4 * MIB, 128 * MIB]) {
      const verdict = decodeBatch(message({ flags: 2, declared, body: bomb }), watched)
      expect(verdict.ok ? 'ok' : verdict.code).toBe(declared > 4 * MIB ? 'WIRE_TOO_LARGE' : 'WIRE_INFLATE')
    }
    expect(asked).toEqual([100, 4 * MIB])
  })

  it('stays below 64 MiB for the largest batch that is taken', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const large: Fix = { ...fix, atMs: 2 ** 52, spanMs: 2 ** 40, xCm: 2 ** 40, yCm: 2 ** 40, accuracyCm: 2 ** 40 }
    const records = Array.from({ length: MAX_BATCH_RECORDS }, () => ({ ...large, evidence: new Uint8Array(24) }))
    const gateway = 'ward-3' as GatewayId
    const bytes = encodeBatch({ ...run, gateway, last: records.length, records }, zlib)
    collect()
    const before = process.memoryUsage()
    const verdict = decodeBatch(bytes, zlib)
    const after = process.memoryUsage()
    expect(verdict.ok).toBe(true)
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(64 * MIB)
  })
})
