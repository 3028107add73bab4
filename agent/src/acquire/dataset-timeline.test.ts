import { describe, expect, it } from 'vitest'

import { layEndToEnd } from './dataset-timeline.ts'

function lay(sessions: Record<string, number[]>) {
  const rows = new Map(
    Object.entries(sessions).map(([name, times]) => [name, times.map((offsetMs) => ({ offsetMs }))] as const),
  )
  const timeline = layEndToEnd(rows)
  return { ...timeline, offsets: [...rows.values()].map((list) => list.map(({ offsetMs }) => offsetMs)) }
}

describe('the timeline of a data set', () => {
  it('lays sessions end to end with a minute between them, whatever their own dates', () => {
    const { offsets, sessions } = lay({ b: [1_628_008_099_976, 1_628_008_100_976], a: [5, 7] })
    expect(offsets).toEqual([
      [0, 1_000],
      [61_000, 61_002],
    ])
    expect(sessions).toEqual([
      { name: 'b', startMs: 0, endMs: 1_000, recordedMs: 1_628_008_099_976, rows: 2 },
      { name: 'a', startMs: 61_000, endMs: 61_002, recordedMs: 5, rows: 2 },
    ])
  })

  it('gives a row that steps back the newest time so far and keeps its place', () => {
    const { offsets, stepsBack } = lay({ a: [0, 500, 300, 400, 600] })
    expect(offsets).toEqual([[0, 500, 500, 500, 600]])
    expect(stepsBack).toBe(2)
  })

  it('goes on from the newest time when the clock was set, so that one wrong row holds up no replay', () => {
    const { offsets, clockSets, stepsBack } = lay({ a: [1_000, 2_000, 9e12, 2_500, 3_500] })
    expect(offsets).toEqual([[0, 1_000, 1_000, 1_000, 2_000]])
    expect([clockSets, stepsBack]).toEqual([2, 0])
  })

  it('keeps a real pause of an hour and a half', () => {
    expect(lay({ a: [0, 5_220_000] }).offsets).toEqual([[0, 5_220_000]])
  })
})
