import type { Fix, GatewayId, RoomId, TagId } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type BoardSource, createBoard } from './board.ts'

const NOW = 1_800_000_000_000
const GATEWAY = 'gw-a' as GatewayId
const TAG = 'ble:c30000000001' as TagId
const R1 = 'R1' as RoomId
const R2 = 'R2' as RoomId

const source: BoardSource = {
  gateways: [
    { name: GATEWAY, facility: 'east' },
    { name: 'gw-b' as GatewayId, facility: 'west' },
  ],
  rooms: [
    { facility: 'east', code: R1, name: 'Room 1' },
    { facility: 'east', code: R2, name: 'Room 2' },
    { facility: 'west', code: R1, name: 'Room 1' },
  ],
  tags: [{ identity: TAG, label: null }],
  places: [],
}

function fix(change: Partial<Fix> = {}): Fix {
  const base = { kind: 'fix', tag: TAG, room: R1, reason: 'none', method: 'BLE', confidence: 900 } as const
  return { ...base, atMs: NOW, spanMs: 0, mapVersion: 1, ...change }
}

function board(change: Partial<BoardSource> = {}) {
  const made = createBoard()
  made.replace({ ...source, ...change })
  made.step()
  return made
}

describe('the board of newest places', () => {
  it('takes nothing from a gateway it does not know', () => {
    const made = board()
    made.hear('stranger' as GatewayId, [fix()], NOW)
    expect(made.knows('stranger' as GatewayId)).toBe(false)
    expect(made.place(TAG)).toBeUndefined()
  })

  it('counts and ignores unknown tags, rooms of another facility, and fixes dated in the future', () => {
    const made = board()
    made.hear(GATEWAY, [fix({ tag: 'ble:c300000000ff' as TagId })], NOW)
    made.hear('gw-b' as GatewayId, [fix({ room: R2 })], NOW)
    made.hear(GATEWAY, [fix({ atMs: NOW + 5_001 })], NOW)
    expect(made.counters).toEqual({ taken: 0, stale: 0, ahead: 1, unknownTag: 1, unknownRoom: 1, onPerson: 0 })
    expect(made.place(TAG)).toBeUndefined()
  })

  it('ends with the newest fix, whatever the order of arrival', () => {
    const moment = fc.record({
      atMs: fc.integer({ min: NOW - 9, max: NOW }),
      confidence: fc.integer({ min: 0, max: 3 }),
    })
    fc.assert(
      fc.property(fc.array(moment, { minLength: 1, maxLength: 12 }), (moments) => {
        const made = board()
        for (const change of moments) made.hear(GATEWAY, [fix(change)], NOW)
        const [newest] = [...moments].sort((a, b) => b.atMs - a.atMs || b.confidence - a.confidence)
        expect(made.place(TAG)?.place).toMatchObject(newest ?? {})
      }),
    )
  })

  it('keeps since while the room stays, and the room before it afterwards', () => {
    const made = board()
    made.hear(GATEWAY, [fix()], NOW)
    made.hear(GATEWAY, [fix({ atMs: NOW + 1_000 })], NOW)
    expect(made.place(TAG)?.place).toMatchObject({ room: R1, sinceMs: NOW, lastRoom: null })
    made.hear(GATEWAY, [fix({ atMs: NOW + 2_000, room: null, reason: 'not_heard' })], NOW)
    made.hear(GATEWAY, [fix({ atMs: NOW + 3_000, room: R2 })], NOW)
    expect(made.place(TAG)?.place).toMatchObject({ room: R2, sinceMs: NOW + 3_000, lastRoom: R1 })
  })

  it('heals what the live lane lost from the database, and lets a newer live fix stand', () => {
    const made = board()
    made.hear(GATEWAY, [fix({ atMs: NOW })], NOW)
    const stored = {
      ...fix({ room: R2 }),
      facility: 'east',
      sinceMs: NOW,
      lastRoom: R1,
      x: null,
      y: null,
      accuracy: null,
    }
    made.replace({ ...source, places: [{ ...stored, atMs: NOW - 1_000 }] })
    expect(made.place(TAG)?.place.room).toBe(R1)
    made.replace({ ...source, places: [{ ...stored, atMs: NOW + 1_000 }] })
    expect(made.place(TAG)?.place.room).toBe(R2)
  })

  it('tells of a move at once, and of a tag that stays every 5 s', () => {
    const made = board()
    const hear = (change: Partial<Fix>) => {
      made.hear(GATEWAY, [fix(change)], NOW + 60_000)
      return made.step()
    }
    expect(hear({})).toEqual([TAG])
    expect(hear({ atMs: NOW + 1_000 })).toEqual([])
    expect(hear({ atMs: NOW + 2_000, room: R2 })).toEqual([TAG])
    expect(hear({ atMs: NOW + 6_999, room: R2 })).toEqual([])
    expect(hear({ atMs: NOW + 7_000, room: R2 })).toEqual([TAG])
  })

  it('makes everything told void when a tag goes or a name changes, and only then', () => {
    const made = board()
    made.hear(GATEWAY, [fix()], NOW)
    made.step()
    const before = made.resetVersion()
    made.replace(source)
    made.step()
    expect(made.resetVersion()).toBe(before)
    made.replace({ ...source, tags: [] })
    made.step()
    expect(made.resetVersion()).toBe(made.version())
    expect(made.place(TAG)).toBeUndefined()
    expect([...made.places()]).toEqual([])
  })

  it('shows no place of a tag while a person wears it, and still knows the tag for its alarms', () => {
    const made = board()
    made.hear(GATEWAY, [fix()], NOW)
    const place = made.place(TAG)?.place
    made.step()
    const worn = { ...source, tags: [{ identity: TAG, label: null, isOnPerson: true }], places: place ? [place] : [] }
    made.replace(worn)
    made.hear(GATEWAY, [fix({ atMs: NOW + 1_000 })], NOW)
    made.step()
    expect(made.resetVersion()).toBe(made.version())
    expect([...made.places()]).toEqual([])
    expect(made.knowsTag(TAG)).toBe(true)
    expect(made.counters).toMatchObject({ onPerson: 1 })
    made.replace({ ...worn, tags: source.tags, places: [] })
    made.hear(GATEWAY, [fix({ atMs: NOW + 2_000 })], NOW)
    expect(made.place(TAG)?.place.room).toBe(R1)
  })

  it('counts the tags of a room', () => {
    const made = board()
    made.hear(GATEWAY, [fix()], NOW)
    const count = made.counts()
    expect([count('east', R1), count('west', R1), count('east', R2)]).toEqual([1, 0, 0])
  })
})
