import { afterEach, describe, expect, it, vi } from 'vitest'

import { systemClock } from './system-clock.ts'

const DAY_MS = 86_400_000

afterEach(() => {
  vi.useRealTimers()
})

describe('the system clock', () => {
  it('never steps back in monotonic time and shows wall time as Date does', () => {
    const before = Date.now()
    expect(systemClock.wallMs()).toBeGreaterThanOrEqual(before)
    const mono = systemClock.monoMs()
    expect(systemClock.monoMs()).toBeGreaterThanOrEqual(mono)
  })

  it('runs a task once, and a repeated one until it is cancelled', async () => {
    await new Promise<void>((resolve) => void systemClock.after(1, resolve))
    let beats = 0
    await new Promise<void>((resolve) => {
      const timer = systemClock.every(1, () => {
        beats += 1
        if (beats === 3) {
          timer.cancel()
          resolve()
        }
      })
    })
    expect(beats).toBe(3)
  })

  it('keeps delays longer than a Node timer can take, which would fire at once', () => {
    vi.useFakeTimers()
    const fired: string[] = []
    systemClock.after(60 * DAY_MS, () => fired.push('once'))
    systemClock.after(60 * DAY_MS, () => fired.push('cancelled')).cancel()
    const monthly = systemClock.every(30 * DAY_MS, () => fired.push('month'))
    vi.advanceTimersByTime(29 * DAY_MS)
    expect(fired).toEqual([])
    vi.advanceTimersByTime(1 * DAY_MS)
    expect(fired).toEqual(['month'])
    vi.advanceTimersByTime(30 * DAY_MS)
    expect(fired.toSorted()).toEqual(['month', 'month', 'once'])
    monthly.cancel()
    vi.advanceTimersByTime(100 * DAY_MS)
    expect(fired).toHaveLength(3)
  })
})
