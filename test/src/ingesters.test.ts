import { afterAll, beforeAll, describe, expect } from 'vitest'

import { hasMosquitto, itNeeding } from './needs.ts'
import { type Rig, startRig } from './rig.ts'

const NAMES = Array.from({ length: 12 }, (_, i) => `ward-${i + 1}`)

describe('several ingesters, each a process, with real gateways, broker and database', () => {
  let rig: Rig

  beforeAll(async () => {
    if (hasMosquitto || process.env['BIOTRAKR_REQUIRE_ALL'] === '1') rig = await startRig(NAMES)
  }, 60_000)
  afterAll(() => rig?.stop())

  itNeeding(hasMosquitto, 'mosquitto')(
    'share the gateways by shards, take over those of one that is killed, and store every record once',
    async () => {
      const first = await rig.ingester('first')
      expect(await first.health()).toMatchObject({ ok: true, shards: 64 })
      const second = await rig.ingester('second')
      const shards = async () => [(await first.health()).shards, (await second.health()).shards]
      await expect.poll(shards, { timeout: 20_000 }).toEqual([32, 32])
      const gateways = NAMES.map((name) => rig.gateway(name))
      const unacknowledged = () => gateways.reduce((sum, { outbox }) => sum + outbox.status().unacknowledged, 0)
      const add = () => {
        for (const gateway of gateways) gateway.add(500)
      }
      add()
      await expect.poll(unacknowledged, { timeout: 20_000 }).toBe(0)
      const nacks = gateways.reduce((sum, { sync }) => sum + sync.status().nacks, 0)
      const batches = gateways.reduce((sum, { sync }) => sum + sync.status().published, 0)
      expect(nacks / batches).toBeLessThan(0.05)
      add()
      await second.kill()
      add()
      await expect.poll(unacknowledged, { timeout: 60_000 }).toBe(0)
      expect((await first.health()).shards).toBe(64)
      expect(await rig.column('select count(*)::int from telemetry.location_history')).toEqual([12 * 1_500])
      expect(await rig.column('select count(distinct (stream_id, seq))::int from telemetry.location_history')).toEqual([
        12 * 1_500,
      ])
    },
    180_000,
  )
})
