import { parseWhole, type RoomId, type SiteMap, siteMapSchema, type TagId, type TagWindow } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createFilter } from './filter/filter.ts'
import { fitSurvey, type SurveyWindow } from './locate/fit.ts'
import { emptyState, type Located, locate } from './locate/locate.ts'

const T0 = 1_760_000_000_000
const TAG = 'ble:c00000000001' as TagId
const read = (map: object): SiteMap =>
  parseWhole(siteMapSchema, { version: 1, ...map }, { origin: 'm', code: 'SITE_INVALID', next: '-' })
const square = (x: number) => [
  [x, 0],
  [x + 4, 0],
  [x + 4, 3],
  [x, 3],
]
const BASE = {
  rooms: [
    { id: 'A', polygon: square(0) },
    { id: 'B', polygon: square(4), marks: ['kontakt-17:0b'] },
    { id: 'hall', transit: true, polygon: square(8) },
  ],
  receivers: [
    { id: 'a', medium: 'BLE', room: 'A', at: [1, 1, 2] },
    { id: 'b', medium: 'BLE', room: 'B', at: [5, 1, 2] },
    { id: 'h', medium: 'BLE', room: 'hall', at: [9, 1, 2] },
    { id: 'p1', medium: 'RFID', room: 'A' },
    { id: 'p2', medium: 'RFID', room: 'hall' },
  ],
  adjacency: [
    ['A', 'hall'],
    ['B', 'hall'],
  ],
  portals: [{ id: 'p', antennas: ['p1', 'p2'], between: ['A', 'hall'] }],
}
const MAP = read(BASE)

interface Second {
  readonly s: number
  readonly dbm: Readonly<Record<string, number>>
  readonly named?: readonly string[] | undefined
  readonly medium?: 'BLE' | 'RFID' | undefined
}

function windowOf({ s, dbm, named, medium = 'BLE' }: Second): TagWindow {
  const sightings = Object.entries(dbm).map(([receiver, rssiDbm]) => ({
    receiver: receiver as TagWindow['sightings'][number]['receiver'],
    rssiDbm,
    count: 1,
  }))
  return { tag: TAG, atMs: T0 + s * 1000, medium, sightings, ...(named && { namedRooms: named }) }
}

function answers(seconds: readonly Second[], maps: readonly SiteMap[] = [MAP]): Located[] {
  let state = emptyState()
  return seconds.map((second, i) => {
    const map = maps[Math.floor((i * maps.length) / seconds.length)] ?? MAP
    const next = locate(map, state, windowOf(second))
    state = next.state
    return next.located
  })
}

function checkSound({ room, reason, confidence, likeliestConfidence, xCm, yCm, accuracyCm }: Located, map = MAP): void {
  expect(confidence).toBeGreaterThanOrEqual(0)
  expect(confidence).toBeLessThanOrEqual(1000)
  expect(Number.isInteger(confidence) && Number.isInteger(likeliestConfidence)).toBe(true)
  if (room === null) expect(reason).not.toBe('none')
  else expect(map.rooms.some(({ id }) => id === room)).toBe(true)
  for (const cm of [xCm, yCm, accuracyCm]) expect(cm === undefined || Number.isInteger(cm)).toBe(true)
  expect(accuracyCm === undefined || accuracyCm > 0).toBe(true)
}

const every = (from: number, to: number, rest: Omit<Second, 's'>): Second[] =>
  Array.from({ length: to - from }, (_, i) => ({ s: from + i, ...rest }))

/** Visits of the survey: room, seconds, power by receiver. */
function survey(
  map: SiteMap,
  visits: readonly (readonly [string, number, Readonly<Record<string, number>>])[],
): SiteMap {
  const windows = visits.flatMap(([room, seconds, dbm], v) =>
    Array.from({ length: seconds }, (_, n): SurveyWindow => {
      const { atMs, sightings } = windowOf({ s: v * 100 + n, dbm })
      return { session: `v${v}`, room: room as RoomId, atMs, sightings, at: [v, n] }
    }),
  )
  return { ...map, survey: fitSurvey(map, windows) }
}

const rssi = fc.oneof(
  fc.integer({ min: -127, max: -1 }),
  fc.constantFrom(0, 1, 127, -128, -200, 1e9, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
)
const second = fc.record({
  gap: fc.constantFrom(0, 1, 1, 1, 1, 7, 400, 90_000, -5, -7200),
  dbm: fc.dictionary(fc.constantFrom('a', 'b', 'h', 'p1', 'p2', 'gone', 'stranger'), rssi, { maxKeys: 6 }),
  named: fc.option(fc.array(fc.constantFrom('A', 'B', 'kontakt-17:0b', 'nowhere'), { maxLength: 3 }), {
    nil: undefined,
  }),
  medium: fc.constantFrom('BLE' as const, 'RFID' as const),
})
const story = fc.array(second, { maxLength: 50 }).map((list) => {
  let s = 0
  return list.map(({ gap, ...rest }): Second => {
    s += gap
    return { ...rest, s }
  })
})

describe('whatever is heard', () => {
  it('gives sound answers: powers that are none, clocks that step, strangers, gaps of minutes and days', () => {
    fc.assert(
      fc.property(story, (seconds) => {
        for (const located of answers(seconds)) checkSound(located)
      }),
    )
  })

  it('gives them also while the map is edited: rooms and receivers come, go and change places', () => {
    const edited = read({
      ...BASE,
      rooms: BASE.rooms.slice(0, 2),
      receivers: BASE.receivers.slice(0, 2),
      adjacency: [],
      portals: [],
    })
    const swapped = read({
      ...BASE,
      receivers: [...BASE.receivers.slice(1), { id: 'new', medium: 'BLE' }, { id: 'a', medium: 'BLE', room: 'B' }],
    })
    fc.assert(
      fc.property(story, (seconds) => {
        const maps = [MAP, edited, swapped, MAP]
        const told = answers(seconds, maps)
        for (const [i, located] of told.entries()) {
          checkSound(located, maps[Math.floor((i * 4) / seconds.length)])
        }
      }),
    )
  })

  it('gives them with any survey, however thin or contradictory', () => {
    const visit = fc.tuple(
      fc.constantFrom('A', 'B', 'hall', 'gone'),
      fc.integer({ min: 1, max: 5 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'h', 'stranger'), rssi),
    )
    fc.assert(
      fc.property(fc.array(visit, { maxLength: 6 }), story, (visits, seconds) => {
        const map = survey(MAP, visits)
        for (const located of answers(seconds, [map])) checkSound(located, map)
      }),
      { numRuns: 40 },
    )
  })

  it('never gives a confident guess from nothing', () => {
    const nothing = fc.array(
      fc.record({
        s: fc.integer({ min: 0, max: 1000 }),
        dbm: fc.dictionary(fc.constantFrom('gone', 'stranger'), rssi),
        named: fc.option(fc.constant(['nowhere']), { nil: undefined }),
      }),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(nothing, (seconds) => {
        for (const located of answers(seconds)) expect(located).toMatchObject({ room: null, confidence: 0 })
      }),
    )
  })
})

describe('powers that no radio measures', () => {
  it('are no evidence: 0 dBm and more, 127, -128 and less', () => {
    const good = every(0, 30, { dbm: { a: -60 } })
    const bad = good.map((own) => ({ ...own, dbm: { ...own.dbm, b: 127, h: 3 } }))
    expect(answers(bad)).toEqual(answers(good))
    for (const value of [0, 5, 127, -128, Number.NaN]) {
      expect(answers([{ s: 0, dbm: { a: value } }])[0]).toMatchObject({ room: null, reason: 'not_calibrated' })
    }
  })
})

describe('rows that repeat', () => {
  it('make nothing surer: through the filter, a row said twice is a row said once', () => {
    const through = (times: number): Located[] => {
      const filter = createFilter()
      let state = emptyState()
      const told: Located[] = []
      for (let s = 0; s < 30; s++) {
        for (let n = 0; n < times; n++) {
          filter.add({ tag: TAG, receiver: 'a' as never, rssiDbm: -62, atMs: T0 + s * 1000, medium: 'BLE' })
          filter.add({ tag: TAG, receiver: 'b' as never, rssiDbm: -70, atMs: T0 + s * 1000 + 5, medium: 'BLE' })
        }
        for (const window of filter.close(T0 + (s + 1) * 1000).windows) {
          const next = locate(MAP, state, window)
          state = next.state
          told.push(next.located)
        }
      }
      return told
    }
    expect(through(7)).toEqual(through(1))
  })
})

describe('a survey with one sample', () => {
  it('sharpens what it saw and leaves the rest to the map', () => {
    const map = survey(MAP, [['A', 1, { a: -58, b: -80 }]])
    expect(answers(every(0, 20, { dbm: { a: -58, b: -80 } }), [map]).at(-1)?.room).toBe('A')
    expect(answers(every(0, 20, { dbm: { a: -84, b: -58, h: -74 } }), [map]).at(-1)?.room).toBe('B')
  })
})

describe('a room without survey among surveyed ones', () => {
  it('is still found, from the map', () => {
    const map = survey(
      MAP,
      [0, 1, 2, 3].flatMap(() => [
        ['A', 8, { a: -58, b: -80, h: -72 }] as const,
        ['hall', 8, { a: -72, b: -72, h: -58 }] as const,
      ]),
    )
    expect(answers(every(0, 20, { dbm: { a: -80, b: -57, h: -73 } }), [map]).at(-1)?.room).toBe('B')
  })
})

describe('a tag that one receiver alone hears', () => {
  it('is in its room when strong, and said to be with less certainty when faint', () => {
    const strong = answers(every(0, 5, { dbm: { b: -55 } })).at(-1)
    const faint = answers(every(0, 5, { dbm: { b: -90 } })).at(-1)
    expect(strong).toMatchObject({ room: 'B' })
    expect(faint?.confidence).toBeLessThan(strong?.confidence ?? 0)
  })
})

describe('a gap of minutes', () => {
  it('is no evidence of staying: the first second after it may be anywhere', () => {
    const before = every(0, 60, { dbm: { a: -60, b: -86, h: -75 } })
    const [after] = answers([...before, { s: 75, dbm: {} }, { s: 900, dbm: { a: -84, b: -58, h: -74 } }]).slice(-1)
    expect(after?.room === 'B' || after?.room === null).toBe(true)
  })
})

describe('a receiver that vanishes and returns', () => {
  it('takes the answer neither along nor away', () => {
    const both = { a: -60, b: -82, h: -76 }
    const list = [
      ...every(0, 60, { dbm: both }),
      ...every(60, 120, { dbm: { b: -82, h: -76 } }),
      ...every(120, 180, { dbm: both }),
    ]
    const told = answers(list)
    expect(told[59]?.room).toBe('A')
    expect(told.at(-1)?.room).toBe('A')
    expect(told.slice(100, 120).filter(({ room }) => room === 'B')).toEqual([])
  })
})

describe('a map edited under a running agent', () => {
  it('keeps what is known of the tag by name, and drops what the new map lacks', () => {
    const renamed = read({
      ...BASE,
      rooms: BASE.rooms.map((own) => (own.id === 'B' ? { ...own, id: 'B2' } : own)),
      receivers: BASE.receivers.map((own) => (own.room === 'B' ? { ...own, room: 'B2' } : own)),
      adjacency: [],
    })
    const told = answers(every(0, 40, { dbm: { a: -60, b: -82, h: -76 } }), [MAP, renamed])
    expect(new Set(told.slice(1).map(({ room }) => room))).toEqual(new Set(['A']))
    const moved = answers(every(0, 40, { dbm: { a: -82, b: -60, h: -76 } }), [MAP, renamed])
    expect(moved[19]?.room).toBe('B')
    expect(moved.at(-1)?.room).toBe('B2')
  })
})
