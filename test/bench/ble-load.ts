import { createBleSource, createFilter, openBle } from '@biotrakr/agent'
import { bleTag, type Clock, type ReceiverId, type TagId } from '@biotrakr/shared'
import { Controller, createControllerPort } from '@biotrakr/sim'
import { pino } from 'pino'

import { type Figure, median } from './figure.ts'

const GROUP = 'BLE through noble, reports tapped'
const WHOLE = `${GROUP}, decoded, recognised, filtered`
const ADAPTERS = 3
const PER_SECOND = 3_000
const SECONDS = 600
const DISTINCT = 100_000
const TAGS = 500
const BURST = 300_000
/** An iBeacon after its flags. */
const ADVERT = Buffer.from('0201061aff4c0002150102030405060708090a0b0c0d0e0f1000010002c5', 'hex')

type Say = (text: string) => void

/** What the source makes of adverts by the hundred thousand: through the real noble, over simulated controllers. */
export async function benchBleLoad(say: Say): Promise<Figure[]> {
  return [...(await measureSpeed()), ...(await measureTenMinutes(say)), ...(await measureStrangers())]
}

async function measureSpeed(): Promise<Figure[]> {
  const bench = await openBench(1, openWhole)
  const packets = packetsOf(bench, TAGS)
  const rates: number[] = []
  for (let run = 0; run < 6; run++) {
    const from = process.cpuUsage()
    for (let i = 0; i < BURST; i++) {
      bench.hear(0, packets[i % packets.length])
      if (i % PER_SECOND === 0) bench.pass(1_000)
    }
    const { user, system } = process.cpuUsage(from)
    if (run > 0) rates.push((BURST * 1_000_000) / (user + system))
  }
  await bench.stop()
  return [
    {
      group: WHOLE,
      name: `adverts of ${TAGS} tags`,
      value: median(rates),
      unit: '1/CPU-s',
      goal: { atLeast: 100_000 },
    },
  ]
}

/** Time compressed: the clock is ours, the work is real. */
async function measureTenMinutes(say: Say): Promise<Figure[]> {
  const bench = await openBench(ADAPTERS, openWhole)
  const packets = packetsOf(bench, TAGS)
  const from = process.cpuUsage()
  for (let second = 0; second < SECONDS; second++) {
    for (let i = 0; i < PER_SECOND; i++) bench.hear(i % ADAPTERS, packets[(second + i) % packets.length])
    bench.pass(1_000)
    if (second % 20 === 0) await settled()
  }
  const { user, system } = process.cpuUsage(from)
  const { readings, detail } = bench.status()
  say(detail)
  await bench.stop()
  const group = `${WHOLE}: ${PER_SECOND}/s for ${SECONDS / 60} min on ${ADAPTERS} adapters, time compressed`
  return [
    { group, name: 'lost', value: PER_SECOND * SECONDS - readings, unit: 'adverts', goal: { atMost: 0 } },
    { group, name: 'of one core', value: (user + system) / 10_000 / SECONDS, unit: '%', goal: { atMost: 25 } },
  ]
}

async function measureStrangers(): Promise<Figure[]> {
  const bench = await openBench(1, openIdentity)
  const [first] = packetsOf(bench, 1)
  if (!first) throw new Error('the controller does not scan')
  const hearAll = (block: number) => {
    const packet = first.slice()
    const view = new DataView(packet.buffer)
    for (let i = 0; i < DISTINCT; i++) {
      view.setUint32(7, i, true)
      packet[11] = block
      bench.hear(0, packet)
    }
  }
  // The first round warms code and caches up.
  hearAll(0)
  const before = heapBytes()
  hearAll(1)
  const grown = (heapBytes() - before) / 1_000_000
  const { readings } = bench.status()
  await bench.stop()
  if (readings !== 2 * DISTINCT) throw new Error(`${readings} readings of ${2 * DISTINCT}`)
  return [{ group: GROUP, name: `heap, ${DISTINCT} new addresses`, value: grown, unit: 'MB', goal: { atMost: 10 } }]
}

type Bench = Awaited<ReturnType<typeof openBench>>
type Adapters = Parameters<typeof createBleSource>[0]['adapters']
type Open = (adapters: Adapters, clock: Clock) => ReturnType<typeof createBleSource> | ReturnType<typeof openBle>

const log = pino({ level: 'silent' })
const addressOf = (i: number) => `c122334${(0x40000 + i).toString(16)}`

/** The source as the agent opens it, with the real decoder behind it. */
const openWhole: Open = (adapters, clock) => {
  const allow = new Set(Array.from({ length: TAGS }, (_, i) => bleTag(addressOf(i)) as TagId))
  return openBle({ adapters, allow, clock, random: Math.random, log })
}

/** Whoever it is, it is one tag: what is left is the source alone. */
const openIdentity: Open = (adapters, clock) =>
  createBleSource({
    adapters,
    clock,
    log,
    recognise: ({ receiver, rssiDbm, atMs }) => ({
      tag: 'ble:c12233445566' as TagId,
      receiver,
      atMs,
      medium: 'BLE',
      ...(rssiDbm !== undefined && { rssiDbm }),
    }),
  })

async function openBench(adapters: number, open: Open) {
  const clock = createBenchClock()
  const hosts: ((packet: Uint8Array) => void)[] = []
  const ports = Array.from({ length: adapters }, (_, i) =>
    createControllerPort(new Controller({ address: `02000000000${i}` })),
  )
  const targets = ports.map((port, i) => ({
    receiver: `adapter-${i}` as ReceiverId,
    target: {
      label: `sim-${i}`,
      controller: {
        attach(host: Parameters<typeof port.attach>[0]) {
          hosts[i] = (packet) => host.packet(packet)
          return port.attach(host)
        },
      },
    },
  }))
  const source = open(targets, clock)
  const filter = createFilter({ maxTags: TAGS })
  await source.start((reading) => filter.add(reading))
  await settled()
  return {
    ports,
    hear: (adapter: number, packet: Uint8Array | undefined) => packet && hosts[adapter]?.(packet),
    pass(ms: number) {
      clock.pass(ms)
      filter.close(clock.wallMs())
    },
    status: () => source.status(),
    stop: () => source.stop(),
  }
}

function packetsOf({ ports }: Bench, tags: number): readonly Uint8Array[] {
  return Array.from({ length: tags }, (_, i) => {
    return ports[0]?.controller.hear({ address: addressOf(i), data: ADVERT, rssiDbm: -60 - (i % 30) }) ?? []
  }).flat()
}

/** Lets noble and its driver exchange all they have to say. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

/** A clock that beats when told: once a second for all that asked to be called. */
function createBenchClock(): Clock & { pass(ms: number): void } {
  const tasks = new Set<() => void>()
  let nowMs = 0
  const add = (task: () => void) => {
    tasks.add(task)
    return { cancel: () => void tasks.delete(task) }
  }
  return {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after: (_delayMs, task) => add(task),
    every: (_periodMs, task) => add(task),
    pass(ms) {
      nowMs += ms
      for (const task of tasks) task()
    },
  }
}

function heapBytes(): number {
  if (!globalThis.gc) throw new Error('the measurement of memory needs node --expose-gc')
  for (let i = 0; i < 3; i++) globalThis.gc()
  return process.memoryUsage().heapUsed
}
