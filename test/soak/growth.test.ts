import { describe, expect, it } from 'vitest'

import { judge, type Sample } from './growth.ts'

const run = (rss: (hour: number) => number, handles: (hour: number) => number = () => 30): Sample[] =>
  Array.from({ length: 240 }, (_, i) => ({ hour: i / 10, rssMb: rss(i / 10), handles: handles(i / 10), threads: 11 }))

describe('growth of a process after its warm-up', () => {
  it('leaves out what is taken in the first hour, and waves', () => {
    const verdict = judge(run((hour) => (hour < 1 ? 50 + 50 * hour : 100 + 5 * Math.sin(hour * 9))))
    expect(verdict.isFlat).toBe(true)
    expect(Math.abs(verdict.rss.growthPercent)).toBeLessThan(5)
  })

  it('finds memory that grows slowly', () => {
    const verdict = judge(run((hour) => 100 + hour / 2))
    expect(verdict.isFlat).toBe(false)
    expect(verdict.rss.growthPercent).toBeGreaterThan(5)
  })

  it('finds handles that are never closed', () => {
    expect(
      judge(
        run(
          () => 100,
          (hour) => 30 + Math.floor(hour / 4),
        ),
      ),
    ).toMatchObject({
      handles: { before: 30, after: 35 },
      isFlat: false,
    })
  })

  it('judges the second half of a short run', () => {
    const short = run((hour) => (hour < 0.5 ? 50 : 100)).slice(0, 11)
    expect(judge(short).rss).toMatchObject({ before: 100, after: 100 })
  })
})
