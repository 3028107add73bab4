import type { TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createManualClock } from './manual-clock.ts'
import { allDrivers, driverOf, receiver, TAG, tagOf } from './reader-fixtures.ts'
import { createReadings } from './reader-readings.ts'
import { createSightings, needsSecondSighting } from './reader-sightings.ts'

const known = tagOf(TAG) as TagId
const door = receiver('door/1')

function sightings(needsSecond: boolean) {
  const clock = createManualClock()
  return { clock, ...createSightings({ needsSecond, clock }) }
}

describe('a tag that a reader with weak checks has never seen', () => {
  it('is believed at the second sighting within 5 s, and from then on at once', () => {
    const { clock, judge } = sightings(true)
    const see = () => judge(known, door, false)
    expect(see()).toBe('first')
    clock.advance(5_001)
    expect(see()).toBe('first')
    clock.advance(5_000)
    expect(see()).toBe('news')
    clock.advance(3_600_000)
    expect(see()).toBe('news')
  })

  it('is not confirmed by another one, and a flood of others takes no more room than it is given', () => {
    const { judge } = sightings(true)
    judge(known, door, false)
    for (let n = 0; n < 2_000; n++)
      expect(judge(`epc:${n.toString(16).padStart(24, '0')}` as TagId, door, false)).toBe('first')
    expect(judge(known, door, false)).toBe('first')
  })

  it('is doubted with exactly the profiles that leave room for doubt', () => {
    const doubtful = allDrivers().filter(({ document }) => needsSecondSighting(document))
    expect(doubtful.map(({ id }) => id).sort()).toEqual([
      'elatec-twn4',
      'nxp-pn532',
      'rain-rci',
      'rain-rci-v1',
      'rodinbell-r2000',
    ])
  })

  it('is withheld and counted on its way to a reading', () => {
    const { clock, ...rest } = sightings(true)
    const { from, counts } = createReadings({
      driver: driverOf('nxp-pn532'),
      receivers: new Map([[1, door]]),
      allow: new Set([known]),
      tagOf,
      sightings: rest,
    })
    const passed = [0, 1_000, 1_000].map((ms) => {
      clock.advance(ms)
      return from({ epc: TAG.epc, band: 'hf' }, 0) !== undefined
    })
    expect(passed).toEqual([false, true, true])
    expect(counts).toMatchObject({ readings: 2, firstSightings: 1, repeats: 0 })
  })
})

describe('a card that lies on its reader', () => {
  it('gives at most one reading every 200 ms for each receiver, and one as soon as it comes back', () => {
    const { clock, judge } = sightings(false)
    let readings = 0
    for (let n = 0; n < 1_000; n++) {
      if (judge(known, door, true) === 'news') readings += 1
      clock.advance(65)
    }
    expect(readings).toBe(250)
    expect(judge(known, receiver('door/2'), true)).toBe('news')
    clock.advance(200)
    expect(judge(known, door, true)).toBe('news')
  })

  it('is not held back where its report says more than presence', () => {
    const { judge } = sightings(false)
    expect([judge(known, door, false), judge(known, door, false)]).toEqual(['news', 'news'])
  })
})
