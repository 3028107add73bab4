import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { connectDelayMs, DEFAULT_PACE, failed, freshPace, steady, tried } from './pace.ts'

/** A generator of numbers in [0, 1) from a seed (Lehmer, Park and Miller 1988). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** When each of so many gateways is connected again after a broker was away, milliseconds after its return. */
function returns(gateways: number, awayMs: number, random: () => number): number[] {
  return Array.from({ length: gateways }, () => {
    // A broken line is not noticed everywhere in the same millisecond.
    let nowMs = random() * 50
    let pace = failed(freshPace, nowMs, random)
    for (;;) {
      nowMs += connectDelayMs(pace, nowMs, DEFAULT_PACE)
      pace = tried(pace, nowMs, DEFAULT_PACE)
      if (nowMs >= awayMs) return nowMs - awayMs
      nowMs += 5
      pace = failed(pace, nowMs, random)
    }
  }).sort((a, b) => a - b)
}

/** Most connects in any tenth of the time in which all came back, against the mean of a tenth. */
function peakOverMean(timesMs: readonly number[]): number {
  const windowMs = ((timesMs.at(-1) ?? 0) - (timesMs[0] ?? 0)) / 10
  let peak = 0
  let from = 0
  for (const [to, atMs] of timesMs.entries()) {
    while ((timesMs[from] ?? 0) < atMs - windowMs) from++
    peak = Math.max(peak, to - from + 1)
  }
  return peak / (timesMs.length / 10)
}

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
          pace = failed(isSteady ? steady(pace) : pace, nowMs, () => chance)
          nowMs += connectDelayMs(pace, nowMs, DEFAULT_PACE)
        }
        for (const [i, atMs] of triesMs.entries()) {
          const seventh = triesMs[i + 6]
          if (seventh !== undefined) expect(seventh - atMs).toBeGreaterThanOrEqual(60_000)
        }
      }),
    )
  })

  it('tries once in each of growing intervals, at the same place in every one', () => {
    const turns = (place: number) => {
      const pace = failed(freshPace, 1_000, () => place)
      const found: number[] = []
      for (let nowMs = 1_000; found.length < 10; ) {
        nowMs += connectDelayMs(pace, nowMs, DEFAULT_PACE)
        found.push((nowMs - 1_000) / 1_000)
      }
      return found
    }
    expect(turns(0.5)).toEqual([2, 7, 14.5, 25.75, 42.625, 67.938, 105.907, 158.688, 218.688, 278.688])
    expect(turns(0).slice(0, 4)).toEqual([4, 10, 19, 32.5])
  })

  it('goes on at once where it would be after an attempt that took long', () => {
    const pace = failed(freshPace, 0, () => 0.5)
    expect(connectDelayMs(pace, 0, DEFAULT_PACE)).toBe(2_000)
    expect(connectDelayMs(pace, 1_000_000, DEFAULT_PACE)).toBeLessThanOrEqual(60_000)
  })

  it.each([0.3, 2, 5, 9, 16, 30, 50, 75, 120, 200, 600, 3_600])(
    'brings 500 gateways back at no more than twice the mean rate after %d s',
    (seconds) => {
      for (let seed = 1; seed <= 10; seed++) {
        const timesMs = returns(500, seconds * 1_000, seeded(seed * 7_919))
        expect(peakOverMean(timesMs)).toBeLessThanOrEqual(2)
        expect(timesMs.at(-1)).toBeLessThanOrEqual(120_000)
      }
    },
  )
})
