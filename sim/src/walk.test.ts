import type { ReceiverId, RoomId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createSurveyWalk } from './walk.ts'

const startMs = 1_000_000_000_000
const room = (name: string) => name as RoomId

function meanAt(walk: ReturnType<typeof createSurveyWalk>, receiver: string): number {
  const heard = walk.readingsBetween(startMs, startMs + 60_000).filter((one) => one.tag === walk.tag)
  const own = heard.flatMap((one) => (one.receiver === receiver ? [one.rssiDbm ?? 0] : []))
  return own.reduce((sum, dbm) => sum + dbm, 0) / own.length
}

describe('a survey walk', () => {
  it('is heard where it stops, loudest by the receiver it is held to', () => {
    const walk = createSurveyWalk({ seed: 1, startMs, tags: 2 })
    walk.holdToReceiver()
    expect(meanAt(walk, 'rx-101')).toBeGreaterThan(-40)
    walk.goTo(room('104'), 0)
    expect(meanAt(walk, 'rx-104')).toBeGreaterThan(meanAt(walk, 'rx-103'))
  })

  it('hears at another place of the room with other powers, and at the same place with the same', () => {
    const walk = createSurveyWalk({ seed: 1, startMs, tags: 2 })
    walk.goTo(room('104'), 0)
    const [once] = [meanAt(walk, 'rx-104')]
    walk.goTo(room('104'), 1)
    expect(meanAt(walk, 'rx-104')).not.toBe(once)
    walk.goTo(room('104'), 0)
    expect(meanAt(walk, 'rx-104')).toBe(once)
  })

  it('lacks the receivers that do not hang', () => {
    const walk = createSurveyWalk({ seed: 1, startMs, tags: 2, receivers: new Set(['rx-101' as ReceiverId]) })
    walk.goTo(room('104'), 0)
    expect(walk.siteMap.receivers.map(({ id }) => id)).toEqual(['rx-101'])
    const heard = walk.readingsBetween(startMs, startMs + 60_000)
    expect(new Set(heard.map(({ receiver }) => receiver))).toEqual(new Set(['rx-101']))
  })

  it('hears more through a curtain than through a wall, and only there', () => {
    const walled = createSurveyWalk({ seed: 1, startMs, tags: 1, wallLossDb: 10 })
    const curtained = createSurveyWalk({
      seed: 1,
      startMs,
      tags: 1,
      wallLossDb: 10,
      curtains: [[room('107'), room('108')]],
    })
    for (const walk of [walled, curtained]) walk.goTo(room('107'), 3)
    expect(meanAt(curtained, 'rx-108') - meanAt(walled, 'rx-108')).toBeGreaterThan(5)
    expect(meanAt(curtained, 'rx-107')).toBe(meanAt(walled, 'rx-107'))
  })

  it('refuses a room that is not there and a curtain where no wall is', () => {
    const walk = createSurveyWalk({ seed: 1, startMs, tags: 1 })
    expect(() => walk.goTo(room('attic'), 0)).toThrow(/no room attic/)
    expect(() => createSurveyWalk({ seed: 1, startMs, curtains: [[room('101'), room('103')]] })).toThrow(/no wall/)
    expect(() => createSurveyWalk({ seed: 1, startMs, curtains: [[room('104'), room('105')]] })).toThrow(/no wall/)
  })
})
