import { datasetTag, type Fix, isRoomId, type RoomId, type TagId } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createRecordPolicy, type RecordPolicyOptions } from './record-policy.ts'

const KEEP_ALIVE_MS = 300_000
const HOUR_MS = 3_600_000

function policy(options: Partial<RecordPolicyOptions> = {}) {
  return createRecordPolicy({ ledger: 'change', keepAliveMs: KEEP_ALIVE_MS, maxTags: 100, ...options })
}

function room(name: string): RoomId {
  if (!isRoomId(name)) throw new Error(`not a room: ${name}`)
  return name
}

function answer(atMs: number, where: string | null = 'ward', name = 'a') {
  return {
    tag: datasetTag(name) as TagId,
    room: where === null ? null : room(where),
    reason: where === null ? ('not_heard' as const) : ('none' as const),
    method: 'BLE' as const,
    confidence: 900,
    atMs,
  }
}

describe('the record policy', () => {
  it('records the first answer, then changes of room, reason or method, and how long the one before stood', () => {
    const record = policy()
    const answers = [
      answer(1_000),
      answer(2_000),
      answer(3_000, 'hall'),
      answer(4_000, 'hall'),
      answer(5_000, null),
      { ...answer(6_000, null), reason: 'receiver_down' as const },
      { ...answer(7_000, null), reason: 'receiver_down' as const, method: 'RFID' as const },
    ]
    const fixes = answers.map((each) => record(each, 3))
    expect(fixes.map((fix) => fix?.spanMs)).toEqual([0, undefined, 2_000, undefined, 2_000, 1_000, 1_000])
    expect(fixes[2]).toEqual({
      kind: 'fix',
      tag: 'dataset:a',
      room: 'hall',
      reason: 'none',
      method: 'BLE',
      confidence: 900,
      atMs: 3_000,
      spanMs: 2_000,
      mapVersion: 3,
    })
  })

  it('records an unchanged answer once each keep-alive', () => {
    const record = policy()
    const at = Array.from({ length: 901 }, (_, second) => record(answer(second * 1_000), 1)?.atMs)
    expect(at.filter((ms) => ms !== undefined)).toEqual([0, 300_000, 600_000, 900_000])
  })

  it('records every answer when asked to', () => {
    const record = policy({ ledger: 'all' })
    expect([1_000, 2_000, 3_000].map((ms) => record(answer(ms), 1)?.spanMs)).toEqual([0, 1_000, 1_000])
  })

  it('takes the place over where there is one, and nothing else that an answer carries', () => {
    const extra = { ...answer(0), xCm: 10, yCm: 20, accuracyCm: 150, secret: 'x' }
    const fix = policy()(extra, 1)
    expect(fix).toMatchObject({ xCm: 10, yCm: 20, accuracyCm: 150 })
    expect(fix).not.toHaveProperty('secret')
  })

  it('keeps tags apart', () => {
    const record = policy()
    record(answer(0, 'ward', 'a'), 1)
    expect(record(answer(500, 'ward', 'b'), 1)?.spanMs).toBe(0)
    expect(record(answer(900, 'ward', 'a'), 1)).toBeUndefined()
  })

  it('gives no negative span when the clock steps back, and soon records again', () => {
    const record = policy()
    record(answer(10 * HOUR_MS), 1)
    expect(record(answer(10 * HOUR_MS - 5_000), 1)).toBeUndefined()
    expect(record(answer(10 * HOUR_MS - 4_000, 'hall'), 1)?.spanMs).toBe(0)
    expect(record(answer(9 * HOUR_MS, 'hall'), 1)?.spanMs).toBe(0)
    expect(record(answer(9 * HOUR_MS + KEEP_ALIVE_MS, 'hall'), 1)?.spanMs).toBe(KEEP_ALIVE_MS)
    expect(record.counters.stepsBack).toBe(2)
  })

  it('credits no room with time that nobody watched, but lets "not heard" last', () => {
    const record = policy()
    record(answer(0), 1)
    expect(record(answer(12 * HOUR_MS), 1)?.spanMs).toBe(KEEP_ALIVE_MS + HOUR_MS)
    record(answer(12 * HOUR_MS + 1, null), 1)
    expect(record(answer(24 * HOUR_MS), 1)?.spanMs).toBe(12 * HOUR_MS - 1)
    expect(record.counters.spansCut).toBe(1)
    record(answer(24 * HOUR_MS + 1, null), 1)
    expect(record(answer(2_400 * HOUR_MS), 1)?.spanMs).toBe(2_147_483_647)
  })

  it('forgets the tag unheard for longest when it is full, and counts that', () => {
    const record = policy({ maxTags: 2 })
    record(answer(0, 'ward', 'a'), 1)
    record(answer(1, 'ward', 'b'), 1)
    record(answer(2, 'ward', 'a'), 1)
    record(answer(3, 'ward', 'c'), 1)
    expect(record.counters.evicted).toBe(1)
    expect(record(answer(4, 'ward', 'a'), 1)).toBeUndefined()
    expect(record(answer(5, 'ward', 'b'), 1)?.spanMs).toBe(0)
  })

  it('gives spans that add up to the time between the first and the last fix of a steady clock', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 120_000 }), fc.constantFrom('ward', 'hall', null)), {
      minLength: 1,
    })
    fc.assert(
      fc.property(steps, fc.constantFrom('change' as const, 'all' as const), (walk, ledger) => {
        const record = policy({ ledger })
        let atMs = 0
        const fixes: Fix[] = []
        for (const [waitMs, where] of walk) {
          atMs += waitMs
          const fix = record(answer(atMs, where), 1)
          if (fix) fixes.push(fix)
        }
        const total = fixes.reduce((sum, { spanMs }) => sum + spanMs, 0)
        expect(total).toBe((fixes.at(-1)?.atMs ?? 0) - (fixes[0]?.atMs ?? 0))
      }),
    )
  })

  it('gives whole spans between 0 and the ledger limit at any sequence of times', () => {
    const times = fc.array(fc.double({ min: -1e12, max: 1e13, noNaN: true }))
    fc.assert(
      fc.property(times, (walk) => {
        const record = policy({ ledger: 'all' })
        for (const atMs of walk) {
          const { spanMs } = record(answer(atMs), 1) as Fix
          expect(Number.isInteger(spanMs) && spanMs >= 0 && spanMs <= 2_147_483_647).toBe(true)
        }
      }),
    )
  })
})
