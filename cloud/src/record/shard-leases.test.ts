import { SHARD_COUNT } from '@biotrakr/shared'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createShardLeases } from './shard-leases.ts'
import { createTestLedger, type TestLedger, testClock } from './test-ledger.ts'

const ALL = Array.from({ length: SHARD_COUNT }, (_, shard) => shard)

describe('leases on shards, on a real PostgreSQL', () => {
  let ledger: TestLedger

  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    await ledger.database.ownerClient.query('truncate rtls.ingester cascade')
  })

  const leasesOf = (instance: string) =>
    createShardLeases({ pool: ledger.pool, clock: testClock, instance, ttlMs: 60_000 })
  /** As if the time of its lease had passed. */
  const expire = (instance: string) =>
    ledger.database.ownerClient.query(
      `update rtls.ingester set expires_at = now() - interval '1 s' where instance = '${instance}'`,
    )

  it('gives all shards to one ingester alone', async () => {
    const one = leasesOf('one')
    expect(await one.beat()).toEqual({ held: ALL, surplus: [] })
    expect(await one.beat()).toEqual({ held: ALL, surplus: [] })
  })

  it('halves them when a second comes, and never lends a shard that is still read', async () => {
    const [one, two] = [leasesOf('one'), leasesOf('two')]
    await one.beat()
    expect(await two.beat()).toEqual({ held: [], surplus: [] })
    const { surplus } = await one.beat()
    expect(surplus).toEqual(ALL.slice(32))
    expect((await two.beat()).held).toEqual([])
    await one.release(surplus)
    expect((await two.beat()).held).toEqual(ALL.slice(32))
    expect(await one.beat()).toEqual({ held: ALL.slice(0, 32), surplus: [] })
  })

  it('gives the shards of one that says nothing any more to the others', async () => {
    const [one, two] = [leasesOf('one'), leasesOf('two')]
    await one.beat()
    await two.beat()
    await expire('one')
    expect((await two.beat()).held).toEqual(ALL)
    expect((await one.beat()).held).toEqual([])
  })

  it('gives the shards of one that left to the others at once', async () => {
    const [one, two] = [leasesOf('one'), leasesOf('two')]
    await one.beat()
    await two.beat()
    await one.leave()
    expect((await two.beat()).held).toEqual(ALL)
  })

  it('covers every shard exactly once, whatever number of ingesters beats at the same time', async () => {
    const all = ['one', 'two', 'three', 'four', 'five'].map(leasesOf)
    const round = () =>
      Promise.all(
        all.map(async (leases) => {
          const { surplus } = await leases.beat()
          if (surplus.length > 0) await leases.release(surplus)
        }),
      )
    for (let i = 0; i < 3; i++) await round()
    const held = await Promise.all(all.map(async (leases) => (await leases.beat()).held))
    expect(held.flat().sort((a, b) => a - b)).toEqual(ALL)
    expect(Math.max(...held.map((shards) => shards.length))).toBe(13)
  })
})
