import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '@biotrakr/shared'

import { CLEAR, type FaultLine, type Weather } from '../src/fault-proxy.ts'
import type { Plant } from '../src/plant.ts'

/** What faults are done to. */
export interface Stage {
  readonly plant: Plant
  /** Between gateway and broker, and between ingesters and broker. */
  readonly lines: { readonly gateway: FaultLine; readonly centre: FaultLine }
  readonly random: Random
}

export interface Fault {
  readonly name: string
  /** Does it and, where it has an end, ends it. */
  run(stage: Stage): Promise<void>
}

const between = (random: Random, leastMs: number, mostMs: number) => sleep(leastMs + random() * (mostMs - leastMs))

const kill = (process: string): Fault => ({
  name: `kill -9 ${process}`,
  run: async ({ plant }) => void plant.signal(process, 'SIGKILL'),
})

const pause = (process: string): Fault => ({
  name: `SIGSTOP ${process}`,
  run: async ({ plant, random }) => {
    if (!plant.signal(process, 'SIGSTOP')) return
    await between(random, 100, 1_500)
    plant.signal(process, 'SIGCONT')
  },
})

type Side = keyof Stage['lines']

const weather = (side: Side, what: Weather): Fault => ({
  name: `${what.kind}, line of the ${side}`,
  run: async ({ lines, random }) => {
    lines[side].set(what)
    await between(random, 1_000, 3_000)
    lines[side].set(CLEAR)
  },
})

/** Nothing comes through and nobody is told, until a router somewhere resets the connection. */
const halfOpen = (side: Side): Fault => ({
  name: `half-open, line of the ${side}`,
  run: async ({ lines, random }) => {
    lines[side].set({ kind: 'black hole' })
    await between(random, 500, 3_000)
    lines[side].cut()
    lines[side].set(CLEAR)
  },
})

const terminate: Fault = {
  name: 'pg_terminate_backend',
  run: async ({ plant }) => {
    const sessions = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bt_ingest'`
    // The server itself may have been killed just before.
    await plant.pool.query(sessions).catch(() => undefined)
  },
}

const restart: Fault = {
  name: 'restart broker',
  run: async ({ plant }) => void plant.signal('broker', 'SIGTERM'),
}

export const KILL_AGENT = kill('agent')

export const FAULTS: readonly Fault[] = [
  KILL_AGENT,
  KILL_AGENT,
  kill('broker'),
  kill('ingest'),
  kill('ingest-2'),
  kill('postgresql'),
  pause('agent'),
  pause('broker'),
  pause('ingest'),
  pause('postgresql'),
  terminate,
  restart,
  halfOpen('gateway'),
  halfOpen('centre'),
  weather('gateway', { kind: 'loss', share: 0.3 }),
  weather('centre', { kind: 'loss', share: 0.3 }),
  weather('centre', { kind: 'repetition', share: 0.5 }),
  weather('gateway', { kind: 'reordering' }),
  weather('centre', { kind: 'reordering' }),
  weather('gateway', { kind: 'slow', bitsPerSecond: 64_000, delayMs: 400 }),
  weather('gateway', { kind: 'crumbs' }),
]

/** Gives every item once, in an order of chance, and then all of them again. */
export function* dealt<T>(items: readonly T[], random: Random): Generator<T, never> {
  for (;;) {
    const deck = items.map((item) => ({ item, key: random() })).sort((a, b) => a.key - b.key)
    for (const { item } of deck) yield item
  }
}
