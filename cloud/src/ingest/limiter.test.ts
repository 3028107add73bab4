import { describe, expect, it } from 'vitest'

import { createLimiter } from './limiter.ts'
import { createSideLane } from './side-lane.ts'
import { createTestClock } from './test-clock.ts'

describe('the limiter', () => {
  it('admits each name so many times a period', () => {
    const clock = createTestClock()
    const limiter = createLimiter(clock, 2, 1_000)
    expect(['a', 'a', 'a', 'b'].map((name) => limiter.admits(name))).toEqual([true, true, false, true])
    clock.pass(1_000)
    expect(limiter.admits('a')).toBe(true)
  })
})

describe('the side lane', () => {
  it('runs one task after the other, goes on after an error and drops what is too many', async () => {
    const errors: unknown[] = []
    const lane = createSideLane(3, (error) => errors.push(error))
    const done: number[] = []
    const task = (n: number) => async () => {
      if (n === 1) throw new Error('one')
      await Promise.resolve()
      done.push(n)
    }
    expect([0, 1, 2, 3].map((n) => lane.run(task(n)))).toEqual([true, true, true, false])
    await lane.idle()
    expect(done).toEqual([0, 2])
    expect(errors).toHaveLength(1)
    expect(lane.dropped()).toBe(1)
    expect(lane.run(task(4))).toBe(true)
  })
})
