import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { replayPace } from './pace.ts'

const NOW = 1_800_000_000_000
const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('the pace of a replay', () => {
  it('is ten times real speed unless told otherwise', () => {
    expect(replayPace({ durationMs: HOUR, realStartMs: NOW, speed: undefined, endMs: undefined }).speed).toBe(10)
    expect(replayPace({ durationMs: HOUR, realStartMs: NOW, speed: 3, endMs: NOW + 60_000 }).speed).toBe(3)
  })

  it('plays everything within the time there is, and never slower than it was', () => {
    const pace = replayPace({ durationMs: HOUR, realStartMs: NOW, speed: undefined, endMs: NOW + 62_000 })
    expect(pace.speed).toBe(60)
    expect(replayPace({ durationMs: 1000, realStartMs: NOW, speed: undefined, endMs: NOW + HOUR }).speed).toBe(1)
    expect(replayPace({ durationMs: DAY, realStartMs: NOW, speed: undefined, endMs: NOW }).speed).toBe(10_000)
  })

  it('ends the recording about now', () => {
    const { speed, eventStartMs } = replayPace({ durationMs: HOUR, realStartMs: NOW, speed: 10, endMs: undefined })
    const realEnd = NOW + HOUR / speed
    expect(eventStartMs % 1000).toBe(0)
    expect(realEnd - (eventStartMs + HOUR)).toBeGreaterThanOrEqual(0)
    expect(realEnd - (eventStartMs + HOUR)).toBeLessThan(1000)
  })

  it('stays within what the centre takes, ten seconds beyond the end included', () => {
    const wish = fc.record({
      durationMs: fc.integer({ min: 0, max: 10 * DAY }),
      realStartMs: fc.constant(NOW),
      speed: fc.double({ min: 0.5, max: 10_000, noNaN: true }),
      endMs: fc.constant(undefined),
    })
    fc.assert(
      fc.property(wish, (given) => {
        const { speed, eventStartMs } = replayPace(given)
        const realMs = given.durationMs / speed + 10_000
        expect(eventStartMs + realMs * speed).toBeLessThanOrEqual(NOW + realMs + 300_000)
        expect(eventStartMs).toBeGreaterThan(NOW - 35 * DAY)
      }),
    )
  })
})
