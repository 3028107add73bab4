import { describe, expect, it } from 'vitest'

import { depthOf, depthOfShare, excess, FLOOR_DBM, remaining, shareAbove } from './censored.ts'

describe('a normal distribution cut off at the floor', () => {
  it('has the shares that tables of the normal distribution print', () => {
    expect(shareAbove(0)).toBeCloseTo(0.5, 6)
    expect(shareAbove(1.96)).toBeCloseTo(0.975, 4)
    expect(shareAbove(-3)).toBeCloseTo(0.00135, 5)
  })

  it('shows a mean that is the higher, and a variance that is the smaller, the less of it is seen', () => {
    expect(excess(6)).toBeCloseTo(0, 6)
    expect(excess(0)).toBeCloseTo(Math.sqrt(2 / Math.PI), 6)
    expect(excess(-12)).toBeCloseTo(12.08, 2)
    expect(remaining(6)).toBeCloseTo(1, 4)
    expect(remaining(0)).toBeCloseTo(1 - 2 / Math.PI, 5)
  })

  it('is found back from the share or the mean that is seen', () => {
    for (const depth of [-2, -0.5, 0, 1.3, 3]) {
      expect(depthOfShare(shareAbove(depth))).toBeCloseTo(depth, 1)
      expect(depthOf(FLOOR_DBM + 7 * (depth + excess(depth)), 7)).toBeCloseTo(depth, 1)
    }
  })

  it('stays finite for what cannot be', () => {
    for (const dbm of [-200, FLOOR_DBM, 0]) expect(Number.isFinite(depthOf(dbm, 5))).toBe(true)
    for (const depth of [-60, -8, 60]) expect(Number.isFinite(excess(depth) + remaining(depth))).toBe(true)
  })
})
