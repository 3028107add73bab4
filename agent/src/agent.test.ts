import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createManualClock, type ManualClock } from './acquire/manual-clock.ts'
import { Agent } from './agent.ts'
import { createReload } from './cli/reloading.ts'
import { readConfig } from './config.ts'
import { type Explanation, explainByAgent } from './explain.ts'
import type { Source } from './sources.ts'
import { systemClock } from './system-clock.ts'

const T0 = 1_760_000_000_000
const TAG = 'ble:c30000000001' as TagId
const ROOMS = ['A', 'B', 'C']

/** A receiver in each room; a source for each, which says of itself what the test says. */
interface Spoken {
  source: Source
  state: 'up' | 'failed'
  hear(reading: Reading): void
}

function speaker(receiver: ReceiverId): Spoken {
  const own: Spoken = {
    state: 'up',
    hear: () => undefined,
    source: {
      name: `reader ${receiver}`,
      receivers: [receiver],
      async start(onReading) {
        own.hear = onReading
      },
      async stop() {
        own.hear = () => undefined
      },
      status: () => ({ state: own.state, detail: '', readings: 0, errors: 0 }),
    },
  }
  return own
}

let dir: string
let file: string
let agent: Agent
let clock: ManualClock
let speakers: Spoken[]
let reload: () => void
let ask: () => Promise<Explanation | undefined>

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function writeMap(version: number, rooms: readonly string[]): void {
  const receivers = rooms.map((room) => ({ id: `rx-${room}`, medium: 'BLE', room }))
  const adjacency = rooms.slice(1).map((room, n) => [rooms[n], room])
  writeFileSync(
    join(dir, 'site.json'),
    JSON.stringify({ version, rooms: rooms.map((id) => ({ id })), receivers, adjacency }),
  )
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-agent-'))
  writeMap(1, ROOMS)
  file = join(dir, 'agent.yaml')
  const document = {
    gateway: 'gw-agent',
    dataDir: 'state',
    siteMap: 'site.json',
    tags: [TAG],
    broker: { url: 'mqtt://127.0.0.1:1' },
    sources: [{ kind: 'simulated', startMs: 0 }],
    api: { port: await freePort() },
  }
  writeFileSync(file, JSON.stringify(document))
  const config = readConfig(file)
  clock = createManualClock(T0)
  speakers = ROOMS.map((room) => speaker(`rx-${room}` as ReceiverId))
  const log = pino({ enabled: false })
  const parts = { config, log, random: () => 0.5, clock: systemClock, eventClock: clock }
  agent = new Agent({ ...parts, sources: speakers.map(({ source }) => source) })
  const allow = new Set(config.tags)
  reload = createReload({ file, config, allow, agent, log, setLevel: () => undefined, isCaptured: false })
  ask = () => explainByAgent(config, TAG)
  await agent.start()
})
afterEach(async () => {
  await agent.stop({ flushMs: 0 })
  rmSync(dir, { recursive: true, force: true })
})

/** Seconds in which each receiver that is up hears the tag with its power, dBm. */
function live(seconds: number, powers: readonly number[]): void {
  for (let s = 0; s < seconds; s++) {
    clock.advance(500)
    for (const [n, { state, hear, source }] of speakers.entries()) {
      const [receiver] = source.receivers
      const rssiDbm = powers[n]
      if (state !== 'up' || !receiver || rssiDbm === undefined) continue
      hear({ tag: TAG, receiver, rssiDbm, atMs: clock.wallMs(), medium: 'BLE' })
    }
    clock.advance(500)
  }
}

const IN_A = [-58, -75, -88]

describe('the agent', () => {
  it('leaves a receiver out from the window on in which its reader is lost, and takes it back as quickly', async () => {
    live(30, IN_A)
    expect(agent.health().masked).toEqual([])
    for (const own of speakers.slice(0, 1)) own.state = 'failed'
    live(2, IN_A)
    expect(agent.health().masked).toEqual([{ receiver: 'rx-A', why: 'down', rooms: ['A'] }])
    // That nothing is heard in A says nothing, so the tag is not moved next door.
    live(20, IN_A)
    expect(await ask()).toMatchObject({ likeliest: 'A' })
    for (const own of speakers.slice(0, 1)) own.state = 'up'
    live(2, IN_A)
    expect(agent.health().masked).toEqual([])
    expect(await ask()).toMatchObject({ room: 'A', reason: 'none' })
  })

  it('takes a new site map over at a reload and goes on where its tags were', async () => {
    live(60, IN_A)
    const before = await ask()
    expect(before).toMatchObject({ room: 'A' })
    writeMap(2, ['D', ...ROOMS])
    reload()
    live(2, IN_A)
    const after = await ask()
    expect(after).toMatchObject({ room: 'A', changed: null })
    expect(after?.resting).toBeGreaterThan(0.9)
    expect(Math.abs((after?.offsetDb ?? 0) - (before?.offsetDb ?? 0))).toBeLessThan(1.5)
    // A room that is gone is answered no more.
    writeMap(3, ['D', 'B', 'C'])
    reload()
    live(2, IN_A)
    expect((await ask())?.rooms.map(({ room }) => room)).not.toContain('A')
  })
})
