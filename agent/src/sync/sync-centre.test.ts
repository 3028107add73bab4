import { afterEach, describe, expect, it } from 'vitest'

import type { Problem } from './problem-board.ts'
import { createSync, type Sync, type SyncOptions } from './sync.ts'
import { startAedes, type TestBroker } from './test-broker.ts'
import { arrayOutbox, type Centre, compression, fastClock, GATEWAY, startCentre, until } from './test-centre.ts'

const cleanUps: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function endLater<T extends TestBroker>(broker: T): T {
  cleanUps.push(() => broker.stop())
  return broker
}

async function centreAt(url: string): Promise<Centre> {
  const centre = await startCentre(url)
  cleanUps.push(() => centre.stop())
  return centre
}

function syncAt(
  broker: SyncOptions['broker'],
  { outbox, speed = 1 }: Pick<SyncOptions, 'outbox'> & { readonly speed?: number },
): { sync: Sync; problem: () => Problem | undefined } {
  const quiet = () => undefined
  const sync = createSync({
    gateway: GATEWAY,
    software: 'test',
    broker,
    outbox,
    compression,
    clock: fastClock(speed),
    random: Math.random,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  })
  cleanUps.push(() => sync.stop({ flushMs: 0 }))
  sync.start()
  return { sync, problem: () => sync.status().problem }
}

describe('what the centre says of a gateway beside its ledger', () => {
  it('asks every ten minutes what waits in quarantine, without a pause in what it sends', async () => {
    const broker = endLater(await startAedes())
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(10)
    const { sync } = syncAt({ url: broker.url }, { outbox, speed: 600 })
    await until('it is idle', () => sync.status().state === 'idle' && outbox.status().unacknowledged === 0)
    await until('it asks again', () => centre.hellos.filter(({ epochs }) => epochs.length === 0).length >= 2)
    const runs = [{ epoch: '1-00000000000000aa', first: 3, last: 4, code: 'TAG_UNKNOWN' }]
    centre.say({ type: 'welcome', epochs: [], quarantined: { total: 2, runs } })
    await until('it is told', () => sync.status().quarantined.total === 2)
    centre.say({ type: 'welcome', epochs: [], quarantined: { total: 0, runs: [] } })
    await until('it is told', () => sync.status().quarantined.total === 0)
    expect(sync.status()).toMatchObject({ connects: 1, resends: 0, state: 'idle' })
  })

  it("is no other box's business what the centre answers to one of the same name", async () => {
    const broker = endLater(await startAedes())
    const centre = await centreAt(broker.url)
    const { sync } = syncAt({ url: broker.url }, { outbox: arrayOutbox(1) })
    await until('it is idle', () => sync.status().state === 'idle')
    centre.say({ type: 'refuse', store: 'another', code: 'STORE_TWIN', detail: 'no' })
    await until('it is passed over', () => sync.status().strays === 1)
    expect(sync.status()).toMatchObject({ state: 'idle', problem: undefined })
  })

  it('leaves for ten minutes when the centre takes it for a second box, and says so meanwhile', async () => {
    const broker = endLater(await startAedes())
    const centre = await centreAt(broker.url)
    centre.isMute = true
    const { sync, problem } = syncAt({ url: broker.url }, { outbox: arrayOutbox(1), speed: 300 })
    await until('it says hello', () => centre.hellos.length > 0)
    const { store } = centre.hellos[0] ?? {}
    centre.say({ type: 'refuse', ...(store && { store }), code: 'STORE_TWIN', detail: 'no' })
    await until('it leaves', () => sync.status().state === 'connecting')
    const leftMs = performance.now()
    expect(problem()).toMatchObject({ code: 'SYNC_TWIN' })
    centre.isMute = false
    await until('it comes back', () => sync.status().state === 'idle')
    expect((performance.now() - leftMs) * 300).toBeGreaterThanOrEqual(590_000)
    expect(sync.status().connects).toBe(2)
    expect(problem()).toBeUndefined()
  })
})
