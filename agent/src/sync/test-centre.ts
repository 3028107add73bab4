import { deflateRawSync, inflateRawSync } from 'node:zlib'

import {
  type Batch,
  type Clock,
  type Compression,
  type DownMessage,
  decodeBatch,
  decodeLive,
  type Epoch,
  type Fix,
  filters,
  formatEpoch,
  type GatewayId,
  type Hello,
  type LedgerRecord,
  parseGatewayState,
  parseHello,
  parseTopic,
  type TagEvent,
  type TagId,
  type Timer,
  topics,
} from '@biotrakr/shared'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

import type { SyncOutbox } from './ledger-lane.ts'
import type { HeldEpoch, Position } from './window.ts'

export const GATEWAY = 'gw-test-0001' as GatewayId

export const compression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate(bytes, maxOutputLength) {
    try {
      return inflateRawSync(bytes, { maxOutputLength })
    } catch {
      return undefined
    }
  },
}

/** Real time, `speed` times as fast: a minute of waiting need not take a minute. */
export function fastClock(speed: number): Clock {
  const timer = (handle: NodeJS.Timeout): Timer => ({ cancel: () => clearTimeout(handle) })
  return {
    wallMs: () => Date.now(),
    monoMs: () => performance.now() * speed,
    after: (delayMs, task) => timer(setTimeout(task, delayMs / speed)),
    every: (periodMs, task) => timer(setInterval(task, periodMs / speed)),
  }
}

/** A clock that stands still until it is moved. */
export function handClock(): Clock & { advance(ms: number): void } {
  let nowMs = 0
  const timers = new Set<{ atMs: number; task: () => void }>()
  const add = (atMs: number, task: () => void): Timer => {
    const entry = { atMs, task }
    timers.add(entry)
    return { cancel: () => timers.delete(entry) }
  }
  return {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after: (delayMs, task) => add(nowMs + delayMs, task),
    every() {
      throw new Error('not used by this stage')
    },
    advance(ms) {
      const endMs = nowMs + ms
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        timers.delete(next)
        nowMs = Math.max(nowMs, next.atMs)
        next.task()
      }
      nowMs = endMs
    },
  }
}

export function fixOf(n: number, changes: Partial<Fix> = {}): Fix {
  const tag = `ble:${n.toString(16).padStart(12, '0')}` as TagId
  const base = { kind: 'fix', tag, room: null, reason: 'not_heard', method: 'BLE', mapVersion: 1 } as const
  return { ...base, confidence: 500, atMs: 1_700_000_000_000 + n, spanMs: 0, ...changes }
}

interface Stored {
  readonly epoch: Epoch
  readonly records: LedgerRecord[]
  acked: number
}

/** The plainest outbox there can be: arrays. Epochs are counted from 1. */
export function arrayOutbox(...counts: number[]): SyncOutbox & { add(count: number): void; readonly total: number } {
  const stored: Stored[] = counts.map((count, i) => ({
    epoch: { counter: i + 1, nonce: '00000000000000aa' },
    records: Array.from({ length: count }, (_, n) => fixOf(n)),
    acked: 0,
  }))
  const find = (epoch: string) => stored.findIndex((entry) => formatEpoch(entry.epoch) === epoch)
  const total = () => stored.reduce((sum, { records }) => sum + records.length, 0)
  return {
    get total() {
      return total()
    },
    add(count) {
      const newest = stored.at(-1)
      for (let i = 0; i < count; i++) newest?.records.push(fixOf(newest.records.length))
    },
    peek(after: Position | undefined, { records: limit }): Batch | undefined {
      const from = after === undefined ? 0 : find(after.epoch)
      for (const [i, { epoch, records, acked }] of stored.entries()) {
        const seq = after !== undefined && i === from ? after.seq : acked
        if (i < from || seq >= records.length) continue
        const last = Math.min(records.length, seq + limit)
        return { gateway: GATEWAY, epoch, first: seq + 1, last, records: records.slice(seq, last) }
      }
      return undefined
    },
    acknowledge(epoch, hw) {
      const entry = stored[find(epoch)]
      if (entry) entry.acked = Math.max(entry.acked, Math.min(hw, entry.records.length))
    },
    rewind(epoch, hw) {
      const entry = stored[find(epoch)]
      if (entry) entry.acked = hw
    },
    held: (): HeldEpoch[] =>
      stored
        .filter(({ records }) => records.length > 0)
        .map(({ epoch, records, acked }) => ({ epoch: formatEpoch(epoch), first: 1, last: records.length, acked })),
    status: () => ({
      store: 'feedfacecafebeef',
      epoch: formatEpoch(stored.at(-1)?.epoch ?? { counter: 1, nonce: '00000000000000aa' }),
      unacknowledged: stored.reduce((sum, { records, acked }) => sum + records.length - acked, 0),
    }),
  }
}

/** An ingester whose database is a map: a watermark per epoch, contiguous or refused. */
export interface Centre {
  readonly client: MqttClient
  readonly hw: Map<string, number>
  /** Records inserted, by epoch: what the watermark let through, in order. */
  readonly inserted: Map<string, number>
  readonly hellos: Hello[]
  readonly batches: { epoch: string; first: number; last: number; bytes: number }[]
  readonly live: (readonly Fix[])[]
  readonly events: TagEvent[]
  readonly states: boolean[]
  /** Answers nothing as long as it is set. */
  isMute: boolean
  say(message: DownMessage): void
  stop(): Promise<void>
}

export async function startCentre(url: string, options: IClientOptions = {}): Promise<Centre> {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    username: 'ingester',
    reconnectPeriod: 20,
    ...options,
  })
  client.stream.on('error', () => {})
  const say = (message: DownMessage) => client.publish(topics.ack(GATEWAY), JSON.stringify(message), { qos: 0 })
  const centre: Centre = {
    client,
    hw: new Map(),
    inserted: new Map(),
    hellos: [],
    batches: [],
    live: [],
    events: [],
    states: [],
    isMute: false,
    say,
    stop: () => client.endAsync(true),
  }
  client.on('message', (topic, payload) => hear(centre, topic, payload))
  await client.subscribeAsync([filters.ledger, filters.hello, filters.live, filters.state], { qos: 1 })
  return centre
}

function hear(centre: Centre, topic: string, payload: Buffer): void {
  switch (parseTopic(topic)?.lane) {
    case 'ledger':
      ingest(centre, payload)
      break
    case 'hello':
      greet(centre, payload)
      break
    case 'live': {
      const verdict = decodeLive(payload, compression)
      if (!verdict.ok) throw new Error(verdict.detail)
      if (verdict.fixes.length > 0) centre.live.push(verdict.fixes)
      centre.events.push(...verdict.events)
      break
    }
    case 'state':
      centre.states.push(parseGatewayState(payload.toString())?.online === true)
      break
    case 'ack':
    case 'config':
    case undefined:
      throw new Error(`the centre got a message on ${topic}`)
  }
}

function greet(centre: Centre, payload: Buffer): void {
  const hello = parseHello(payload.toString())
  if (hello === undefined) throw new Error(`not a hello: ${payload.toString()}`)
  centre.hellos.push(hello)
  const epochs = hello.epochs.map(({ epoch }) => ({ epoch, hw: centre.hw.get(epoch) ?? 0 }))
  if (!centre.isMute) centre.say({ type: 'welcome', epochs })
}

function ingest(centre: Centre, payload: Buffer): void {
  const verdict = decodeBatch(payload, compression)
  if (!verdict.ok) throw new Error(verdict.detail)
  const { first, last } = verdict.batch
  const epoch = formatEpoch(verdict.batch.epoch)
  centre.batches.push({ epoch, first, last, bytes: payload.length })
  if (centre.isMute) return
  const hw = centre.hw.get(epoch) ?? 0
  if (first > hw + 1) {
    centre.say({ type: 'nack', epoch, need: hw + 1 })
    return
  }
  centre.hw.set(epoch, Math.max(hw, last))
  centre.inserted.set(epoch, (centre.inserted.get(epoch) ?? 0) + Math.max(0, last - hw))
  centre.say({ type: 'ack', epoch, hw: Math.max(hw, last), quarantined: [], serverTimeMs: Date.now() })
}

/** Waits for something to become true, without sleeping longer than it takes. */
export async function until(what: string, isTrue: () => boolean, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
