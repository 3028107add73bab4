import { parseWhole, type SiteMap, siteMapSchema, type TagId, type TagWindow } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { emptyState, type Located, locate } from './locate.ts'

const T0 = 1_760_000_000_000
const MAP: SiteMap = parseWhole(
  siteMapSchema,
  {
    version: 1,
    rooms: [{ id: 'A', marks: ['kontakt-17:0a'] }, { id: 'B', marks: ['kontakt-17:0b'] }, { id: 'C' }],
    receivers: [
      { id: 'a', medium: 'BLE', room: 'A' },
      { id: 'b', medium: 'BLE', room: 'B' },
      { id: 'c', medium: 'BLE', room: 'C' },
    ],
    adjacency: [
      ['A', 'B'],
      ['B', 'C'],
    ],
  },
  { origin: 'm', code: 'SITE_INVALID', next: '-' },
)

interface Second {
  readonly at: number
  readonly named?: readonly string[]
  readonly near?: 'a' | 'b' | 'c'
}

function answers(seconds: readonly Second[]): Located[] {
  let state = emptyState()
  return seconds.map(({ at, named, near = 'c' }) => {
    const sightings = ['a', 'b', 'c'].map((receiver) => ({
      receiver: receiver as TagWindow['sightings'][number]['receiver'],
      rssiDbm: receiver === near ? -60 : -80,
      count: 1,
    }))
    const base: TagWindow = { tag: 'ble:c00000000001' as TagId, atMs: T0 + at * 1000, medium: 'BLE', sightings }
    const next = locate(MAP, state, named ? { ...base, namedRooms: named } : base)
    state = next.state
    return next.located
  })
}

const every = (from: number, to: number, rest: Omit<Second, 'at'>): Second[] =>
  Array.from({ length: to - from }, (_, i) => ({ at: from + i, ...rest }))
const A = ['kontakt-17:0a']
const B = ['kontakt-17:0b']

describe('a room that names itself', () => {
  it('is answered at once against what is heard, by its mark or its id, and its method says so', () => {
    const before = every(0, 60, {})
    for (const named of [A, ['A']]) {
      const last = answers([...before, { at: 60, named }]).at(-1)
      expect(last).toMatchObject({ room: 'A', method: 'ROOM_BEACON' })
      expect(last?.confidence).toBeGreaterThan(800)
    }
  })

  it('stays the answer while the name keeps coming every few seconds', () => {
    const list = every(0, 120, {}).map((second) => (second.at % 4 === 0 ? { ...second, named: A } : second))
    expect(new Set(answers(list).map(({ room }) => room))).toEqual(new Set(['A']))
  })

  it('gives way to the next room when its name has not come for some seconds', () => {
    expect(answers([...every(0, 10, { named: A }), ...every(14, 16, { named: B })]).at(-1)?.room).toBe('B')
  })

  it('gives way to what is heard, in time, when it falls silent', () => {
    expect(answers([...every(0, 10, { named: A }), ...every(10, 120, { near: 'c' })]).at(-1)?.room).toBe('C')
  })

  it('that the map does not know is no evidence', () => {
    const told = answers([...every(0, 30, {}), { at: 30, named: ['kontakt-17:99', 'Z'] }]).at(-1)
    expect(told).toMatchObject({ room: 'C', method: 'BLE' })
  })
})

describe('two rooms that claim one tag', () => {
  it('are ambiguity, in one second or in turns, whichever was first or is newer', () => {
    for (const named of [
      [...A, ...B],
      [...B, ...A],
    ]) {
      const last = answers([...every(0, 30, { near: 'a' }), ...every(30, 40, { near: 'a', named })]).at(-1)
      expect(last).toMatchObject({ room: null, reason: 'ambiguous' })
    }
    const inTurns = every(0, 40, {}).map((second) => ({ ...second, named: second.at % 2 === 0 ? A : B }))
    for (const told of answers(inTurns).slice(1)) expect(told).toMatchObject({ room: null, reason: 'ambiguous' })
  })

  it('are settled when one of them falls silent', () => {
    const torn = every(0, 20, { named: [...A, ...B] })
    expect(answers([...torn, ...every(20, 26, { named: B })]).at(-1)).toMatchObject({
      room: 'B',
      method: 'ROOM_BEACON',
    })
  })
})
