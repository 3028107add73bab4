import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Aedes, type AedesOptions } from 'aedes'

/** A real broker on a port of its own. */
export interface TestBroker {
  readonly port: number
  readonly url: string
  /** Ends it without a goodbye. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface Mosquitto extends TestBroker {
  /** Replaces the access list and makes the broker read it. */
  allow(lines: readonly string[]): void
}

const PROGRAM = 'mosquitto'
const EVERYTHING = ['pattern readwrite #']

export const hasMosquitto = (() => {
  try {
    execFileSync(PROGRAM, ['-h'], { stdio: 'ignore' })
    return true
  } catch (error) {
    // It ends with a status of its own after the help text; only a missing program has no status.
    return error instanceof Error && 'status' in error && typeof error.status === 'number'
  }
})()

/** True where a missing real part is a failure and no reason to skip. */
export const mustHaveAll = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * @param settings lines of its configuration beside the listener, such as `max_packet_size 2000`
 * @param access lines of its access list; all is allowed without
 */
export async function startMosquitto(
  settings: readonly string[] = ['allow_anonymous true'],
  access: readonly string[] = EVERYTHING,
): Promise<Mosquitto> {
  const dir = mkdtempSync(join(tmpdir(), 'biotrakr-mosquitto-'))
  const port = await freePort()
  const acl = join(dir, 'acl')
  const conf = join(dir, 'mosquitto.conf')
  writeFileSync(acl, `${access.join('\n')}\n`, { mode: 0o600 })
  // As root it would change to a user of its own, who cannot read this folder.
  const user = process.getuid?.() === 0 ? ['user root'] : []
  const lines = [`listener ${port} 127.0.0.1`, 'persistence false', 'set_tcp_nodelay true', `acl_file ${acl}`, ...user]
  writeFileSync(conf, [...lines, ...settings, ''].join('\n'))
  let child: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const old = child
    child = undefined
    if (old === undefined || old.exitCode !== null || old.signalCode !== null) return
    old.kill(signal)
    await once(old, 'exit')
  }
  const broker: Mosquitto = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    kill: () => end('SIGKILL'),
    async restart() {
      child = spawn(PROGRAM, ['-c', conf], { stdio: 'ignore' })
      await listens(port)
    },
    allow(next) {
      writeFileSync(acl, `${next.join('\n')}\n`)
      child?.kill('SIGHUP')
    },
    async stop() {
      await end('SIGTERM')
      rmSync(dir, { recursive: true, force: true })
    },
  }
  await broker.restart()
  return broker
}

export async function startAedes(options: AedesOptions = {}): Promise<TestBroker> {
  const port = await freePort()
  let end = async (): Promise<void> => {}
  const broker: TestBroker = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    kill: () => end(),
    async restart() {
      const aedes = new Aedes(options)
      await aedes.listen()
      const server = createServer((socket) => aedes.handle(socket)).listen(port, '127.0.0.1')
      await once(server, 'listening')
      end = async () => {
        end = async () => {}
        const closed = once(server, 'close')
        server.close()
        await new Promise<void>((resolve) => aedes.close(() => resolve()))
        await closed
      }
    },
    stop: () => end(),
  }
  await broker.restart()
  return broker
}

async function listens(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    } finally {
      socket.destroy()
    }
  }
}
