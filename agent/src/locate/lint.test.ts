import { parseWhole, type SiteMap, siteMapSchema } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { fitSurvey, type SurveyWindow } from './fit.ts'
import { type LintFinding, lintSiteMap } from './lint.ts'

const read = (map: object): SiteMap =>
  parseWhole(siteMapSchema, { version: 1, adjacency: [], ...map }, { origin: 'm', code: 'SITE_INVALID', next: '-' })

const ROOMS = [{ id: 'A' }, { id: 'B' }, { id: 'hall', transit: true }]
const RECEIVERS = ['A', 'B', 'hall'].map((room) => ({ id: `rx-${room}`, medium: 'BLE', room }))
const ADJACENCY = [
  ['A', 'hall'],
  ['B', 'hall'],
]
const GOOD = { rooms: ROOMS, receivers: RECEIVERS, adjacency: ADJACENCY }

const codes = (map: object): string[] => lintSiteMap(read(map)).map(({ code }) => code)
const only = (map: object, code: LintFinding['code']): LintFinding[] =>
  lintSiteMap(read(map)).filter((finding) => finding.code === code)

/** Visits of 8 s; the room's own receiver hears it 20 dB better, unless `sound` says otherwise. */
function surveyed(map: object, rooms: readonly string[], { sound = (room: string) => room, visits = 4 } = {}): SiteMap {
  const plain = read(map)
  const windows = rooms.flatMap((room, r) =>
    Array.from({ length: visits * 8 }, (_, n): SurveyWindow => {
      const visit = Math.floor(n / 8)
      const atMs = (r * 1000 + visit * 60 + (n % 8)) * 1000
      const sightings = plain.receivers.slice(0, 3).map(({ id }) => ({
        receiver: id,
        rssiDbm: (id === `rx-${sound(room)}` ? -58 : -78) + ((n * 7 + visit * 3) % 5) - 2,
        count: 1,
      }))
      return { session: `${room} ${visit}`, room: room as SurveyWindow['room'], atMs, sightings }
    }),
  )
  return { ...plain, survey: fitSurvey(plain, windows) }
}

describe('lintSiteMap', () => {
  it('finds nothing wrong with a map whose rooms have receivers and ways', () => {
    expect(codes(GOOD)).toEqual([])
    expect(codes(surveyed(GOOD, ['A', 'B', 'hall']))).toEqual([])
  })

  it('names a room that no way leads to', () => {
    const [finding] = only({ ...GOOD, adjacency: [['A', 'hall']] }, 'room_unreachable')
    expect(finding).toMatchObject({ severity: 'error', path: 'rooms[1]' })
    expect(finding?.what).toContain('"B"')
    expect(codes({ ...GOOD, adjacency: [['A', 'hall']], doors: [{ between: ['B', 'hall'] }] })).toEqual([])
  })

  it('names a receiver that says nothing, and one that heard nothing of a survey', () => {
    expect(codes({ ...GOOD, receivers: [...RECEIVERS, { id: 'loose', medium: 'BLE' }] })).toEqual([
      'receiver_without_room',
    ])
    const map = { ...GOOD, receivers: [...RECEIVERS, { id: 'deaf', medium: 'BLE', room: 'A' }] }
    const finding = lintSiteMap(surveyed(map, ['A', 'B', 'hall'])).find(({ code }) => code === 'receiver_unheard')
    expect(finding).toMatchObject({ path: 'receivers[3]' })
  })

  it('does not miss a reader of passive tags in a survey with a beacon', () => {
    const map = { ...GOOD, receivers: [...RECEIVERS, { id: 'bed', medium: 'RFID', room: 'A', exact: true }] }
    expect(codes(surveyed(map, ['A', 'B', 'hall']))).not.toContain('receiver_unheard')
  })

  it('names two rooms with the same fingerprint once, and says why', () => {
    const rooms = [...ROOMS, { id: 'C' }, { id: 'D' }]
    const adjacency = [...ADJACENCY, ['C', 'hall'], ['D', 'hall']]
    const [finding, ...more] = only({ ...GOOD, rooms, adjacency }, 'rooms_alike')
    expect(more).toEqual([])
    expect(finding?.what).toMatch(/"C", "D".*not surveyed, no receiver stands in it/)
  })

  it('says why a room will never win: an unsurveyed room beside a surveyed one that sounds as it is thought to', () => {
    const rooms = [...ROOMS, { id: 'C' }, { id: 'D' }]
    const map = { ...GOOD, rooms, adjacency: [...ADJACENCY, ['C', 'hall'], ['D', 'hall']] }
    const found = lintSiteMap(surveyed(map, ['A', 'B', 'hall', 'D']))
    const [finding] = found.filter(({ code }) => code === 'room_never_wins')
    expect(finding).toMatchObject({ severity: 'error', path: 'rooms[3]' })
    expect(finding?.what).toMatch(/"C" fits room "D" better.*not surveyed/)
  })

  it('names two rooms that were surveyed at one place, each under its name', () => {
    const map = { ...GOOD, rooms: [...ROOMS, { id: 'C' }], adjacency: [...ADJACENCY, ['C', 'hall']] }
    const sound = (room: string): string => (room === 'C' ? 'B' : room)
    const found = lintSiteMap(surveyed(map, ['A', 'B', 'hall', 'C'], { sound }))
    expect(found.filter(({ severity }) => severity === 'error').map(({ what }) => what)).toEqual([
      expect.stringMatching(/"B", "C"|"C" fits room "B"/),
    ])
  })

  it('names a room that nobody hears', () => {
    expect(codes({ rooms: [{ id: 'A', exit: true }], receivers: [] })).toEqual(['room_unheard'])
  })

  it.each([
    ['one antenna', { id: 'p', antennas: ['rx-A'], between: ['A', 'hall'] }, 'portal_without_direction'],
    ['no rooms', { id: 'p', antennas: ['rx-A', 'rx-hall'] }, 'portal_without_direction'],
    ['one room', { id: 'p', antennas: ['rx-A', 'rx-hall'], between: ['A', 'A'] }, 'portal_without_direction'],
    ['sides turned round', { id: 'p', antennas: ['rx-hall', 'rx-A'], between: ['A', 'hall'] }, 'portal_reversed'],
  ])('names a portal with %s', (_, portal, code) => {
    expect(codes({ ...GOOD, portals: [portal] })).toEqual([code])
  })

  it('names thin and missing surveys and names that the map has lost', () => {
    const map = surveyed(GOOD, ['A', 'B'], { visits: 1 })
    const found = lintSiteMap({ ...map, rooms: map.rooms.filter(({ id }) => id !== 'A'), adjacency: [] })
    expect(found.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['survey_thin', 'room_unsurveyed', 'survey_stale']),
    )
  })

  it('names a receiver that hangs in another room than it is said to', () => {
    const polygon = [
      [0, 0],
      [4, 0],
      [4, 4],
      [0, 4],
    ]
    const rooms = [{ id: 'A', polygon, exit: true }]
    const at = (x: number) => ({ rooms, receivers: [{ id: 'r', medium: 'BLE', room: 'A', at: [x, 2, 2] }] })
    expect(codes(at(4.5))).toEqual([])
    expect(codes(at(9))).toEqual(['receiver_outside_room'])
  })

  it('never throws, whatever map the schema takes', () => {
    const names = ['A', 'B', 'C', 'D']
    const name = fc.constantFrom(...names)
    const map = fc.record({
      receivers: fc.uniqueArray(
        fc.record(
          {
            id: fc.constantFrom('r1', 'r2', 'r3'),
            medium: fc.constantFrom('BLE', 'RFID'),
            room: name,
            exact: fc.boolean(),
          },
          { requiredKeys: ['id', 'medium'] },
        ),
        { selector: ({ id }) => id },
      ),
      adjacency: fc.array(fc.tuple(name, name), { maxLength: 5 }),
      doors: fc.array(fc.record({ between: fc.tuple(name, name) }), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(map, (own) => {
        for (const finding of lintSiteMap(read({ rooms: names.map((id) => ({ id })), ...own }))) {
          expect(finding.what.includes('NaN') || finding.what.includes('undefined')).toBe(false)
        }
      }),
    )
  })
})
