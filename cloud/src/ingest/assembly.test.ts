import { deflateRawSync, inflateRawSync } from 'node:zlib'

import { type Batch, type Compression, encodeBatch, type GatewayId, type LedgerRecord } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createAssembly } from './assembly.ts'
import { classify, type Stray } from './classify.ts'
import { createIntake } from './intake.ts'
import { createTestClock } from './test-clock.ts'

const A = 'gw-a' as GatewayId
const B = 'gw-b' as GatewayId
const compression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, maxBytes) => {
    try {
      return inflateRawSync(bytes, { maxOutputLength: maxBytes })
    } catch {
      return undefined
    }
  },
}
const gap = (count: number): LedgerRecord => ({ kind: 'gap', count, reason: 'evicted', fromMs: 1, toMs: 2 })

function batch(gateway: GatewayId, first = 1, records: readonly LedgerRecord[] = [gap(1)], last?: number): Batch {
  const covered = first + records.length - 1
  return { gateway, epoch: { counter: 1, nonce: '00000000000000aa' }, first, last: last ?? covered, records }
}
const encode = (of: Batch) => encodeBatch(of, compression)

describe('what a ledger message is', () => {
  const of = (bytes: Uint8Array) => classify({ gateway: A, bytes, atMs: 5 }, compression)

  it('is a delivery when it decodes and says the gateway it came from', () => {
    expect(of(encode(batch(A, 3)))).toMatchObject({
      delivery: { gateway: A, first: 3, last: 3, atMs: 5, content: { ok: true, records: [gap(1)] } },
    })
  })

  it('is a stray when another gateway stands in the envelope', () => {
    expect(of(encode(batch(B)))).toMatchObject({ stray: { gateway: A, code: 'FOREIGN_GATEWAY' } })
  })

  it.each([
    ['nothing', () => new Uint8Array(0)],
    ['junk', () => new Uint8Array(200_000).fill(0x6a)],
    ['a cut message', () => encode(batch(A)).slice(0, -1)],
    ['a flipped bit', () => encode(batch(A)).map((byte, i) => (i === 9 ? byte ^ 1 : byte))],
  ])('is a stray when it is %s', (_what, bytes) => {
    expect(of(bytes())).toHaveProperty('stray')
  })

  it('is an unreadable delivery when the run can be believed but not the content', () => {
    expect(of(encode(batch(A, 4, [gap(1)], 6)))).toMatchObject({
      delivery: { first: 4, last: 6, content: { ok: false, code: 'WIRE_RUN' } },
    })
  })

  it('does not let a run that no batch can have close an epoch', () => {
    expect(of(encode(batch(A, 1, [gap(1)], 2 ** 50)))).toMatchObject({ stray: { code: 'WIRE_RUN' } })
  })

  it('does not inflate a bomb beyond what the envelope may hold', () => {
    const bomb: Compression = { ...compression, deflate: () => deflateRawSync(new Uint8Array(64 * 1_024 * 1_024)) }
    // A body longer than the bomb's own bytes, so that the encoder keeps the bomb.
    const large: LedgerRecord = { kind: 'opaque', code: 50, bytes: new Uint8Array(150_000).fill(1) }
    expect(of(encodeBatch(batch(A, 1, [large]), bomb))).toMatchObject({
      delivery: { content: { ok: false, code: 'WIRE_INFLATE' } },
    })
  })
})

describe('joining batches to sets', () => {
  function create(limits = { batches: 3, records: 100, lingerMs: 20 }) {
    const clock = createTestClock()
    const intake = createIntake({ batches: 100, bytes: 1e6, perGateway: 100 })
    const strays: Stray[] = []
    const assembly = createAssembly(limits, { intake, clock, compression, onStray: (stray) => strays.push(stray) })
    const arrive = (...batches: Batch[]) => {
      for (const one of batches) intake.offer({ gateway: one.gateway, bytes: encode(one), atMs: clock.monoMs() })
      assembly.fill()
    }
    return { clock, intake, strays, assembly, arrive }
  }
  const sizes = async (set: Promise<readonly unknown[] | undefined>) => (await set)?.length

  it('hands a single batch of a single gateway on at once', async () => {
    const { assembly, arrive } = create()
    const set = assembly.next()
    arrive(batch(A))
    expect(await sizes(set)).toBe(1)
  })

  it('takes no more than a set may hold, in batches or in records, and leaves the rest undecoded', async () => {
    const { assembly, arrive, intake } = create({ batches: 3, records: 5, lingerMs: 20 })
    arrive(
      batch(A, 1),
      batch(A, 2),
      batch(A, 3),
      batch(A, 4, [gap(1), gap(1), gap(1), gap(1)]),
      batch(A, 8),
      batch(A, 9),
    )
    expect(intake.waiting().batches).toBe(3)
    expect([await sizes(assembly.next()), await sizes(assembly.next()), await sizes(assembly.next())]).toEqual([
      3, 2, 1,
    ])
  })

  it('waits a moment for company once several gateways take part, counted from the oldest batch', async () => {
    const { assembly, arrive, clock } = create()
    arrive(batch(A), batch(B))
    await assembly.next()
    arrive(batch(A, 2))
    clock.pass(15)
    let ready = false
    const set = assembly.next().then((value) => {
      ready = true
      return value
    })
    arrive(batch(B, 2))
    await Promise.resolve()
    expect(ready).toBe(false)
    clock.pass(5)
    expect(await sizes(set)).toBe(2)
  })

  it('does not wait when the set is full', async () => {
    const { assembly, arrive } = create()
    arrive(batch(A), batch(B))
    await assembly.next()
    const set = assembly.next()
    arrive(batch(A, 2), batch(B, 2), batch(A, 3))
    expect(await sizes(set)).toBe(3)
  })

  it('hands strays over and takes postponed batches in again', async () => {
    const { assembly, arrive, intake, strays } = create()
    intake.offer({ gateway: A, bytes: Uint8Array.of(1), atMs: 0 })
    assembly.again([{ gateway: A, bytes: encode(batch(A, 7)), atMs: 0 }])
    arrive(batch(A, 1))
    expect((await assembly.next())?.map(({ first }) => first)).toEqual([7, 1])
    expect(strays).toMatchObject([{ code: 'WIRE_TRUNCATED' }])
  })

  it('ends the wait when it is stopped', async () => {
    const { assembly } = create()
    const set = assembly.next()
    assembly.stop()
    expect(await set).toBeUndefined()
  })
})
