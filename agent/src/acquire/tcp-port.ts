import { createConnection, type Socket } from 'node:net'

import { BioTrakrError, type Clock } from '@biotrakr/shared'

import { MAX_QUEUED_BYTES, type OpenPort, type Port, type PortEvents } from './reader-port.ts'

interface TcpOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly connectTimeoutMs?: number
}

const CONNECT_MS = 4_000
/** How long the other end may take to close as well. */
const LINGER_MS = 500
/** Idle time before the kernel asks whether the other end still lives. */
const KEEPALIVE_MS = 10_000

/** A reader behind a serial device server, which holds the line settings, or one with a network port of its own. */
export function openTcpPort({ host, port, clock, connectTimeoutMs = CONNECT_MS }: TcpOptions): OpenPort {
  return (_line, events, signal) =>
    new Promise<Port>((resolve, reject) => {
      const socket = createConnection({
        host,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEPALIVE_MS,
      })
      const timer = clock.after(connectTimeoutMs, () =>
        refuse(new Error(`no answer within ${connectTimeoutMs / 1_000} s`)),
      )
      const abort = () => refuse(new Error('given up'))

      function refuse(cause: Error): void {
        settle()
        socket.on('error', () => undefined)
        socket.destroy()
        reject(unreachable(`${host}:${port}`, cause))
      }

      function settle(): void {
        timer.cancel()
        signal.removeEventListener('abort', abort)
        socket.removeListener('error', refuse)
      }

      signal.addEventListener('abort', abort)
      socket.once('error', refuse)
      socket.once('connect', () => {
        settle()
        resolve(createPort(socket, { events, clock }))
      })
      if (signal.aborted) abort()
    })
}

function createPort(socket: Socket, { events, clock }: { readonly events: PortEvents; readonly clock: Clock }): Port {
  let isOver = false
  let cause = 'the other end closed the connection'

  socket.on('data', (bytes: Buffer) => {
    if (!isOver) events.bytes(bytes)
  })
  socket.on('error', (error) => {
    cause = error.message
  })
  socket.on('close', () => {
    if (isOver) return
    isOver = true
    events.closed(cause)
  })

  return {
    write(bytes) {
      if (isOver || socket.destroyed || socket.writableLength + bytes.length > MAX_QUEUED_BYTES) return false
      socket.write(bytes)
      return true
    },
    // A serial device server sets its own line.
    setBaud: () => Promise.resolve(),
    close() {
      isOver = true
      if (socket.destroyed) return Promise.resolve()
      return new Promise((resolve) => {
        // Closing with bytes unread would reset the connection, and with it take back what was sent last.
        const timer = clock.after(LINGER_MS, () => socket.destroy())
        socket.once('close', () => {
          timer.cancel()
          resolve()
        })
        socket.end()
        // The other end takes nothing any more.
        if (socket.writableLength > 0) socket.destroy()
      })
    },
  }
}

function unreachable(place: string, cause: Error): BioTrakrError {
  return new BioTrakrError(`cannot connect to ${place}`, {
    code: 'PORT_UNREACHABLE',
    next: 'Check the address, the network, and that nobody else holds the device server.',
    cause,
  })
}
