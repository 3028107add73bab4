import type { ReceiverId, TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { advisePower, type PowerStep, powersToTry } from './power-survey.ts'

const step = (powerDbm: number, readShare: number, spilled = 0): PowerStep => ({
  powerDbm,
  seconds: 5,
  reads: Math.round(50 * readShare),
  readShare,
  spill: [{ tag: 'b' as TagId, receiver: 'rx' as ReceiverId, reads: 1, readShare: spilled }],
})

describe('the advice on power', () => {
  it('takes the lowest power that is reliable from there on, and one step in hand', () => {
    const steps = [step(10, 0), step(11, 1), step(12, 0.4), step(13, 1), step(14, 1), step(15, 1, 1)]
    expect(advisePower(steps)).toMatchObject({ powerDbm: 14, spills: false })
    expect(advisePower(steps.slice(0, 4))).toMatchObject({ powerDbm: 13 })
  })

  it('says when a zone next door is read, and when no power does', () => {
    expect(advisePower([step(10, 0), step(11, 1, 0.2), step(12, 1, 0.5)])).toMatchObject({ powerDbm: 12, spills: true })
    expect(advisePower([step(10, 0), step(11, 0.5)]).powerDbm).toBeUndefined()
    expect(advisePower([])).toMatchObject({ powerDbm: undefined, spills: false })
  })
})

describe('the powers to try', () => {
  const reader = { profile: 'magicrf-r200', powerDbm: 20 }

  it('stay within the profile and below what the site configured', () => {
    const powers = powersToTry(reader, {})
    expect(powers.at(-1)).toBeLessThanOrEqual(20)
    expect(powersToTry({ profile: 'llrp', powerDbm: 12 }, { from: 10.1, step: 0.5 })).toEqual([
      10.25, 10.75, 11.25, 11.75,
    ])
  })

  it('are refused beyond the limits, and where nothing says how much is allowed', () => {
    expect(() => powersToTry(reader, { to: 40 })).toThrow(/not within/)
    expect(() => powersToTry({ profile: 'llrp', powerDbm: undefined }, {})).toThrow(/no powerDbm/)
    expect(() => powersToTry({ profile: 'rdm6300', powerDbm: 20 }, {})).toThrow(/cannot set the power/)
  })
})
