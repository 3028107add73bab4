import { describe, expect, it } from 'vitest'

import { createManualClock } from './manual-clock.ts'
import { scaledClock } from './scaled-clock.ts'

describe('a scaled clock', () => {
  it('shows the event start at the real start and runs at its speed from there', () => {
    const base = createManualClock(10_000)
    const clock = scaledClock(base, { speed: 60, eventStartMs: 5_000_000, realStartMs: 10_000 })
    expect(clock.wallMs()).toBe(5_000_000)
    base.advance(1_000)
    expect(clock.wallMs()).toBe(5_060_000)
    expect(clock.monoMs()).toBe(60_000)
  })

  it('runs its timers in event time', () => {
    const base = createManualClock()
    const clock = scaledClock(base, { speed: 10, eventStartMs: 0, realStartMs: 0 })
    const seen: number[] = []
    const beat = clock.every(1_000, () => seen.push(clock.wallMs()))
    clock.after(2_500, () => seen.push(-clock.wallMs()))
    base.advance(300)
    expect(seen).toEqual([1_000, 2_000, -2_500, 3_000])
    beat.cancel()
    base.advance(300)
    expect(seen).toHaveLength(4)
  })

  it('shows whole milliseconds at any speed, before its start too', () => {
    const base = createManualClock(100)
    const clock = scaledClock(base, { speed: 1.37, eventStartMs: 1_000, realStartMs: 103 })
    expect(clock.wallMs()).toBe(995)
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a speed of %s', (speed) => {
    expect(() => scaledClock(createManualClock(), { speed, eventStartMs: 0, realStartMs: 0 })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    )
  })
})
