import { systemClock } from '@biotrakr/agent'
import type { Clock } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect } from 'vitest'

import { CLEAR, openFaultLine } from './fault-proxy.ts'
import { hasMosquitto, itNeeding } from './needs.ts'
import { type Rig, startRig } from './rig.ts'

const HOUR_MS = 3_600_000
const OUTAGE_MS = 72 * HOUR_MS
const FIXES = 2_592
const STEP_MS = OUTAGE_MS / FIXES

/** A clock of which an hour passes in a twentieth of a second, until it is told to go as others do. */
function createHurriedClock(): Clock & { slowDown(): void } {
  let speed = 72_000
  let [sinceMs, passedMs] = [systemClock.monoMs(), 0]
  const passed = () => passedMs + (systemClock.monoMs() - sinceMs) * speed
  const startMs = Date.now() - OUTAGE_MS
  return {
    ...systemClock,
    monoMs: passed,
    wallMs: () => Math.floor(Math.min(Date.now(), startMs + passed())),
    after: (delayMs, task) => systemClock.after(delayMs / speed, task),
    every: (periodMs, task) => systemClock.every(periodMs / speed, task),
    slowDown: () => {
      ;[passedMs, sinceMs] = [passed(), systemClock.monoMs()]
      speed = 10
    },
  }
}

describe('a gateway whose broker is away for 72 hours of its clock', () => {
  let rig: Rig

  beforeAll(async () => {
    if (!hasMosquitto && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1') return
    rig = await startRig(['ward-a'])
    await rig.ingester('ingester')
  }, 60_000)
  afterAll(() => rig?.stop())

  itNeeding(hasMosquitto, 'mosquitto')(
    'keeps what it finds, says what is wrong, and hands everything over once and in order when the broker is back',
    async () => {
      const line = await openFaultLine(rig.brokerUrl, Math.random)
      line.set({ kind: 'black hole' })
      const clock = createHurriedClock()
      const startMs = clock.wallMs()
      const gateway = rig.gateway('ward-a', { clock, url: line.url, startMs, stepMs: STEP_MS })
      for (let hour = 1; hour <= 72; hour++) {
        while (clock.monoMs() < hour * HOUR_MS) await new Promise((done) => setTimeout(done, 5))
        // The client's own time-out is not of this clock: without an end a connection would be waited for.
        line.cut()
        gateway.add(FIXES / 72)
      }
      expect(gateway.outbox.status().unacknowledged).toBe(FIXES)
      expect(gateway.sync.status().problem).toMatchObject({ code: 'BROKER_UNREACHABLE' })
      clock.slowDown()
      line.set(CLEAR)
      line.cut()
      await expect.poll(() => gateway.outbox.status().unacknowledged, { timeout: 60_000 }).toBe(0)
      expect(await rig.column('select code from rtls.quarantine')).toEqual([])
      const stored = await rig.column(
        `select array[seq, (extract(epoch from t) * 1000)::bigint] from telemetry.location_history order by t`,
      )
      const expected = Array.from({ length: FIXES }, (_, i) => [i + 1, startMs + (i + 1) * STEP_MS].map(String))
      expect(stored).toEqual(expected)
      expect(gateway.sync.status().problem).toBeUndefined()
      await gateway.stop()
      await line.stop()
    },
    120_000,
  )
})
