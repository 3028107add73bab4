import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { createSync, nodeCompression, type Outbox, openSqliteOutbox, systemClock } from '@biotrakr/agent'
import { applySite, withPool } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import type { Clock, Fix, GatewayId, RoomId, TagId } from '@biotrakr/shared'

const ROOT = resolve(import.meta.dirname, '../..')
const BROKER = 'mosquitto'
const TAG = 'ble:c30000000001' as TagId

/** A process of the centre. */
interface IngesterProcess {
  readonly name: string
  /** What it answers on /health. */
  health(): Promise<IngesterHealth>
  signal(signal: NodeJS.Signals): void
  /** Ends it like a power cut. */
  kill(): Promise<void>
}

interface IngesterHealth {
  readonly ok: boolean
  readonly shards: number
  readonly broker: { readonly state: string }
  readonly database: { readonly breaker: string; readonly fault?: { readonly kind: string } }
}

/** One gateway: a real store and a real uplink, with records made by hand. */
interface Gateway {
  readonly name: GatewayId
  readonly outbox: Outbox
  readonly sync: ReturnType<typeof createSync>
  /** Stores so many fixes and lets them go. */
  add(count: number): void
  stop(): Promise<void>
}

interface GatewayWish {
  /** Folder of its store; its own by default. */
  readonly folder?: string
  readonly maxBytes?: number
  readonly graceMs?: number
  readonly box?: string
  readonly clock?: Clock
  readonly url?: string
  /** Bytes of chance in every record, so that it does not become small. */
  readonly ballast?: number
  /** Time of the first record (Unix ms, an hour ago by default) and from one to the next (1 ms by default). */
  readonly startMs?: number
  readonly stepMs?: number
}

interface SiteWish {
  readonly rooms?: readonly string[]
  readonly tags?: readonly string[]
}

/** Real broker, real database; ingesters are processes of their own, gateways live in this one. */
export interface Rig {
  readonly database: TestDatabase
  readonly brokerUrl: string
  readonly brokerPort: number
  /** Configuration file for `biotrakr-cloud` as bt_ingest. */
  readonly config: string
  folder(name: string): string
  ingester(name: string): Promise<IngesterProcess>
  /** Runs one command of `biotrakr` or `biotrakr-cloud` from its sources until it ends. @returns what it wrote */
  command(workspace: 'cloud' | 'agent', words: readonly string[]): Promise<string>
  gateway(name: string, wish?: GatewayWish): Gateway
  /** First column of a query as the superuser. */
  column(sql: string): Promise<unknown[]>
  stop(): Promise<void>
}

export async function startRig(gateways: readonly string[], { rooms = [], tags = [] }: SiteWish = {}): Promise<Rig> {
  const path = mkdtempSync(join(tmpdir(), 'biotrakr-rig-'))
  const database = await createTestDatabase()
  const owner = database.options('owner')
  await withPool(owner, (pool) =>
    applySite(pool, {
      org: { slug: 'rig', name: 'Rig' },
      facility: { code: 'rig', name: 'Rig', timeZone: 'UTC' },
      rooms: ['R1', ...rooms].map((code) => ({ code })),
      gateways: gateways.map((name) => ({ name })),
      tags: [TAG, ...tags].map((identity) => ({ identity })),
    }),
  )
  const broker = await startBroker(path)
  const login = database.options('bt_ingest')
  const passwordFile = join(path, 'password')
  writeFileSync(passwordFile, login.password ?? '', { mode: 0o600 })
  const access = { host: login.host, port: login.port, database: login.database, user: login.user }
  const writeConfig = (port: number) => {
    const config = {
      database: { ...access, tls: 'off', ...(login.password && { passwordFile }) },
      broker: { url: broker.url },
      ingest: { port },
    }
    const file = join(path, `ingest-${port}.yaml`)
    writeFileSync(file, JSON.stringify(config))
    return file
  }
  const stops: (() => Promise<void>)[] = []
  let folders = 0
  return {
    database,
    brokerUrl: broker.url,
    brokerPort: broker.port,
    config: writeConfig(0),
    folder: (name) => join(path, name),
    ingester: async (name) => {
      const port = await freePort()
      const started = await startIngester(name, { path, port, config: writeConfig(port) })
      stops.push(started.kill)
      return started
    },
    command: async (workspace, words) => {
      const child = spawn(process.execPath, programOf(workspace, words), {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let text = ''
      child.stdout.on('data', (bytes) => (text += bytes))
      child.stderr.on('data', (bytes) => (text += bytes))
      await once(child, 'close')
      if (child.exitCode !== 0) throw new Error(`${words.join(' ')} ended with ${child.exitCode}: ${text}`)
      return text
    },
    gateway: (name, wish = {}) => {
      const made = startGateway(name, { folder: join(path, `store-${++folders}`), url: broker.url, ...wish })
      stops.push(made.stop)
      return made
    },
    column: async (sql) =>
      (await database.ownerClient.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]),
    stop: async () => {
      await Promise.all(stops.map((stop) => stop()))
      await broker.stop()
      await database.stop()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function startGateway(name: string, wish: GatewayWish & { readonly folder: string; readonly url: string }): Gateway {
  const { folder, url, maxBytes = 64 * 1_048_576, graceMs = 86_400_000, box, clock = systemClock } = wish
  const { startMs = Date.now() - 3_600_000, stepMs = 1 } = wish
  const gateway = name as GatewayId
  const outbox = openSqliteOutbox({
    path: `${folder}.sqlite`,
    keyFile: `${folder}.key`,
    gateway,
    maxBytes,
    graceMs,
    compression: nodeCompression,
    clock,
    onLost: () => {},
    onDamaged: () => {},
  })
  const sync = createSync({
    gateway,
    software: 'rig',
    outbox,
    broker: { url },
    compression: nodeCompression,
    clock,
    random: Math.random,
    log: quiet,
    batchRecords: 100,
    ...(box !== undefined && { box }),
  })
  sync.start()
  let made = 0
  let stopped: Promise<void> | undefined
  const stop = async () => {
    await sync.stop({ flushMs: 0 })
    outbox.close()
  }
  return {
    name: gateway,
    outbox,
    sync,
    add: (count) => {
      for (let i = 0; i < count; i++) outbox.append(fixAt(startMs + ++made * stepMs, wish.ballast))
      outbox.flush()
      sync.notifyCommitted()
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

function fixAt(atMs: number, ballast = 0): Fix {
  const room = 'R1' as RoomId
  const answer = { tag: TAG, room, reason: 'none', method: 'BLE', confidence: 900 } as const
  const evidence = ballast > 0 && { evidence: new Uint8Array(randomBytes(ballast)) }
  return { kind: 'fix', ...answer, ...evidence, atMs, spanMs: 1, mapVersion: 1 }
}

interface IngesterPlace {
  readonly path: string
  readonly port: number
  readonly config: string
}

async function startIngester(name: string, { path, port, config }: IngesterPlace): Promise<IngesterProcess> {
  const logFile = join(path, `${name}.log`)
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, programOf('cloud', ['ingest', '--config', config]), {
    cwd: ROOT,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const health = async () =>
    (await (
      await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) })
    ).json()) as IngesterHealth
  for (let isUp = false; !isUp; ) {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${readFileSync(logFile, 'utf8').slice(-2_000)}`)
    isUp = await health().then(
      ({ broker }) => broker.state === 'up',
      () => false,
    )
    if (!isUp) await new Promise((done) => setTimeout(done, 50))
  }
  return { name, health, signal: (signal) => void child.kill(signal), kill: () => end(child) }
}

/** Arguments of node that run a program from its sources. */
export function programOf(workspace: 'cloud' | 'agent', words: readonly string[]): string[] {
  return ['--import', 'tsx', '--conditions=biotrakr:source', join(ROOT, workspace, 'src/main.ts'), ...words]
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function startBroker(path: string) {
  const port = await freePort()
  const file = join(path, 'mosquitto.conf')
  const user = process.getuid?.() === 0 ? 'user root\n' : ''
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n${user}`,
  )
  const child = spawn(BROKER, ['-c', file], { stdio: 'ignore' })
  while (!(await listens(port))) await new Promise((done) => setTimeout(done, 20))
  return { port, url: `mqtt://127.0.0.1:${port}`, stop: () => end(child) }
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
