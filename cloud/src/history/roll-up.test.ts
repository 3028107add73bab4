import type { Clock } from '@biotrakr/shared'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { assignTag, swapTag } from './assignments.ts'
import { deriveStays } from './derive-stays.ts'
import { dropOldHistory, HISTORY_DAYS } from './drop-history.ts'
import { rollUp } from './roll-up.ts'
import { ASSETS, createTestHistory, type TestFix, type TestHistory } from './test-history.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const REQUIRE_ALL = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
/** Noon in the first facility, some days ago. */
const NOON = Math.floor(Date.now() / DAY) * DAY - 5 * DAY + 6.5 * 3_600_000
const clock = { wallMs: () => Date.now() } as Clock

const apache = process.env['BIOTRAKR_TEST_APACHE_URL']
const timescale = process.env['BIOTRAKR_TEST_TIMESCALE_URL']
/** No package source carries the Community edition: without a server it is left out where nothing may be skipped. */
const isLeftOut = timescale === undefined && REQUIRE_ALL
const servers = [
  { edition: 'plain', url: undefined, skip: false },
  { edition: 'apache', url: apache, skip: apache === undefined && !REQUIRE_ALL },
  ...(isLeftOut ? [] : [{ edition: 'timescale', url: timescale, skip: timescale === undefined }]),
]

for (const { edition, url, skip } of servers) {
  const title = skip ? `sums on ${edition} SKIPPED: no server of it is named` : `sums on ${edition}`

  describe.skipIf(skip)(title, () => {
    let history: TestHistory
    beforeAll(async () => {
      if (edition !== 'plain' && url === undefined) throw new Error('BIOTRAKR_TEST_APACHE_URL must name a server here')
      history = await createTestHistory(url)
    })
    afterAll(() => history?.stop())
    beforeEach(() => history.clear())

    const fix = (seq: number, minute: number, room: number | null, spanMinutes: number): TestFix => ({
      tag: 1,
      room,
      seq,
      atMs: NOON + minute * MINUTE,
      spanMs: spanMinutes * MINUTE,
    })
    const rows = async (sql: string) => (await history.asApi((client) => client.query(sql))).rows
    const make = async () => {
      await deriveStays(history.jobs, clock)
      await rollUp(history.jobs, clock)
    }
    const at = (minute: number) => new Date(NOON + minute * MINUTE).toISOString()
    const local = new Date(NOON).toISOString().slice(0, 10)

    it('of a day go to the asset that wore the tag, to the minute of a swap', async () => {
      await history.asApi(async (client) => {
        await assignTag(
          client,
          { tag: 'ble:c30000000001', asset: 'A-1', from: at(10), to: at(40), reason: 'list' },
          clock,
        )
        await assignTag(client, { tag: 'ble:c30000000001', asset: 'A-2', from: at(40), reason: 'list' }, clock)
      })
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 60, 2, 60), fix(3, 70, 2, 10)])
      await make()
      const days = await rows(
        `select asset_id, room_id, visits, dwell_ms::int / 60000 as minutes, day::text from rtls.asset_day
         order by asset_id, room_id`,
      )
      expect(days).toEqual([
        { asset_id: ASSETS[0], room_id: 1, visits: 0, minutes: 30, day: local },
        { asset_id: ASSETS[1], room_id: 1, visits: 0, minutes: 20, day: local },
        { asset_id: ASSETS[1], room_id: 2, visits: 1, minutes: 10, day: local },
      ])
      const tag = await rows(
        `select room_id, visits, dwell_ms::int / 60000 as minutes from rtls.tag_day order by room_id`,
      )
      expect(tag).toEqual([
        { room_id: 1, visits: 1, minutes: 60 },
        { room_id: 2, visits: 1, minutes: 10 },
      ])
    })

    it('follow a correction of who wore the tag', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 60, 1, 60)])
      await make()
      expect(await rows('select from rtls.asset_day')).toEqual([])
      await history.asApi((client) =>
        assignTag(client, { tag: 'ble:c30000000001', asset: 'A-3', from: at(30), reason: 'found later' }, clock),
      )
      await history.asApi((client) =>
        swapTag(client, { asset: 'A-3', tag: 'ble:c30000000002', at: at(45), reason: 'found later' }, clock),
      )
      expect(await rollUp(history.jobs, clock)).toMatchObject({ tags: 2 })
      const days = await rows(`select asset_id, dwell_ms::int / 60000 as minutes from rtls.asset_day`)
      expect(days).toEqual([{ asset_id: ASSETS[2], minutes: 15 }])
    })

    it('are local days: a stay over midnight counts to both, and is one visit', async () => {
      await history.write(1, [fix(1, 11 * 60, 1, 0), fix(2, 14 * 60, 2, 180)])
      await make()
      const days = await rows(
        `select visits, dwell_ms::int / 60000 as minutes from rtls.tag_day where room_id = 1 order by day`,
      )
      expect(days).toEqual([
        { visits: 1, minutes: 60 },
        { visits: 0, minutes: 120 },
      ])
    })

    it('say how long a tag moved, by its own sensor and at most a quarter of an hour on one word of it', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 60, 2, 60)])
      await history.database.ownerClient.query(
        `insert into telemetry.usage_event (t, org_id, facility_id, tag_id, room_id, stream_id, seq, kind, value)
         select $1::timestamptz + m * interval '1 minute', 1, 1, 1, 1, 1, 10 + m, 6, v
         from (values (5, 1), (8, 0), (20, 1)) as e (m, v)`,
        [at(0)],
      )
      await make()
      const days = await rows(`select room_id, moving_ms::int / 60000 as minutes from rtls.tag_day order by room_id`)
      expect(days[0]).toEqual({ room_id: 1, minutes: 18 })
      const moved = await rows(
        `select extract(epoch from end_t - t)::int / 60 as minutes from rtls.usage_history order by t`,
      )
      expect(moved).toEqual([{ minutes: 3 }, { minutes: 15 }])
    })

    it('note the newest battery level on the tag, and that it runs low', async () => {
      const read = (minute: number, percent: number) =>
        history.database.ownerClient.query(
          `with r as (insert into telemetry.sensor_reading values ($1, 1, 1, 1, 1, 1, $2, 3, $3) returning t, seq)
           update rtls.watermark w set dirty_from = r.t, dirty_seq = r.seq from r where w.id = 1`,
          [at(minute), minute, percent * 1_000],
        )
      const noted = async () =>
        history.column(`select json_build_array(battery_percent, status, row_version) from rtls.tag where id = 1`)
      await read(10, 12)
      await deriveStays(history.jobs, clock)
      expect(await noted()).toEqual([[12, 'low_battery', expect.any(Number)]])
      await read(5, 90)
      await deriveStays(history.jobs, clock)
      expect(await noted()).toEqual([[12, 'low_battery', expect.any(Number)]])
      await read(20, 95)
      expect((await deriveStays(history.jobs, clock)).batteries).toBe(1)
      expect(await noted()).toEqual([[95, 'active', expect.any(Number)]])
    })

    it('and history itself are deleted when they are old enough, but not of an organisation that is held', async () => {
      const old = NOON - HISTORY_DAYS.location_history * DAY
      await history.write(1, [{ ...fix(1, 0, 1, 0), atMs: old - 30 * DAY }, fix(2, 0, 1, 0)])
      await history.write(5, [{ ...fix(1, 0, null, 0), tag: 20, atMs: old - 30 * DAY }])
      const left = () => history.column('select count(*)::int from telemetry.location_history')
      const held = await dropOldHistory(history.jobs, clock, { heldOrgs: [2] })
      expect(held).toEqual([{ table: 'location_history', rows: 1, chunks: 0 }])
      expect(await left()).toEqual([2])
      const dropped = await dropOldHistory(history.jobs, clock)
      expect(dropped.map(({ table }) => table)).toEqual(['location_history'])
      expect(await left()).toEqual([1])
      expect(await dropOldHistory(history.jobs, clock, { days: { location_history: 401 } })).toEqual([])
    })
  })
}
