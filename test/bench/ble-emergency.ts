import { setTimeout as sleep } from 'node:timers/promises'

import { nodeCompression } from '@biotrakr/agent'
import { bleTag, decodeBatch, decodeLive, type GatewayId, type LedgerRecord, type TagId } from '@biotrakr/shared'
import { bthomePayload } from '@biotrakr/sim'

import { type BleGateway, listenTo, startBleGateway } from '../src/ble-gateway.ts'
import type { Figure } from './figure.ts'

const ADAPTERS = 3
const PER_SECOND = 3_000
const SECONDS = 30
const STEP_MS = 10
const TAGS = 300
const PRESS_EVERY_MS = 100
/** Phones beside the tags: two adverts in three are theirs. */
const PHONES = 500
const PHONE = Buffer.from('02011a0bff4c001006031a3aeb1e5a', 'hex')
const QUIET = bthomePayload({})

type Say = (text: string) => void

/** From the frame of a press on the air to its message at a subscriber of the broker, all parts real but the radio. */
export async function benchBleEmergency(say: Say): Promise<Figure[]> {
  const addresses = Array.from({ length: TAGS }, (_, index) => (0xc300_0000_0000 + index).toString(16))
  const tags = addresses.map((address) => bleTag(address) as TagId)
  const bench = await startBleGateway({ gateway: 'emergency-gateway' as GatewayId, adapters: ADAPTERS, tags })
  const client = await listenTo(bench.plant)
  const [ledger, live] = [createStopwatch(), createStopwatch()]
  client.on('message', (_, payload) => {
    const batch = decodeBatch(payload, nodeCompression)
    if (batch.ok) return ledger.arrived(batch.batch.records)
    const said = decodeLive(payload, nodeCompression)
    if (said.ok) live.arrived(said.events)
  })
  try {
    while (!['idle', 'sending'].includes(bench.agent.health().sync.state)) await sleep(50)
    const { adverts, seconds, cpu } = await load(bench, {
      addresses,
      onPress(key) {
        ledger.pressed(key)
        live.pressed(key)
      },
    })
    await sleep(1_000)
    say(`${adverts} adverts in ${seconds.toFixed(1)} s, ${ledger.count()} presses in the ledger, ${live.count()} live`)
    const group = `press to message at ${Math.round(adverts / seconds)} adverts/s, ${TAGS} tags, ${PHONES} phones`
    return [
      ...ledger.figures(group, 'ledger'),
      ...live.figures(group, 'live'),
      { group, name: 'whole gateway and simulated air', value: cpu, unit: '% of one core' },
    ]
  } finally {
    await client.endAsync()
    await bench.stop()
  }
}

/** Presses by when they were on the air, and how long each took to arrive. */
function createStopwatch() {
  const pressedMs = new Map<string, number>()
  const tookMs: number[] = []
  return {
    pressed: (key: string) => void pressedMs.set(key, performance.now()),
    arrived(records: readonly LedgerRecord[]) {
      for (const record of records) {
        if (record.kind !== 'event' || record.event !== 'button') continue
        const key = `${record.tag} ${record.value}`
        const atMs = pressedMs.get(key)
        if (atMs !== undefined) tookMs.push(performance.now() - atMs)
        pressedMs.delete(key)
      }
    },
    count: () => tookMs.length,
    figures(group: string, lane: string): Figure[] {
      const sorted = tookMs.sort((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
      return [
        { group, name: `${lane}, p50`, value: at(0.5), unit: 'ms' },
        { group, name: `${lane}, p99`, value: at(0.99), unit: 'ms', goal: { atMost: 250 } },
        { group, name: `${lane}, lost`, value: pressedMs.size, unit: 'presses', goal: { atMost: 0 } },
      ]
    },
  }
}

interface Load {
  readonly addresses: readonly string[]
  /** Told of a press just before it is on the air: tag and number. */
  readonly onPress: (key: string) => void
}

/** In steps, late ones made up for: the rate is kept on average, as on a floor it comes in bursts. */
async function load({ ports }: BleGateway, { addresses, onPress }: Load) {
  const startMs = performance.now()
  const from = process.cpuUsage()
  let adverts = 0
  let presses = 0
  const hear = (number: number) => {
    const isTag = number % 3 === 0
    const address = (isTag ? addresses[(number / 3) % TAGS] : phoneAddress(number % PHONES)) ?? ''
    const port = ports[Math.floor(number / 7) % ADAPTERS]
    port?.air({ address, data: isTag ? QUIET : PHONE, rssiDbm: -60 - (number % 30) })
  }
  const press = (number: number) => {
    const address = addresses[number % TAGS] ?? ''
    const pressCount = Math.floor(number / TAGS) + 1
    onPress(`ble:${address} ${pressCount}`)
    for (const port of ports) port.air({ address, data: bthomePayload({ pressed: true, pressCount }), rssiDbm: -98 })
  }
  for (let passedMs = 0; passedMs < SECONDS * 1_000; passedMs = performance.now() - startMs) {
    for (; adverts < (passedMs * PER_SECOND) / 1_000; adverts++) hear(adverts)
    for (; presses < passedMs / PRESS_EVERY_MS; presses++) press(presses)
    await sleep(STEP_MS)
  }
  const { user, system } = process.cpuUsage(from)
  const seconds = (performance.now() - startMs) / 1_000
  return { adverts, seconds, cpu: (user + system) / 10_000 / seconds }
}

function phoneAddress(index: number): string {
  return (0x5a00_0000_0000 + index).toString(16)
}
