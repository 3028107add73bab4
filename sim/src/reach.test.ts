import { describe, expect, it } from 'vitest'

import { answersAt } from './reach.ts'

describe('a passive tag', () => {
  const share = (powerDbm: number): number =>
    Array.from({ length: 100 }, (_, n) => n / 100).filter((draw) => answersAt(20, powerDbm, () => draw)).length / 100

  it('is mute below the power it needs, answers now and then at it, and always a little above', () => {
    expect([share(18), share(19), share(22)]).toEqual([0, 0, 1])
    expect(share(20)).toBeGreaterThan(0.2)
    expect(share(20)).toBeLessThan(0.5)
  })

  it('answers always where it says nothing of power, or the reader keeps its own', () => {
    expect(answersAt(undefined, 5, () => 0.999)).toBe(true)
    expect(answersAt(20, undefined, () => 0.999)).toBe(true)
  })
})
