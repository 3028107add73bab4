import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type DepreciationBasis, depreciationSchedule } from './depreciation-schedule.ts'

const basis = (change: Partial<DepreciationBasis>): DepreciationBasis => ({
  method: 'straight_line',
  cost: 10_000_00n,
  salvage: 1_000_00n,
  lifeMonths: 60,
  inServiceOn: '2025-11-20',
  decliningPermille: null,
  ...change,
})

function byYear(wish: DepreciationBasis): bigint[] {
  const lines = depreciationSchedule(wish)
  const years = Math.ceil(lines.length / 12)
  return Array.from({ length: years }, (_, i) =>
    lines.slice(12 * i, 12 * i + 12).reduce((sum, { amount }) => sum + amount, 0n),
  )
}

describe('a depreciation schedule', () => {
  it('is even by the straight line, and begins with the month it went into service', () => {
    const lines = depreciationSchedule(basis({}))
    expect(lines).toHaveLength(60)
    expect(lines[0]).toEqual({ month: '2025-11-01', amount: 150_00n, accumulated: 150_00n, bookValue: 9_850_00n })
    expect(lines[2]?.month).toBe('2026-01-01')
    expect(lines.at(-1)).toEqual({ month: '2030-10-01', amount: 150_00n, accumulated: 9_000_00n, bookValue: 1_000_00n })
  })

  it('follows the digits of the years: 5, 4, 3, 2, 1 fifteenths', () => {
    expect(byYear(basis({ method: 'sum_of_years' }))).toEqual([3_000_00n, 2_400_00n, 1_800_00n, 1_200_00n, 600_00n])
  })

  it('takes twice the straight rate of the book value, then what is left evenly, and stops at salvage', () => {
    const years = byYear(basis({ method: 'double_declining' }))
    expect(years).toEqual([4_000_00n, 2_400_00n, 1_440_00n, 864_00n, 296_00n])
  })

  it('takes the rate it is given of the book value, and the straight line once that is more', () => {
    const years = byYear(basis({ method: 'declining_balance', decliningPermille: 250, salvage: 0n }))
    expect(years).toEqual([2_500_00n, 1_875_00n, 1_875_00n, 1_875_00n, 1_875_00n])
  })

  it('weighs a part of a year as a part: 30 months are 360, 216 and 36 parts of 612', () => {
    expect(byYear(basis({ lifeMonths: 30, method: 'sum_of_years' }))).toEqual([529_412n, 317_647n, 52_941n])
  })

  it('adds up to cost less salvage, never goes back and never falls below salvage, whatever it is made from', () => {
    const bases = fc
      .record({
        method: fc.constantFrom<DepreciationBasis['method']>(
          'straight_line',
          'declining_balance',
          'double_declining',
          'sum_of_years',
        ),
        cost: fc.bigInt({ min: 0n, max: 9_000_000_000_000_000n }),
        part: fc.integer({ min: 0, max: 1_000 }),
        lifeMonths: fc.integer({ min: 1, max: 240 }),
        decliningPermille: fc.integer({ min: 1, max: 1_000 }),
      })
      .map(({ part, ...rest }) => ({
        ...rest,
        salvage: (rest.cost * BigInt(part)) / 1_000n,
        inServiceOn: '2024-02-29',
      }))
    fc.assert(
      fc.property(bases, (wish) => {
        const lines = depreciationSchedule(wish)
        expect(lines).toHaveLength(wish.lifeMonths)
        expect(lines.reduce((sum, { amount }) => sum + amount, 0n)).toBe(wish.cost - wish.salvage)
        expect(lines.at(-1)?.bookValue).toBe(wish.salvage)
        expect(lines.every(({ amount, bookValue }) => amount >= 0n && bookValue >= wish.salvage)).toBe(true)
        expect(new Set(lines.map(({ month }) => month)).size).toBe(wish.lifeMonths)
      }),
    )
  })
})
