import { setTimeout as sleep } from 'node:timers/promises'

import {
  Agent,
  listenTcp,
  nodeCompression,
  openProfiles,
  openReader,
  readConfig,
  systemClock,
  type Wire,
} from '@biotrakr/agent'
import { choosePort } from '@biotrakr/embedded'
import {
  decodeBatch,
  decodeLive,
  type GatewayId,
  type ReceiverId,
  type RoomId,
  type SiteMap,
  type TagId,
} from '@biotrakr/shared'
import { createReader } from '@biotrakr/sim'
import { pino } from 'pino'
import { describe, expect } from 'vitest'

import { listenTo, storeBytes } from './ble-gateway.ts'
import { hasMosquitto, itNeeding } from './needs.ts'
import { startPlant } from './plant.ts'

const ROOM = 'Room 1' as RoomId
const receiver = 'door/1' as ReceiverId
const siteMap: SiteMap = {
  version: 1,
  rooms: [{ id: ROOM, transit: false }],
  receivers: [{ id: receiver, medium: 'RFID', room: ROOM }],
  adjacency: [],
}
const PUMP = { epc: '3074257BF7194E4000001A85', tag: 'epc:urn:epc:id:sgtin:0614141.812345.6789' as TagId }
const PATIENT = '2D76451FD4499602D2000000'
/** Whoever means all patients of one hospital by this, means nobody. */
const EVERYBODY = 'epc:urn:epc:id:gsrn:9521141.*' as TagId
/** Every form in which the number could be kept. */
const FORMS = [/2d76451fd4499602d2/i, /gsrn:9521141\.\d/i, /9521141\D?1234567890/]

function tracesIn(text: string): string[] {
  return FORMS.flatMap((form) => form.exec(text)?.[0] ?? [])
}

async function plugReader(): Promise<Wire> {
  const driver = openProfiles().load('magicrf-r200')
  const field = [PUMP.epc, PATIENT].map((epc) => ({ epc, pc: '3000', rssiDbm: -55, antenna: 1 }))
  const reader = createReader(driver, { tags: () => field, readsPerSecond: 40, noise: 0, random: Math.random })
  let host = ''
  const say = (frames: readonly Uint8Array[]) => frames.map((bytes) => ({ host, bytes }))
  return listenTcp(
    {
      connect(name) {
        host = name
        return []
      },
      receive: (_host, bytes) => say(reader.receive(bytes, systemClock.monoMs())),
      disconnect: () => undefined,
      advance: () => say(reader.advance(systemClock.monoMs())),
    },
    { host: '127.0.0.1', port: 0 },
    systemClock,
  )
}

function contentOf(message: Buffer): string {
  const batch = decodeBatch(message, nodeCompression)
  if (batch.ok) return JSON.stringify(batch.batch)
  const live = decodeLive(message, nodeCompression)
  return live.ok ? JSON.stringify([live.fixes, live.events]) : message.toString()
}

describe('a reader that hears a patient beside a pump', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'counts people and forgets them: no trace in the store, the logs, health, the metrics and the messages',
    async () => {
      const tags = [PUMP.tag, EVERYBODY]
      const logs: string[] = []
      const log = pino({ level: 'trace' }, { write: (line: string) => void logs.push(line) })
      const plant = await startPlant({
        gateway: 'reader-gateway' as GatewayId,
        siteMap,
        tags: [PUMP.tag],
        broker: 'mosquitto',
      })
      const wire = await plugReader()
      const { port } = await choosePort(undefined)
      const settings = {
        name: 'door',
        address: wire.address,
        profile: 'magicrf-r200',
        region: 'ETSI',
        antennas: { 1: receiver },
      }
      const sources = [{ kind: 'reader', ...settings }]
      const config = readConfig(plant.agentConfig({ siteMap, tags, settings: { sources, api: { port } } }))
      const [wish] = config.sources
      if (wish?.kind !== 'reader') throw new Error('unreachable')
      const clock = systemClock
      const reader = openReader(wish, { clock, allow: new Set(tags), random: Math.random, log })
      const agent = new Agent({ config, sources: [reader], clock, eventClock: clock, random: Math.random, log })
      const client = await listenTo(plant)
      const messages: Buffer[] = []
      client.on('message', (_, payload) => messages.push(payload))
      try {
        await agent.start()
        while (agent.counters.fixes < 5 || (reader.status().reader?.personalTags ?? 0) < 20) await sleep(50)
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
        const health = JSON.stringify(agent.health())
        while (agent.health().outbox.unacknowledged > 0) await sleep(50)
        const sent = messages.map(contentOf).join('\n')
        expect(sent).toContain(PUMP.tag)
        expect(metrics).toMatch(/reader_personal_tags_total\{reader="door"\} [1-9]/)
        expect(metrics).toMatch(/reader_unknown_tags_total\{reader="door"\} 0\n/)
        expect([metrics, health, sent, logs.join('')].flatMap(tracesIn)).toEqual([])
        const raw = Buffer.from(PATIENT, 'hex').subarray(0, 9)
        for (const bytes of [storeBytes(config.dataDir), ...messages]) expect(bytes.includes(raw)).toBe(false)
      } finally {
        await client.endAsync()
        await agent.stop({ flushMs: 2_000 })
        await wire.stop()
        await plant.stop()
      }
    },
    60_000,
  )
})
