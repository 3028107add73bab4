import { setTimeout as sleep } from 'node:timers/promises'

import { nodeCompression } from '@biotrakr/agent'
import { bleTag, decodeLive, type GatewayId, type TagEvent, type TagId } from '@biotrakr/shared'
import { bthomePayload } from '@biotrakr/sim'
import { describe, expect } from 'vitest'

import { listenTo, roomOf, startBleGateway } from './ble-gateway.ts'
import { hasMosquitto, itNeeding } from './needs.ts'

const badges = ['c30000123456', 'c30000123457'] as const
const tags = badges.map((address) => bleTag(address) as TagId)

/** Rows of the stream's alarms, as they come. */
async function watchAlarms(url: string): Promise<{ readonly rows: unknown[][]; close(): void }> {
  const abort = new AbortController()
  const response = await fetch(`${url}/api/v1/stream`, { signal: abort.signal })
  const rows: unknown[][] = []
  const read = async () => {
    let text = ''
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (text + part).split('\n\n')
      text = blocks.pop() ?? ''
      const alarms = blocks.filter((block) => block.startsWith('event: alarms\n'))
      rows.push(...alarms.flatMap((block) => JSON.parse(block.slice(block.indexOf('data: ') + 6)).rows))
    }
  }
  void read().catch(() => undefined)
  return { rows, close: () => abort.abort() }
}

describe('a press on its way to whoever looks', () => {
  itNeeding(hasMosquitto, 'mosquitto')(
    'goes by the live lane to the stream as itself, in its room and of a tag whose place is not known',
    async () => {
      const bench = await startBleGateway({ gateway: 'alarm-gateway' as GatewayId, adapters: 1, tags })
      const { plant, agent, ports } = bench
      const client = await listenTo(plant)
      const live: TagEvent[] = []
      client.on('message', (_, payload) => {
        const said = decodeLive(payload, nodeCompression)
        if (said.ok) live.push(...said.events)
      })
      const air = (address: string, data: Uint8Array) => ports[0]?.air({ address, data, rssiDbm: -60 })
      const isPlaced = () => agent.counters.fixes > 4
      try {
        const alarms = await watchAlarms(await plant.serve())
        while (!['idle', 'sending'].includes(agent.health().sync.state)) await sleep(20)
        while (!isPlaced()) {
          air(badges[0], bthomePayload({}))
          await sleep(200)
        }
        const beforeMs = Date.now()
        for (const address of badges) air(address, bthomePayload({ pressed: true, pressCount: 9 }))
        while (alarms.rows.length < 2) await sleep(5)
        expect(live).toMatchObject([
          { kind: 'event', event: 'button', tag: tags[0], value: 9, room: roomOf(0) },
          { kind: 'event', event: 'button', tag: tags[1], value: 9, room: null },
        ])
        const [atMs] = live.map((event) => event.atMs)
        expect(atMs).toBeGreaterThanOrEqual(beforeMs)
        expect(alarms.rows).toEqual([
          [expect.any(String), tags[0], 'button', 9, roomOf(0), live[0]?.atMs, 'plant'],
          [expect.any(String), tags[1], 'button', 9, null, live[1]?.atMs, 'plant'],
        ])
        expect(agent.health().sync.liveEventsDropped).toBe(0)
        alarms.close()
      } finally {
        await client.endAsync()
        await bench.stop()
      }
    },
    60_000,
  )
})
