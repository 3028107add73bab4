import {
  isInPolygon,
  parseWhole,
  type RoomId,
  type SiteMap,
  siteMapSchema,
  type TagId,
  type TagWindow,
} from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { fitSurvey, type SurveyWindow } from './fit.ts'
import { emptyState, type Located, locate } from './locate.ts'

const T0 = 1_760_000_000_000
const read = (map: object): SiteMap =>
  parseWhole(siteMapSchema, { version: 1, ...map }, { origin: 'm', code: 'SITE_INVALID', next: '-' })

const PLACES = { a: [0, 0], b: [10, 0], c: [0, 10], d: [10, 10] } as const
const RECEIVERS = Object.entries(PLACES).map(([id, [x, y]]) => ({
  id,
  medium: 'BLE',
  room: x === 0 ? 'west' : 'east',
  at: [x, y, 2],
}))
const square = (x: number) => [
  [x, 0],
  [x + 5, 0],
  [x + 5, 10],
  [x, 10],
]
const PLAIN = {
  rooms: [{ id: 'west' }, { id: 'east' }],
  receivers: RECEIVERS,
  adjacency: [['west', 'east']],
}

type Point = readonly [x: number, y: number]

function heardAt([x, y]: Point, shiftDb = 0, noise = 0): TagWindow['sightings'] {
  return Object.entries(PLACES).map(([receiver, [rx, ry]], i) => ({
    receiver: receiver as TagWindow['sightings'][number]['receiver'],
    rssiDbm: Math.round(
      -55 - 25 * Math.log10(Math.max(1, Math.hypot(x - rx, y - ry))) + shiftDb + (((noise + i) * 7) % 5) - 2,
    ),
    count: 1,
  }))
}

/** Every two metres a point, five seconds each. */
function surveyed(map: SiteMap): SiteMap {
  const windows: SurveyWindow[] = []
  for (let x = 1; x < 10; x += 2) {
    for (let y = 1; y < 10; y += 2) {
      for (let n = 0; n < 5; n++) {
        const room = (x < 5 ? 'west' : 'east') as RoomId
        const atMs = T0 + windows.length * 1000
        windows.push({ session: `${x} ${y}`, room, atMs, at: [x, y], sightings: heardAt([x, y], 0, n) })
      }
    }
  }
  return { ...map, survey: fitSurvey(map, windows) }
}

function walk(map: SiteMap, points: readonly Point[], shiftDb = 0): Located[] {
  let state = emptyState()
  return points.map((point, s) => {
    const window = { tag: 'ble:c00000000001' as TagId, atMs: T0 + s * 1000, medium: 'BLE' as const }
    const next = locate(map, state, { ...window, sightings: heardAt(point, shiftDb, s) })
    state = next.state
    return next.located
  })
}

const errors = (told: readonly Located[], points: readonly Point[]): number[] =>
  told.map(({ xCm = Number.NaN, yCm = Number.NaN }, i) =>
    Math.hypot(xCm / 100 - (points[i]?.[0] ?? 0), yCm / 100 - (points[i]?.[1] ?? 0)),
  )
const mean = (values: readonly number[]): number => values.reduce((sum, own) => sum + own, 0) / values.length
const PATH = Array.from({ length: 60 }, (_, s): Point => [1 + (8 * s) / 59, 5 + 3 * Math.sin(s / 8)])

describe('a place on the floor', () => {
  it('follows a walk between surveyed points within two metres, for a weaker tag as well', () => {
    const map = surveyed(read(PLAIN))
    expect(mean(errors(walk(map, PATH), PATH))).toBeLessThan(2)
    expect(mean(errors(walk(map, PATH, -10), PATH))).toBeLessThan(2.2)
  })

  it('has a radius that holds it most of the time', () => {
    const told = walk(surveyed(read(PLAIN)), PATH)
    const held = errors(told, PATH).filter((metres, i) => metres <= (told[i]?.accuracyCm ?? 0) / 100)
    expect(held.length / told.length).toBeGreaterThan(0.75)
  })

  it('lies in the polygon of the room that is told for sure', () => {
    const rooms = [
      { id: 'west', polygon: square(0) },
      { id: 'east', polygon: square(5) },
    ]
    const map = surveyed(read({ ...PLAIN, rooms }))
    for (const { room, confidence, xCm = 0, yCm = 0 } of walk(map, PATH)) {
      if (confidence <= 700) continue
      const polygon = map.rooms.find(({ id }) => id === room)?.polygon ?? []
      // An edge may count to either side: a centimetre inwards.
      const inwards: Point = [xCm / 100 + (room === 'west' ? -0.02 : 0.02), Math.min(9.99, Math.max(0.01, yCm / 100))]
      expect(isInPolygon(polygon, [Math.max(0.01, Math.min(9.99, inwards[0])), inwards[1]])).toBe(true)
    }
  })

  it('without surveyed points is the middle of the room, as wide as the room', () => {
    const rooms = [
      { id: 'west', polygon: square(0) },
      { id: 'east', polygon: square(5) },
    ]
    const last = walk(read({ ...PLAIN, rooms }), Array<Point>(60).fill([1, 5])).at(-1)
    expect(last?.room).toBe('west')
    expect(Math.abs((last?.xCm ?? 0) - 250)).toBeLessThan(120)
    expect(last?.accuracyCm).toBeGreaterThan(500)
    expect(last?.accuracyCm).toBeLessThan(750)
  })

  it('is not told where the map has no places, nor for a tag that is silent', () => {
    const receivers = RECEIVERS.map(({ at, ...rest }) => rest)
    expect(walk(read({ ...PLAIN, receivers }), PATH).every(({ xCm }) => xCm === undefined)).toBe(true)
    const map = surveyed(read(PLAIN))
    let state = emptyState()
    const window = { tag: 'ble:c00000000001' as TagId, atMs: T0, medium: 'BLE' as const }
    state = locate(map, state, { ...window, sightings: heardAt([1, 1]) }).state
    expect(locate(map, state, { ...window, atMs: T0 + 20_000, sightings: [] }).located.xCm).toBeUndefined()
  })

  it('does not reach through floors', () => {
    const rooms = [
      { id: 'west', floor: '1' },
      { id: 'east', floor: '2' },
    ]
    const told = walk(surveyed(read({ ...PLAIN, rooms })), PATH)
    expect(told.every(({ xCm }) => xCm === undefined || Number.isInteger(xCm))).toBe(true)
  })
})
