import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { encodeBatch, type Fix, type GatewayId, type RoomId, type TagId, topics } from '@biotrakr/shared'
import mqtt from 'mqtt'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createTestBroker, skipWithoutMosquitto, type TestBroker } from './ingest/test-broker.ts'
import { startIngestProcess } from './ingest-process.ts'
import { nodeCompression } from './node-compression.ts'
import { startServer } from './server.ts'
import { systemClock } from './system-clock.ts'
import { createScopedDatabase } from './tenancy/scope.ts'
import { createPool, type DatabaseOptions } from './upkeep/connection.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

const PROGRAM = ['pgbouncer', '/usr/sbin/pgbouncer'].find((name) => spawnSync(name, ['--version']).status === 0)
const isMissing = PROGRAM === undefined && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1'
const why = isMissing ? ' (skipped: pgbouncer is not installed)' : ''
const log = pino({ level: 'silent' })
const GATEWAY = 'gw-1' as GatewayId

/** One tenant sees its own rows, whichever connection of the server its transaction gets. */
describe.skipIf(isMissing || skipWithoutMosquitto)(`behind PgBouncer in transaction mode${why}`, () => {
  let database: TestDatabase
  let broker: TestBroker
  let pooler: ChildProcess
  let folder: string
  let through: (role: 'bt_api' | 'bt_ingest') => DatabaseOptions

  beforeAll(async () => {
    database = await createTestDatabase()
    await database.ownerClient.query(`
      insert into iam.org (slug, name) values ('org-1', '1'), ('org-2', '2');
      insert into site.facility (org_id, code, name, time_zone)
        select o, 'f' || f, 'f', 'UTC' from generate_series(1, 2) o, generate_series(1, 2) f order by o, f;
      insert into site.room (org_id, facility_id, code, name)
        select org_id, id, 'R' || n, 'R' from site.facility, generate_series(1, 20) n;
      insert into site.gateway (org_id, facility_id, name) values (1, 1, '${GATEWAY}');
      insert into rtls.tag (org_id, identity) values (1, 'ble:c30000000001')`)
    broker = await createTestBroker()
    await broker.start()
    folder = mkdtempSync(join(tmpdir(), 'biotrakr-pooler-'))
    const port = await startPooler()
    through = (role) => ({ ...database.options(role), port, pooled: true })
  })
  afterAll(async () => {
    if (!folder) return
    pooler.kill('SIGTERM')
    await once(pooler, 'exit')
    await broker.stop()
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function startPooler(): Promise<number> {
    const port = await freePort()
    const { host, port: serverPort, database: name, password } = database.options('bt_api')
    writeFileSync(join(folder, 'users'), ['bt_api', 'bt_ingest'].map((user) => `"${user}" "${password}"\n`).join(''))
    const settings = [
      '[databases]',
      `${name} = host=${host} port=${serverPort} dbname=${name}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${join(folder, 'users')}`,
      'pool_mode = transaction',
      'default_pool_size = 3',
      'max_client_conn = 200',
    ]
    writeFileSync(join(folder, 'pgbouncer.ini'), `${settings.join('\n')}\n`)
    chmodSync(folder, 0o755)
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
    pooler = spawn(PROGRAM ?? 'pgbouncer', [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' })
    while (!(await listens(port))) await new Promise((done) => setTimeout(done, 20))
    return port
  }

  it('2,000 transactions of mixed tenants and facilities at once see their own rooms and no others', async () => {
    const pool = createPool({ ...through('bt_api'), max: 30 })
    const scoped = createScopedDatabase(pool)
    const facilities = [1, 2, 3, 4]
    const seen = await Promise.all(
      Array.from({ length: 2_000 }, async (_, i) => {
        const facility = facilities[i % 4] ?? 0
        const orgId = facility > 2 ? 2 : 1
        const scope = { orgId, facilities: i % 3 === 0 ? ('all' as const) : [facility], actor: 'operator:test' }
        const rows = await scoped.read(scope, async (client) => {
          await client.query({ name: 'one', text: 'select 1' })
          const named = { name: 'rooms', text: 'select org_id, facility_id from site.room where id > $1', values: [0] }
          return (await client.query<{ org_id: number; facility_id: number }>(named)).rows
        })
        const isOwn = (row: { org_id: number; facility_id: number }) =>
          row.org_id === orgId && (scope.facilities === 'all' || row.facility_id === facility)
        return rows.every(isOwn) && rows.length === (scope.facilities === 'all' ? 40 : 20)
      }),
    )
    expect(seen.filter((isOwn) => !isOwn)).toEqual([])
    expect((await pool.query('select from site.room')).rowCount).toBe(0)
    await pool.end()
  }, 60_000)

  it('an ingester records, and a server answers', async () => {
    const shared = { clock: systemClock, random: Math.random, log, compression: nodeCompression }
    const ingest = await startIngestProcess({
      ...shared,
      database: through('bt_ingest'),
      broker: { url: broker.url },
      instance: 'one',
      port: 0,
    })
    const server = await startServer({
      ...shared,
      database: through('bt_api'),
      broker: { url: broker.url },
      org: 'org-1',
      host: '127.0.0.1',
      port: 0,
    })
    const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 })
    for (let seq = 1; seq <= 30; seq++) {
      const at = { gateway: GATEWAY, epoch: { counter: 1, nonce: '00000000000000aa' }, first: seq, last: seq }
      const bytes = encodeBatch({ ...at, records: [fixAt(Date.now() - 60_000 + seq)] }, nodeCompression)
      await client.publishAsync(topics.ledger(GATEWAY), Buffer.from(bytes), { qos: 1 })
    }
    const stored = async () =>
      (await database.ownerClient.query('select count(distinct seq)::int as n from telemetry.location_history')).rows[0]
        .n
    await expect.poll(stored, { timeout: 20_000 }).toBe(30)
    const answer = await fetch(`${server.url}/api/v1/tags/ble:c30000000001/location`)
    expect(await answer.json()).toMatchObject({ room: { code: 'R1' } })
    await client.endAsync()
    await server.stop()
    await ingest.stop()
  }, 60_000)
})

function fixAt(atMs: number): Fix {
  const where = { tag: 'ble:c30000000001' as TagId, room: 'R1' as RoomId, reason: 'none', method: 'BLE' } as const
  return { kind: 'fix', ...where, confidence: 900, atMs, spanMs: 1, mapVersion: 1 }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}
