import { systemClock } from '@biotrakr/agent'
import type { Clock } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect } from 'vitest'

import { hasMosquitto, itNeeding } from './needs.ts'
import { type Rig, startRig } from './rig.ts'

/** Waits pass so many times as fast: a box that was thrown out stays away for a minute or two. */
const SPEED = 60
const fast: Clock = {
  ...systemClock,
  monoMs: () => systemClock.monoMs() * SPEED,
  after: (delayMs, task) => systemClock.after(delayMs / SPEED, task),
  every: (periodMs, task) => systemClock.every(periodMs / SPEED, task),
}

describe('a gateway and a centre that do not remember the same, both real', () => {
  let rig: Rig

  beforeAll(async () => {
    if (!hasMosquitto && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1') return
    rig = await startRig(['ward-a', 'ward-b', 'ward-c'])
    await rig.ingester('ingester')
  }, 60_000)
  afterAll(() => rig?.stop())

  const streams = (gateway: string) =>
    `select w.id from rtls.watermark w join site.gateway g on g.id = w.gateway_id and g.name = '${gateway}'`
  const seqs = (gateway: string) =>
    rig.column(`select seq::int from telemetry.location_history where stream_id in (${streams(gateway)}) order by 1`)
  const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
  /** As if the database were that of the moment when this much was committed. */
  const restore = async (gateway: string, hw: number) => {
    await rig.database.ownerClient.query(
      `delete from telemetry.location_history where seq > ${hw} and stream_id in (${streams(gateway)});
       update rtls.watermark set hw = ${hw}, rows = ${hw} where id in (${streams(gateway)})`,
    )
  }

  itNeeding(hasMosquitto, 'mosquitto')(
    'send again what a database restored from its backup no longer has, each record once',
    async () => {
      const gateway = rig.gateway('ward-a', { clock: fast })
      gateway.add(1_000)
      await expect.poll(() => gateway.outbox.status().unacknowledged, { timeout: 20_000 }).toBe(0)
      await restore('ward-a', 400)
      gateway.add(5)
      await expect.poll(() => seqs('ward-a'), { timeout: 30_000 }).toEqual(upTo(1_005))
      await expect.poll(() => gateway.outbox.status().unacknowledged).toBe(0)
      expect(await rig.column('select count(*)::int from rtls.gap')).toEqual([0])
      await gateway.stop()
    },
    90_000,
  )

  itNeeding(hasMosquitto, 'mosquitto')(
    'cover with a gap what neither of them has any more, and say so',
    async () => {
      const gateway = rig.gateway('ward-b', { clock: fast, maxBytes: 4 * 1_048_576, graceMs: 0, ballast: 250 })
      let made = 0
      while ((gateway.outbox.held()[0]?.first ?? 1) < 3_000) {
        gateway.add(2_000)
        made += 2_000
        await expect.poll(() => gateway.outbox.status().unacknowledged, { timeout: 20_000 }).toBe(0)
      }
      const held = gateway.outbox.held()[0]?.first ?? 0
      await restore('ward-b', 500)
      gateway.add(5)
      const end = made + 5
      await expect
        .poll(async () => (await seqs('ward-b')).length, { timeout: 60_000 })
        .toBeGreaterThan(500 + end - held - 3_000)
      await expect.poll(() => gateway.outbox.status().unacknowledged, { timeout: 30_000 }).toBe(0)
      const { rows } = await rig.database.ownerClient.query(
        `select first_seq::int as first, last_seq::int as last, reason from rtls.gap
         where stream_id in (${streams('ward-b')}) order by 1`,
      )
      expect(rows).toMatchObject([{ first: 501, reason: 'restored' }])
      const lost = rows[0].last - rows[0].first + 1
      expect(gateway.outbox.status().restored).toBe(lost)
      expect(await seqs('ward-b')).toEqual([...upTo(500), ...upTo(end, rows[0].last + 1)])
      await gateway.stop()
    },
    180_000,
  )

  itNeeding(hasMosquitto, 'mosquitto')(
    'keep the second box of one name out, go on with the first, and take the second when a person says so',
    async () => {
      const first = rig.gateway('ward-c', { clock: fast, box: 'box-1' })
      first.add(10)
      await expect.poll(() => first.outbox.status().unacknowledged, { timeout: 20_000 }).toBe(0)
      const second = rig.gateway('ward-c', { clock: fast, box: 'box-2' })
      second.add(7)
      await expect.poll(() => second.sync.status().problem?.code, { timeout: 20_000 }).toBe('SYNC_TWIN')
      first.add(10)
      await expect.poll(() => first.outbox.status().unacknowledged, { timeout: 30_000 }).toBe(0)
      expect(second.outbox.status().unacknowledged).toBe(7)
      const listed = await rig.command('cloud', ['gateways', 'list', '--config', rig.config, '--gateway', 'ward-c'])
      expect(listed).toContain(`store ${first.outbox.status().store}  active`)
      expect(listed).toContain(`store ${second.outbox.status().store}  blocked (twin)`)
      await first.stop()
      const { store } = second.outbox.status()
      await rig.command('cloud', ['gateways', 'accept-store', 'ward-c', store, '--config', rig.config])
      await expect.poll(() => second.outbox.status().unacknowledged, { timeout: 40_000 }).toBe(0)
      expect(
        await rig.column(`select count(*)::int from telemetry.location_history
        where stream_id in (${streams('ward-c')})`),
      ).toEqual([27])
    },
    180_000,
  )
})
