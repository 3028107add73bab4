import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'

import { type GatewayId, topics } from '@biotrakr/shared'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createSecureBroker, type SecureBroker } from './test-secure-broker.ts'
import type { Pair } from './upkeep/authority.ts'
import { initAuthority } from './upkeep/authority-files.ts'

const A = 'gw-a01' as GatewayId
const B = 'gw-b02' as GatewayId
const HOUR_MS = 3_600_000
const DENIED = 0x87
let broker: SecureBroker
const open = new Set<MqttClient>()

beforeAll(async () => {
  if (skipWithoutMosquitto) return
  broker = await createSecureBroker({ maxGateways: 40 })
  await broker.start()
  // Everything must hold on a broker that has read its files again, too: some settings do not survive that.
  await broker.reload()
})
afterEach(async () => {
  await Promise.all([...open].map((client) => client.endAsync(true)))
  open.clear()
})
afterAll(() => broker?.stop())

async function client(pair: Pair, url: string, more: IClientOptions = {}): Promise<MqttClient> {
  const { certificate: cert, key } = pair
  const base: IClientOptions = { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5_000 }
  const made = await mqtt.connectAsync(url, { ...base, ca: broker.authority.centreCa, cert, key, ...more }, false)
  made.on('error', () => {})
  open.add(made)
  return made
}

const gateway = async (name: string) => client(await broker.gateway(name), broker.url)
let ids = 0
const centre = async (name: string) =>
  client(await broker.process(name), broker.centreUrl, { clientId: `${name}-${++ids}` })

/** Reason code of a publish with QoS 1: 0x00, 0x10 (taken, nobody reads it) or a refusal. */
async function writes(from: MqttClient, topic: string): Promise<number> {
  let code = 0
  const onPacket = (packet: { cmd: string; reasonCode?: number | undefined }) => {
    if (packet.cmd === 'puback') code = packet.reasonCode ?? 0
  }
  from.on('packetreceive', onPacket)
  await from.publishAsync(topic, `to ${topic}`, { qos: 1 }).catch(() => undefined)
  from.off('packetreceive', onPacket)
  return code
}

const DEPTHS = ['biotrakr/v1', `biotrakr/v1/${A}`, `biotrakr/v1/${A}/up`, `biotrakr/v1/${A}/up/ledger`]
const OWN_UP = [topics.ledger(A), topics.live(A), topics.hello(A), topics.state(A)]
const OWN_DOWN = [topics.ack(A), topics.config(A)]
const FOREIGN = [topics.ledger(B), topics.live(B), topics.hello(B), topics.state(B), topics.ack(B), topics.config(B)]
const ODD = [
  ...DEPTHS,
  `${topics.ledger(A)}/more`,
  `biotrakr/v1/${A}/up/else`,
  `biotrakr/v1/${A}/up/live/else`,
  `biotrakr/v2/${A}/up/live`,
  'biotrakr/v1/ingester/else/ack',
  '$SYS/broker/uptime',
  'anything',
]
const ALL = [...OWN_UP, ...OWN_DOWN, ...FOREIGN]

/** Identity -> what it may write and what it may read, of every topic there is. */
const MATRIX = [
  { who: 'a gateway', connect: () => gateway(A), write: OWN_UP, read: OWN_DOWN },
  { who: 'the ingester', connect: () => centre('ingester'), write: ALL.filter(isDown), read: ALL.filter(isUp) },
  {
    who: 'serve',
    connect: () => centre('serve'),
    write: [],
    read: ALL.filter((topic) => /up\/(live|state)$/.test(topic)),
  },
  { who: 'an unknown process of the centre', connect: () => centre('visitor'), write: [], read: [] },
] as const

function isUp(topic: string): boolean {
  return topic.includes('/up/')
}
function isDown(topic: string): boolean {
  return topic.includes('/down/')
}

describe.skipIf(skipWithoutMosquitto)('the access list (skipped where there is no mosquitto)', () => {
  it.each(MATRIX)('lets $who write its own topics and no other', async ({ connect, write }) => {
    const from = await connect()
    for (const topic of [...ALL, ...ODD]) {
      const code = await writes(from, topic)
      expect([topic, code], topic).toEqual([topic, (write as readonly string[]).includes(topic) ? 0x10 : DENIED])
    }
  })

  it.each(MATRIX)('lets $who read its own topics, whatever it subscribes to', async ({ connect, read }) => {
    const reader = await connect()
    const heard: string[] = []
    reader.on('message', (topic) => heard.push(topic))
    // Mosquitto grants every subscription and filters what it delivers: only the silence proves anything.
    for (const filter of ['#', '+/#', 'biotrakr/v1/+/up/#', 'biotrakr/v1/+/down/#', '$share/other/#', ...ALL]) {
      await reader.subscribeAsync(filter, { qos: 1 }).catch(() => undefined)
    }
    const senders = { up: await gateway(B), down: await centre('ingester') }
    for (const topic of [...FOREIGN.filter(isUp), topics.live(B)]) await writes(senders.up, topic)
    for (const topic of [...ALL.filter(isDown), topics.config(A)]) await writes(senders.down, topic)
    // Sent twice, and what is sent to one reader keeps its order: the second of the last means that all is here.
    const possible = read.filter((topic) => isDown(topic) || FOREIGN.includes(topic))
    const last = possible.findLast((topic) => topic === topics.live(B) || topic === topics.config(A))
    await expect.poll(() => heard.filter((topic) => topic === last).length).toBeGreaterThan(last ? 1 : -1)
    await senders.down.publishAsync(topics.ack(B), '', { qos: 1 })
    expect([...new Set(heard)].sort()).toEqual([...possible].sort())
  })

  it('gives a gateway its name as client id, whatever it asks for: none can take the place of another', async () => {
    const victim = await gateway(A)
    const other = await client(await broker.gateway(B), broker.url, { clientId: A, username: A })
    expect(await writes(other, topics.live(A))).toBe(DENIED)
    expect(await writes(other, topics.live(B))).toBe(0x10)
    expect(await writes(victim, topics.live(A))).toBe(0x10)
  })
})

/** Result of a handshake and a CONNECT: `connected`, or the code of the error. */
async function attempt(pair: Partial<Pair>, more: IClientOptions & ConnectionOptions = {}, url = broker.url) {
  const { certificate: cert, key } = pair
  const options = {
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
    ca: broker.authority.centreCa,
  } as const
  try {
    const made = await mqtt.connectAsync(
      url,
      { ...options, ...(cert && { cert }), ...(key && { key }), ...more },
      false,
    )
    await made.endAsync(true)
    return 'connected'
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) return String(error)
    return error.code === 'EPROTO' ? (/alert [a-z ]+/.exec(error.message)?.[0] ?? error.message) : String(error.code)
  }
}

describe.skipIf(skipWithoutMosquitto)('the listeners (skipped where there is no mosquitto)', () => {
  it('take a gateway and a process of the centre, each at its own', async () => {
    const [gate, ingester] = [await broker.gateway(A), await broker.process('ingester')]
    expect(await attempt(gate)).toBe('connected')
    expect(await attempt(ingester, {}, broker.centreUrl)).toBe('connected')
    expect(await attempt(gate, {}, broker.centreUrl)).toBe('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')
    expect(await attempt(ingester)).toBe('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')
  })

  it('refuse no certificate, expired, not yet valid, for another use, of another authority, and TLS 1.2', async () => {
    const nowMs = Date.now()
    const expired = await broker.gateway(A, { fromMs: nowMs - 2 * HOUR_MS, untilMs: nowMs - HOUR_MS })
    const future = await broker.gateway(A, { fromMs: nowMs + HOUR_MS, untilMs: nowMs + 2 * HOUR_MS })
    const rogue = await initAuthority(`${broker.folder}/rogue`, nowMs)
    const validity = { fromMs: nowMs - HOUR_MS, untilMs: nowMs + HOUR_MS }
    const server = await broker.authority.centre({ server: ['127.0.0.1'] }, validity)
    const live = await gateway(B)
    expect({
      none: await attempt({}),
      expired: await attempt(expired),
      future: await attempt(future),
      rogue: await attempt(await rogue.standIn(A, validity)),
      otherUse: await attempt(server, {}, broker.centreUrl),
      old: await attempt(await broker.gateway(A), { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }),
    }).toEqual({
      none: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      expired: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      future: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
      rogue: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      otherUse: 'ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
      old: 'alert protocol version',
    })
    expect(await writes(live, topics.live(B))).toBe(0x10)
  })

  it('refuse a revoked certificate from the next reading of the list on, a resumed session too', async () => {
    const pair = await broker.gateway('gw-gone')
    const ticket = await sessionOf(pair)
    expect(await attempt(pair)).toBe('connected')
    await broker.revoke([new X509Certificate(pair.certificate).serialNumber])
    await expect.poll(() => attempt(pair)).toBe('ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED')
    expect(await attempt(pair, { session: ticket })).not.toBe('connected')
    expect(await attempt(await broker.gateway(A))).toBe('connected')
    await broker.revoke([])
  })

  it('refuse every gateway when the list is out of date, and take them again with a new one', async () => {
    const nowMs = Date.now()
    await broker.revoke([], { fromMs: nowMs - 2 * HOUR_MS, untilMs: nowMs - HOUR_MS })
    await broker.start()
    expect(await attempt(await broker.gateway(A))).toBe('ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED')
    await broker.revoke([])
    await expect.poll(async () => attempt(await broker.gateway(A))).toBe('connected')
  })

  it('end the connection of an oversized packet with its reason, and nobody else is touched', async () => {
    const [big, other] = [await gateway(A), await gateway(B)]
    const reason = new Promise((resolve) => big.on('disconnect', ({ reasonCode }) => resolve(reasonCode)))
    // Straight to the stream: mqtt.js itself would not send more than the broker said it takes.
    const topic = Buffer.from(topics.live(A))
    const body = Buffer.concat([Buffer.of(0, topic.length), topic, Buffer.of(0), Buffer.alloc(300_000)])
    big.stream.write(Buffer.concat([Buffer.of(0x30, ...varint(body.length)), body]))
    expect(await reason).toBe(0x95)
    expect(await writes(other, topics.live(B))).toBe(0x10)
  })

  it('stop at their limit of connections in a flood; who is in stays in, and the centre has a limit of its own', async () => {
    await broker.start()
    const inside = await gateway(B)
    const end = await flood()
    expect(await writes(inside, topics.live(B))).toBe(0x10)
    expect(await writes(await centre('ingester'), topics.ack(B))).toBe(0x10)
    expect(await attempt(await broker.gateway('gw-late'))).toBe('ECONNRESET')
    end()
    await expect.poll(async () => attempt(await broker.gateway('gw-late')), { timeout: 15_000 }).toBe('connected')
  })

  it('let connections that never end their CONNECT wait, and serve everyone else meanwhile', async () => {
    await broker.start()
    const inside = await gateway(B)
    const { certificate: cert, key } = await broker.gateway(A)
    const dawdlers = Array.from({ length: 20 }, () => {
      const to = { host: '127.0.0.1', port: broker.port, ca: broker.authority.centreCa, cert, key }
      return tlsConnect(to)
        .on('error', () => {})
        .resume()
    })
    await Promise.all(dawdlers.map((socket) => once(socket, 'secureConnect')))
    // A CONNECT of 200 bytes, of which one comes after each thing that somebody else does.
    const connect = Buffer.from(`10c80100044d5154540502003c0000b9${'61'.repeat(185)}`, 'hex')
    for (const byte of connect.subarray(0, 40)) {
      for (const socket of dawdlers) socket.write(Buffer.of(byte))
      expect(await writes(inside, topics.live(B))).toBe(0x10)
    }
    expect(await attempt(await broker.gateway('gw-new'))).toBe('connected')
    expect(dawdlers.filter(({ destroyed }) => destroyed)).toEqual([])
    for (const socket of dawdlers) socket.destroy()
  })

  it('stop at the limit of open files once the list was read again, which makes mosquitto 2.0 forget their own', async () => {
    await broker.start()
    execFileSync('prlimit', ['--pid', readFileSync(broker.pidFile, 'utf8').trim(), '--nofile=60:60'])
    await broker.reload()
    const [inside, ingester] = [await gateway(B), await centre('ingester')]
    const end = await flood()
    expect(await writes(inside, topics.live(B))).toBe(0x10)
    expect(await writes(ingester, topics.ack(B))).toBe(0x10)
    end()
    await expect.poll(async () => attempt(await broker.gateway('gw-late')), { timeout: 15_000 }).toBe('connected')
  })
})

/** 120 connections of one gateway's certificate. @returns what ends those that were let in */
async function flood(): Promise<() => void> {
  const { certificate: cert, key } = await broker.gateway(A)
  const sockets = Array.from({ length: 120 }, (): TLSSocket => {
    const socket = tlsConnect({ host: '127.0.0.1', port: broker.port, ca: broker.authority.centreCa, cert, key })
    return socket.on('error', () => {}).resume()
  })
  const refused = () => sockets.filter(({ destroyed }) => destroyed).length
  await expect.poll(refused, { timeout: 15_000 }).toBeGreaterThan(60)
  expect(refused()).toBeLessThan(120)
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]
}

/** A session that TLS could resume without showing the certificate again. */
function sessionOf({ certificate: cert, key }: Pair): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host: '127.0.0.1', port: broker.port, ca: broker.authority.centreCa, cert, key })
    const done = (ticket?: Buffer) => {
      socket.destroy()
      resolve(ticket)
    }
    socket.once('session', done).once('error', reject)
    socket.once('secureConnect', () => setTimeout(done, 500))
  })
}
