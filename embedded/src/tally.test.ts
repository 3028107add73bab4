import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type Run, type StoredEpoch, tallyLedger } from './tally.ts'

const epoch = '1-00000000000000aa'
const run = (first: number, last = first): Run => ({ first, last })
const stored = (parts: Partial<StoredEpoch>): StoredEpoch => ({
  epoch,
  rows: 0,
  fixes: 0,
  runs: [],
  gaps: [],
  quarantined: [],
  ...parts,
})

describe('the comparison of store and database', () => {
  it('finds nothing wrong when every id is there once, as a row, a gap or in quarantine', () => {
    const there = stored({ rows: 8, fixes: 7, runs: [run(1, 4), run(7, 10)], gaps: [run(5)], quarantined: [run(6)] })
    expect(tallyLedger([{ epoch, last: 10, acked: 10, fixes: 9 }], [there])).toEqual({
      records: 10,
      fixes: 9,
      committed: 7,
      lost: 0,
      waiting: 0,
      duplicated: 0,
      gaps: 1,
      quarantined: 1,
      lostRuns: [],
    })
  })

  it('counts and names the ids that are nowhere', () => {
    const tally = tallyLedger(
      [{ epoch, last: 10, acked: 10, fixes: 10 }],
      [stored({ rows: 5, runs: [run(3, 5), run(8, 9)] })],
    )
    expect(tally.lost).toBe(5)
    expect(tally.lostRuns).toEqual([run(1, 2), run(6, 7), run(10)].map((lost) => ({ ...lost, epoch })))
  })

  it('counts everything of an epoch that the database does not know as lost', () => {
    expect(tallyLedger([{ epoch, last: 3, acked: 3, fixes: 3 }], []).lost).toBe(3)
    expect(tallyLedger([{ epoch, last: 0, acked: 0, fixes: 0 }], []).lost).toBe(0)
  })

  it('tells what the gateway still keeps from what is lost', () => {
    const tally = tallyLedger(
      [{ epoch, last: 10, acked: 6, fixes: 10 }],
      [stored({ rows: 7, runs: [run(1, 4), run(6, 8)] })],
    )
    expect(tally).toMatchObject({ lost: 1, waiting: 2, lostRuns: [{ epoch, ...run(5) }] })
  })

  it('counts copies beyond the first, within the rows and between rows, gaps and quarantine', () => {
    const there = stored({ rows: 6, runs: [run(1, 4)], gaps: [run(4, 5)], quarantined: [run(5)] })
    expect(tallyLedger([{ epoch, last: 5, acked: 5, fixes: 0 }], [there])).toMatchObject({ lost: 0, duplicated: 4 })
  })

  it('agrees with counting one by one, whatever the runs', () => {
    const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 5 })), { maxLength: 6 })
    fc.assert(
      fc.property(runs, runs, fc.integer({ min: 0, max: 30 }), (gapPairs, otherPairs, last) => {
        const toRuns = (pairs: [number, number][]) => pairs.map(([first, more]) => run(first, first + more))
        const gaps = toRuns(gapPairs)
        const quarantined = toRuns(otherPairs)
        const ids = [...gaps, ...quarantined].flatMap(({ first, last: end }) =>
          Array.from({ length: end - first + 1 }, (_, i) => first + i),
        )
        const there = new Set(ids)
        const missing = Array.from({ length: last }, (_, i) => i + 1).filter((id) => !there.has(id))
        const tally = tallyLedger([{ epoch, last, acked: last, fixes: 0 }], [stored({ gaps, quarantined })])
        expect(tally.lost).toBe(missing.length)
        expect(tally.duplicated).toBe(ids.length - there.size)
      }),
      { numRuns: 200 },
    )
  })
})
