import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { connectDelayMs, DEFAULT_PACE, failed, freshPace, steady, tried } from './pace.ts'

describe('the pace of connects', () => {
  it('never allows more than six in any minute, however each of them ends and whatever chance says', () => {
    const outcome = fc.record({
      lastedMs: fc.integer({ min: 0, max: 40_000 }),
      isSteady: fc.boolean(),
      chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 20, maxLength: 60 }), (outcomes) => {
        let pace = freshPace
        let nowMs = 0
        const triesMs: number[] = []
        for (const { lastedMs, isSteady, chance } of outcomes) {
          pace = tried(pace, nowMs, DEFAULT_PACE)
          triesMs.push(nowMs)
          nowMs += lastedMs
          pace = failed(isSteady ? steady(pace) : pace)
          nowMs += connectDelayMs(pace, nowMs, { limits: DEFAULT_PACE, random: () => chance })
        }
        for (const [i, atMs] of triesMs.entries()) {
          const seventh = triesMs[i + 6]
          if (seventh !== undefined) expect(seventh - atMs).toBeGreaterThanOrEqual(60_000)
        }
      }),
    )
  })

  it('tries again within a second after a first loss, and spreads later tries over up to a minute', () => {
    const latest = (failures: number) =>
      connectDelayMs({ failures, triedMs: [] }, 0, { limits: DEFAULT_PACE, random: () => 0.999_999 })
    expect([1, 2, 3, 6, 7, 20].map(latest)).toEqual([999, 1_999, 3_999, 31_999, 59_999, 59_999])
  })
})
