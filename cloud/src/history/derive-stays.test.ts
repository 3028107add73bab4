import type { Clock } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { deriveStays } from './derive-stays.ts'
import { rollUp } from './roll-up.ts'
import { createTestHistory, type TestFix, type TestHistory } from './test-history.ts'

const REQUIRE_ALL = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const MINUTE = 60_000
const DAY = 86_400_000
/** Noon in the first facility, whose zone is five and a half hours ahead. */
const NOON = Date.UTC(2026, 4, 4, 6, 30)

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
  const title = skip ? `stays on ${edition} SKIPPED: no server of it is named` : `stays on ${edition}`

  describe.skipIf(skip)(title, () => {
    let history: TestHistory
    const clock = { wallMs: () => NOON + 6 * 3_600_000 } as Clock

    beforeAll(async () => {
      if (edition !== 'plain' && url === undefined) throw new Error('BIOTRAKR_TEST_APACHE_URL must name a server here')
      history = await createTestHistory(url)
    })
    afterAll(() => history?.stop())
    beforeEach(() => history.clear())

    /** Tag, room, minutes from and to after noon, continued. */
    const stays = async () => {
      const rows = await history.column(
        `select json_build_array(tag_id, room_id, (extract(epoch from t) * 1000 - $1) / 60000,
           (extract(epoch from leave_t) * 1000 - $1) / 60000, continued) from telemetry.stay order by tag_id, t, leave_t`,
        [NOON],
      )
      return rows
    }
    const fix = (seq: number, minute: number, room: number | null, spanMinutes = 1, tag = 1): TestFix => ({
      tag,
      room,
      seq,
      atMs: NOON + minute * MINUTE,
      spanMs: spanMinutes * MINUTE,
    })

    it('run from the first fix in a room to the first one elsewhere', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 1, 1), fix(3, 2, 2), fix(4, 3, 2), fix(5, 4, null)])
      expect(await deriveStays(history.jobs, clock)).toMatchObject({ streams: 1, stays: 3 })
      expect(await stays()).toEqual([
        [1, 1, 0, 2, false],
        [1, 2, 2, 4, false],
        [1, null, 4, 4, false],
      ])
    })

    it('grow with what comes later, and nothing is made twice', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 1, 1)])
      await deriveStays(history.jobs, clock)
      await history.write(1, [fix(3, 2, 1), fix(4, 3, 2)])
      await deriveStays(history.jobs, clock)
      expect(await deriveStays(history.jobs, clock)).toEqual({ streams: 0, stays: 0, batteries: 0 })
      expect(await stays()).toEqual([
        [1, 1, 0, 3, false],
        [1, 2, 3, 3, false],
      ])
    })

    it('end where nobody watched: a span that is shorter than the time between two fixes leaves a hole', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 30, 1, 10), fix(3, 60, 1, 0)])
      await deriveStays(history.jobs, clock)
      expect(await stays()).toEqual([
        [1, 1, 0, 10, false],
        [1, 1, 30, 30, false],
        [1, 1, 60, 60, false],
      ])
    })

    it('go on over a restart of the agent, which begins a new stream of the same gateway', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 1, 1)])
      await deriveStays(history.jobs, clock)
      await history.write(3, [fix(1, 2, 1), fix(2, 3, 2)])
      await deriveStays(history.jobs, clock)
      expect(await stays()).toEqual([
        [1, 1, 0, 3, false],
        [1, 2, 3, 3, false],
      ])
    })

    it('are made up for by the next run when one was cut off', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 1, 1)])
      await history.column(
        'update rtls.watermark set deriving_from = dirty_from, deriving_seq = dirty_seq, dirty_from = null, dirty_seq = null',
      )
      await history.write(1, [fix(3, 2, 1)])
      await deriveStays(history.jobs, clock)
      expect(await stays()).toEqual([[1, 1, 0, 2, false]])
      expect(await history.column('select id from rtls.watermark where deriving_from is not null')).toEqual([])
    })

    it('are kept apart by gateway', async () => {
      await history.write(1, [fix(1, 0, 1, 0), fix(2, 2, 1, 2)])
      await history.write(2, [fix(1, 1, 2, 0), fix(2, 3, 2, 2)])
      await deriveStays(history.jobs, clock)
      expect(await stays()).toEqual([
        [1, 1, 0, 2, false],
        [1, 2, 1, 3, false],
      ])
    })

    it('are cut at midnight of the facility, over as many days as nothing was said', async () => {
      await history.write(1, [fix(1, 0, null, 0), fix(2, 3 * 1_440, 1, 3 * 1_440)])
      await deriveStays(history.jobs, clock)
      expect(await stays()).toEqual([
        [1, null, 0, 720, false],
        [1, null, 720, 2_160, true],
        [1, null, 2_160, 3_600, true],
        [1, null, 3_600, 4_320, true],
        [1, 1, 4_320, 4_320, false],
      ])
    })

    it('are made again by late data, of three weeks ago too, in stays, days and hours, and of that tag only', async () => {
      const before = -21 * 1_440
      await history.write(1, [fix(1, before, 1, 0), fix(2, before + 10, 1, 10), fix(3, 0, 2, 0, 2)])
      await deriveStays(history.jobs, clock)
      await rollUp(history.jobs, clock)
      await history.write(1, [fix(4, before + 4, 2, 4), fix(5, before + 6, 1, 2), fix(6, before + 10, 3, 0, 4)])
      await deriveStays(history.jobs, clock)
      expect(await history.column('select tag_id from telemetry.rollup_due order by 1')).toEqual([1, 4])
      await rollUp(history.jobs, clock)
      expect(await stays()).toEqual([
        [1, 1, before, before + 4, false],
        [1, 2, before + 4, before + 6, false],
        [1, 1, before + 6, before + 10, false],
        [2, 2, 0, 0, false],
        [4, 3, before + 10, before + 10, false],
      ])
      const days = await history.asApi((client) =>
        client.query(`select room_id, visits, dwell_ms::int from rtls.tag_day where tag_id = 1 order by room_id`),
      )
      expect(days.rows).toEqual([
        { room_id: 1, visits: 2, dwell_ms: 8 * MINUTE },
        { room_id: 2, visits: 1, dwell_ms: 2 * MINUTE },
      ])
      if (edition === 'timescale') {
        await history.database.ownerClient.query(
          `call refresh_continuous_aggregate('telemetry.fix_hourly', null, null)`,
        )
      }
      const hours = await history.asApi((client) =>
        client.query(`select room_id, tags, fixes::int from rtls.room_hour where hour < $1 order by room_id`, [
          new Date(NOON - DAY),
        ]),
      )
      expect(hours.rows).toEqual([
        { room_id: 1, tags: 1, fixes: 3 },
        { room_id: 2, tags: 1, fixes: 1 },
        { room_id: 3, tags: 1, fixes: 1 },
      ])
    })

    it('are the same in whatever order and pieces the fixes come, and sum up to the spans', async () => {
      const step = fc.record({
        room: fc.constantFrom(1, 2, null),
        minutes: fc.constantFrom(1, 7, 90, 800),
        batch: fc.nat(3),
      })
      const walks = fc.array(step, { minLength: 2, maxLength: 12 })
      await fc.assert(
        fc.asyncProperty(walks, async (steps) => {
          let minute = 0
          const fixes = steps.map(({ room, minutes, batch }, i) => {
            const spanMinutes = i === 0 ? 0 : minutes
            minute += spanMinutes
            return { batch, fix: fix(i + 1, minute, room, spanMinutes) }
          })
          await history.clear()
          await history.write(
            1,
            fixes.map((entry) => entry.fix),
          )
          await deriveStays(history.jobs, clock)
          const whole = await stays()
          await history.clear()
          for (const part of [0, 1, 2, 3]) {
            const of = fixes.filter(({ batch }) => batch === part).map((entry) => entry.fix)
            if (of.length > 0) await history.write(1, of)
            await deriveStays(history.jobs, clock)
          }
          expect(await stays()).toEqual(whole)
          const [sum] = await history.column(
            `select round(extract(epoch from sum(leave_t - t)) / 60)::int from telemetry.stay`,
          )
          expect(sum).toBe(fixes.reduce((total, entry) => total + entry.fix.spanMs, 0) / MINUTE)
        }),
        { numRuns: 25 },
      )
    })
  })
}
