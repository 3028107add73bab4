import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '@biotrakr/shared'

import { createPacketReader, isPublish, pubackFor } from './mqtt-packets.ts'

/** How a line treats what goes over it, in both directions. */
export type Weather =
  | { readonly kind: 'clear' }
  /** Nothing comes through and neither end is told. */
  | { readonly kind: 'black hole' }
  /**
   * So many of the messages vanish. TCP itself loses nothing, so that the line acknowledges for the receiver what it
   * drops: exactly what a broker does that dies with a full queue.
   */
  | { readonly kind: 'loss'; readonly share: number }
  | { readonly kind: 'repetition'; readonly share: number }
  /** Every second message lets the next one pass. */
  | { readonly kind: 'reordering' }
  | { readonly kind: 'slow'; readonly bitsPerSecond: number; readonly delayMs: number }
  /** Every byte is a write of its own. */
  | { readonly kind: 'crumbs' }

export interface FaultLine {
  readonly url: string
  /** Messages that were treated badly. */
  readonly counts: { lost: number; repeated: number; reordered: number }
  set(weather: Weather): void
  /** Resets every connection. */
  cut(): void
  stop(): Promise<void>
}

export const CLEAR: Weather = { kind: 'clear' }

/** What waits on a line before its sender has to wait too. */
const MOST_BYTES = 256 * 1_024
const LOOK_AGAIN_MS = 20
const OVERTAKEN_AFTER_MS = 300

/** A TCP proxy for MQTT on 127.0.0.1 before a broker, that can be told to be a bad line. */
export async function openFaultLine(brokerUrl: string, random: Random): Promise<FaultLine> {
  const broker = new URL(brokerUrl)
  const counts = { lost: 0, repeated: 0, reordered: 0 }
  const sockets = new Set<Socket>()
  let weather = CLEAR
  const rules = { weather: () => weather, random, counts }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(broker.port), host: broker.hostname, noDelay: true })
    const up = new Direction(near, far, rules)
    const down = new Direction(far, near, rules)
    up.answers = down
    down.answers = up
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    set: (next) => {
      weather = next
    },
    cut,
    stop: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Rules {
  readonly weather: () => Weather
  readonly random: Random
  readonly counts: FaultLine['counts']
}

interface Waiting {
  readonly bytes: Buffer
  readonly sinceMs: number
}

/** One direction of one connection. */
class Direction {
  /** The other direction: acknowledgements of what is dropped here go out there. */
  answers: Direction | undefined
  readonly #from: Socket
  readonly #to: Socket
  readonly #rules: Rules
  readonly #waiting: Waiting[] = []
  #bytes = 0
  #isPumping = false
  #overtaken: Buffer | undefined

  constructor(from: Socket, to: Socket, rules: Rules) {
    this.#from = from
    this.#to = to
    this.#rules = rules
    const read = createPacketReader()
    from.on('data', (bytes: Buffer) => {
      for (const packet of read(bytes)) this.#take(packet)
    })
    from.on('close', () => void this.#end())
  }

  send(bytes: Buffer): void {
    this.#waiting.push({ bytes, sinceMs: performance.now() })
    this.#bytes += bytes.length
    if (this.#bytes > MOST_BYTES) this.#from.pause()
    void this.#pump()
  }

  #take(packet: Buffer): void {
    const { weather, random, counts } = this.#rules
    const now = weather()
    if (!isPublish(packet)) {
      this.send(packet)
      return
    }
    if (now.kind === 'loss' && random() < now.share) {
      counts.lost += 1
      const answer = pubackFor(packet)
      if (answer) this.answers?.send(answer)
      return
    }
    if (now.kind === 'reordering' && this.#overtaken === undefined) {
      this.#overtaken = packet
      setTimeout(() => this.#letFollow(), OVERTAKEN_AFTER_MS).unref()
      return
    }
    this.send(packet)
    if (this.#overtaken !== undefined) counts.reordered += 1
    this.#letFollow()
    if (now.kind === 'repetition' && random() < now.share) {
      counts.repeated += 1
      this.send(packet)
    }
  }

  #letFollow(): void {
    const packet = this.#overtaken
    this.#overtaken = undefined
    if (packet) this.send(packet)
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return
    this.#isPumping = true
    for (let next = this.#waiting[0]; next && !this.#to.destroyed; next = this.#waiting[0]) {
      await this.#write(next)
      this.#waiting.shift()
      this.#bytes -= next.bytes.length
      if (this.#bytes <= MOST_BYTES) this.#from.resume()
    }
    this.#isPumping = false
  }

  async #write({ bytes, sinceMs }: Waiting): Promise<void> {
    await this.#outlastBlackHole()
    const weather = this.#rules.weather()
    if (weather.kind === 'crumbs') return await this.#writeInPieces(bytes, 1)
    if (weather.kind === 'slow') {
      await sleep(Math.max(0, sinceMs + weather.delayMs - performance.now()))
      await sleep((bytes.length * 8_000) / weather.bitsPerSecond)
    }
    await this.#writeInPieces(bytes, bytes.length)
  }

  async #writeInPieces(bytes: Buffer, size: number): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#to.destroyed; at += size) {
      const isTaken = this.#to.write(bytes.subarray(at, at + size))
      if (size < bytes.length) await new Promise((done) => setImmediate(done))
      while (!isTaken && !this.#to.destroyed && this.#to.writableNeedDrain) await sleep(LOOK_AGAIN_MS)
    }
  }

  async #outlastBlackHole(): Promise<void> {
    while (this.#rules.weather().kind === 'black hole' && !this.#to.destroyed) await sleep(LOOK_AGAIN_MS)
  }

  /** The end of one side is told to the other, unless nothing comes through. */
  async #end(): Promise<void> {
    await this.#outlastBlackHole()
    this.#letFollow()
    this.#to.destroy()
  }
}
