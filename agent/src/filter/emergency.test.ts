import type { Reading, ReceiverId, TagId, Telemetry } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createFilter } from './filter.ts'

const T0 = 1_760_000_000_000
const tag = 'ble:c00000000001' as TagId

function reading(atMs: number, telemetry: Telemetry, rest: Partial<Reading> = {}): Reading {
  return { tag, receiver: 'rx-1' as ReceiverId, rssiDbm: -70, atMs: T0 + atMs, medium: 'BLE', telemetry, ...rest }
}

/** Every advert is heard by three receivers. */
function told(list: readonly (readonly [number, Telemetry])[]) {
  const filter = createFilter()
  return list.flatMap(([atMs, telemetry]) =>
    ['a', 'b', 'c'].flatMap((receiver) =>
      filter
        .add(reading(atMs, telemetry, { receiver: receiver as ReceiverId }))
        .map(({ event, value, atMs: at }) => [event, value, at - T0]),
    ),
  )
}

describe('a press', () => {
  it('is told once per changed counter, whoever heard it; the first counter is only learned', () => {
    const list = [7, 7, 8, 8, 0].map((pressCount, i) => [i * 1000, { pressCount }] as const)
    expect(told(list)).toEqual([
      ['button', 8, 2000],
      ['button', 0, 4000],
    ])
  })

  it('counts from the first report when that says that it is happening, and once however often it is repeated', () => {
    const list = [0, 100, 200, 5000].map((atMs) => [atMs, { pressed: true, pressCount: 9 }] as const)
    expect(
      told([...list, [6000, { pressed: false, pressCount: 9 }], [7000, { pressed: true, pressCount: 9 }]]),
    ).toEqual([['button', 9, 0]])
  })

  it('without a number is told when the button goes down, and again after it went up', () => {
    expect(
      told([
        [0, { pressed: true }],
        [1000, { pressed: true }],
        [2000, { pressed: false }],
        [3000, { pressed: true }],
      ]),
    ).toEqual([
      ['button', 0, 0],
      ['button', 0, 3000],
    ])
  })

  it('is over after a minute without repeats, whether or not the tag said so', () => {
    const alarm = { pressed: true }
    expect(
      told([
        [0, alarm],
        [30_000, alarm],
        [95_000, alarm],
      ]).map(([, , at]) => at),
    ).toEqual([0, 95_000])
  })

  it('of a moment ago that arrives late says nothing new', () => {
    const filter = createFilter()
    filter.add(reading(0, { pressCount: 1 }))
    expect(filter.add(reading(900, { pressCount: 2 }))).toHaveLength(1)
    expect(filter.add(reading(500, { pressCount: 1 }))).toEqual([])
    expect(filter.add(reading(1000, { pressCount: 2 }))).toEqual([])
  })
})

describe('an opened case', () => {
  it('is told when it opens, not while it stays open, and again when it opens anew', () => {
    expect(
      told([
        [0, { tamper: true }],
        [600_000, { tamper: true }],
        [601_000, { tamper: false }],
        [602_000, { tamper: true }],
      ]),
    ).toEqual([
      ['tamper', 0, 0],
      ['tamper', 0, 602_000],
    ])
  })
})

describe('no limit holds an emergency back', () => {
  const press = { pressed: true, pressCount: 1 }

  it('neither the floor, nor a power that is not known, nor a window that is long closed', () => {
    const faults: Partial<Reading>[] = [{ rssiDbm: -120 }, { rssiDbm: 127 }, { atMs: T0 - 3_600_000 }]
    for (const fault of faults) {
      const filter = createFilter()
      filter.close(T0)
      expect(filter.add(reading(0, press, fault))).toHaveLength(1)
      expect(filter.close(T0 + 5000).windows).toEqual([])
    }
  })

  it('nor too many readings that wait', () => {
    const filter = createFilter({ maxPending: 1 })
    filter.add(reading(0, {}))
    expect(filter.add(reading(1, press))).toHaveLength(1)
    expect(filter.counters.overflow).toBe(1)
  })

  it("but that of reason: 3,000 made-up presses a second in one tag's name fill no ledger, and another is heard", () => {
    const filter = createFilter()
    let told = 0
    for (let n = 0; n < 30_000; n++) {
      told += filter.add(reading(n / 3, { pressed: true, pressCount: n % 256 })).length
    }
    expect(told).toBeLessThanOrEqual(36)
    expect(filter.counters.withheld).toBe(30_000 - told)
    expect(filter.add(reading(10_000, press, { tag: 'ble:c00000000002' as TagId }))).toHaveLength(1)
  })

  it('and a tag known by such reports alone makes room for others', () => {
    const filter = createFilter({ maxTags: 1 })
    filter.add(reading(0, press, { rssiDbm: -120 }))
    filter.add(reading(1, {}, { tag: 'ble:c00000000002' as TagId }))
    expect(filter.counters).toMatchObject({ evicted: 1, refused: 0, tags: 1 })
  })
})
