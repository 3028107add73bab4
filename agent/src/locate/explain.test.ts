import { parseWhole, type SiteMap, siteMapSchema, type TagId, type TagWindow } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeEvidence, encodeEvidence } from './evidence.ts'
import { type Explanation, explainTag } from './explain.ts'
import { emptyState, type Located, locate } from './locate.ts'

const T0 = 1_760_000_000_000
const TAG = 'ble:c00000000001' as TagId
const MAP: SiteMap = parseWhole(
  siteMapSchema,
  {
    version: 1,
    rooms: [{ id: 'A' }, { id: 'B' }, { id: 'hall', transit: true }],
    receivers: [
      { id: 'a', medium: 'BLE', room: 'A' },
      { id: 'b', medium: 'BLE', room: 'B' },
      { id: 'h', medium: 'BLE', room: 'hall' },
    ],
    adjacency: [
      ['A', 'hall'],
      ['B', 'hall'],
    ],
  },
  { origin: 'm', code: 'SITE_INVALID', next: '-' },
)

type Powers = Readonly<Record<string, number>>

function windowOf(second: number, powers: Powers): TagWindow {
  const sightings = Object.entries(powers).map(([receiver, rssiDbm]) => ({
    receiver: receiver as TagWindow['sightings'][number]['receiver'],
    rssiDbm,
    count: 2,
  }))
  return { tag: TAG, atMs: T0 + second * 1000, medium: 'BLE', sightings }
}

interface Story {
  readonly told: Explanation | undefined
  readonly located: readonly Located[]
}

function story(seconds: readonly Powers[], { map = MAP, down = [] as string[] } = {}): Story {
  let state = emptyState()
  const located = seconds.map((powers, s) => {
    const next = locate(map, state, windowOf(s, powers), { down: new Set(down) as never })
    state = next.state
    return next.located
  })
  return { told: explainTag(state, TAG), located }
}

const times = (count: number, powers: Powers): Powers[] => Array.from({ length: count }, () => powers)
const IN_A = { a: -60, b: -86, h: -78 }
const IN_B = { a: -86, b: -60, h: -78 }

describe('an explanation', () => {
  it('names the likeliest rooms with probabilities, and what each receiver says of them', () => {
    const { told } = story([...times(30, IN_A), { a: -60, h: -78 }])
    expect(told).toMatchObject({ room: 'A', reason: 'none' })
    expect(told?.rooms).toHaveLength(3)
    const [first, second] = told?.rooms ?? []
    expect(first).toMatchObject({ room: 'A', nats: 0 })
    expect(first?.probability).toBeGreaterThan(second?.probability ?? 1)
    const heard = told?.evidence.find(({ receiver }) => receiver === 'a')
    expect(heard).toMatchObject({ heardDbm: -60, count: 2 })
    expect(heard?.expectedDbm[0]).toBeGreaterThan(heard?.expectedDbm[1] ?? 0)
    expect(heard?.nats[1]).toBeLessThan(0)
    expect(told?.evidence.find(({ receiver }) => receiver === 'b')).toMatchObject({ heardDbm: null, count: 0 })
    expect(told?.why.join(' ')).toMatch(/a \(heard at -60 dBm.*speaks for "A"/)
  })

  it('adds up: receivers and the rest make what the newest second says', () => {
    const { told } = story([...times(30, IN_A), { a: -66, b: -64, h: -70 }])
    told?.rooms.forEach(({ nats }, n) => {
      const sum = told.evidence.reduce((total, own) => total + (own.nats[n] ?? 0), told.otherNats[n] ?? 0)
      expect(sum).toBeCloseTo(nats, 9)
    })
  })

  it('says from which room and when it changed', () => {
    const { told } = story([...times(30, IN_A), ...times(30, IN_B)])
    expect(told?.room).toBe('B')
    expect(told?.changed?.from).not.toBe('B')
    expect(told?.changed?.atMs).toBeGreaterThanOrEqual(T0 + 30_000)
    expect(told?.why.join(' ')).toContain('until 20')
  })

  it('says why it did not change though the newest seconds sound like another room', () => {
    const { told } = story([...times(120, IN_A), ...times(2, { a: -72, b: -60, h: -75 })])
    expect(told?.room).toBe('A')
    expect(told?.why.join(' ')).toMatch(/not changed rooms|sound like "B", but the tag rests/)
  })

  it('names masked receivers, and rooms that have no other', () => {
    const { told } = story(times(20, { b: -78, h: -62 }), { down: ['a'] })
    expect(told?.masked).toEqual([{ receiver: 'a', why: 'down', rooms: ['A'] }])
    expect(told?.evidence.map(({ receiver }) => receiver)).not.toContain('a')
    expect(told?.why.join(' ')).toContain('Receiver a is reported down and left out; "A" has no other receiver.')
  })

  it.each([
    ['silence', [...times(20, IN_A), {}], 'No receiver has heard the tag for a while; it was last in "A".'],
    ['strangers', times(3, { stranger: -50 }), 'Only receivers heard it that the site map lacks'],
    ['two rooms alike', times(2, { h: -95 }), 'No room is sure enough|as faint as through an outer wall'],
  ])('says why nothing is known after %s', (_, seconds, words) => {
    expect(story(seconds as Powers[]).told?.why.join(' ')).toMatch(new RegExp(words as string))
  })

  it('is not there for a tag that was never heard', () => {
    expect(explainTag(emptyState(), TAG)).toBeUndefined()
  })
})

describe('evidence kept with a fix', () => {
  it('comes with every change of the room told, and with nothing else', () => {
    const { located } = story([...times(30, IN_A), ...times(30, IN_B)])
    located.forEach(({ room, evidence }, i) => {
      const before = located[i - 1]
      expect(evidence !== undefined, `second ${i}`).toBe(before === undefined || before.room !== room)
    })
  })

  it('reads back as what was told', () => {
    const { told, located } = story([...times(30, IN_A), ...times(30, IN_B)])
    const bytes = located.findLast(({ evidence }) => evidence)?.evidence
    const kept = bytes && decodeEvidence(bytes)
    expect(kept?.rooms[0]?.[0]).toBe('B')
    expect(kept?.receivers.map(([receiver]) => receiver)).toContain('b')
    expect(told && decodeEvidence(encodeEvidence(told))?.rooms.map(([room]) => room)).toEqual(
      told?.rooms.map(({ room }) => room),
    )
  })

  it('is never longer than 256 bytes, however long the names', () => {
    const name = (letter: string): string => letter.repeat(64)
    const map = parseWhole(
      siteMapSchema,
      {
        version: 1,
        rooms: ['A', 'B', 'C'].map((letter) => ({ id: name(letter) })),
        receivers: ['A', 'B', 'C'].map((letter) => ({ id: name(letter), medium: 'BLE', room: name(letter) })),
      },
      { origin: 'm', code: 'SITE_INVALID', next: '-' },
    )
    const { told } = story(times(5, { [name('A')]: -60, [name('B')]: -70, [name('C')]: -75 }), { map })
    const bytes = told && encodeEvidence(told)
    expect(bytes?.length).toBeLessThanOrEqual(256)
    expect(bytes && decodeEvidence(bytes)?.rooms[0]?.[0]).toBe(name('A'))
  })

  it('of any other bytes is none, and never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => decodeEvidence(bytes) === undefined))
    fc.assert(
      fc.property(fc.json(), (text) => {
        decodeEvidence(new TextEncoder().encode(text))
      }),
    )
  })
})
