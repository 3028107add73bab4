import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

import type { Clock } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createManualClock } from './manual-clock.ts'
import type { LineSettings } from './reader-port.ts'
import { realClock, until } from './serial-fixtures.ts'
import { openTcpPort } from './tcp-port.ts'

const LINE: LineSettings = { baud: 115_200, dataBits: 8, parity: 'none', stopBits: 1, flow: 'none' }

let server: Server
let sockets: Socket[] = []

beforeEach(async () => {
  sockets = []
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    sockets.push(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

function open({
  clock = realClock,
  signal = new AbortController().signal,
}: {
  clock?: Clock
  signal?: AbortSignal
} = {}) {
  const heard: number[] = []
  const ends: string[] = []
  const { port } = server.address() as AddressInfo
  const opening = openTcpPort({ host: '127.0.0.1', port, clock })(
    LINE,
    { bytes: (bytes) => void heard.push(...bytes), closed: (why) => void ends.push(why), warning: () => undefined },
    signal,
  )
  return { opening, heard, ends }
}

describe('a line over the network', () => {
  it('carries bytes both ways, and has no rate of its own', async () => {
    const { opening, heard } = open()
    const port = await opening
    await until(() => sockets.length === 1)
    const got: number[] = []
    sockets[0]?.on('data', (bytes) => got.push(...bytes))
    expect(port.write(Uint8Array.of(1, 2))).toBe(true)
    sockets[0]?.write(Uint8Array.of(3))
    await until(() => got.length === 2 && heard.length === 1)
    await port.setBaud(9_600)
    await port.close()
    expect(port.write(Uint8Array.of(1))).toBe(false)
  })

  it('tells once that the other end has gone', async () => {
    const { opening, ends } = open()
    const port = await opening
    await until(() => sockets.length === 1)
    sockets[0]?.destroy()
    await until(() => ends.length > 0)
    expect([ends, port.write(Uint8Array.of(1))]).toEqual([['the other end closed the connection'], false])
    await port.close()
  })

  it('that is not read at the other end refuses bytes in the end', async () => {
    const port = await open().opening
    const chunk = new Uint8Array(8_192)
    let taken = 0
    while (taken < 10_000 && port.write(chunk)) taken += 1
    expect(taken).toBeLessThan(10_000)
    await port.close()
  })

  it('is refused with the place and the reason when nobody listens', async () => {
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    await expect(
      openTcpPort({ host: '127.0.0.1', port, clock: realClock })(
        LINE,
        { bytes: () => undefined, closed: () => undefined, warning: () => undefined },
        new AbortController().signal,
      ),
    ).rejects.toMatchObject({ code: 'PORT_UNREACHABLE', message: `cannot connect to 127.0.0.1:${port}` })
    server.listen(0, '127.0.0.1')
  })

  it('is given up when there is no answer in time, or nobody wants it any more', async () => {
    const clock = createManualClock()
    const { opening } = open({ clock })
    clock.advance(4_000)
    await expect(opening).rejects.toMatchObject({
      code: 'PORT_UNREACHABLE',
      cause: { message: 'no answer within 4 s' },
    })
    const controller = new AbortController()
    const second = open({ signal: controller.signal })
    controller.abort()
    await expect(second.opening).rejects.toMatchObject({ code: 'PORT_UNREACHABLE' })
  })
})
