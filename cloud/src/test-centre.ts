import {
  encodeLive,
  type Fix,
  type GatewayId,
  METHOD,
  REASON,
  type RoomId,
  type TagEvent,
  type TagId,
  topics,
} from '@biotrakr/shared'
import mqtt from 'mqtt'
import { Pool } from 'pg'
import { pino } from 'pino'

import { createTestBroker, skipWithoutMosquitto } from './ingest/test-broker.ts'
import { nodeCompression } from './node-compression.ts'
import { type CentreServer, type ServerOptions, startServer } from './server.ts'
import { applySite } from './sites/site-apply.ts'
import { systemClock } from './system-clock.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

/** A fix as the tests of `serve` write it. */
export interface TestFix extends Partial<Omit<Fix, 'kind' | 'tag' | 'room'>> {
  readonly tag: string
  readonly room: string | null
}

/** A press or the like as the tests of `serve` write it. */
export interface TestEvent extends Partial<Omit<TagEvent, 'kind' | 'tag' | 'room'>> {
  readonly tag: string
  readonly room: string | null
}

/** For tests: a real database with two hospitals, a real broker where there is one, and a server of the first hospital. */
export interface TestCentre {
  readonly server: CentreServer
  readonly database: TestDatabase
  /** For good; the server goes on without it. */
  stopDatabase(): Promise<void>
  /** Starts a further server; the caller stops it. */
  serve(change?: Partial<ServerOptions>): Promise<CentreServer>
  /** Commits a position, as the ingester does. */
  commit(org: string, fix: TestFix): Promise<void>
  /** Publishes on the live lane of a gateway. */
  live(gateway: string, ...fixes: TestFix[]): Promise<void>
  /** As `live`, events. */
  raise(gateway: string, ...events: TestEvent[]): Promise<void>
  publish(topic: string, payload: Uint8Array | string): Promise<void>
  stop(): Promise<void>
}

export const OWN_TAGS = ['ble:c30000000001', 'ble:c30000000002', 'ble:c30000000003', 'epc:urn:epc:id:giai:4012345.6']
export const FOREIGN_TAG = 'ble:c300000000ff'
export const LABELS: Readonly<Record<string, string>> = {
  'ble:c30000000001': 'Infusion pump 1',
  'ble:c30000000002': 'Infusion pump 2',
  'ble:c30000000003': 'Wheelchair 7',
}

export function liveMessage(gateway: string, fixes: readonly TestFix[]): Uint8Array {
  return encodeLive(gateway as GatewayId, fixes.map(wholeFix), nodeCompression)
}

export function eventMessage(gateway: string, events: readonly TestEvent[]): Uint8Array {
  const whole = events.map((event): TagEvent => {
    const { tag, room } = event
    const base = { kind: 'event', event: 'button', value: 0, atMs: Date.now() } as const
    return { ...base, ...event, tag: tag as TagId, room: room as RoomId | null }
  })
  return encodeLive(gateway as GatewayId, whole, nodeCompression)
}

function wholeFix(fix: TestFix): Fix {
  const { tag, room } = fix
  return {
    kind: 'fix',
    reason: room === null ? 'not_heard' : 'none',
    method: 'BLE',
    confidence: 900,
    atMs: Date.now(),
    spanMs: 0,
    mapVersion: 1,
    ...fix,
    tag: tag as TagId,
    room: room as RoomId | null,
  }
}

export async function createTestCentre(): Promise<TestCentre> {
  const database = await createTestDatabase()
  await registerHospitals(database)
  const broker = skipWithoutMosquitto ? undefined : await createTestBroker()
  await broker?.start()
  const url = broker?.url ?? 'mqtt://127.0.0.1:1'
  const ward = broker && (await mqtt.connectAsync(url, { protocolVersion: 5 }))
  const serve: TestCentre['serve'] = (change = {}) =>
    startServer({
      database: database.options('bt_api'),
      broker: { url },
      org: 'marlow',
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      random: Math.random,
      log: pino({ level: 'silent' }),
      compression: nodeCompression,
      ...change,
    })
  const server = await serve()
  let databaseEnd: Promise<void> | undefined
  const stopDatabase = () => {
    databaseEnd ??= database.stop()
    return databaseEnd
  }
  const publish: TestCentre['publish'] = async (topic, payload) => {
    await ward?.publishAsync(topic, Buffer.from(payload), { qos: 1 })
  }
  return {
    server,
    database,
    stopDatabase,
    serve,
    commit: (org, fix) => commitPosition(database, org, wholeFix(fix)),
    live: (gateway, ...fixes) => publish(topics.live(gateway as GatewayId), liveMessage(gateway, fixes)),
    raise: (gateway, ...events) => publish(topics.live(gateway as GatewayId), eventMessage(gateway, events)),
    publish,
    stop: async () => {
      await server.stop()
      await ward?.endAsync(true)
      await broker?.stop()
      await stopDatabase()
    },
  }
}

async function registerHospitals(database: TestDatabase): Promise<void> {
  const pool = new Pool({ ...database.options('owner') })
  await applySite(pool, {
    org: { slug: 'marlow', name: 'Marlow Bay General' },
    facility: { code: '4-east', name: '4 East', timeZone: 'Europe/Berlin' },
    rooms: [
      { code: 'R1', name: 'Room 1' },
      { code: 'R2', name: 'Room 2' },
      { code: 'R10', name: 'Room 10' },
    ],
    gateways: [{ name: 'gw-marlow' }],
    tags: OWN_TAGS.map((identity) => ({ identity, ...(LABELS[identity] && { label: LABELS[identity] }) })),
  })
  await applySite(pool, {
    org: { slug: 'other', name: 'Another hospital' },
    facility: { code: '4-east', name: '4 East', timeZone: 'UTC' },
    rooms: [{ code: 'R1', name: 'Their room' }],
    gateways: [{ name: 'gw-other' }],
    tags: [{ identity: FOREIGN_TAG }, { identity: 'ble:c30000000001' }],
  })
  await pool.end()
  await database.ownerClient.query(
    `insert into rtls.watermark (org_id, gateway_id, epoch) select org_id, id, '1-0123456789abcdef' from site.gateway`,
  )
}

async function commitPosition(database: TestDatabase, org: string, fix: Fix): Promise<void> {
  await database.ownerClient.query(
    `insert into rtls.position as p (org_id, facility_id, tag_id, room_id, t, since, method, reason, confidence, x, y,
       accuracy, stream_id, seq, map_version)
     select o.id, f.id, t.id, (select r.id from site.room r where r.facility_id = f.id and r.code = $3),
       to_timestamp($4 / 1000.0), to_timestamp($4 / 1000.0), $5, $6, $7, $8, $9, $10, w.id, 1, $11
     from iam.org o join site.facility f on f.org_id = o.id join rtls.tag t on t.org_id = o.id
       join rtls.watermark w on w.org_id = o.id
     where o.slug = $1 and t.identity = $2
     on conflict (org_id, tag_id) do update set room_id = excluded.room_id, t = excluded.t, reason = excluded.reason,
       confidence = excluded.confidence, last_room_id = p.room_id,
       since = case when p.room_id is not distinct from excluded.room_id then p.since else excluded.since end`,
    [
      org,
      fix.tag,
      fix.room,
      fix.atMs,
      METHOD[fix.method],
      REASON[fix.reason],
      fix.confidence,
      metres(fix.xCm),
      metres(fix.yCm),
      metres(fix.accuracyCm),
      fix.mapVersion,
    ],
  )
}

function metres(centimetres: number | undefined): number | null {
  return centimetres === undefined ? null : centimetres / 100
}
