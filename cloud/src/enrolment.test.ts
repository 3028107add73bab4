import { execFileSync } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'

import { type Clock, enrolmentPaths, type GatewayId, topics } from '@biotrakr/shared'
import mqtt from 'mqtt'
import { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type EnrolmentService, startEnrolment } from './enrolment.ts'
import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { registerGateway, revokeGateway, storeCode } from './record/gateway-identity.ts'
import { applySite } from './sites/site-apply.ts'
import { systemClock } from './system-clock.ts'
import { createSecureBroker, type SecureBroker } from './test-secure-broker.ts'
import type { Pair } from './upkeep/authority.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

const DAY_MS = 86_400_000
const PLACE = { org: 'rig', facility: 'rig' }
let database: TestDatabase
let pool: Pool
let broker: SecureBroker
let service: EnrolmentService
/** How far the service's clock is ahead. */
let aheadMs = 0
let requests = 0
let monoBaseMs = 0
let perRequestMs = 5_000
const logged: string[] = []
const clock: Clock = {
  ...systemClock,
  wallMs: () => systemClock.wallMs() + aheadMs,
  // Limits of requests count by the monotonic clock: time passes with each of them, except where they are tested.
  monoMs: () => systemClock.monoMs() + monoBaseMs + requests * perRequestMs,
}

beforeAll(async () => {
  if (skipWithoutMosquitto) return
  database = await createTestDatabase()
  const owner = new Pool(database.options('owner'))
  await applySite(owner, {
    org: { slug: 'rig', name: 'Rig' },
    facility: { code: 'rig', name: 'Rig', timeZone: 'UTC' },
    rooms: [{ code: 'R1' }],
    gateways: [],
    tags: [],
  })
  await owner.end()
  pool = new Pool(database.options('bt_ca'))
  broker = await createSecureBroker()
  await broker.start()
  const validity = { fromMs: Date.now() - DAY_MS, untilMs: Date.now() + DAY_MS }
  const own = await broker.authority.centre({ server: ['127.0.0.1', 'localhost'] }, validity)
  const at = (name: string) => join(broker.folder, name)
  writeFileSync(at('enrol.pem'), own.certificate)
  writeFileSync(at('enrol.key'), own.key, { mode: 0o600 })
  service = await startEnrolment({
    database: database.options('bt_ca'),
    authorityFolder: at('authority'),
    host: '127.0.0.1',
    port: 0,
    certFile: at('enrol.pem'),
    keyFile: at('enrol.key'),
    revocationListFile: broker.revocationListFile,
    brokerPidFile: broker.pidFile,
    brokerUrl: broker.url,
    probePort: 0,
    clock,
    log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
  })
})
afterAll(async () => {
  await service?.stop()
  await pool?.end()
  await broker?.stop()
  await database?.stop()
})

interface Made {
  readonly key: string
  readonly request: string
}

function makeRequest(): Made {
  const keyFile = join(broker.folder, 'made.key')
  const key = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  const words = ['req', '-new', '-newkey', ...key, '-subj', '/CN=whatever']
  const request = execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return { key: readFileSync(keyFile, 'utf8'), request }
}

interface Answered {
  readonly status: number
  readonly body: { readonly code?: string; readonly certificate?: string; readonly ca?: string }
}

function post(path: string, body: unknown, pair: Partial<Pair> = {}, more: object = {}): Promise<Answered> {
  requests += 1
  return new Promise((resolve, reject) => {
    const { certificate: cert, key } = pair
    const tls = { ca: broker.authority.centreCa, ...(cert && { cert }), ...(key && { key }) }
    const headers = { 'content-type': 'application/json' }
    const sent = httpsRequest(new URL(path, service.url), { method: 'POST', agent: false, headers, ...tls, ...more })
    sent.on('error', reject).on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text || '{}') }))
    })
    sent.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

async function addGateway(name: string, validMs = 900_000): Promise<string> {
  const gateway = name as GatewayId
  await registerGateway(pool, gateway, PLACE)
  const secret = randomBytes(16)
  expect(await storeCode(pool, { gateway, secret }, clock.wallMs() + validMs)).toBe(true)
  return secret.toString('hex')
}

async function enrol(
  gateway: string,
  secret: string,
  made = makeRequest(),
): Promise<Answered & { readonly pair: Pair }> {
  const answer = await post(enrolmentPaths.certificate, { gateway, secret, request: made.request })
  return { ...answer, pair: { certificate: answer.body.certificate ?? '', key: made.key } }
}

async function enrolled(gateway: string): Promise<Pair> {
  const answer = await enrol(gateway, await addGateway(gateway))
  expect(answer.status).toBe(200)
  return answer.pair
}

async function renewed(pair: Partial<Pair>, store?: string) {
  const made = makeRequest()
  const answer = await post(enrolmentPaths.renewal, { request: made.request, ...(store && { store }) }, pair)
  return { ...answer, pair: { certificate: answer.body.certificate ?? '', key: made.key } }
}

async function ahead<T>(ms: number, work: () => Promise<T>): Promise<T> {
  aheadMs += ms
  try {
    return await work()
  } finally {
    aheadMs -= ms
  }
}

/** True when the broker lets this pair in. */
async function isLetIn({ certificate: cert, key }: Pair): Promise<boolean> {
  const options = { protocolVersion: 5, reconnectPeriod: 0, ca: broker.authority.centreCa, cert, key } as const
  try {
    const client = await mqtt.connectAsync(broker.url, options, false)
    await client.endAsync(true)
    return true
  } catch {
    return false
  }
}

describe.skipIf(skipWithoutMosquitto)('enrolment (skipped where there is no mosquitto)', () => {
  it('gives a certificate of 30 days in the name of the code, once', async () => {
    const secret = await addGateway('gw-first')
    const { status, pair } = await enrol('gw-first', secret)
    expect(status).toBe(200)
    const parsed = new X509Certificate(pair.certificate)
    expect(parsed.subject).toBe('CN=gw-first')
    const days = (Date.parse(parsed.validTo) - Date.now()) / DAY_MS
    expect(Math.round(days)).toBe(30)
    expect(await isLetIn(pair)).toBe(true)
    expect(await enrol('gw-first', secret)).toMatchObject({ status: 403, body: { code: 'CODE_USED' } })
    expect(logged.join('')).toContain('"event":"enrol.issued"')
  })

  it('refuses a code that is old, withdrawn, wrong or of another gateway, and keeps only its digest', async () => {
    const old = await addGateway('gw-code', 1_000)
    expect(await ahead(2_000, () => enrol('gw-code', old))).toMatchObject({ body: { code: 'CODE_EXPIRED' } })
    const withdrawn = await addGateway('gw-code')
    const good = await addGateway('gw-code')
    await addGateway('gw-other')
    expect(await enrol('gw-code', withdrawn)).toMatchObject({ body: { code: 'CODE_EXPIRED' } })
    expect(await enrol('gw-code', randomBytes(16).toString('hex'))).toMatchObject({ body: { code: 'CODE_INVALID' } })
    expect(await enrol('gw-other', good)).toMatchObject({ status: 403, body: { code: 'CODE_INVALID' } })
    expect(await enrol('gw-nobody', good)).toMatchObject({ status: 403, body: { code: 'CODE_INVALID' } })
    const { rows } = await database.ownerClient.query('select * from site.enrolment_code')
    expect(JSON.stringify(rows.map((row) => ({ ...row, digest: row.digest.toString('hex') })))).not.toContain(good)
    expect(await enrol('gw-code', good)).toMatchObject({ status: 200 })
    expect(logged.join('')).not.toContain(good)
  })

  it('does not use up the code of a request that cannot be signed', async () => {
    const secret = await addGateway('gw-again')
    const bad = { key: '', request: 'no request' }
    expect(await enrol('gw-again', secret, bad)).toMatchObject({ status: 400, body: { code: 'CERTIFICATE_REQUEST' } })
    expect(await enrol('gw-again', secret)).toMatchObject({ status: 200 })
  })

  it.each([
    '',
    'ab',
    'gw+1',
    'gw#1',
    'gw/1',
    'gw-0001/up',
    'GW-1',
    '-gw1',
    'gw 1',
    'gw-1\u0000',
    'gw-1\n',
    '../gw',
    'x'.repeat(64),
    'x'.repeat(300),
    'g\u0175-1',
    // Looks like gw-1: Cyrillic, full width, zero width.
    'g\u051d-1',
    '\uff47\uff57-1',
    'gw\u200b-1',
    'ingester',
    'serve',
  ])('refuses the name %j, before anything is looked up', async (gateway) => {
    const secret = randomBytes(16).toString('hex')
    expect(await enrol(gateway, secret)).toMatchObject({ status: 400, body: { code: 'NOT_UNDERSTOOD' } })
    expect(await registerGateway(pool, gateway as GatewayId, PLACE).catch(() => 'refused')).toBe(
      ['ingester', 'serve'].includes(gateway) ? 'added' : 'refused',
    )
    await database.ownerClient.query(`delete from site.gateway where name in ('ingester', 'serve')`)
  })

  it('answers nothing but 400 to what it does not understand, and speaks no TLS 1.2', async () => {
    for (const body of ['', '{', '[]', '{"gateway":"gw-first"}', JSON.stringify({ a: 'x'.repeat(20_000) })]) {
      expect(await post(enrolmentPaths.certificate, body)).toMatchObject({ status: 400 })
    }
    expect(await post('/else', {})).toMatchObject({ status: 404 })
    await expect(post(enrolmentPaths.renewal, {}, {}, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
  })

  it('lets twenty tries a minute through from one address', async () => {
    const elapsedMs = requests * perRequestMs
    requests = 0
    perRequestMs = 0
    monoBaseMs += elapsedMs + 60_001
    const answers: number[] = []
    for (let i = 0; i < 25; i++) answers.push((await enrol('gw-guess', randomBytes(16).toString('hex'), TRIED)).status)
    expect(answers).toEqual([...Array(20).fill(403), ...Array(5).fill(429)])
    monoBaseMs += 60_001
    perRequestMs = 5_000
  })
})

const TRIED: Made = { key: '', request: 'x' }

describe.skipIf(skipWithoutMosquitto)('the audit chain (skipped where there is no mosquitto)', () => {
  it('has who registered a gateway, what a box asked for itself, and who revoked it', async () => {
    await registerGateway(pool, 'gw-audited' as GatewayId, { ...PLACE, actor: 'operator:anna' })
    await enrol('gw-audited', await addGateway('gw-audited'))
    await revokeGateway(pool, 'gw-audited', 'operator:bert')
    const { rows } = await database.ownerClient.query(
      `select actor, object, action, coalesce(new ->> 'status', '') as status from audit.event
       where object in ('site.gateway', 'site.certificate') and (object_id = (select id::text from site.gateway where name = 'gw-audited')
         or object_id in (select c.serial from site.certificate c join site.gateway g on g.id = c.gateway_id where g.name = 'gw-audited'))
       order by n`,
    )
    expect(rows.map(({ actor, object, action, status }) => [actor, object, action, status])).toEqual([
      ['operator:anna', 'site.gateway', 'insert', 'pending'],
      ['service:enrolment', 'site.gateway', 'update', 'active'],
      ['service:enrolment', 'site.certificate', 'insert', ''],
      ['operator:bert', 'site.gateway', 'update', 'blocked'],
      ['operator:bert', 'site.certificate', 'update', ''],
    ])
  })

  it('names the login where nobody said who acts, and wants to know it of the API', async () => {
    await pool.query(`update site.gateway set status = 'retired' where name = 'gw-audited'`)
    const { rows } = await database.ownerClient.query('select actor from audit.event order by n desc limit 1')
    expect(rows).toEqual([{ actor: 'login:bt_ca' }])
    const api = new Pool({ ...database.options('bt_api'), max: 1 })
    const nobody = api.query(
      `begin; set local app.org = '1'; set local app.facilities = 'all'; update site.room set name = 'x'`,
    )
    await expect(nobody).rejects.toMatchObject({ code: '42501' })
    await api.end()
  })
})

describe.skipIf(skipWithoutMosquitto)('renewal (skipped where there is no mosquitto)', () => {
  it('gives a new certificate for a new key and leaves the present one valid', async () => {
    const first = await enrolled('gw-renew')
    const second = await renewed(first)
    expect(second.status).toBe(200)
    expect(new X509Certificate(second.pair.certificate).subject).toBe('CN=gw-renew')
    expect(await isLetIn(first)).toBe(true)
    expect(await isLetIn(second.pair)).toBe(true)
  })

  it('wants a certificate of this centre, and the key to it', async () => {
    expect(await renewed({})).toMatchObject({ status: 401, body: { code: 'CERTIFICATE_NONE' } })
    const unknown = await broker.gateway('gw-renew')
    expect(await renewed(unknown)).toMatchObject({ status: 403, body: { code: 'CERTIFICATE_UNKNOWN' } })
    const ingester = await broker.process('ingester')
    expect(await renewed(ingester)).toMatchObject({ status: 403, body: { code: 'CERTIFICATE_UNKNOWN' } })
  })

  it('renews up to 30 days after the end, if the box still has the store that is known', async () => {
    const pair = await enrolled('gw-late')
    await database.ownerClient.query(
      `insert into rtls.store (org_id, gateway_id, nonce, status) select org_id, id, 'its-store', 'active'
       from site.gateway where name = 'gw-late'`,
    )
    await ahead(59 * DAY_MS, async () => {
      expect(await renewed(pair)).toMatchObject({ status: 403, body: { code: 'STORE_MISMATCH' } })
      expect(await renewed(pair, 'another')).toMatchObject({ status: 403, body: { code: 'STORE_MISMATCH' } })
      expect(await renewed(pair, 'its-store')).toMatchObject({ status: 200 })
    })
    await ahead(61 * DAY_MS, async () => {
      expect(await renewed(pair, 'its-store')).toMatchObject({ status: 403, body: { code: 'EXPIRED' } })
    })
  })

  it('is refused after a revocation, and after another box has enrolled under the name', async () => {
    const revoked = await enrolled('gw-revoked')
    await revokeGateway(pool, 'gw-revoked')
    expect(await renewed(revoked)).toMatchObject({ status: 403, body: { code: 'REVOKED' } })
    const replaced = await enrolled('gw-swap')
    const newer = await enrolled('gw-swap')
    expect(await renewed(replaced)).toMatchObject({ status: 403, body: { code: 'REVOKED' } })
    expect(await renewed(newer)).toMatchObject({ status: 200 })
  })

  it('stops a box that asks for one certificate after the other', async () => {
    let pair = await enrolled('gw-greedy')
    for (let i = 0; i < 7; i++) pair = (await renewed(pair)).pair
    expect(await renewed(pair)).toMatchObject({ status: 403, body: { code: 'TOO_MANY' } })
  })
})

describe.skipIf(skipWithoutMosquitto)('a revocation (skipped where there is no mosquitto)', () => {
  it('reaches the broker, ends the open session within a minute and keeps the gateway out; others stay', async () => {
    const gone = await enrolled('gw-stolen')
    const stays = await enrolled('gw-honest')
    const connect = ({ certificate: cert, key }: Pair) =>
      mqtt.connectAsync(broker.url, {
        protocolVersion: 5,
        reconnectPeriod: 0,
        ca: broker.authority.centreCa,
        cert,
        key,
      })
    const [thief, honest] = [await connect(gone), await connect(stays)]
    const ended = new Promise<void>((resolve) => thief.once('close', () => resolve()))
    let isHonestEnded = false
    honest.on('close', () => (isHonestEnded = true))
    const startMs = systemClock.monoMs()
    expect(await revokeGateway(pool, 'gw-stolen')).toBe(true)
    await ended
    expect(systemClock.monoMs() - startMs).toBeLessThan(60_000)
    expect(await isLetIn(gone)).toBe(false)
    expect(isHonestEnded).toBe(false)
    await honest.publishAsync(topics.live('gw-honest' as GatewayId), 'x', { qos: 0 })
    await honest.endAsync()
    const list = readFileSync(broker.revocationListFile, 'utf8')
    const text = execFileSync('openssl', ['crl', '-noout', '-text'], { input: list, encoding: 'utf8' })
    expect(text.replaceAll(':', '')).toContain(new X509Certificate(gone.certificate).serialNumber)
    // The name can be given to another box.
    const again = await enrolled('gw-stolen')
    expect(await isLetIn(again)).toBe(true)
    expect(await isLetIn(gone)).toBe(false)
  }, 90_000)
})
