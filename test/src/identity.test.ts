import { type ChildProcess, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

import {
  createOwnIdentity,
  createSync,
  enrolBox,
  identityFolder,
  nodeCompression,
  openSqliteOutbox,
  systemClock,
} from '@biotrakr/agent'
import { applySite, startEnrolment, withPool } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { createSecureBroker, type SecureBroker } from '@biotrakr/cloud/test-secure-broker'
import {
  encodeBatch,
  type Fix,
  type GatewayId,
  parseEnrolmentCode,
  type RoomId,
  type TagId,
  topics,
} from '@biotrakr/shared'
import mqtt from 'mqtt'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect } from 'vitest'

import { hasMosquitto, itNeeding } from './needs.ts'
import { programOf } from './rig.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const TAG = 'ble:c30000000001' as TagId
const DAY_MS = 86_400_000
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const itReal = (name: string, body: () => Promise<void>) => itNeeding(hasMosquitto, 'mosquitto')(name, body, 120_000)
let database: TestDatabase
let broker: SecureBroker
let service: Awaited<ReturnType<typeof startEnrolment>>
let ingester: ChildProcess
let centreConfig: string
const stops: (() => Promise<void>)[] = []

beforeAll(async () => {
  if (!hasMosquitto) return
  database = await createTestDatabase()
  await withPool(database.options('owner'), (pool) =>
    applySite(pool, {
      org: { slug: 'rig', name: 'Rig' },
      facility: { code: 'rig', name: 'Rig', timeZone: 'UTC' },
      rooms: [{ code: 'R1' }],
      gateways: [],
      tags: [{ identity: TAG }],
    }),
  )
  broker = await createSecureBroker()
  await broker.start()
  await run('cloud', ['ca', 'server', '127.0.0.1', '--folder', at('authority'), '--out', at('enrol')])
  await run('cloud', ['ca', 'process', '--name', 'ingester', '--folder', at('authority'), '--out', at('ingester')])
  const enroll = {
    authorityFolder: at('authority'),
    certFile: at('enrol.pem'),
    keyFile: at('enrol.key'),
    revocationListFile: broker.revocationListFile,
    brokerPidFile: broker.pidFile,
    brokerUrl: broker.url,
  }
  centreConfig = writeConfig('bt_ca', { enroll })
  const ports = { host: '127.0.0.1', port: 0, probePort: 0 }
  const parts = { database: database.options('bt_ca'), clock: systemClock, log: pino({ level: 'silent' }) }
  service = await startEnrolment({ ...enroll, ...ports, ...parts })
  const pair = { caFile: at('authority/centre-ca.pem'), certFile: at('ingester.pem'), keyFile: at('ingester.key') }
  const section = { broker: { url: broker.centreUrl, ...pair }, ingest: { port: 0 } }
  const words = programOf('cloud', ['ingest', '--config', writeConfig('bt_ingest', section)])
  ingester = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const part of ingester.stdout ?? []) if (String(part).includes('ingest.broker.up')) break
}, 120_000)

afterAll(async () => {
  for (const stop of stops) await stop()
  if (ingester?.exitCode === null) {
    ingester.kill('SIGKILL')
    await once(ingester, 'exit')
  }
  await service?.stop()
  await broker?.stop()
  await database?.stop()
}, 60_000)

function at(name: string): string {
  return join(broker.folder, name)
}

function writeConfig(role: 'bt_ca' | 'bt_ingest', section: object): string {
  const { host, port, database: name, user, password = '' } = database.options(role)
  writeFileSync(at(`${role}.password`), password, { mode: 0o600 })
  const login = { host, port, database: name, user, passwordFile: at(`${role}.password`), tls: 'off' }
  writeFileSync(at(`${role}.yaml`), JSON.stringify({ database: login, ...section }))
  return at(`${role}.yaml`)
}

/** Runs one command from its sources until it ends. @returns what it wrote */
async function run(workspace: 'cloud' | 'agent', words: readonly string[], input = '') {
  const child = spawn(process.execPath, programOf(workspace, words), { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] })
  const said = { out: '', err: '', status: 0 }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text))
  child.stdin.end(input)
  await once(child, 'close')
  return { ...said, status: child.exitCode ?? 1 }
}

async function newCode(gateway: string): Promise<string> {
  const place = ['--org', 'rig', '--facility', 'rig']
  const { out, err, status } = await run('cloud', ['gateways', 'add', gateway, ...place, '--config', centreConfig])
  expect({ status, err }).toMatchObject({ status: 0, err: expect.stringContaining(gateway) })
  return out.trim()
}

/** A gateway with its own store, uplink and renewal, whose wall clock can be set ahead. */
async function startGateway(name: string) {
  const gateway = name as GatewayId
  const dataDir = at(name)
  const code = parseEnrolmentCode(await newCode(name))
  if (!code) throw new Error('no code')
  await enrolBox({ gateway, dataDir }, service.url, code)
  let aheadMs = 0
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs }
  const path = join(dataDir, 'outbox.sqlite')
  const options = { maxBytes: 64 * 1_048_576, graceMs: DAY_MS, compression: nodeCompression, clock: systemClock }
  const callbacks = { onLost: () => {}, onDamaged: () => {} }
  const outbox = openSqliteOutbox({ path, keyFile: join(dataDir, 'key'), gateway, ...options, ...callbacks })
  const settings = { broker: { url: broker.url }, gateway, dataDir }
  const config = settings as unknown as Parameters<typeof createOwnIdentity>[0]['config']
  const own = () => createOwnIdentity({ config, clock, random: Math.random, log: quiet })
  let identity = own()
  const sync = createSync({
    gateway,
    software: 'test',
    outbox,
    broker: { url: broker.url, ca: Buffer.from(broker.authority.centreCa) },
    credentials: () => identity?.uplink.credentials() ?? {},
    onConnected: () => identity?.uplink.onConnected(),
    compression: nodeCompression,
    clock: systemClock,
    random: Math.random,
    log: quiet,
    batchRecords: 100,
    pace: { firstMs: 200, maxMs: 500, perMinute: 60 },
  })
  const begin = () => identity?.start({ reconnect: () => sync.reconnect(), store: () => outbox.status().store })
  begin()
  sync.start()
  stops.push(async () => {
    identity?.stop()
    await sync.stop({ flushMs: 0 })
    outbox.close()
  })
  let made = 0
  return {
    sync,
    outbox,
    dataDir,
    status: () => identity?.status(),
    made: () => made,
    add: (count: number) => {
      for (let i = 0; i < count; i++) outbox.append(fixAt(Date.now() - 3_600_000 + ++made))
      outbox.flush()
      sync.notifyCommitted()
    },
    /** As if so much time had passed: the renewal looks at once. */
    setAhead: (ms: number) => {
      aheadMs = ms
      identity?.stop()
      identity = own()
      begin()
    },
  }
}

function fixAt(atMs: number): Fix {
  const answer = { tag: TAG, room: 'R1' as RoomId, reason: 'none', method: 'BLE', confidence: 900 } as const
  return { kind: 'fix', ...answer, atMs, spanMs: 1, mapVersion: 1 }
}

async function stored(gateway: string): Promise<{ readonly rows: number; readonly distinct: number }> {
  const { rows } = await database.ownerClient.query<{ rows: number; distinct: number }>(
    `select count(*)::int as rows, count(distinct (h.stream_id, h.seq))::int as distinct
     from telemetry.location_history h join rtls.watermark w on w.id = h.stream_id
     join site.gateway g on g.id = w.gateway_id where g.name = $1`,
    [gateway],
  )
  return rows[0] ?? { rows: 0, distinct: 0 }
}

const poll = { timeout: 60_000, interval: 100 }

describe('the identity of a gateway', () => {
  itReal(
    'comes from one command with a code on standard input; the key never leaves the box and is its own',
    async () => {
      const dataDir = at('box')
      const siteMap = at('map.json')
      writeFileSync(siteMap, JSON.stringify({ version: 1, rooms: [{ id: 'R1' }], receivers: [] }))
      const sources = [{ kind: 'simulated', startMs: 0 }]
      const agent = { gateway: 'gw-box', dataDir, siteMap, tags: [TAG], broker: { url: broker.url }, sources }
      writeFileSync(at('agent.yaml'), JSON.stringify(agent))
      const words = ['enroll', '--config', at('agent.yaml'), '--url', service.url, '--code', '-']
      const code = await newCode('gw-box')
      const typo = await run('agent', words, code.replace(/.$/, code.endsWith('0') ? '1' : '0'))
      expect(typo).toMatchObject({ status: 2, err: expect.stringContaining('ENROL_CODE') })
      const done = await run('agent', words, `${code}\n`)
      expect(done).toMatchObject({ status: 0, out: expect.stringContaining('enrolled as gw-box'), err: '' })
      expect(done.out).not.toContain(code)
      for (const file of readdirSync(identityFolder(dataDir))) {
        expect(statSync(join(identityFolder(dataDir), file)).mode & 0o777).toBe(0o400)
      }
      const again = await run('agent', words, code)
      expect(again).toMatchObject({ status: 1, err: expect.stringContaining('CODE_USED') })
      const listed = await run('cloud', ['gateways', 'list', '--gateway', 'gw-box', '--config', at('bt_ingest.yaml')])
      expect(listed.out).toContain('certificate until')
    },
  )

  itReal('is not asked of a server that the code is not for', async () => {
    const code = parseEnrolmentCode(await newCode('gw-lured'))
    if (!code) throw new Error('no code')
    const other = { ...code, caPin: code.caPin.map((byte) => byte ^ 1) }
    const box = { gateway: 'gw-lured' as GatewayId, dataDir: at('lured') }
    await expect(enrolBox(box, service.url, other)).rejects.toMatchObject({ code: 'ENROL_UNTRUSTED' })
    await expect(enrolBox(box, service.url.replace('127.0.0.1', 'localhost'), code)).rejects.toMatchObject({
      code: 'ENROL_UNTRUSTED',
    })
    // Neither has used the code up.
    await enrolBox(box, service.url, code)
  })

  itReal('is renewed and changed over while records are on their way: none is lost, none is stored twice', async () => {
    const gateway = await startGateway('gw-rotate')
    const serialOf = () =>
      new X509Certificate(readFileSync(join(identityFolder(gateway.dataDir), 'identity.pem'))).serialNumber
    const before = serialOf()
    const adding = setInterval(() => gateway.add(20), 10)
    await expect.poll(() => gateway.sync.status().lastAckMs, poll).toBeDefined()
    gateway.setAhead(16 * DAY_MS)
    await expect.poll(serialOf, poll).not.toBe(before)
    expect(gateway.status()).toMatchObject({ isUnproven: false, problem: undefined })
    await expect.poll(() => gateway.sync.status().connects, poll).toBe(2)
    await expect.poll(() => gateway.sync.status().state, poll).toMatch(/idle|sending/)
    clearInterval(adding)
    gateway.add(1)
    await expect.poll(() => gateway.outbox.status().unacknowledged, poll).toBe(0)
    const made = gateway.made()
    expect(made).toBeGreaterThan(100)
    expect(await stored('gw-rotate')).toEqual({ rows: made, distinct: made })
  })

  itReal(
    'comes back from a certificate that has expired by itself: the box has the store that the centre knows',
    async () => {
      const gateway = await startGateway('gw-holiday')
      gateway.add(10)
      await expect.poll(() => gateway.outbox.status().unacknowledged, poll).toBe(0)
      // As after five weeks without a connection.
      const span = { fromMs: Date.now() - 35 * DAY_MS, untilMs: Date.now() - 5 * DAY_MS }
      const expired = await broker.gateway('gw-holiday', span)
      const file = join(identityFolder(gateway.dataDir), 'identity.pem')
      rmSync(file)
      writeFileSync(file, expired.key + expired.certificate, { mode: 0o400 })
      const serial = new X509Certificate(expired.certificate).serialNumber.toLowerCase()
      await database.ownerClient.query(
        `insert into site.certificate (org_id, gateway_id, serial, not_before, not_after)
       select org_id, id, $1, to_timestamp($2), to_timestamp($3) from site.gateway where name = 'gw-holiday'`,
        [serial, span.fromMs / 1_000, span.untilMs / 1_000],
      )
      gateway.setAhead(0)
      gateway.sync.reconnect()
      gateway.add(10)
      await expect.poll(() => gateway.outbox.status().unacknowledged, poll).toBe(0)
      expect(gateway.status()).toMatchObject({ hasExpired: false, isUnproven: false, problem: undefined })
      expect(await stored('gw-holiday')).toEqual({ rows: 20, distinct: 20 })
    },
  )

  itReal('cannot be forged: not in a topic, not in an envelope; what was tried is kept as evidence', async () => {
    const forger = await broker.gateway('gw-forger')
    await run('cloud', ['gateways', 'add', 'gw-forger', '--org', 'rig', '--facility', 'rig', '--config', centreConfig])
    const victim = await startGateway('gw-victim')
    victim.add(5)
    await expect.poll(() => victim.outbox.status().unacknowledged, poll).toBe(0)
    const client = await mqtt.connectAsync(broker.url, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      ca: broker.authority.centreCa,
      cert: forger.certificate,
      key: forger.key,
    })
    const epoch = { counter: 9, nonce: '0123456789abcdef' }
    const records = [fixAt(Date.now())]
    const batch = encodeBatch({ gateway: 'gw-victim' as GatewayId, epoch, first: 1, last: 1, records }, nodeCompression)
    const send = (topic: string) => client.publishAsync(topic, Buffer.from(batch), { qos: 1 })
    await expect(send(topics.ledger('gw-victim' as GatewayId))).rejects.toMatchObject({ code: 0x87 })
    await send(topics.ledger('gw-forger' as GatewayId))
    const evidence = async () =>
      (await database.ownerClient.query(`select gateway_name, code from rtls.quarantine where level = 'batch'`)).rows
    await expect.poll(evidence, poll).toContainEqual({ gateway_name: 'gw-forger', code: 'FOREIGN_GATEWAY' })
    expect(await stored('gw-victim')).toEqual({ rows: 5, distinct: 5 })
    expect(await stored('gw-forger')).toEqual({ rows: 0, distinct: 0 })
    await client.endAsync(true)
  })

  itReal('ends with the revocation: nothing new is taken at once, the session is gone within a minute', async () => {
    const gateway = await startGateway('gw-stolen')
    const other = await startGateway('gw-stays')
    gateway.add(100)
    await expect.poll(() => gateway.outbox.status().unacknowledged, poll).toBe(0)
    const startMs = Date.now()
    const { out } = await run('cloud', ['gateways', 'revoke', 'gw-stolen', '--config', centreConfig])
    expect(out).toContain('gw-stolen is revoked')
    gateway.add(100)
    other.add(50)
    await expect.poll(() => gateway.sync.status().problem?.message, poll).toMatch(/revoked/)
    expect(Date.now() - startMs).toBeLessThan(60_000)
    expect(await stored('gw-stolen')).toEqual({ rows: 100, distinct: 100 })
    expect(gateway.outbox.status().unacknowledged).toBeGreaterThanOrEqual(100)
    await expect.poll(() => other.outbox.status().unacknowledged, poll).toBe(0)
  })
})
