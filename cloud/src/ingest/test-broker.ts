import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A real mosquitto on a port of its own. For tests only. */
export interface TestBroker {
  readonly url: string
  start(): Promise<void>
  /** Kills it at once, as a power cut would. */
  kill(): Promise<void>
  stop(): Promise<void>
}

const PROGRAM = ['mosquitto', '/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(
  // It has no --version; -h prints the version and ends with 3.
  (program) => spawnSync(program, ['-h']).error === undefined,
)

const hasMosquitto = PROGRAM !== undefined

/** With BIOTRAKR_REQUIRE_ALL=1 a missing part fails the tests instead of skipping them. */
export const skipWithoutMosquitto = !hasMosquitto && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1'

export async function createTestBroker(): Promise<TestBroker> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-broker-'))
  const config = join(folder, 'mosquitto.conf')
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type none\n`,
  )
  let child: ChildProcess | undefined
  const kill = async () => {
    const current = child
    child = undefined
    if (!current) return
    const ended = new Promise((resolve) => current.once('exit', resolve))
    current.kill('SIGKILL')
    await ended
  }
  return {
    url: `mqtt://127.0.0.1:${port}`,
    start: async () => {
      child = spawn(PROGRAM ?? 'mosquitto', ['-c', config], { stdio: 'ignore' })
      await reachable(port)
    },
    kill,
    stop: async () => {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function reachable(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('close', () => socket.destroy())
      socket.once('connect', () => socket.end())
    })
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`mosquitto does not listen on port ${port}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
