import { setTimeout as sleep } from 'node:timers/promises'

import { nodeCompression } from '@biotrakr/agent'
import { bleTag, decodeBatch, decodeLive, type GatewayId, type LedgerRecord, type TagId } from '@biotrakr/shared'
import { bthomePayload } from '@biotrakr/sim'
import { pino } from 'pino'
import { describe, expect } from 'vitest'

import { type BleGateway, listenTo, roomOf, startBleGateway, storeBytes } from './ble-gateway.ts'
import { hasMosquitto, itNeeding } from './needs.ts'
import type { Plant } from './plant.ts'

const badges = ['c30000123456', 'c30000123457'] as const
const tags = badges.map((address) => bleTag(address) as TagId)
const silentAdvert = bthomePayload({})

/** What the air is full of: phones of three makers, a beacon and a sensor that are somebody else's, a name. */
const STRANGE = [
  '02011a0bff4c001006031a3aeb1e5a',
  '1eff06000109200a5c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162',
  '0201020303f3fe0b16f3fe4a17234d454c4c41',
  '0201061aff4c000215f7826da64fa24e988024bc5b71e0893e2a2b3c3db3',
  '0201060a16d2fc4000110155023a07',
  '1009416c696365732070686f6e652058595a',
].map((hex) => Buffer.from(hex, 'hex'))
/** Of the payloads, and of the names and identities in them. */
const STRANGE_WORDS = [/f7826da6/i, /10794.15677/, /Alices phone/, /MELLA/, /4c001006/, /5c1d2e3f/]

function phoneAddress(index: number): string {
  return (0x5ad1_0000_0000 + index * 7_919_111).toString(16)
}

/** Every form in which an address could be kept. */
function formsOf(address: string): string[] {
  const bytes = address.match(/../g) ?? []
  const reversed = [...bytes].reverse()
  return [address, bytes.join(':'), bytes.join('-'), reversed.join(''), String(Number.parseInt(address, 16))]
}

function tracesIn(text: string, phones: readonly string[]): string[] {
  const plain = text.toLowerCase()
  return phones.filter((address) => formsOf(address).some((form) => plain.includes(form)))
}

function tracesInBytes(bytes: Buffer, phones: readonly string[]): string[] {
  return phones.filter((address) => {
    const raw = Buffer.from(address, 'hex')
    return [raw, Buffer.from(raw).reverse(), Buffer.from(address)].some((form) => bytes.includes(form))
  })
}

async function scanning({ agent }: BleGateway): Promise<void> {
  while (agent.health().sources[0]?.adapters?.some((adapter) => !adapter.scanning)) await sleep(20)
}

/** Three seconds among 600 phones, with two badges of the site, one of which is pressed. */
async function passBy({ ports }: BleGateway, phones: readonly string[]): Promise<void> {
  for (let round = 0; round < 30; round++) {
    const said = bthomePayload({ temperatureC: 21, pressed: round === 20, pressCount: 7 })
    for (const port of ports) {
      for (const [index, address] of phones.entries()) {
        port.air({ address, data: STRANGE[index % STRANGE.length] ?? silentAdvert, rssiDbm: -70 })
      }
      for (const address of badges) port.air({ address, data: said, rssiDbm: -60 - round })
    }
    await sleep(100)
  }
}

/** Every row of every table. */
async function dump(pool: Plant['pool']): Promise<string> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')`,
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const { rows } = await pool.query<{ text: string | null }>(`select json_agg(t)::text as text from ${name} t`)
    texts.push(rows[0]?.text ?? '')
  }
  return texts.join('\n')
}

function contentOf(message: Buffer): string {
  const batch = decodeBatch(message, nodeCompression)
  if (batch.ok) return JSON.stringify(batch.batch)
  const live = decodeLive(message, nodeCompression)
  return live.ok ? JSON.stringify([live.fixes, live.events]) : message.toString()
}

describe('a gateway on the real library, mosquitto, the ingester and PostgreSQL', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'leaves no trace of other people: not in the store, the logs, the metrics, the messages or the database',
    async () => {
      const logs: string[] = []
      const log = pino({ level: 'debug' }, { write: (line: string) => void logs.push(line) })
      const bench = await startBleGateway({ gateway: 'private-gateway' as GatewayId, adapters: 2, tags, log })
      const messages: Buffer[] = []
      const client = await listenTo(bench.plant)
      client.on('message', (_, payload) => messages.push(payload))
      try {
        const phones = Array.from({ length: 600 }, (_, index) => phoneAddress(index))
        await scanning(bench)
        await passBy(bench, phones)
        const metrics = await bench.metrics()
        const stored = storeBytes(bench.dataDir)
        while (bench.agent.health().outbox.unacknowledged > 0) await sleep(50)
        const rows = await dump(bench.plant.pool)
        expect(messages.length).toBeGreaterThan(2)
        expect(stored.length).toBeGreaterThan(4_096)
        // The search finds whom it may find.
        expect(tracesIn(rows, badges)).toHaveLength(2)
        expect(metrics).toContain('ble_strangers_adverts_total{class="apple"} 6000\n')
        expect(metrics).toContain('biotrakr_agent_ble_strangers 600\n')
        const health = JSON.stringify(bench.agent.health())
        for (const text of [logs.join(''), metrics, health, rows, messages.map(contentOf).join('\n')]) {
          expect(tracesIn(text, phones)).toEqual([])
          for (const word of STRANGE_WORDS) expect(text).not.toMatch(word)
        }
        for (const bytes of [stored, ...messages]) expect(tracesInBytes(bytes, phones)).toEqual([])
      } finally {
        await client.endAsync()
        await bench.stop()
      }
    },
    60_000,
  )

  itNeeding(hasMosquitto, 'mosquitto')(
    'passes a press on once and at once while thousands of adverts arrive, and hears on when one of two adapters is gone',
    async () => {
      const bench = await startBleGateway({ gateway: 'pressed-gateway' as GatewayId, adapters: 2, tags })
      const { plant, agent, ports } = bench
      const client = await listenTo(plant)
      const records: LedgerRecord[] = []
      client.on('message', (_, payload) => {
        const verdict = decodeBatch(payload, nodeCompression)
        if (verdict.ok) records.push(...verdict.batch.records)
      })
      const presses = () => records.filter((record) => record.kind === 'event' && record.event === 'button')
      const press = (pressCount: number) => {
        const data = bthomePayload({ pressed: true, pressCount })
        // Weaker than the floor, and repeated as badges do.
        for (let repeat = 0; repeat < 5; repeat++) {
          for (const port of ports) port.air({ address: badges[0], data, rssiDbm: -99 })
        }
      }
      const crowd = () => {
        for (let n = 0; n < 3_000; n++) {
          ports[n % 2]?.air({ address: phoneAddress(n), data: STRANGE[0] ?? silentAdvert, rssiDbm: -80 })
        }
        ports[0]?.air({ address: badges[0], data: silentAdvert, rssiDbm: -60 })
      }
      try {
        await scanning(bench)
        while (!['idle', 'sending'].includes(agent.health().sync.state)) await sleep(20)
        for (let second = 0; second < 3; second++) {
          crowd()
          await sleep(500)
        }
        press(41)
        crowd()
        while (presses().length === 0) await sleep(5)
        ports[1]?.unplug()
        press(42)
        while (presses().length < 2) await sleep(5)
        await sleep(1_500)
        expect(presses()).toMatchObject([
          { tag: tags[0], value: 41, room: roomOf(0) },
          { tag: tags[0], value: 42, room: roomOf(0) },
        ])
        const { sources, counters } = agent.health()
        expect(counters.emergencies).toBe(2)
        expect(sources[0]).toMatchObject({ state: 'up', adapters: [{ scanning: true }, { scanning: false }] })
        expect(sources[0]?.adapters?.[1]?.failure).toContain('BLE_')
      } finally {
        await client.endAsync()
        await bench.stop()
      }
    },
    60_000,
  )
})
