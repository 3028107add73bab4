import type { RoomId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createWardScorer, wardTruth } from './score.ts'
import { createWard } from './ward.ts'

const startMs = 1_760_000_000_000
const HOUR_S = 3600

function scored(answer: (truth: RoomId, second: number) => RoomId | null) {
  const ward = createWard({ seed: 9, startMs, tags: 3 })
  const scorer = createWardScorer(ward)
  for (let s = 0; s < HOUR_S; s++) {
    for (const { tag, room } of wardTruth(ward, startMs + s * 1000))
      scorer.take(tag, answer(room, s), startMs + s * 1000)
  }
  return scorer.score()
}

describe('the score of answers against the ward', () => {
  it('is perfect for the truth itself', () => {
    const score = scored((truth) => truth)
    expect(score).toMatchObject({ answers: 3 * HOUR_S, right: 1, rightAtRest: 1, falseChangesPerTagHour: 0 })
    expect(score.restAnswers).toBeGreaterThan(2 * HOUR_S)
  })

  it('counts an unknown room as not right, and not as a change', () => {
    const score = scored((truth, second) => (second % 2 === 0 ? truth : null))
    expect(score.right).toBeCloseTo(0.5, 2)
    expect(score.falseChangesPerTagHour).toBe(0)
  })

  it('counts every change of room at rest', () => {
    const score = scored((truth, second) => (second % 60 < 30 ? truth : ('elsewhere' as RoomId)))
    expect(score.falseChangesPerTagHour).toBeGreaterThan(100)
    expect(score.falseChangesPerTagHour).toBeLessThan(130)
  })

  it('is zero before any answer', () => {
    const scorer = createWardScorer(createWard({ seed: 9, startMs, tags: 1 }))
    expect(scorer.score()).toMatchObject({ answers: 0, right: 0, falseChangesPerTagHour: 0 })
  })
})
