import { openProfiles } from '@biotrakr/agent'
import { describe, expect, it } from 'vitest'

import { fuzzProfile } from '../../fuzz/fuzz.ts'
import { badLine, lostBehindCutFrames, receive } from '../../fuzz/line.ts'

const store = openProfiles()
const drivers = store.ids.filter((id) => !store.isBuiltIn(id)).map((id) => store.load(id))
const kindOf = (driver: (typeof drivers)[number]) => driver.document.framing.kind
const byLength = drivers.filter((driver) => ['length', 'pn532'].includes(kindOf(driver)))
const byEnd = drivers.filter((driver) => !byLength.includes(driver))

describe('200,000 mutated frames', () => {
  it.each(drivers)(
    'are all dealt with by $id, on both sides, and nothing is told twice',
    (driver) => {
      const result = fuzzProfile(driver, { frames: 200_000, seed: 1 })
      expect(result).toMatchObject({ frames: 200_000, throws: 0, overtold: 0 })
      expect(result.accepted).toBeGreaterThan(0)
    },
    120_000,
  )
})

describe('20,000 frames of which one in a hundred is damaged, in pieces of 1 to 63 bytes', () => {
  it.each(byLength)(
    'lose no whole frame of $id, which tells the length of its frames',
    (driver) => {
      const line = badLine(driver, { frames: 20_000, seed: 1 })
      const { whole, lost } = receive(driver, line, 1)
      expect(whole).toBeGreaterThan(19_600)
      expect(lost).toBe(0)
    },
    60_000,
  )

  it.each(byEnd)(
    'lose at most the neighbour of a damaged one of $id, which only marks where they end',
    (driver) => {
      const line = badLine(driver, { frames: 20_000, seed: 1 })
      const { whole, lost } = receive(driver, line, 1)
      expect(lost).toBeLessThanOrEqual(20_000 - whole)
    },
    60_000,
  )
})

describe('5,000 frames of which every fifth has lost its last byte', () => {
  it.each(byLength)('cost of $id none but those whose first byte made the frame before whole', (driver) => {
    expect(lostBehindCutFrames(driver, { frames: 5_000, seed: 1 })).toBe(0)
  })
})
