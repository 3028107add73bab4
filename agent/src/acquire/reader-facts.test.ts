import { describe, expect, it } from 'vitest'

import { ReaderFacts } from './reader-facts.ts'

describe('a reader that started anew without a word', () => {
  it('shows by a setting that it has lost, once for each time', () => {
    const facts = new ReaderFacts()
    const asked = ['NOTACTIVE', 'NOTACTIVE', 'ACTIVE', 'NOTACTIVE', 'NOTACTIVE', 'ACTIVE']
    expect(asked.map((bootMark) => facts.isYounger({ bootMark }, 0))).toEqual([false, false, true, false, false, true])
  })

  it('is not seen in a reader whose setting was never another, or after another reader took its place', () => {
    const facts = new ReaderFacts()
    expect([1, 2, 3].map(() => facts.isYounger({ bootMark: 'ACTIVE' }, 0))).toEqual([false, false, false])
    facts.forget()
    expect(facts.isYounger({ bootMark: 'NOTACTIVE' }, 0)).toBe(false)
    expect(facts.isYounger({ report: 'GetInfo' }, 0)).toBe(false)
  })

  it('shows by how long it says it has been on', () => {
    const facts = new ReaderFacts()
    expect([10, 20, 2, 12].map((upSeconds, n) => facts.isYounger({ upSeconds }, n * 10_000))).toEqual([
      false,
      false,
      true,
      false,
    ])
  })
})
