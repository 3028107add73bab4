import {
  parseWhole,
  type RoomId,
  type Sighting,
  type SiteMap,
  siteMapSchema,
  type TagId,
  type TagWindow,
} from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { layoutOf } from './layout.ts'
import { emptyState, type Located, locate } from './locate.ts'
import { type Crossing, emptyPassage, feelPortal, portalsOf } from './portal.ts'

const T0 = 1_760_000_000_000
const MAP: SiteMap = parseWhole(
  siteMapSchema,
  {
    version: 1,
    rooms: [{ id: 'store' }, { id: 'hall', transit: true }, { id: 'bay' }],
    receivers: [
      { id: 'in', medium: 'RFID', room: 'store' },
      { id: 'out', medium: 'RFID', room: 'hall' },
      { id: 'bay', medium: 'RFID', room: 'bay' },
    ],
    portals: [{ id: 'door', antennas: ['in', 'out'], between: ['store', 'hall'] }],
    adjacency: [['hall', 'bay']],
  },
  { origin: 'm', code: 'SITE_INVALID', next: '-' },
)
const LAYOUT = layoutOf(MAP)

/** One second in the door: power at both antennas, and when each peaked inside it, ms. */
interface Second {
  readonly in?: number
  readonly out?: number
  readonly peaks?: readonly [number, number]
  readonly count?: number
  readonly bay?: number
}

function windowOf(second: Second, s: number): TagWindow {
  const sightings = (['bay', 'in', 'out'] as const).flatMap((receiver): Sighting[] => {
    const dbm = second[receiver]
    if (dbm === undefined) return []
    const peak = receiver === 'bay' ? undefined : second.peaks?.[receiver === 'in' ? 0 : 1]
    const timed = peak === undefined ? {} : { peakMs: T0 + s * 1000 + peak }
    return [
      { receiver: receiver as Sighting['receiver'], rssiDbm: dbm - 1, maxDbm: dbm, count: second.count ?? 5, ...timed },
    ]
  })
  return { tag: 'epc:e2000001' as TagId, atMs: T0 + (s + 1) * 1000, medium: 'RFID', sightings }
}

function walk(seconds: readonly Second[]): string[] {
  const portals = portalsOf(MAP, LAYOUT)
  if (!portals) throw new Error('the map has a portal')
  const passage = emptyPassage()
  const told = (crossing: Crossing | undefined): string[] =>
    crossing ? [`${LAYOUT.rooms[crossing.from]} > ${LAYOUT.rooms[crossing.to]}`] : []
  return seconds.flatMap((second, s) =>
    told(feelPortal(passage, portals, { window: windowOf(second, s), layout: LAYOUT })),
  )
}

function located(seconds: readonly Second[]): Located[] {
  let state = emptyState()
  return seconds.map((second, s) => {
    const next = locate(MAP, state, windowOf(second, s))
    state = next.state
    return next.located
  })
}

const IN: Second[] = [{ in: -60 }, { in: -52 }, { in: -47, out: -58 }]
const OUT: Second[] = [{ in: -58, out: -47 }, { out: -52 }, { out: -60 }]
const DOOR: Second = { in: -48, out: -50 }

describe('a doorway with two antennas', () => {
  it('tells which way something went, both ways', () => {
    expect(walk([...IN, ...OUT])).toEqual(['store > hall'])
    expect(walk([...OUT].reverse().concat([...IN].reverse()))).toEqual(['hall > store'])
  })

  it('tells it at once when the side that it came from hears nothing any more', () => {
    expect(walk([{ in: -50 }, { out: -50 }])).toEqual(['store > hall'])
  })

  it('tells nothing of one who lingers in the door, or of one single read', () => {
    const lingering = Array.from({ length: 60 }, (_, s) => ({ in: -48 - (s % 5), out: -50 + (s % 3) }))
    expect(walk([...IN, ...lingering])).toEqual([])
    expect(walk([{ in: -50 }, { out: -50, count: 1 }, { in: -50 }])).toEqual([])
    expect(walk([{ in: -50 }])).toEqual([])
  })

  it('tells nothing of one who turns back in the door, and both ways of one who goes through and comes back', () => {
    expect(walk([...IN, DOOR, DOOR, ...[...IN].reverse()])).toEqual([])
    expect(walk([...IN, ...OUT, ...[...OUT].reverse(), ...[...IN].reverse()])).toEqual(['store > hall', 'hall > store'])
  })

  it('is not fooled by a second in which the other antenna hears more', () => {
    expect(walk([...IN, { in: -62, out: -48 }, ...[...IN].reverse()])).toEqual([])
  })

  it('tells of something quick by the order of the peaks, once it is gone', () => {
    const quick: Second = { in: -50, out: -50, peaks: [200, 700] }
    expect(walk([quick])).toEqual([])
    expect(walk([quick, {}])).toEqual(['store > hall'])
    expect(walk([{ ...quick, peaks: [700, 200] }, {}])).toEqual(['hall > store'])
    expect(walk([{ ...quick, peaks: [400, 500] }, {}])).toEqual([])
    expect(walk([quick, quick, {}])).toEqual([])
  })

  it('starts anew when the door was left', () => {
    expect(walk([...IN, ...Array.from({ length: 8 }, () => ({ bay: -50 })), { out: -50 }, { out: -50 }])).toEqual([])
  })

  it('without rooms or a second antenna is no doorway', () => {
    const { portals, ...plain } = MAP
    expect(portalsOf(plain, LAYOUT)).toBeUndefined()
    const one = (portal: object): SiteMap =>
      ({ ...MAP, portals: [{ id: 'door', antennas: ['in'], ...portal }] }) as SiteMap
    expect(portalsOf(one({ between: ['store', 'hall'] }), LAYOUT)).toBeUndefined()
    expect(portalsOf(one({ antennas: ['in', 'out'] }), LAYOUT)).toBeUndefined()
  })

  it('never throws, and never tells the same way twice in a row', () => {
    const dbm = fc.option(fc.integer({ min: -90, max: -30 }), { nil: undefined })
    const second = fc.record({ in: dbm, out: dbm, count: fc.integer({ min: 1, max: 9 }) }).map(
      (own): Second => ({
        count: own.count,
        ...(own.in !== undefined && { in: own.in }),
        ...(own.out !== undefined && { out: own.out }),
      }),
    )
    fc.assert(
      fc.property(fc.array(second, { maxLength: 40 }), (seconds) => {
        const ways = walk(seconds.filter((own) => own.in !== undefined || own.out !== undefined))
        expect(ways.every((way, i) => i === 0 || way !== ways[i - 1])).toBe(true)
      }),
    )
  })
})

describe('a room answered behind a doorway', () => {
  it('is the one it went into, by the portal, and stays so when it is heard no more', () => {
    const answers = located([...IN, ...OUT, {}])
    const last = answers.at(-2)
    expect(last).toMatchObject({ room: 'hall', method: 'PORTAL' })
    expect(last?.confidence).toBeGreaterThan(800)
    expect(answers.at(-1)).toMatchObject({ room: null, reason: 'not_heard', likeliest: 'hall' })
  })

  it('of something quick is known when it is gone', () => {
    const quick: Second = { in: -50, out: -50, peaks: [200, 700] }
    expect(located([...Array.from({ length: 1 }, () => quick), {}]).at(-1)).toMatchObject({
      likeliest: 'hall' as RoomId,
    })
  })

  it('yields to what is heard elsewhere', () => {
    const answers = located([...IN, ...OUT, ...Array.from({ length: 30 }, () => ({ bay: -50 }))])
    expect(answers.at(-1)).toMatchObject({ room: 'bay', method: 'RFID' })
  })
})
