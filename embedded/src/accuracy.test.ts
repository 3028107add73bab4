import { describe, expect, it } from 'vitest'

import { judgeRooms, truthPerSecond } from './accuracy.ts'

const fix = (atMs: number, room: string | null, tag = 'a') => ({ tag, atMs, room })
const at = (atMs: number, room: string, tag = 'a') => ({ tag, atMs, room })

describe('room accuracy', () => {
  it('lets a fix hold until the next one of the same tag', () => {
    const fixes = [fix(1000, '101'), fix(5000, '102'), fix(2000, '109', 'b')]
    const samples = [at(1000, '101'), at(4999, '101'), at(5000, '102'), at(60_000, '102'), at(2500, '101')]
    expect(judgeRooms(fixes, samples)).toEqual({ samples: 5, right: 5 })
  })

  it('counts a wrong room, an unknown room and a tag without any fix yet as wrong', () => {
    const fixes = [fix(1000, '101'), fix(2000, null)]
    expect(judgeRooms(fixes, [at(999, '101'), at(1500, '102'), at(2000, '101'), at(1000, '101', 'b')])).toEqual({
      samples: 4,
      right: 0,
    })
  })

  it('takes fixes in any order of time, and the later recorded one of two at one time', () => {
    expect(
      judgeRooms([fix(2000, '102'), fix(1000, '101'), fix(2000, '103')], [at(2000, '103'), at(1999, '101')]),
    ).toEqual({ samples: 2, right: 2 })
  })

  it('judges nothing as nothing', () => {
    expect(judgeRooms([], [])).toEqual({ samples: 0, right: 0 })
  })
})

describe('truth of a data set', () => {
  const row = (offsetMs: number, room: string, tag = 'a') => ({ tag, offsetMs, room })

  it('is one sample per tag and second heard, with the newest row of it', () => {
    const rows = [row(0, 'x'), row(400, 'x', 'b'), row(999, 'y'), row(3000, 'z')]
    expect([...truthPerSecond(rows, 10_000, Number.POSITIVE_INFINITY)]).toEqual([
      at(11_000, 'y'),
      at(11_000, 'x', 'b'),
      at(14_000, 'z'),
    ])
  })

  it('ends where the replay was ended', () => {
    const rows = [row(0, 'x'), row(1500, 'x'), row(2500, 'x')]
    expect([...truthPerSecond(rows, 0, 2000)]).toEqual([at(1000, 'x'), at(2000, 'x')])
  })
})
