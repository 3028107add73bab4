import { deflateRawSync } from 'node:zlib'

import {
  type DownMessage,
  encodeBatch,
  type Fix,
  formatEpoch,
  type GatewayId,
  type LedgerRecord,
  parseDownMessage,
  type RoomId,
  SHARD_COUNT,
  shardOf,
  type TagId,
  topics,
} from '@biotrakr/shared'
import mqtt, { type MqttClient } from 'mqtt'
import { Client, Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createTestBroker, skipWithoutMosquitto, type TestBroker } from './ingest/test-broker.ts'
import { createIngester, type Ingester } from './ingester.ts'
import { nodeCompression } from './node-compression.ts'
import { systemClock } from './system-clock.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

const A = 'gw-a' as GatewayId
const B = 'gw-b' as GatewayId
const STRANGER = 'stranger' as GatewayId
const EPOCH = { counter: 1, nonce: '00000000000000aa' }
const epoch = formatEpoch(EPOCH)
let instances = 0

function fixes(from: number, to: number): Fix[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    kind: 'fix',
    tag: 'dataset:t1' as TagId,
    room: 'R1' as RoomId,
    reason: 'none',
    method: 'BLE',
    confidence: 900,
    atMs: Date.now() - 60_000 + from + i,
    spanMs: 1_000,
    mapVersion: 1,
  }))
}

function batch(gateway: GatewayId, first: number, records: readonly LedgerRecord[]): Buffer {
  const last = first + records.length - 1
  return Buffer.from(encodeBatch({ gateway, epoch: EPOCH, first, last, records }, nodeCompression))
}

/** The gateways' side of the broker. */
interface Ward {
  publish(topic: string, payload: Buffer | string): Promise<void>
  /** Everything the centre said to a gateway, oldest first. */
  readonly heard: { readonly gateway: string; readonly message: DownMessage }[]
  said<T extends DownMessage['type']>(gateway: GatewayId, type: T): Extract<DownMessage, { type: T }>[]
  end(): Promise<void>
}

async function createWard(url: string): Promise<Ward> {
  const client: MqttClient = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 50 })
  const heard: Ward['heard'] = []
  client.on('message', (topic, payload) => {
    const message = parseDownMessage(payload.toString())
    if (message) heard.push({ gateway: topic.split('/')[2] ?? '', message })
  })
  await client.subscribeAsync('biotrakr/v1/+/down/ack')
  return {
    publish: async (topic, payload) => {
      await client.publishAsync(topic, payload, { qos: 1 })
    },
    heard,
    said: (gateway, type) =>
      heard.flatMap((entry) =>
        entry.gateway === gateway && entry.message.type === type
          ? [entry.message as Extract<DownMessage, { type: typeof type }>]
          : [],
      ),
    end: () => client.endAsync(true),
  }
}

describe.skipIf(skipWithoutMosquitto)(
  'the ingester between a real mosquitto (skipped where none is found) and a real PostgreSQL',
  () => {
    let database: TestDatabase
    let broker: TestBroker
    let ward: Ward
    let running: { readonly ingester: Ingester; readonly pool: Pool }[] = []

    beforeAll(async () => {
      database = await createTestDatabase()
      await database.ownerClient.query(`
      insert into iam.org (slug, name) values ('st-anna', 'St. Anna');
      insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'UTC');
      insert into site.gateway (org_id, facility_id, name) values (1, 1, 'gw-a'), (1, 1, 'gw-b');
      insert into site.room (org_id, facility_id, code, name) values (1, 1, 'R1', 'Room 1');
      insert into rtls.tag (org_id, identity) values (1, 'dataset:t1')`)
      broker = await createTestBroker()
      await broker.start()
    })
    afterAll(async () => {
      await broker.stop()
      await database.stop()
    })
    beforeEach(async () => {
      await database.ownerClient.query(
        'truncate rtls.watermark, rtls.store, rtls.ingester, telemetry.location_history cascade',
      )
      ward = await createWard(broker.url)
    })
    afterEach(async () => {
      for (const { ingester, pool } of running) {
        await ingester.stop()
        await pool.end()
      }
      running = []
      await ward.end()
    })

    async function start(): Promise<Ingester> {
      const pool = new Pool({ ...database.options('bt_ingest'), max: 2 })
      pool.on('error', () => undefined)
      const ingester = createIngester({
        pool,
        broker: { url: broker.url },
        instance: `test-${++instances}`,
        clock: systemClock,
        random: () => 0.1,
        compression: nodeCompression,
        log: pino({ level: 'silent' }),
      })
      running.push({ ingester, pool })
      ingester.start()
      await expect.poll(() => ingester.status().broker.state, { timeout: 10_000 }).toBe('up')
      return ingester
    }

    const count = async (sql: string) =>
      Number((await database.ownerClient.query(`select count(*) n from ${sql}`)).rows[0].n)
    const stored = () => count('(select distinct stream_id, seq from telemetry.location_history) s')
    const rows = () => count('telemetry.location_history')
    const hw = (gateway: GatewayId) => Math.max(0, ...ward.said(gateway, 'ack').map((ack) => ack.hw))
    const hello = (gateway: GatewayId) =>
      ward.publish(
        topics.hello(gateway),
        JSON.stringify({ software: '1', store: 's', epochs: [{ epoch, first: 1, last: 9 }] }),
      )

    it('acknowledges what it committed, again when it comes again, and welcomes with it', async () => {
      const ingester = await start()
      expect(ingester.status().broker.sharedSubscription).toBe(true)
      await hello(A)
      await expect.poll(() => ward.said(A, 'welcome')).toMatchObject([{ epochs: [{ epoch, hw: 0 }] }])
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 5)))
      await expect.poll(() => ward.said(A, 'ack')).toMatchObject([{ epoch, hw: 5, quarantined: [] }])
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 5)))
      await expect.poll(() => ward.said(A, 'ack')).toMatchObject([{ hw: 5 }, { hw: 5 }])
      await hello(A)
      await expect.poll(() => ward.said(A, 'welcome').at(-1)).toMatchObject({ epochs: [{ epoch, hw: 5 }] })
      expect(await rows()).toBe(5)
    })

    it('puts a batch of an earlier opening that comes again, and one in another name, into the audit chain, once an hour', async () => {
      const reopened = formatEpoch({ counter: 2, nonce: '00000000000000bb' })
      const greet = (opening: string, epochs: object[]) =>
        ward.publish(topics.hello(A), JSON.stringify({ software: '1', store: 's', opening, epochs }))
      const before = await count('audit.event')
      await start()
      await greet(epoch, [{ epoch, first: 1, last: 5 }])
      const captured = batch(A, 1, fixes(1, 5))
      for (const acks of [1, 2]) {
        await ward.publish(topics.ledger(A), captured)
        await expect.poll(() => ward.said(A, 'ack').length).toBe(acks)
      }
      await greet(reopened, [])
      await expect.poll(() => ward.said(A, 'welcome').length).toBe(2)
      for (let i = 0; i < 3; i++) await ward.publish(topics.ledger(A), captured)
      for (let i = 0; i < 3; i++) await ward.publish(topics.ledger(B), captured)
      const chain = async () =>
        (
          await database.ownerClient.query(
            `select action || ' ' || actor || ' ' || outcome as entry from audit.event where n > ${before} order by 1`,
          )
        ).rows.map(({ entry }) => entry)
      await expect.poll(chain).toEqual(['FOREIGN_GATEWAY gateway:gw-b refused', 'REPLAY gateway:gw-a refused'])
      expect(await rows()).toBe(5)
    })

    it('lets an early batch wait a moment for its predecessor, and then asks where to go on', async () => {
      const ingester = await start()
      await ward.publish(topics.ledger(A), batch(A, 4, fixes(4, 6)))
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 3)))
      await expect.poll(() => hw(A)).toBe(6)
      expect(ward.said(A, 'nack')).toEqual([])
      await ward.publish(topics.ledger(A), batch(A, 10, fixes(10, 11)))
      await ward.publish(topics.ledger(A), batch(A, 12, fixes(12, 13)))
      await expect.poll(() => ward.said(A, 'nack')).toEqual([{ type: 'nack', epoch, need: 7 }])
      expect(ingester.status().parked).toBe(0)
      await ward.publish(topics.ledger(A), batch(A, 7, fixes(7, 13)))
      await expect.poll(() => hw(A)).toBe(13)
      expect(await rows()).toBe(13)
    })

    it('refuses an unknown gateway in words and keeps nothing of it', async () => {
      await start()
      for (let i = 0; i < 5; i++) await ward.publish(topics.ledger(STRANGER), batch(STRANGER, 1, fixes(1, 2)))
      await hello(STRANGER)
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 1)))
      await expect.poll(() => hw(A)).toBe(1)
      // Once for all of its batches, and once for its hello.
      expect(ward.said(STRANGER, 'refuse')).toMatchObject([{ code: 'GATEWAY_UNKNOWN' }, { code: 'GATEWAY_UNKNOWN' }])
      expect(await count('rtls.quarantine')).toBe(0)
      expect(await count('rtls.watermark')).toBe(1)
    })

    it('keeps a bounded number of damaged or foreign batches as evidence, moves no watermark and answers nothing', async () => {
      const ingester = await start()
      const damaged = batch(A, 1, fixes(1, 3))
      damaged[20] = (damaged[20] ?? 0) ^ 0xff
      await ward.publish(topics.ledger(A), batch(B, 1, fixes(1, 3)))
      for (let i = 0; i < 20; i++) await ward.publish(topics.ledger(A), damaged)
      await ward.publish(topics.ledger(A), Buffer.alloc(200_000, 'junk'))
      await ward.publish(`biotrakr/v1/${A}/up/ledger/${(shardOf(A) + 1) % SHARD_COUNT}`, batch(A, 1, fixes(1, 3)))
      await ward.publish(topics.ledger(B), batch(B, 1, fixes(1, 3)))
      await expect.poll(() => hw(B)).toBe(3)
      expect(ward.heard.filter(({ gateway }) => gateway === A)).toEqual([])
      await expect.poll(() => count(`rtls.quarantine where stream_id is null and gateway_name = 'gw-a'`)).toBe(10)
      const codes = await database.ownerClient.query('select distinct code from rtls.quarantine order by code')
      expect(codes.rows.map((row) => row.code)).toEqual(['FOREIGN_GATEWAY', 'WIRE_CRC'])
      expect(await count('rtls.watermark')).toBe(1)
      expect(ingester.status().unusable).toBe(1)
      expect(await ingester.metrics.metrics()).toContain('biotrakr_ingest_strays_total{code="WIRE_MAGIC"} 1')
    })

    it('bounds what hostile messages cost: they end in quarantine, as evidence or nowhere, and others go on', async () => {
      const ingester = await start()
      const many = fixes(1, 5_000)
      // A body that inflates to far more than it says: set aside whole, since its run can be believed.
      const bomb = { ...nodeCompression, deflate: () => deflateRawSync(Buffer.alloc(16 * 1_048_576)) }
      const inflated = encodeBatch({ gateway: A, epoch: EPOCH, first: 1, last: 5_000, records: many }, bomb)
      // A run that would close the epoch for ever.
      const endless = { gateway: A, epoch: EPOCH, first: 5_001, last: 2 ** 50, records: many.slice(0, 3) }
      await ward.publish(topics.ledger(A), Buffer.from(inflated))
      await ward.publish(topics.ledger(A), Buffer.from(encodeBatch(endless, nodeCompression)))
      await ward.publish(topics.hello(A), '['.repeat(200_000))
      await ward.publish(topics.hello(A), `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`)
      const epochs = Array.from({ length: 10_001 }, () => ({ epoch, first: 1, last: 2 }))
      await ward.publish(topics.hello(A), JSON.stringify({ software: '1', store: 's', epochs }).slice(0, 250_000))
      await ward.publish(topics.ledger(A), Buffer.alloc(300_000, 'x'))
      for (let i = 0; i < 200; i++) await ward.publish(`biotrakr/v1/x${i}/up/hello`, 'junk')
      await ward.publish(topics.ledger(B), batch(B, 1, fixes(1, 3)))
      await expect.poll(() => hw(B)).toBe(3)
      await expect.poll(() => hw(A)).toBe(5_000)
      const kept = await database.ownerClient.query(
        `select level, code, first_seq::int as first from rtls.quarantine order by level, code`,
      )
      expect(kept.rows).toEqual([
        { level: 'batch', code: 'WIRE_INFLATE', first: 1 },
        { level: 'batch', code: 'WIRE_RUN', first: null },
      ])
      expect(await rows()).toBe(3)
      expect(ingester.status()).toMatchObject({ broker: { state: 'up', connects: 1 }, database: { failures: 0 } })
      expect(ingester.status().unusable).toBeGreaterThanOrEqual(203)
      await ward.publish(topics.ledger(A), batch(A, 5_001, fixes(1, 2)))
      await expect.poll(() => hw(A)).toBe(5_002)
    })

    it('tells a gateway what of it waits in quarantine, in the ack and in every welcome', async () => {
      await start()
      const strange = { ...fixes(1, 1)[0], tag: 'dataset:unknown' as TagId } as Fix
      await ward.publish(topics.ledger(A), batch(A, 1, [...fixes(1, 2), strange]))
      const run = { first: 3, last: 3, code: 'TAG_UNKNOWN' }
      await expect.poll(() => ward.said(A, 'ack')).toMatchObject([{ hw: 3, quarantined: [run] }])
      await hello(A)
      const quarantined = { total: 1, runs: [{ epoch, ...run }] }
      await expect.poll(() => ward.said(A, 'welcome')).toMatchObject([{ quarantined, store: 's' }])
    })

    it('connects again after the broker was killed, and goes on', async () => {
      const ingester = await start()
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 3)))
      await expect.poll(() => hw(A)).toBe(3)
      await broker.kill()
      await expect.poll(() => ingester.status().broker.state).toBe('connecting')
      await broker.start()
      await expect.poll(() => ingester.status().broker.state, { timeout: 15_000 }).toBe('up')
      await ward.end()
      ward = await createWard(broker.url)
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 6)))
      await expect.poll(() => hw(A)).toBe(6)
      expect(await rows()).toBe(6)
    })

    it('stores nothing twice when two of them share the work', async () => {
      await start()
      await start()
      const all = fixes(1, 400)
      for (let first = 1; hw(A) < 400; first = hw(A) + 1) {
        for (let at = first; at <= 400; at += 20) {
          await ward.publish(topics.ledger(A), batch(A, at, all.slice(at - 1, at + 19)))
        }
        const before = ward.heard.length
        await expect.poll(() => hw(A) === 400 || ward.heard.length > before, { timeout: 10_000 }).toBe(true)
      }
      expect(await rows()).toBe(400)
      expect(await stored()).toBe(400)
    })

    it('holds what it can while the database is locked, drops the rest, and stores all of it once after that', async () => {
      const ingester = await start()
      const blocker = new Client(database.options('owner'))
      await blocker.connect()
      await blocker.query('begin; lock table telemetry.location_history in access exclusive mode')
      const send = async () => {
        for (let at = Math.max(1, hw(A) + 1); at <= 900; at += 2) {
          await ward.publish(topics.ledger(A), batch(A, at, fixes(at, Math.min(at + 1, 900))))
        }
      }
      await send()
      await send()
      await expect.poll(() => ingester.status().intake.dropped, { timeout: 10_000 }).toBeGreaterThan(0)
      expect(ingester.status().intake.batches).toBeLessThanOrEqual(256)
      expect(hw(A)).toBe(0)
      await blocker.query('commit')
      await blocker.end()
      await expect
        .poll(
          async () => {
            if (hw(A) < 900) await send()
            return hw(A)
          },
          { timeout: 15_000, interval: 200 },
        )
        .toBe(900)
      expect(await rows()).toBe(900)
    })

    it('acknowledges the running transaction before it stops', async () => {
      const ingester = await start()
      const blocker = new Client(database.options('owner'))
      await blocker.connect()
      await blocker.query('begin; lock table telemetry.location_history in access exclusive mode')
      await ward.publish(topics.ledger(A), batch(A, 1, fixes(1, 3)))
      await expect
        .poll(() => count(`pg_stat_activity where usename = 'bt_ingest' and wait_event_type = 'Lock'`))
        .toBe(1)
      const stopped = ingester.stop()
      await blocker.end()
      await stopped
      await expect.poll(() => hw(A)).toBe(3)
    })
  },
)
