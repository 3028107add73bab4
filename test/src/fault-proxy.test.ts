import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { CLEAR, type FaultLine, openFaultLine } from './fault-proxy.ts'
import { createPacketReader } from './mqtt-packets.ts'

/** A QoS 1 PUBLISH to topic "t" with this packet id, without properties and payload. */
const publish = (id: number) => Buffer.from([0x32, 6, 0, 1, 0x74, 0, id, 0])
const ping = Buffer.from([0xc0, 0])

describe('a line with faults', () => {
  let server: Server
  let line: FaultLine
  let near: Socket
  let far: Socket
  let arrived: Buffer
  let returned: Buffer

  beforeEach(async () => {
    arrived = Buffer.alloc(0)
    returned = Buffer.alloc(0)
    server = createServer((socket) => {
      far = socket
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        arrived = Buffer.concat([arrived, bytes])
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    line = await openFaultLine(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, () => 0.1)
    near = connect(Number(new URL(line.url).port), '127.0.0.1')
    near.on('error', () => undefined)
    near.on('data', (bytes) => {
      returned = Buffer.concat([returned, bytes])
    })
    await Promise.all([once(near, 'connect'), once(server, 'connection')])
  })
  afterEach(async () => {
    near.destroy()
    await line.stop()
    server.close()
  })

  const ids = () => createPacketReader()(arrived).map((packet) => (packet[0] === 0x32 ? packet[6] : 'ping'))
  const send = (...packets: Buffer[]) => near.write(Buffer.concat(packets))

  it('carries everything in order when it is clear', async () => {
    send(publish(1), ping, publish(2))
    await expect.poll(ids).toEqual([1, 'ping', 2])
  })

  it('loses messages, acknowledges them for the receiver, and never loses anything else', async () => {
    line.set({ kind: 'loss', share: 0.3 })
    send(publish(7), ping)
    await expect.poll(ids).toEqual(['ping'])
    await expect.poll(() => returned).toEqual(Buffer.from([0x40, 2, 0, 7]))
    expect(line.counts.lost).toBe(1)
  })

  it('repeats messages', async () => {
    line.set({ kind: 'repetition', share: 0.3 })
    send(publish(7), ping)
    await expect.poll(ids).toEqual([7, 7, 'ping'])
  })

  it('lets messages overtake each other, and keeps back none for good', async () => {
    line.set({ kind: 'reordering' })
    send(publish(1), publish(2), publish(3))
    await expect.poll(ids).toEqual([2, 1, 3])
    expect(line.counts.reordered).toBe(1)
  })

  it('cuts them into single bytes, and delays them', async () => {
    line.set({ kind: 'crumbs' })
    send(publish(1))
    await expect.poll(ids).toEqual([1])
    line.set({ kind: 'slow', bitsPerSecond: 64_000, delayMs: 5 })
    send(publish(2))
    await expect.poll(ids).toEqual([1, 2])
  })

  it('swallows everything as a black hole, also an end, and gives it back when it is over', async () => {
    line.set({ kind: 'black hole' })
    const ended = once(far, 'close')
    send(publish(1))
    near.end()
    expect(ids()).toEqual([])
    line.set(CLEAR)
    await expect.poll(ids).toEqual([1])
    near.destroy()
    await ended
  })

  it('cuts its connections', async () => {
    const ended = Promise.all([once(near, 'close'), once(far, 'close')])
    line.cut()
    await ended
  })
})
