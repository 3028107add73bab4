import type { ReceiverId, RoomId, Sighting, SiteMap, TagId, TagWindow } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { emptyState, type Located, locate } from './locate.ts'

const T0 = 1_760_000_000_000
const tag = (n: number): TagId => `ble:c0${n.toString(16).padStart(10, '0')}` as TagId
const room = (name: string): RoomId => name as RoomId
const rx = (name: string): ReceiverId => name as ReceiverId

const MAP: SiteMap = {
  version: 3,
  rooms: [
    { id: room('A'), transit: false },
    { id: room('B'), transit: false },
    { id: room('hall'), transit: true },
  ],
  receivers: [
    { id: rx('a'), medium: 'BLE', room: room('A') },
    { id: rx('b'), medium: 'BLE', room: room('B') },
    { id: rx('h'), medium: 'BLE', room: room('hall') },
    { id: rx('loose'), medium: 'BLE' },
  ],
  adjacency: [],
}

interface Second {
  readonly s: number
  readonly dbm?: Readonly<Record<string, number>>
  readonly moving?: boolean
  readonly who?: number
}

function windowOf({ s, dbm = {}, moving, who = 1 }: Second): TagWindow {
  const sightings = Object.entries(dbm).map(([name, rssiDbm]): Sighting => ({ receiver: rx(name), rssiDbm, count: 1 }))
  const base = { tag: tag(who), atMs: T0 + s * 1000, medium: 'BLE' as const, sightings }
  return moving === undefined ? base : { ...base, moving }
}

function answers(seconds: readonly Second[], { map = MAP, maxTags = 100, minConfidence = 0.5 } = {}): Located[] {
  let state = emptyState({ maxTags, minConfidence })
  return seconds.map((second) => {
    const next = locate(map, state, windowOf(second))
    state = next.state
    return next.located
  })
}

const every = (from: number, to: number, rest: Omit<Second, 's'>): Second[] =>
  Array.from({ length: to - from }, (_, i) => ({ s: from + i, ...rest }))
const roomsOf = (list: readonly Located[]): (RoomId | null)[] => list.map((located) => located.room)

describe('the answer', () => {
  it('is the room of the strongest receiver, from the first window on', () => {
    const [first] = answers([{ s: 0, dbm: { a: -60, b: -80 } }])
    expect(first).toMatchObject({ tag: tag(1), room: 'A', reason: 'none', method: 'BLE', atMs: T0 })
    expect(first?.confidence).toBeGreaterThan(500)
    expect(answers(every(0, 60, { dbm: { a: -60, b: -80 } })).at(-1)?.confidence).toBeGreaterThan(900)
  })

  it('is less sure the closer the next room comes, and never certain', () => {
    const sure = (lead: number): number =>
      answers(every(0, 60, { dbm: { a: -60, b: -60 - lead } }), { minConfidence: 0 }).at(-1)?.confidence ?? 0
    const rising = [0, 2, 4, 8, 16, 40].map(sure)
    expect(rising).toEqual([...rising].sort((x, y) => x - y))
    expect(sure(0)).toBeLessThan(600)
    expect(sure(60)).toBeLessThan(1000)
    expect(Number.isInteger(sure(3))).toBe(true)
  })

  it('takes a report of presence without RSSI as near', () => {
    const window = { ...windowOf({ s: 0, dbm: { b: -70 } }), medium: 'RFID' as const }
    const sightings = [...window.sightings, { receiver: rx('a'), count: 1 }]
    expect(locate(MAP, emptyState(), { ...window, sightings }).located).toMatchObject({ room: 'A', method: 'RFID' })
  })

  it('prefers a room to a corridor that hears a resting tag about as well, as nothing rests in corridors', () => {
    expect(answers(every(0, 60, { dbm: { a: -62, h: -62 } })).at(-1)?.room).toBe('A')
  })

  it('is settled by a reader that hears its own room alone, and by a room that names itself', () => {
    const exact: SiteMap = {
      ...MAP,
      receivers: [...MAP.receivers, { id: rx('bed'), medium: 'RFID', room: room('B'), exact: true }],
    }
    const before = every(0, 60, { dbm: { a: -60, b: -80 } })
    expect(answers([...before, { s: 60, dbm: { bed: -70, a: -60 } }], { map: exact }).at(-1)?.room).toBe('B')
    let state = emptyState()
    for (const second of before) state = locate(MAP, state, windowOf(second)).state
    const named = { ...windowOf({ s: 60, dbm: { a: -60, b: -80 } }), namedRooms: [room('B')] }
    const settled = locate(MAP, state, named)
    expect(settled.located).toMatchObject({ room: 'B' })
    const torn = { ...windowOf({ s: 61, dbm: { a: -60, b: -80 } }), namedRooms: [room('A'), room('B')] }
    expect(locate(MAP, settled.state, torn).located.confidence).toBeLessThan(990)
  })
})

describe('staying', () => {
  it('outlasts a receiver that is stronger for a few seconds', () => {
    const list = [...every(0, 20, { dbm: { a: -60, b: -75 } }), ...every(20, 24, { dbm: { a: -75, b: -60 } })]
    expect(new Set(roomsOf([...answers([...list, ...every(24, 40, { dbm: { a: -60, b: -75 } })])]))).toEqual(
      new Set(['A']),
    )
  })

  it('outlasts a small difference for ever', () => {
    const list = [...every(0, 20, { dbm: { a: -60, b: -75 } }), ...every(20, 200, { dbm: { a: -62, b: -60 } })]
    expect(new Set(roomsOf(answers(list)))).toEqual(new Set(['A']))
  })

  it('ends for a room that is clearly stronger, within 15 s, and sooner with the motion bit', () => {
    const change = (moving?: boolean): number => {
      const later = moving === undefined ? { dbm: { a: -80, b: -60 } } : { dbm: { a: -80, b: -60 }, moving }
      const list = [...every(0, 60, { dbm: { a: -60, b: -80 } }), ...every(60, 90, later)]
      return roomsOf(answers(list)).indexOf(room('B')) - 60
    }
    expect(change()).toBeGreaterThanOrEqual(0)
    expect(change()).toBeLessThan(15)
    expect(change(true)).toBeGreaterThanOrEqual(0)
    expect(change(true)).toBeLessThanOrEqual(change())
  })

  it('changes rooms once, not often, when two rooms are equally strong under noise', () => {
    const noisy = (s: number): Second => ({ s, dbm: { a: -65 + ((s * 7) % 11) - 5, b: -65 + ((s * 5) % 13) - 6 } })
    const rooms = roomsOf(answers(Array.from({ length: 600 }, (_, s) => noisy(s))))
    expect(rooms.filter((name, i) => i > 0 && name !== rooms[i - 1]).length).toBeLessThanOrEqual(1)
  })
})

describe('unknown', () => {
  it('is the answer when the tag has gone silent, with the room it was last in, and it is found again', () => {
    const list = answers([...every(0, 20, { dbm: { a: -60 } }), { s: 35 }, ...every(50, 60, { dbm: { b: -60 } })])
    expect(list[20]).toMatchObject({ room: null, reason: 'not_heard', confidence: 0, likeliest: 'A' })
    expect(list.at(-1)).toMatchObject({ room: 'B', reason: 'none' })
  })

  it('is the answer for receivers that the map lacks or gives no room: a room is never invented', () => {
    const list = answers([
      { s: 0, dbm: { stranger: -40 } },
      { s: 1, dbm: { loose: -40 } },
    ])
    for (const located of list) expect(located).toMatchObject({ room: null, reason: 'not_calibrated', confidence: 0 })
  })

  it('ignores such receivers beside mapped ones', () => {
    const list = every(0, 30, { dbm: { stranger: -30, loose: -35, b: -70 } })
    expect(answers(list)).toEqual(answers(every(0, 30, { dbm: { b: -70 } })))
  })

  it('is the answer, at first, when only the faintest signal is left', () => {
    expect(answers([{ s: 0, dbm: { a: -104 } }])[0]?.room).toBeNull()
  })

  it('is "outside" for a tag that every receiver hears as faint as through an outer wall', () => {
    const doors: SiteMap = {
      ...MAP,
      adjacency: [
        [room('A'), room('hall')],
        [room('B'), room('hall')],
      ],
    }
    const last = answers(every(0, 60, { dbm: { h: -95 } }), { map: doors }).at(-1)
    expect(last).toMatchObject({ room: null, reason: 'outside' })
    expect(last?.confidence).toBeGreaterThan(500)
  })
})

describe('time', () => {
  it('that steps back counts as none, and the answer goes on', () => {
    const list = [...every(3600, 3620, { dbm: { a: -60, b: -80 } }), ...every(0, 30, { dbm: { a: -80, b: -60 } })]
    const rooms = roomsOf(answers(list))
    expect(rooms.slice(0, 21)).toEqual(Array(21).fill('A'))
    expect(rooms.at(-1)).toBe('B')
  })

  it('of minutes without a window lets the first quarter of a minute after it decide', () => {
    const list = answers([...every(0, 60, { dbm: { a: -60 } }), ...every(400, 415, { dbm: { b: -70 } })])
    expect(list.at(-1)?.room).toBe('B')
  })

  it('of ten seconds between adverts does not make a slow tag flap', () => {
    const slow = Array.from(
      { length: 60 },
      (_, i): Second => ({ s: i * 10, dbm: i % 5 === 4 ? { b: -66 } : { a: -66, b: -75 } }),
    )
    expect(roomsOf(answers(slow)).filter((name) => name === 'B')).toEqual([])
  })
})

describe('a new site map', () => {
  it('moves the answer with the receiver, and never names a room that is gone', () => {
    const renamed: SiteMap = {
      ...MAP,
      version: 4,
      rooms: [{ id: room('C'), transit: false }],
      receivers: [{ id: rx('a'), medium: 'BLE', room: room('C') }],
    }
    let state = emptyState()
    for (const second of every(0, 10, { dbm: { a: -60, b: -70 } })) state = locate(MAP, state, windowOf(second)).state
    let last: Located | undefined
    for (const second of every(10, 40, { dbm: { a: -60, b: -70 } }))
      last = locate(renamed, state, windowOf(second)).located
    expect(last?.room).toBe('C')
  })
})

describe('laws', () => {
  const second = fc.record({
    gap: fc.constantFrom(1, 1, 1, 5, 90, -30),
    who: fc.integer({ min: 1, max: 3 }),
    dbm: fc.dictionary(fc.constantFrom('a', 'b', 'h', 'loose', 'stranger'), fc.integer({ min: -110, max: -30 })),
    moving: fc.option(fc.boolean(), { nil: undefined }),
  })
  const story = fc.array(second, { maxLength: 60 }).map((list) => {
    let s = 0
    return list.map(({ gap, moving, ...rest }): Second => {
      s += gap
      return moving === undefined ? { ...rest, s } : { ...rest, s, moving }
    })
  })

  it('the same windows give the same answers', () => {
    fc.assert(
      fc.property(story, (list) => {
        expect(answers(list)).toEqual(answers(list))
      }),
    )
  })

  it('a tag is answered by its own windows alone', () => {
    fc.assert(
      fc.property(story, (list) => {
        const own = list.filter(({ who }) => who === 1)
        expect(answers(list).filter((located) => located.tag === tag(1))).toEqual(answers(own))
      }),
    )
  })

  it('a room is always one of the map, and unknown always has its reason', () => {
    const known = new Set<string | null>(MAP.rooms.map(({ id }) => id))
    fc.assert(
      fc.property(story, (list) => {
        for (const { room: name, reason, confidence } of answers(list)) {
          if (name === null) expect(reason !== 'none' && (confidence === 0 || reason === 'outside')).toBe(true)
          else expect(known.has(name) && (reason === 'none' || reason === 'receiver_down')).toBe(true)
          expect(Number.isInteger(confidence) && confidence >= 0 && confidence <= 1000).toBe(true)
        }
      }),
    )
  })
})

describe('memory', () => {
  it('is bounded: of 10,000 unknown tags the least recently heard are forgotten and counted', () => {
    let state = emptyState({ maxTags: 100 })
    for (let who = 0; who < 10_000; who++) {
      state = locate(MAP, state, windowOf({ s: who, who, dbm: { a: -60 } })).state
      state = locate(MAP, state, windowOf({ s: who, who: 0, dbm: { a: -60 } })).state
    }
    expect(state.tracks.size).toBe(100)
    expect(state.tracks.has(tag(0))).toBe(true)
    expect(state.evicted).toBe(9900)
  })

  it('of one tag is bounded however many receivers hear it, strangers take no place in it', () => {
    const many = Array.from({ length: 200 }, (_, i) => ({ id: rx(`m${i}`), medium: 'BLE' as const, room: room('A') }))
    const map: SiteMap = { ...MAP, receivers: [...MAP.receivers, ...many] }
    let state = emptyState()
    for (let s = 0; s < 50; s++) {
      const names = Array.from({ length: 20 }, (_, i) => [`m${(s * 20 + i) % 200}`, `stranger${s * 20 + i}`]).flat()
      state = locate(map, state, windowOf({ s, dbm: Object.fromEntries(names.map((name) => [name, -70])) })).state
    }
    const track = state.tracks.get(tag(1))
    expect(track?.motion.receivers.length).toBe(32)
    expect(track?.belief.rooms.length).toBe(4)
  })

  it('is plain data: a copy goes on exactly like the original', () => {
    let state = emptyState()
    for (const second of every(0, 20, { dbm: { a: -70, b: -72 } })) state = locate(MAP, state, windowOf(second)).state
    const copy = structuredClone(state)
    const next = windowOf({ s: 20, dbm: { a: -75, b: -60 } })
    expect(locate(MAP, copy, next).located).toEqual(locate(MAP, state, next).located)
  })
})
