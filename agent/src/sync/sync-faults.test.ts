import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { topics } from '@biotrakr/shared'
import mqtt from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'

import type { Problem } from './problem-board.ts'
import { createSync, type Sync, type SyncOptions } from './sync.ts'
import { hasMosquitto, mustHaveAll, startAedes, startMosquitto, type TestBroker } from './test-broker.ts'
import { arrayOutbox, type Centre, compression, fastClock, GATEWAY, startCentre, until } from './test-centre.ts'

const EPOCH = '1-00000000000000aa'
const isMissing = !hasMosquitto && !mustHaveAll
const why = isMissing ? ' (skipped: mosquitto is not installed)' : ''
const cleanUps: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function endLater<T extends TestBroker>(broker: T): T {
  cleanUps.push(() => broker.stop())
  return broker
}

async function centreAt(url: string, options = {}): Promise<Centre> {
  const centre = await startCentre(url, options)
  cleanUps.push(() => centre.stop())
  return centre
}

interface Line {
  readonly level: string
  readonly event: string
  readonly code?: string
  readonly text: string
}

function syncAt(
  broker: SyncOptions['broker'],
  { speed = 1, ...changes }: Partial<SyncOptions> & Pick<SyncOptions, 'outbox'> & { speed?: number },
): { sync: Sync; log: Line[]; problem: () => Problem | undefined } {
  const log: Line[] = []
  const keep = (level: string) => (fields: object, text: string) => {
    log.push({ level, event: '', ...fields, text })
  }
  const sync = createSync({
    gateway: GATEWAY,
    software: 'test',
    broker,
    compression,
    clock: fastClock(speed),
    random: Math.random,
    log: { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') },
    ...changes,
  })
  cleanUps.push(() => sync.stop({ flushMs: 0 }))
  sync.start()
  return { sync, log, problem: () => sync.status().problem }
}

/** A server that speaks no MQTT: it does to each connection what it is told. */
async function strangerAt(treat: (socket: Socket) => void): Promise<{ url: string; count: () => number }> {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
    treat(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => void server.close())
  return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => connections }
}

describe.skipIf(isMissing)(`sync and what a broker may forbid${why}`, () => {
  it('names the topic when the ledger is forbidden, keeps the data, and goes on when it is allowed', async () => {
    const forbidden = topics.ledger(GATEWAY)
    const rest = ['pattern readwrite biotrakr/v1/+/up/hello', 'pattern readwrite biotrakr/v1/+/up/state']
    const access = ['pattern read #', 'pattern write biotrakr/v1/+/down/#', ...rest]
    const broker = endLater(await startMosquitto(['allow_anonymous true'], access))
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(300)
    const { sync, log, problem } = syncAt({ url: broker.url }, { outbox, batchRecords: 10, speed: 100 })
    await until('it is denied', () => sync.status().state === 'denied')
    expect(problem()).toMatchObject({ code: 'SYNC_PUBLISH_DENIED' })
    expect(problem()?.message).toContain(forbidden)
    expect(problem()?.next).toContain('access list')
    const perTry = sync.status().published
    expect(perTry).toBeLessThanOrEqual(8)
    await until('it has tried again', () => sync.status().published > perTry)
    expect(outbox.status().unacknowledged).toBe(300)
    expect(log.filter(({ level }) => level === 'error')).toHaveLength(1)
    broker.allow(['pattern readwrite #'])
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(centre.inserted.get(EPOCH)).toBe(300)
    expect(problem()).toBeUndefined()
    expect(log.some(({ event }) => event === 'sync.settled')).toBe(true)
  })

  it('says so when no commit ack comes for 30 s, because the answers are forbidden', async () => {
    const access = ['pattern readwrite biotrakr/v1/+/up/#', 'user ingester', 'topic readwrite #']
    const broker = endLater(await startMosquitto(['allow_anonymous true'], access))
    await centreAt(broker.url)
    const outbox = arrayOutbox(5)
    const { sync, problem } = syncAt({ url: broker.url }, { outbox, speed: 100 })
    await until('it complains', () => problem()?.code === 'SYNC_NO_ACK')
    expect(problem()?.next).toContain(topics.ack(GATEWAY))
    expect(sync.status().state).toBe('greeting')
    expect(outbox.status().unacknowledged).toBe(5)
  })

  it('says that nobody listens when no ingester is there, greets it when it comes, and settles the problem', async () => {
    const broker = endLater(await startMosquitto())
    const outbox = arrayOutbox(5)
    const { problem } = syncAt({ url: broker.url }, { outbox, speed: 100 })
    await until('it complains', () => problem()?.code === 'SYNC_NO_ACK')
    expect(problem()?.message).toContain(`nobody reads ${topics.hello(GATEWAY)}`)
    await centreAt(broker.url)
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(problem()).toBeUndefined()
  })

  it('says so when acks stop while batches are in flight, and resends slowly', async () => {
    const broker = endLater(await startMosquitto())
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(100)
    const { sync, problem } = syncAt({ url: broker.url }, { outbox, batchRecords: 10, speed: 100 })
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    centre.isMute = true
    const before = sync.status().published
    outbox.add(100)
    sync.notifyCommitted()
    await until('it complains', () => problem()?.code === 'SYNC_NO_ACK')
    expect(problem()?.message).toContain('no commit ack for 30 s')
    // 8 at first, then one each after 2, 6, 14 and 30 s.
    expect(sync.status().published - before).toBeLessThanOrEqual(8 + 5)
    centre.isMute = false
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(centre.inserted.get(EPOCH)).toBe(200)
  })

  it('explains a refused user in plain words', async () => {
    const broker = endLater(await startMosquitto(['allow_anonymous false']))
    const { problem } = syncAt({ url: broker.url }, { outbox: arrayOutbox(1) })
    await until('it complains', () => problem() !== undefined)
    expect(problem()).toMatchObject({ code: 'BROKER_REFUSED' })
    expect(problem()?.message).toMatch(/refused the connection: not authorised, reason 0x87/)
    expect(problem()?.next).toContain('password')
  })

  it('finds the size that fits when the broker only closes the connection for a large message', async () => {
    const broker = endLater(await startMosquitto(['allow_anonymous true', 'max_packet_size 3000']))
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(5_000)
    const connectUntold: SyncOptions['connect'] = (options) => {
      const client = mqtt.connect(options)
      return client.prependListener('connect', (packet) => {
        delete packet.properties?.maximumPacketSize
      })
    }
    const { sync } = syncAt({ url: broker.url }, { outbox, connect: connectUntold, speed: 20 })
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(centre.inserted.get(EPOCH)).toBe(5_000)
    expect(sync.status().connects).toBeGreaterThan(1)
  })

  it('cuts batches to the size that the broker takes', async () => {
    const broker = endLater(await startMosquitto(['allow_anonymous true', 'max_packet_size 3000']))
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(5_000)
    const { sync } = syncAt({ url: broker.url }, { outbox })
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(Math.max(...centre.batches.map(({ bytes }) => bytes))).toBeLessThan(3_000)
    expect(centre.inserted.get(EPOCH)).toBe(5_000)
    expect(sync.status().connects).toBe(1)
  })
})

describe('sync and what the centre or the line may do', () => {
  it('stops for a refusal of the centre, keeps the data, and asks again a minute later', async () => {
    const broker = endLater(await startAedes())
    const centre = await centreAt(broker.url)
    centre.isMute = true
    const outbox = arrayOutbox(10)
    const { sync, problem } = syncAt({ url: broker.url }, { outbox, speed: 100 })
    await until('it says hello', () => centre.hellos.length > 0)
    centre.say({ type: 'refuse', code: 'GATEWAY_UNKNOWN', detail: 'this gateway is not enrolled' })
    await until('it is refused', () => sync.status().state === 'refused')
    expect(problem()).toMatchObject({ code: 'SYNC_REFUSED' })
    expect(problem()?.message).toContain('this gateway is not enrolled (GATEWAY_UNKNOWN)')
    expect(centre.batches).toEqual([])
    centre.isMute = false
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(problem()).toBeUndefined()
  })

  it('explains a refused subscription and tries it again', async () => {
    let isAllowed = false
    const broker = endLater(
      await startAedes({
        authorizeSubscribe: (client, subscription, done) =>
          done(null, isAllowed || client.id !== GATEWAY ? subscription : null),
      }),
    )
    await centreAt(broker.url)
    const outbox = arrayOutbox(10)
    const { problem } = syncAt({ url: broker.url }, { outbox, speed: 100 })
    await until('it complains', () => problem()?.code === 'SYNC_SUBSCRIBE_DENIED')
    expect(problem()?.message).toContain(topics.ack(GATEWAY))
    isAllowed = true
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(problem()).toBeUndefined()
  })

  it('backs off for a minute and warns of a twin when another box takes its place', async () => {
    const broker = endLater(await startAedes())
    await centreAt(broker.url)
    const { sync, problem, log } = syncAt({ url: broker.url }, { outbox: arrayOutbox(1), speed: 50 })
    await until('it is idle', () => sync.status().state === 'idle')
    const twin = await mqtt.connectAsync(broker.url, { protocolVersion: 5, clientId: GATEWAY, reconnectPeriod: 0 })
    await until('it is thrown out', () => sync.status().state === 'connecting')
    const lostMs = performance.now()
    expect(problem()).toMatchObject({ code: 'SYNC_TWIN' })
    expect(log.some(({ level, code }) => level === 'error' && code === 'SYNC_TWIN')).toBe(true)
    await until('it comes back', () => sync.status().connects === 2)
    expect((performance.now() - lostMs) * 50).toBeGreaterThanOrEqual(59_000)
    await twin.endAsync(true)
  })

  it('survives messages of the centre that make no sense', async () => {
    const broker = endLater(await startAedes())
    const centre = await centreAt(broker.url)
    const outbox = arrayOutbox(10)
    const { sync } = syncAt({ url: broker.url }, { outbox })
    await until('it is idle', () => sync.status().state === 'idle' && outbox.status().unacknowledged === 0)
    const topic = topics.ack(GATEWAY)
    for (const text of [
      '',
      '{',
      '[]',
      '{"type":"ack"}',
      `{"type":"welcome","epochs":[{"epoch":"9-00000000000000aa","hw":1}]}`,
    ]) {
      centre.client.publish(topic, text)
    }
    await until('they are counted', () => sync.status().strays === 5)
    outbox.add(10)
    sync.notifyCommitted()
    await until('it still works', () => outbox.status().unacknowledged === 0)
  })

  it('connects at most six times in any minute when the line flaps', async () => {
    const { url, count } = await strangerAt((socket) => socket.destroy())
    const speed = 500
    const { sync, problem } = syncAt({ url }, { outbox: arrayOutbox(1), speed })
    const startMs = performance.now()
    await until('ten minutes have passed', () => (performance.now() - startMs) * speed > 600_000)
    const minutes = ((performance.now() - startMs) * speed) / 60_000
    expect(sync.status().connects).toBeLessThanOrEqual(6 * (minutes + 1))
    expect(count()).toBeLessThanOrEqual(6 * (minutes + 1))
    expect(problem()?.code).toBe('BROKER_UNREACHABLE')
  })

  it('notices within 1.5 keep-alives and a second that a line has gone dead', async () => {
    const broker = endLater(await startAedes())
    const sockets: Socket[] = []
    const { url } = await strangerAt((socket) => {
      const beyond = connect(broker.port, '127.0.0.1')
      beyond.on('error', () => {})
      socket.pipe(beyond).pipe(socket)
      sockets.push(socket, beyond)
      cleanUps.push(
        () => void socket.destroy(),
        () => void beyond.destroy(),
      )
    })
    await centreAt(broker.url)
    const { sync, problem } = syncAt({ url }, { outbox: arrayOutbox(1), keepaliveSeconds: 2 })
    await until('it is idle', () => sync.status().state === 'idle')
    for (const socket of sockets) socket.unpipe().pause()
    await until('it is noticed', () => sync.status().state === 'connecting', 1.5 * 2_000 + 1_000)
    expect(problem()).toMatchObject({ code: 'BROKER_UNREACHABLE' })
    expect(problem()?.message).toContain('Keepalive timeout')
  })

  it('says that it is no broker when a web page answers', async () => {
    const { url } = await strangerAt((socket) => {
      socket.write('HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n<html></html>')
    })
    const { problem } = syncAt({ url }, { outbox: arrayOutbox(1), connectTimeoutMs: 300 })
    await until('it complains', () => problem() !== undefined)
    expect(problem()).toMatchObject({ code: 'BROKER_UNREACHABLE' })
    expect(problem()?.next).toMatch(/web page|port/)
  })

  it('says what to check when nothing listens, or when the name is unknown', async () => {
    const broker = await startAedes()
    await broker.stop()
    const { problem } = syncAt({ url: broker.url }, { outbox: arrayOutbox(1) })
    await until('it complains', () => problem() !== undefined)
    expect(problem()?.message).toBe(`no connection to the broker 127.0.0.1:${broker.port}: nothing listens there`)
    const { problem: unknown } = syncAt({ url: 'mqtt://no-such-broker.invalid' }, { outbox: arrayOutbox(1) })
    await until('it complains', () => unknown() !== undefined)
    expect(unknown()?.next).toMatch(/DNS|host name/)
  })
})

const OPENSSL = 'openssl'

function hasOpenssl(): boolean {
  try {
    execFileSync(OPENSSL, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A CA and a certificate for `name`, made on the spot. */
function certificates(name: string) {
  const dir = mkdtempSync(join(tmpdir(), 'biotrakr-tls-'))
  cleanUps.push(() => rmSync(dir, { recursive: true, force: true }))
  const at = (file: string) => join(dir, file)
  const openssl = (...args: string[]) => execFileSync(OPENSSL, args, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...newKey, '-subj', '/CN=ca', '-days', '2', '-keyout', at('ca.key'), '-out', at('ca.pem'))
  const issued = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', `subjectAltName=DNS:${name}`]
  openssl('req', '-x509', ...newKey, ...issued, '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('cert'))
  return { ca: at('ca.pem'), cert: at('cert'), key: at('key') }
}

const lacksTls = (!hasMosquitto || !hasOpenssl()) && !mustHaveAll

describe.skipIf(lacksTls)(`sync over TLS${lacksTls ? ' (skipped: needs mosquitto and openssl)' : ''}`, () => {
  async function tlsBroker(name: string) {
    const files = certificates(name)
    const settings = [`cafile ${files.ca}`, `certfile ${files.cert}`, `keyfile ${files.key}`, 'tls_version tlsv1.3']
    const broker = endLater(await startMosquitto([...settings, 'allow_anonymous true']))
    return { files, broker, url: `mqtts://localhost:${broker.port}` }
  }

  it('delivers with the right CA and the right name, over TLS 1.3', async () => {
    const { files, url } = await tlsBroker('localhost')
    const ca = readFileSync(files.ca)
    await centreAt(url, { ca })
    const outbox = arrayOutbox(1_000)
    let protocol: unknown
    syncAt(
      { url, ca },
      {
        outbox,
        connect(options) {
          const client = mqtt.connect(options)
          client.on('connect', () => {
            if ('getProtocol' in client.stream && typeof client.stream.getProtocol === 'function') {
              protocol = client.stream.getProtocol()
            }
          })
          return client
        },
      },
    )
    await until('all is acknowledged', () => outbox.status().unacknowledged === 0)
    expect(protocol).toBe('TLSv1.3')
  })

  it('refuses a broker that another CA vouches for, and says so', async () => {
    const { url } = await tlsBroker('localhost')
    const { problem, sync } = syncAt(
      { url, ca: readFileSync(certificates('localhost').ca) },
      { outbox: arrayOutbox(1) },
    )
    await until('it complains', () => problem() !== undefined)
    expect(problem()?.message).toContain('not signed by the configured CA')
    expect(sync.status().state).toBe('connecting')
  })

  it('refuses a broker of another name, and says so', async () => {
    const { files, url } = await tlsBroker('other.example')
    const { problem } = syncAt({ url, ca: readFileSync(files.ca) }, { outbox: arrayOutbox(1) })
    await until('it complains', () => problem() !== undefined)
    expect(problem()?.message).toContain('its certificate is for another name')
  })

  it('says so when the port speaks no TLS', async () => {
    const broker = endLater(await startMosquitto())
    const { problem } = syncAt({ url: `mqtts://localhost:${broker.port}` }, { outbox: arrayOutbox(1) })
    await until('it complains', () => problem() !== undefined)
    expect(problem()?.code).toBe('BROKER_UNREACHABLE')
    expect(problem()?.next).toMatch(/port|TLS/)
  })
})
