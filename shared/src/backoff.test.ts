import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { backoffMs } from './backoff.ts'

const limits = { firstMs: 500, maxMs: 30_000 }
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('backoffMs', () => {
  it('is a whole number from 1 up to the ceiling of the attempt, and never above the maximum', () => {
    fc.assert(
      fc.property(fc.nat(10_000), chance, (attempt, drawn) => {
        const delay = backoffMs(attempt, limits, () => drawn)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(1)
        expect(delay).toBeLessThanOrEqual(Math.min(limits.maxMs, limits.firstMs * 2 ** attempt))
      }),
    )
  })

  it('doubles its ceiling with every attempt until the maximum', () => {
    const ceilings = [0, 1, 2, 5, 6, 1000].map((attempt) => backoffMs(attempt, limits, () => 1 - Number.EPSILON))
    expect(ceilings).toEqual([499, 999, 1999, 15_999, 29_999, 29_999])
  })

  it('spreads over the whole of the range, from almost nothing', () => {
    expect(backoffMs(6, limits, () => 0)).toBe(1)
    expect(backoffMs(6, limits, () => 0.5)).toBe(15_000)
  })
})
