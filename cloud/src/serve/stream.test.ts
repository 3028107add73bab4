import { EventEmitter } from 'node:events'
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Fix, GatewayId, RoomId, TagEvent, TagId } from '@biotrakr/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type AlarmBook, createAlarmBook } from './alarms.ts'
import { type Board, type BoardSource, createBoard } from './board.ts'
import { createStreamHub, type StreamHub } from './stream.ts'
import { createTestClock, type TestClock } from './test-clock.ts'
import type { StreamSink } from './viewer.ts'

const GATEWAY = 'gw-a' as GatewayId
const TAGS = Array.from({ length: 1_200 }, (_, i) => `dataset:t${i}` as TagId)
const ROOMS = ['R1', 'R2'] as RoomId[]

const source: BoardSource = {
  gateways: [{ name: GATEWAY, facility: 'east' }],
  rooms: ROOMS.map((code) => ({ facility: 'east', code, name: code })),
  tags: TAGS.map((identity) => ({ identity, label: null })),
  places: [],
}

interface Event {
  readonly event: string
  readonly id?: string
  readonly data: { readonly rows?: unknown[][]; readonly live?: boolean }
}

/** A socket that takes what it is given until told otherwise. */
class Sink extends EventEmitter {
  text = ''
  full = false
  destroyed = false

  write(frame: Buffer): boolean {
    this.text += frame.toString()
    return !this.full
  }

  end(frame: Buffer): void {
    this.text += frame.toString()
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }

  /** Everything since the last call. */
  events(): Event[] {
    const text = this.text
    this.text = ''
    return text.split('\n\n').flatMap((block) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      const [event, id, data] = [field('event'), field('id'), field('data')]
      return event && data ? [{ event, ...(id && { id }), data: JSON.parse(data) }] : []
    })
  }
}

let clock: TestClock
let board: Board
let alarms: AlarmBook
let hub: StreamHub
let live: boolean

beforeEach(() => {
  clock = createTestClock()
  board = createBoard()
  alarms = createAlarmBook(board)
  live = true
  hub = createStreamHub({ board, alarms, clock, epoch: 'e', isLive: () => live, maxViewers: 3 })
  board.replace(source)
  hub.start()
})
afterEach(() => hub.stop())

function hear(tags: readonly TagId[], room: RoomId | undefined = ROOMS[0]): void {
  const fixes = tags.map((tag) => ({ kind: 'fix', tag, room, reason: 'none', method: 'BLE', confidence: 900 }))
  const at = { atMs: clock.wallMs(), spanMs: 0, mapVersion: 1 }
  board.hear(GATEWAY, fixes.map((fix) => ({ ...fix, ...at })) as Fix[], clock.wallMs())
}

function press(value: number, change: Partial<TagEvent> = {}): void {
  const [tag] = TAGS
  const event = { kind: 'event', tag, room: null, event: 'button', value, atMs: clock.wallMs(), ...change } as TagEvent
  if (alarms.hear(GATEWAY, [event], clock.wallMs())) hub.alarm()
}

function join(lastEventId?: string): Sink {
  const sink = new Sink()
  hub.join(sink as unknown as StreamSink, lastEventId)
  return sink
}

const rowsOf = (events: readonly Event[]) => events.flatMap(({ data }) => data.rows ?? [])
const namesOf = (events: readonly Event[]) => events.map(({ event }) => event)

describe('the live stream', () => {
  it('greets, tells everything in pieces, and gives the number only with the last piece', () => {
    hear(TAGS)
    clock.pass(500)
    const events = join().events()
    expect(namesOf(events)).toEqual(['hello', 'resync', 'positions', 'positions', 'positions'])
    expect(events.map(({ id }) => id)).toEqual([undefined, undefined, undefined, undefined, 'e-2'])
    expect(new Set(rowsOf(events).map(([tag]) => tag))).toEqual(new Set(TAGS))
  })

  it('then tells what changed, at most twice a second, newest per tag', () => {
    hear(TAGS.slice(0, 1))
    clock.pass(500)
    const sink = join()
    sink.events()
    hear(TAGS.slice(1, 2))
    clock.pass(100)
    hear(TAGS.slice(1, 2), ROOMS[1])
    expect(sink.events()).toEqual([])
    clock.pass(400)
    expect(rowsOf(sink.events())).toEqual([['dataset:t1', 'R2', 0.9, 'none', clock.wallMs() - 400, 'east']])
  })

  it('resumes from the number a viewer has, with what changed since', () => {
    hear(TAGS.slice(0, 3))
    clock.pass(500)
    hear(TAGS.slice(1, 2), ROOMS[1])
    clock.pass(500)
    hear(TAGS.slice(2, 3), ROOMS[1])
    clock.pass(500)
    const events = join('e-2').events()
    expect(namesOf(events)).toEqual(['hello', 'positions'])
    expect(rowsOf(events).map(([tag]) => tag)).toEqual(['dataset:t2', 'dataset:t1'].sort())
    expect(hub.counters.resumed).toBe(1)
  })

  it.each(['x-1', 'e-99', 'e-0', 'e--1', 'e-1e1', 'nonsense', ''])(
    'tells everything again after the number "%s"',
    (id) => {
      hear(TAGS.slice(0, 3))
      clock.pass(500)
      const events = join(id).events()
      expect(namesOf(events)).toEqual(['hello', 'resync', 'positions'])
      expect(rowsOf(events)).toHaveLength(3)
    },
  )

  it('says resync and begins again when a tag goes', () => {
    hear(TAGS.slice(0, 2))
    clock.pass(500)
    const sink = join()
    sink.events()
    board.replace({ ...source, tags: source.tags.slice(1) })
    clock.pass(500)
    const events = sink.events()
    expect(namesOf(events)).toEqual(['resync', 'positions'])
    expect(rowsOf(events).map(([tag]) => tag)).toEqual(['dataset:t1'])
    expect(namesOf(join('e-2').events())).toContain('resync')
  })

  it('writes nothing more to a viewer that does not read, then the newest of each tag once it does', () => {
    hear(TAGS.slice(0, 1))
    clock.pass(500)
    const [slow, other] = [join(), join()]
    slow.events()
    slow.full = true
    hear(TAGS.slice(0, 1), ROOMS[1])
    clock.pass(500)
    slow.events()
    for (let i = 0; i < 20; i++) {
      hear(TAGS.slice(0, 2), ROOMS[i % 2])
      clock.pass(1_000)
    }
    expect(slow.text).toBe('')
    expect(rowsOf(other.events()).length).toBeGreaterThan(20)
    slow.full = false
    slow.emit('drain')
    const events = slow.events()
    expect(rowsOf(events).map(([tag, room]) => [tag, room])).toEqual([
      ['dataset:t0', 'R2'],
      ['dataset:t1', 'R2'],
    ])
    expect(events.at(-1)?.id).toBe(`e-${board.version()}`)
  })

  it('tells of an alarm at once, and whoever comes or comes back of all the last ones', () => {
    const sink = join()
    sink.events()
    press(1)
    press(2, { room: ROOMS[0] ?? null })
    const row = (n: number, room: string | null) => [`e-${n}`, 'dataset:t0', 'button', n, room, clock.wallMs(), 'east']
    const both = [row(1, null), row(2, 'R1')]
    const events = sink.events()
    expect(namesOf(events)).toEqual(['alarms', 'alarms'])
    expect(rowsOf(events)).toEqual(both)
    clock.pass(10_000)
    expect(namesOf(sink.events())).not.toContain('alarms')
    for (const late of [join(), join('e-0')]) {
      const told = late.events().filter(({ event }) => event === 'alarms')
      expect(rowsOf(told)).toEqual(both)
    }
  })

  it('tells a viewer that did not read of the alarms as soon as it does', () => {
    const slow = join()
    slow.events()
    slow.full = true
    hear(TAGS.slice(0, 1))
    clock.pass(500)
    slow.events()
    press(1)
    press(2)
    expect(slow.text).toBe('')
    slow.full = false
    slow.emit('drain')
    expect(rowsOf(slow.events()).map(([id]) => id)).toEqual(['e-1', 'e-2'])
  })

  it('lets go of a viewer that has not read for 30 s', () => {
    const slow = join()
    slow.full = true
    hear(TAGS.slice(0, 1))
    clock.pass(30_000)
    expect(slow.destroyed).toBe(false)
    clock.pass(1_000)
    expect(slow.destroyed).toBe(true)
    expect([hub.viewers(), hub.counters.slow]).toEqual([0, 1])
  })

  it('has room for so many viewers and counts those it turns away', () => {
    for (let i = 0; i < 3; i++) {
      expect(hub.hasRoom()).toBe(true)
      join()
    }
    expect(hub.hasRoom()).toBe(false)
    expect(hub.counters.refused).toBe(1)
  })

  it('beats every 15 s of silence, as a comment and as an event, and at once when the live lane comes or goes', () => {
    const sink = join()
    sink.events()
    clock.pass(14_500)
    sink.events()
    clock.pass(1_000)
    expect(sink.text).toContain(': heartbeat\n')
    expect(namesOf(sink.events())).toEqual(['heartbeat'])
    live = false
    clock.pass(500)
    expect(sink.events()).toMatchObject([{ event: 'heartbeat', data: { live: false } }])
  })

  it('says good-bye when the server stops', () => {
    const sink = join()
    hub.stop()
    expect(sink.events().at(-1)).toMatchObject({ event: 'bye', data: { reason: 'deploy' } })
  })
})

describe('a viewer on a real connection that stops reading', () => {
  let server: Server
  let answer: IncomingMessage
  let response: ServerResponse | undefined

  beforeEach(async () => {
    server = createServer((_request, opened) => {
      response = opened
      opened.writeHead(200, { 'content-type': 'text/event-stream' })
      hub.join(opened, undefined)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    answer = await new Promise((resolve) => get({ port: (server.address() as AddressInfo).port }, resolve))
    answer.on('error', () => undefined)
  })
  afterEach(() => {
    server.close()
    server.closeAllConnections()
  })

  it('holds a bounded number of bytes however much there is to tell, and is let go of', async () => {
    answer.pause()
    let mostWaiting = 0
    for (let i = 0; i < 400 && hub.viewers() > 0; i++) {
      hear(TAGS, ROOMS[i % 2])
      clock.pass(500)
      // The socket must have the chance to take what was written.
      await new Promise((resolve) => setImmediate(resolve))
      mostWaiting = Math.max(mostWaiting, response?.writableLength ?? 0)
    }
    expect(hub.counters.slow).toBe(1)
    expect(hub.viewers()).toBe(0)
    expect(mostWaiting).toBeGreaterThan(0)
    expect(mostWaiting).toBeLessThan(256 * 1_024)
  })
})
