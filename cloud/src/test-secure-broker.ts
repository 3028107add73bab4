import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { GatewayId } from '@biotrakr/shared'

import type { Authority, Pair, Validity } from './upkeep/authority.ts'
import { initAuthority } from './upkeep/authority-files.ts'
import { brokerAccessList, brokerConfig } from './upkeep/broker-config.ts'

/** For tests: a real mosquitto with the configuration that is shipped, and the authorities behind it. */
export interface SecureBroker {
  readonly folder: string
  readonly authority: Authority
  /** Where gateways connect. */
  readonly url: string
  readonly port: number
  /** Where processes of the centre connect. */
  readonly centreUrl: string
  readonly centrePort: number
  readonly revocationListFile: string
  readonly pidFile: string
  gateway(name: string, validity?: Partial<Validity>): Promise<Pair>
  process(name: string): Promise<Pair>
  /** Puts a revocation list in place and has the broker read it. */
  revoke(serials: readonly string[], validity?: Partial<Validity>): Promise<void>
  /** A new certificate for the broker itself, in use from its next start on. */
  serve(names: readonly string[], validity?: Partial<Validity>): Promise<void>
  start(): Promise<void>
  /** Ends it; its files stay for another start. */
  end(): Promise<void>
  /** Has it read its files again, and waits until it has. */
  reload(): Promise<void>
  /** What it has logged so far. */
  log(): string
  stop(): Promise<void>
}

const PROGRAM = ['mosquitto', '/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(
  (program) => spawnSync(program, ['-h']).error === undefined,
)
const HOUR_MS = 3_600_000

export async function createSecureBroker({ maxGateways = 50 } = {}): Promise<SecureBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-secure-'))
  const at = (name: string) => join(folder, name)
  const authority = await initAuthority(at('authority'), Date.now())
  const [port, centrePort] = [await freePort(), await freePort()]
  const files = { revocationListFile: at('gateways.crl'), pidFile: at('mosquitto.pid'), aclFile: at('acl') }
  const wish = {
    ...files,
    gateways: { port, bind: '127.0.0.1' },
    centre: { port: centrePort, bind: '127.0.0.1' },
    certFile: at('broker.pem'),
    keyFile: at('broker.key'),
    gatewayCaFile: at('authority/gateway-ca.pem'),
    centreCaFile: at('authority/centre-ca.pem'),
    maxGateways,
    ...(process.getuid?.() === 0 && { user: 'root' }),
  }
  writeFileSync(at('mosquitto.conf'), brokerConfig(wish))
  writeFileSync(at('acl'), brokerAccessList(), { mode: 0o600 })
  const mosquitto = createMosquitto(at('mosquitto.conf'), [port, centrePort])
  const writeList = async (serials: readonly string[], validity: Partial<Validity> = {}) => {
    const revoked = serials.map((serial) => ({ serial, atMs: Date.now() }))
    writeFileSync(files.revocationListFile, await authority.revocationList(revoked, span(validity)))
  }
  const serve: SecureBroker['serve'] = async (names, validity = {}) => {
    const { certificate, key } = await authority.centre({ server: names }, span(validity))
    writeFileSync(wish.certFile, certificate)
    writeFileSync(wish.keyFile, key, { mode: 0o600 })
  }
  await writeList([])
  await serve(['localhost', '127.0.0.1'])
  return {
    ...files,
    ...mosquitto,
    folder,
    authority,
    port,
    centrePort,
    url: `mqtts://127.0.0.1:${port}`,
    centreUrl: `mqtts://127.0.0.1:${centrePort}`,
    gateway: (name, validity = {}) => authority.standIn(name as GatewayId, span(validity)),
    process: (name) => authority.centre({ process: name }, span({})),
    revoke: async (serials, validity) => {
      await writeList(serials, validity)
      await mosquitto.reload()
    },
    serve,
    stop: async () => {
      await mosquitto.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function createMosquitto(config: string, ports: readonly number[]) {
  let child: ChildProcess | undefined
  let log = ''
  const readings = () => log.split('Reloading config').length
  const end = async () => {
    const old = child
    child = undefined
    if (!old || old.exitCode !== null || old.signalCode !== null) return
    old.kill('SIGTERM')
    await once(old, 'exit')
  }
  return {
    log: () => log,
    end,
    start: async () => {
      await end()
      child = spawn(PROGRAM ?? 'mosquitto', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-200_000)))
      for (const port of ports) {
        while (!(await listens(port))) {
          if (child.exitCode !== null) throw new Error(`mosquitto ended: ${log}`)
          await soon()
        }
      }
    },
    reload: async () => {
      const before = readings()
      child?.kill('SIGHUP')
      while (child?.exitCode === null && readings() === before) await soon()
    },
  }
}

function soon(): Promise<void> {
  return new Promise((done) => setTimeout(done, 20))
}

function span({ fromMs = Date.now() - HOUR_MS, untilMs = Date.now() + HOUR_MS }: Partial<Validity>): Validity {
  return { fromMs, untilMs }
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
