import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import type { Writable } from 'node:stream'

import { BioTrakrError, type Clock } from '@biotrakr/shared'

import type { Device, DeviceOutput } from './simulate-device.ts'

/** Where a simulated reader can be reached, and how it ends. */
export interface Wire {
  readonly address: string
  /** Settles when the wire is gone by itself. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

const ADVANCE_MS = 10
const LINK_WAIT_MS = 5_000
/** A host that does not read loses what comes beyond this, as on a line without flow control. */
const MAX_UNREAD_BYTES = 1_048_576

/** @throws BioTrakrError PORT_FAILED when it cannot listen there */
export async function listenTcp(device: Device, address: { host: string; port: number }, clock: Clock): Promise<Wire> {
  const hosts = new Map<string, Socket>()
  const give = (outputs: readonly DeviceOutput[]) => {
    for (const output of outputs) {
      const socket = hosts.get(output.host)
      if (socket === undefined) continue
      if ('close' in output) socket.end()
      else write(socket, output.bytes)
    }
  }
  let count = 0
  const server = createServer({ noDelay: true }, (socket) => {
    count += 1
    const host = `host-${count}`
    hosts.set(host, socket)
    socket.on('data', (bytes) => give(device.receive(host, bytes)))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      hosts.delete(host)
      device.disconnect(host)
    })
    give(device.connect(host))
  })
  try {
    server.listen(address.port, address.host)
    await once(server, 'listening')
  } catch (cause) {
    const next = 'Take another port; port 0 takes any that is free.'
    throw new BioTrakrError(`${address.host}:${address.port} cannot be opened`, {
      code: 'PORT_FAILED',
      cause,
      next,
    })
  }
  const timer = clock.every(ADVANCE_MS, () => give(device.advance()))
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return {
    address: `tcp://${address.host}:${port}`,
    ended: once(server, 'close').then(() => undefined),
    async stop() {
      timer.cancel()
      const closed = once(server, 'close')
      server.close()
      for (const socket of hosts.values()) socket.destroy()
      await closed
    },
  }
}

const PTY_HOST = 'pty'

/**
 * A pty by socat: Node has none of its own.
 * @throws BioTrakrError PORT_FAILED without socat, or when the link cannot be made
 */
export async function openPty(device: Device, link: string, clock: Clock): Promise<Wire> {
  const socat = spawn('socat', [`pty,raw,echo=0,link=${link}`, '-'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  socat.stderr.on('data', (text: Buffer) => {
    said = `${said}${text.toString()}`.slice(-500)
  })
  const ended = new Promise<string>((resolve) => {
    socat.once('error', (error) => resolve(error.message))
    socat.once('close', () => resolve(said.trim()))
  })
  let why: string | undefined
  void ended.then((reason) => {
    why = reason
  })
  for (let waitedMs = 0; why === undefined && !existsSync(link) && waitedMs < LINK_WAIT_MS; waitedMs += ADVANCE_MS) {
    await pause(clock, ADVANCE_MS)
  }
  if (why !== undefined || !existsSync(link)) {
    socat.kill()
    throw new BioTrakrError(`${link} cannot be made: ${why ?? 'socat does not answer'}`, {
      code: 'PORT_FAILED',
      next: 'Install socat, which makes the pty, and give a link in a folder that can be written; or use --listen.',
    })
  }
  const give = (outputs: readonly DeviceOutput[]) => {
    for (const output of outputs) if ('bytes' in output) write(socat.stdin, output.bytes)
  }
  socat.stdin.on('error', () => socat.kill())
  socat.stdout.on('data', (bytes: Buffer) => give(device.receive(PTY_HOST, bytes)))
  give(device.connect(PTY_HOST))
  const timer = clock.every(ADVANCE_MS, () => give(device.advance()))
  return {
    address: link,
    ended: ended.then(() => timer.cancel()),
    async stop() {
      timer.cancel()
      socat.kill()
      await ended
    },
  }
}

function write(to: Writable, bytes: Uint8Array): void {
  if (to.writableLength < MAX_UNREAD_BYTES) to.write(bytes)
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
