import type { ReceiverId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { type HeardSecond, judgePlace, judgeRoom } from './survey-enough.ts'

const a = 'rx-a' as ReceiverId
const b = 'rx-b' as ReceiverId

/** Powers of rx-a second by second; rx-b is 20 dB below. */
function seconds(powers: readonly number[]): HeardSecond[] {
  return powers.map((rssiDbm, n) => ({
    atMs: n * 1000,
    sightings: [
      { receiver: a, rssiDbm, count: 1 },
      { receiver: b, rssiDbm: rssiDbm - 20, count: 2 },
    ],
  }))
}

const wavering = (n: number, about = -60): number[] => Array.from({ length: n }, (_, i) => about + (i % 3) - 1)

describe('enough at one place', () => {
  it('is a matter of seconds heard and of how sure the means are', () => {
    expect(judgePlace([])).toMatchObject({ enough: false, missing: 'nothing heard yet' })
    expect(judgePlace(seconds(wavering(1)))).toMatchObject({ enough: false, missing: 'heard in 1 of 8 seconds' })
    expect(judgePlace(seconds(wavering(8)))).toMatchObject({ enough: true, missing: '', seconds: 8 })
  })

  it('waits while the mean is uncertain, and while the signal moves', () => {
    expect(judgePlace(seconds([-40, -80, -40, -80, -40, -80, -40, -80])).missing).toMatch(/uncertain/)
    const carried = [...wavering(12, -50), ...wavering(12, -58)]
    expect(judgePlace(seconds(carried)).missing).toMatch(/stand still/)
  })

  it('says of each receiver its mean, seconds, readings and error, the loudest first', () => {
    const { heard } = judgePlace(seconds(wavering(9)))
    expect(heard.map(({ receiver, dbm, seconds: own, readings }) => [receiver, dbm, own, readings])).toEqual([
      [a, -60, 9, 9],
      [b, -80, 9, 18],
    ])
  })

  it('is not reached by a tag that each receiver hears now and then only', () => {
    const rare = Array.from({ length: 30 }, (_, n): HeardSecond => {
      const receiver = `rx-${n % 3}` as ReceiverId
      return { atMs: n * 1000, sightings: [{ receiver, rssiDbm: -90, count: 1 }] }
    })
    expect(judgePlace(rare)).toMatchObject({ enough: false, missing: 'no receiver hears it in half of the seconds' })
  })
})

describe('enough in one room', () => {
  const place = (about: number) => seconds(wavering(8, about))

  it('needs four places whatever they say', () => {
    expect(judgeRoom([])).toMatchObject({ state: 'more', places: 0, error: Number.POSITIVE_INFINITY })
    expect(judgeRoom([place(-60), place(-60), place(-60)])).toMatchObject({ state: 'more', why: '1 more at least' })
    expect(judgeRoom([place(-60), place(-60), [], place(-60)]).state).toBe('more')
  })

  it('is reached sooner where places sound alike, and at twelve in any case', () => {
    expect(judgeRoom([-60, -61, -60, -61].map(place))).toMatchObject({ state: 'enough', receivers: 2 })
    const unlike = [-50, -60, -70, -55, -65, -52, -68, -58, -63, -50, -70, -60].map(place)
    expect(judgeRoom(unlike.slice(0, 4)).state).toBe('usable')
    expect(judgeRoom(unlike).state).toBe('enough')
  })
})
