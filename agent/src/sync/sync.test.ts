import mqtt, { type MqttClient } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'

import { createSync, type Sync, type SyncOptions } from './sync.ts'
import { hasMosquitto, mustHaveAll, startAedes, startMosquitto, type TestBroker } from './test-broker.ts'
import { arrayOutbox, type Centre, compression, fastClock, fixOf, GATEWAY, startCentre, until } from './test-centre.ts'

const EPOCH = '1-00000000000000aa'
const silentLog = { debug() {}, info() {}, warn() {}, error() {} }
const cleanUps: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function brokerOf(start: () => Promise<TestBroker>): Promise<TestBroker> {
  const broker = await start()
  cleanUps.push(() => broker.stop())
  return broker
}

async function centreAt(url: string): Promise<Centre> {
  const centre = await startCentre(url)
  cleanUps.push(() => centre.stop())
  return centre
}

type Changes = Partial<SyncOptions> & Pick<SyncOptions, 'outbox'>

function syncAt(url: string, changes: Changes): { sync: Sync; clients: MqttClient[] } {
  const clients: MqttClient[] = []
  const sync = createSync({
    gateway: GATEWAY,
    software: 'test',
    broker: { url },
    compression,
    clock: fastClock(1),
    random: Math.random,
    log: silentLog,
    connect(options) {
      const client = mqtt.connect(options)
      clients.push(client)
      return client
    },
    ...changes,
  })
  cleanUps.push(() => sync.stop({ flushMs: 0 }))
  sync.start()
  return { sync, clients }
}

const brokers = [
  { name: 'mosquitto', start: () => startMosquitto(), isMissing: !hasMosquitto && !mustHaveAll },
  { name: 'aedes', start: () => startAedes(), isMissing: false },
]

for (const { name, start, isMissing } of brokers) {
  describe.skipIf(isMissing)(`sync over ${name}${isMissing ? ' (skipped: mosquitto is not installed)' : ''}`, () => {
    it('greets no centre before the store could be opened, and publishes positions meanwhile', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(10)
      let isOpened = false
      const status = () => ({ ...outbox.status(), ...(!isOpened && { store: '' }) })
      const { sync } = syncAt(broker.url, { outbox: { ...outbox, status } })
      await until('a position on the live lane', () => {
        sync.publishLive([fixOf(1)])
        return centre.live.length > 0
      })
      expect(centre.hellos).toEqual([])
      isOpened = true
      await until('all records committed', () => centre.hw.get(EPOCH) === 10)
      expect(centre.hellos[0]?.store).toBe('feedfacecafebeef')
    }, 30_000)

    it('delivers all records of all epochs once and in order, and acknowledges exactly that', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(2_500, 1, 700)
      const { sync } = syncAt(broker.url, { outbox, batchRecords: 100, window: 4 })
      await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
      expect([...centre.hw.values()]).toEqual([2_500, 1, 700])
      expect([...centre.inserted.values()]).toEqual([2_500, 1, 700])
      expect(centre.hellos).toEqual([
        {
          software: 'test',
          store: 'feedfacecafebeef',
          opening: '3-00000000000000aa',
          epochs: [
            { epoch: EPOCH, first: 1, last: 2_500 },
            { epoch: '2-00000000000000aa', first: 1, last: 1 },
            { epoch: '3-00000000000000aa', first: 1, last: 700 },
          ],
        },
      ])
      await until('it is idle', () => sync.status().state === 'idle')
      expect(sync.status()).toMatchObject({ published: 33, resends: 0, nacks: 0, connects: 1, inFlight: 0 })
      expect(sync.status().ackMs.p99).toBeGreaterThan(0)
    })

    it('sends what the outbox commits later as soon as it is told', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(1)
      const { sync } = syncAt(broker.url, { outbox })
      await until('it is idle', () => sync.status().state === 'idle' && outbox.status().unacknowledged === 0)
      outbox.add(5)
      sync.notifyCommitted()
      await until('the rest is there', () => outbox.status().unacknowledged === 0)
      expect(centre.hw.get(EPOCH)).toBe(6)
    })

    it('never has more batches in flight than its window, and resends none while the centre is only slow', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      centre.hw.set(EPOCH, 0)
      const outbox = arrayOutbox(1_000)
      const { sync } = syncAt(broker.url, { outbox, batchRecords: 10, window: 3 })
      await until('it was greeted', () => sync.status().state === 'sending')
      centre.isMute = true
      const before = centre.batches.length
      await until('the window is full', () => sync.status().inFlight === 3)
      for (let i = 0; i < 20; i++) {
        sync.notifyCommitted()
        expect(sync.status().inFlight).toBeLessThanOrEqual(3)
      }
      expect(centre.batches.length - before).toBeLessThanOrEqual(6)
      expect(outbox.status().unacknowledged).toBeGreaterThan(0)
    })

    it('keeps nothing queued in the client while the broker is away, and loses and doubles nothing', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(3_000)
      const { sync, clients } = syncAt(broker.url, { outbox, batchRecords: 10, clock: fastClock(10) })
      await until('some of it is committed', () => (centre.hw.get(EPOCH) ?? 0) > 200)
      await broker.kill()
      await until('the loss is noticed', () => sync.status().state === 'connecting')
      outbox.add(500)
      sync.notifyCommitted()
      sync.publishLive([fixOf(1)])
      expect(sync.status()).toMatchObject({ inFlight: 0, liveDropped: 1 })
      for (const client of clients) expect(client.queue).toEqual([])
      await broker.restart()
      await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
      expect(centre.inserted.get(EPOCH)).toBe(3_500)
      expect(sync.status().connects).toBeGreaterThan(1)
    })

    it('says when it is there, when it leaves, and when it just vanishes', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const { sync } = syncAt(broker.url, { outbox: arrayOutbox(10) })
      await until('it is idle', () => sync.status().state === 'idle')
      expect(centre.states).toEqual([true])
      await sync.stop({ flushMs: 1_000 })
      await until('the goodbye is there', () => centre.states.length === 2)
      expect(centre.states).toEqual([true, false])
      expect(sync.status().state).toBe('stopped')

      const { sync: second, clients } = syncAt(broker.url, { outbox: arrayOutbox(10) })
      await until('it is back', () => second.status().state === 'idle')
      clients[0]?.stream.destroy()
      await until('the last will is there', () => centre.states.length >= 4)
      expect(centre.states.slice(0, 4)).toEqual([true, false, true, false])
      await until('it is online again', () => centre.states.at(-1) === true)
      const later = await centreAt(broker.url)
      await until('the retained state has come', () => later.states.length > 0)
      expect(later.states).toEqual([true])
    })

    it('flushes what is held when it stops, and gives up at its deadline', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(2_000)
      const { sync } = syncAt(broker.url, { outbox, batchRecords: 100, window: 1 })
      await sync.stop({ flushMs: 10_000 })
      expect(outbox.status().unacknowledged).toBe(0)

      centre.isMute = true
      const stuck = arrayOutbox(50)
      const { sync: second } = syncAt(broker.url, { outbox: stuck })
      await second.stop({ flushMs: 50 })
      expect(stuck.status().unacknowledged).toBe(50)
      expect(second.status().state).toBe('stopped')
    })

    it('sends again what a restored database no longer has', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const outbox = arrayOutbox(500)
      const { sync, clients } = syncAt(broker.url, { outbox, clock: fastClock(10) })
      await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
      centre.hw.set(EPOCH, 120)
      clients[0]?.stream.destroy()
      await until('it is committed again', () => centre.hw.get(EPOCH) === 500)
      await until('it is acknowledged again', () => sync.status().state === 'idle')
      expect(outbox.status().unacknowledged).toBe(0)
    })

    it('sends the newest position of each tag at most once in the given time', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const { sync } = syncAt(broker.url, { outbox: arrayOutbox(1), liveMs: 200 })
      await until('it is idle', () => sync.status().state === 'idle')
      for (let n = 0; n < 10; n++) sync.publishLive([fixOf(1, { atMs: 1_000 + n }), fixOf(2, { atMs: 5_000 - n })])
      await until('two messages have come', () => centre.live.length === 2)
      expect(centre.live[0]?.map(({ atMs }) => atMs)).toEqual([1_000, 5_000])
      expect(centre.live[1]?.map(({ atMs }) => atMs)).toEqual([1_009, 4_999])
      expect(sync.status().liveDropped).toBe(0)
    })

    it('sends an event at once, while positions wait for their time, and counts it as dropped without a connection', async () => {
      const broker = await brokerOf(start)
      const centre = await centreAt(broker.url)
      const { sync } = syncAt(broker.url, { outbox: arrayOutbox(1), liveMs: 3_600_000 })
      const press = { kind: 'event', tag: fixOf(1).tag, room: null, event: 'button', value: 7, atMs: 5 } as const
      sync.raiseLive([press])
      expect(sync.status().liveEventsDropped).toBe(1)
      await until('it is idle', () => sync.status().state === 'idle')
      for (const atMs of [1, 2]) sync.publishLive([fixOf(1, { atMs })])
      sync.raiseLive([press])
      sync.raiseLive([{ ...press, value: 8 }])
      await until('both events have come', () => centre.events.length === 2)
      expect(centre.events).toEqual([press, { ...press, value: 8 }])
      expect(centre.live.flat().map(({ atMs }) => atMs)).toEqual([1])
      expect(sync.status().liveEventsDropped).toBe(1)
    })

    it('switches off the delay of small packets on every connection', async () => {
      const broker = await brokerOf(start)
      await centreAt(broker.url)
      const noDelay: unknown[] = []
      let newest: MqttClient | undefined
      const { sync } = syncAt(broker.url, {
        outbox: arrayOutbox(1),
        connect(options) {
          newest = mqtt.connect(options)
          Object.assign(newest.stream, { setNoDelay: (on: unknown) => noDelay.push(on) })
          return newest
        },
      })
      await until('it is idle', () => sync.status().state === 'idle')
      newest?.stream.destroy()
      await until('it is idle again', () => sync.status().connects === 2 && sync.status().state === 'idle')
      expect(noDelay).toEqual([true, true])
    })
  })
}
