import type { Reading, ReceiverId, TagId, TagWindow, Telemetry } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createFilter, type Filter, type FilterOutput } from './filter.ts'

const T0 = 1_760_000_000_000
const tag = (n: number): TagId => `ble:c0${n.toString(16).padStart(10, '0')}` as TagId
const rx = (n: number): ReceiverId => `rx-${n}` as ReceiverId

function reading(
  atMs: number,
  { who = 1, by = 1, ...rest }: Partial<Reading> & { who?: number; by?: number } = {},
): Reading {
  return { tag: tag(who), receiver: rx(by), rssiDbm: -70, atMs: T0 + atMs, medium: 'BLE', ...rest }
}

interface Run {
  readonly untilMs: number
  readonly fromMs?: number
  readonly stepMs?: number
  readonly readings?: readonly Reading[]
}

/** Closes every `stepMs`, and adds each reading in the step in which it was made. */
function run(filter: Filter, { untilMs, fromMs = 0, stepMs = 1000, readings = [] }: Run): FilterOutput {
  const windows: TagWindow[] = []
  const telemetry: FilterOutput['telemetry'][number][] = []
  const waiting = [...readings].sort((a, b) => a.atMs - b.atMs)
  for (let ms = fromMs; ms <= untilMs; ms += stepMs) {
    for (let next = waiting[0]; next && next.atMs < T0 + ms; next = waiting[0]) {
      filter.add(next)
      waiting.shift()
    }
    const closed = filter.close(T0 + ms)
    windows.push(...closed.windows)
    telemetry.push(...closed.telemetry)
  }
  return { windows, telemetry }
}

const times = (windows: readonly TagWindow[]): number[] => windows.map((window) => window.atMs - T0)

describe('windows', () => {
  it('hold the median and count of each receiver, sorted by receiver, and end on the second', () => {
    const filter = createFilter()
    for (const [i, rssiDbm] of [-70, -90, -72].entries()) filter.add(reading(100 + i, { by: 2, rssiDbm }))
    filter.add(reading(300, { by: 1, rssiDbm: -60 }))
    filter.add(reading(400, { by: 1, rssiDbm: -63 }))
    expect(filter.close(T0 + 999).windows).toEqual([])
    expect(filter.close(T0 + 1000).windows).toEqual([
      {
        tag: tag(1),
        atMs: T0 + 1000,
        medium: 'BLE',
        sightings: [
          { receiver: rx(1), rssiDbm: -61.5, maxDbm: -60, count: 2 },
          { receiver: rx(2), rssiDbm: -72, maxDbm: -70, count: 3 },
        ],
      },
    ])
  })

  it('leave out what lies far from the rest, but count it', () => {
    const filter = createFilter()
    for (const [i, rssiDbm] of [-70, -71, -70, -72, -71, -30, -94].entries()) filter.add(reading(i, { rssiDbm }))
    expect(filter.close(T0 + 1000).windows[0]?.sightings).toEqual([
      { receiver: rx(1), rssiDbm: -71, maxDbm: -70, count: 7 },
    ])
  })

  it('carry no RSSI where the receiver only reports presence', () => {
    const filter = createFilter()
    const { rssiDbm: _, ...presence } = reading(10, { medium: 'RFID' })
    filter.add(presence)
    expect(filter.close(T0 + 1000).windows[0]).toMatchObject({
      medium: 'RFID',
      sightings: [{ receiver: rx(1), count: 1 }],
    })
  })

  it('carry the newest motion bit that was told in them, and none otherwise', () => {
    const filter = createFilter()
    filter.add(reading(500, { telemetry: { moving: true } }))
    filter.add(reading(100, { telemetry: { moving: false } }))
    filter.add(reading(1500))
    expect(filter.close(T0 + 2000).windows.map((window) => window.moving)).toEqual([true, undefined])
  })

  it('do not depend on how often they are closed', () => {
    const one = fc.record({
      atMs: fc.integer({ min: 0, max: 300_000 }),
      who: fc.integer({ min: 1, max: 3 }),
      by: fc.integer({ min: 1, max: 3 }),
      rssiDbm: fc.integer({ min: -96, max: -40 }),
      telemetry: fc.record({
        moving: fc.boolean(),
        pressCount: fc.nat(3),
        temperatureC: fc.integer({ min: 0, max: 40 }),
      }),
    })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 60 }), fc.constantFrom(1, 2, 3, 8, 30, 100), (list, every) => {
        const readings = list.map(({ atMs, ...rest }) => reading(atMs, rest))
        const closedEvery = (stepMs: number): FilterOutput =>
          run(createFilter(), { fromMs: stepMs, untilMs: 1_200_000, stepMs, readings })
        expect(closedEvery(every * 1000)).toEqual(closedEvery(1_200_000))
      }),
      { numRuns: 60 },
    )
  })

  it('hold every good reading exactly once', () => {
    const one = fc.tuple(
      fc.integer({ min: 0, max: 20_000 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: -128, max: 127 }),
    )
    fc.assert(
      fc.property(fc.uniqueArray(one, { maxLength: 80, selector: String }), (list) => {
        const filter = createFilter()
        for (const [atMs, by, rssiDbm] of list) filter.add(reading(atMs, { by, rssiDbm }))
        const { windows } = run(filter, { untilMs: 60_000 })
        const counted = windows.flatMap((window) => window.sightings).reduce((sum, { count }) => sum + count, 0)
        expect(counted).toBe(list.filter(([, , rssiDbm]) => rssiDbm < 0 && rssiDbm >= -95).length)
        expect(filter.counters.readings).toBe(list.length)
        expect(counted + filter.counters.invalidRssi + filter.counters.weak).toBe(list.length)
      }),
      { numRuns: 60 },
    )
  })
})

describe('silence', () => {
  it('is told once, 15 s after the last window, and again after the tag was heard again', () => {
    const filter = createFilter()
    filter.add(reading(500))
    const first = run(filter, { untilMs: 60_000 })
    expect(times(first.windows)).toEqual([1000, 16_000])
    expect(first.windows[1]?.sightings).toEqual([])
    filter.add(reading(60_500))
    expect(times(run(filter, { fromMs: 61_000, untilMs: 120_000 }).windows)).toEqual([61_000, 76_000])
  })

  it('waits for six intervals of a slow tag once its interval is learned', () => {
    const filter = createFilter()
    const readings = Array.from({ length: 40 }, (_, i) => reading(i * 10_000))
    const silences = run(filter, { untilMs: 600_000, readings }).windows.filter(
      (window) => window.sightings.length === 0,
    )
    const last = times(silences).at(-1) ?? 0
    expect(silences).toHaveLength(1)
    expect(last).toBeGreaterThan(391_000 + 50_000)
    expect(last).toBeLessThanOrEqual(391_000 + 61_000)
  })

  it('is not put off by one long absence', () => {
    const filter = createFilter()
    const readings = [...Array(100).keys(), 700, 701, 702, 703, 704].map((s) => reading(s * 1000))
    const silences = run(filter, { untilMs: 800_000, readings }).windows.filter(
      (window) => window.sightings.length === 0,
    )
    expect(times(silences)).toEqual([115_000, 720_000])
  })
})

describe('bad input', () => {
  it('drops and counts RSSI of 0 and above, 127, -128 and below, and what is no number', () => {
    const filter = createFilter()
    for (const rssiDbm of [0, 5, 127, -128, -300, Number.NaN, Number.POSITIVE_INFINITY])
      filter.add(reading(10, { rssiDbm }))
    expect(filter.counters).toMatchObject({ readings: 7, invalidRssi: 7, tags: 0 })
    expect(filter.close(T0 + 1000).windows).toEqual([])
  })

  it('drops and counts BLE below the floor, or without any power; readers of other media have no floor', () => {
    const filter = createFilter({ floorDbm: -80 })
    const { rssiDbm: _, ...unmeasured } = reading(10)
    for (const each of [reading(10, { rssiDbm: -81 }), unmeasured, reading(20, { rssiDbm: -80 })]) filter.add(each)
    filter.add(reading(30, { by: 2, rssiDbm: -90, medium: 'RFID' }))
    expect(filter.counters).toMatchObject({ weak: 1, invalidRssi: 1 })
    expect(filter.close(T0 + 1000).windows[0]?.sightings.map(({ count }) => count)).toEqual([1, 1])
  })

  it('drops and counts a time that is no number, and ignores such a clock', () => {
    const filter = createFilter()
    filter.add(reading(Number.NaN))
    filter.add(reading(10))
    expect(filter.close(Number.NaN).windows).toEqual([])
    expect(filter.close(T0 + 1000).windows).toHaveLength(1)
    expect(filter.counters.invalidTime).toBe(1)
  })

  it('counts an exact repeat once, inside a window and after it was closed', () => {
    const filter = createFilter()
    for (let i = 0; i < 5; i++) filter.add(reading(900))
    filter.add(reading(900, { rssiDbm: -71 }))
    expect(filter.close(T0 + 1000).windows[0]?.sightings).toEqual([
      { receiver: rx(1), rssiDbm: -70.5, maxDbm: -70, count: 2 },
    ])
    filter.add(reading(900, { rssiDbm: -71 }))
    expect(filter.close(T0 + 2000).windows).toEqual([])
    expect(filter.counters.repeated).toBe(5)
  })

  it('puts a reading that is a little late into the open window and drops an old one', () => {
    const filter = createFilter()
    filter.close(T0 + 60_000)
    filter.add(reading(58_000))
    filter.add(reading(40_000))
    expect(times(filter.close(T0 + 61_000).windows)).toEqual([61_000])
    expect(filter.counters).toMatchObject({ late: 1, stale: 1 })
  })

  it('lets time stand still while the clock is a few seconds back', () => {
    const filter = createFilter()
    run(filter, { untilMs: 60_000 })
    filter.add(reading(57_500))
    expect(filter.close(T0 + 58_000).windows).toEqual([])
    expect(times(run(filter, { fromMs: 59_000, untilMs: 62_000 }).windows)).toEqual([61_000])
    expect(filter.counters.clockSteps).toBe(0)
  })

  it('goes on from the new time after the clock was set back by an hour, without losing a tag', () => {
    const filter = createFilter()
    for (let s = 0; s < 10; s++) filter.add(reading(3_600_000 + s * 1000, { telemetry: { temperatureC: 20 } }))
    run(filter, { fromMs: 3_600_000, untilMs: 3_609_000 })
    const after = filter.close(T0 + 5000)
    expect(times(after.windows)).toEqual([5000])
    filter.add(reading(5500))
    expect(times(filter.close(T0 + 6000).windows)).toEqual([6000])
    expect(times(run(filter, { fromMs: 7000, untilMs: 40_000 }).windows)).toEqual([21_000])
    expect(filter.counters).toMatchObject({ clockSteps: 1, ahead: 1 })
  })

  it('survives a gap of minutes: silence is told at its own time, then the tag is heard again', () => {
    const filter = createFilter()
    filter.add(reading(500))
    filter.close(T0 + 1000)
    filter.add(reading(600_500))
    expect(times(filter.close(T0 + 601_000).windows)).toEqual([16_000, 601_000])
  })

  it('brings a reading from the future into the present', () => {
    const filter = createFilter()
    filter.close(T0)
    filter.add(reading(86_400_000))
    filter.add(reading(86_405_000, { by: 2 }))
    filter.add(reading(500, { by: 3 }))
    const { windows } = filter.close(T0 + 1000)
    expect(windows).toHaveLength(1)
    expect(windows[0]).toMatchObject({ atMs: T0 + 1000, sightings: [{ count: 1 }, { count: 1 }, { count: 1 }] })
    expect(filter.counters.ahead).toBe(2)
  })
})

describe('bounds', () => {
  it('refuse 10,000 strangers rather than forget tags that are being heard', () => {
    const filter = createFilter({ maxTags: 50 })
    for (let n = 0; n < 50; n++) filter.add(reading(n, { who: n }))
    for (let n = 100; n < 10_100; n++) filter.add(reading(500, { who: n }))
    expect(filter.counters).toMatchObject({ tags: 50, refused: 10_000, evicted: 0 })
    expect(filter.close(T0 + 1000).windows).toHaveLength(50)
  })

  it('make room by the tag that has been silent longest', () => {
    const filter = createFilter({ maxTags: 2 })
    filter.add(reading(0, { who: 1 }))
    filter.add(reading(5000, { who: 2 }))
    run(filter, { untilMs: 30_000 })
    filter.add(reading(30_100, { who: 3 }))
    filter.add(reading(30_200, { who: 2 }))
    const { windows } = filter.close(T0 + 31_000)
    expect(windows.map((window) => window.tag)).toEqual([tag(2), tag(3)])
    expect(filter.counters).toMatchObject({ tags: 2, evicted: 1, refused: 0 })
  })

  it('let the newest reading go when too many wait for their window, and take again after closing', () => {
    const filter = createFilter({ maxPending: 100 })
    for (let n = 0; n < 150; n++) filter.add(reading(n, { who: n % 7 }))
    expect(filter.counters.overflow).toBe(50)
    filter.close(T0 + 1000)
    for (let n = 0; n < 100; n++) filter.add(reading(1000 + n))
    expect(filter.counters.overflow).toBe(50)
    expect(filter.close(T0 + 2000).windows[0]?.sightings[0]?.count).toBe(100)
  })

  it('hold for receivers: the 65th that hears a tag in one second is left out', () => {
    const filter = createFilter()
    for (let n = 0; n < 80; n++) filter.add(reading(n, { by: n }))
    expect(filter.close(T0 + 1000).windows[0]?.sightings).toHaveLength(64)
    expect(filter.counters.overflow).toBe(16)
  })
})

describe('telemetry', () => {
  const told = (list: readonly [number, Telemetry][]): FilterOutput['telemetry'] => {
    const readings = list.flatMap(([atMs, telemetry]) => [1, 2, 3].map((by) => reading(atMs, { by, telemetry })))
    return run(createFilter(), { untilMs: 400_000, readings }).telemetry
  }

  it('passes each sensor on at most once a minute, in thousandths', () => {
    const every10s = Array.from({ length: 13 }, (_, i): [number, Telemetry] => [
      i * 10_000,
      { temperatureC: 21.06, batteryPercent: 90 },
    ])
    const out = told(every10s)
    expect(out.map((item) => [item.kind === 'sensor' && item.sensor, item.atMs - T0])).toEqual([
      ['temperature', 0],
      ['battery', 0],
      ['temperature', 60_000],
      ['battery', 60_000],
      ['temperature', 120_000],
      ['battery', 120_000],
    ])
    expect(out[0]).toMatchObject({ kind: 'sensor', tag: tag(1), milli: 21_060 })
  })

  it('leaves out values that no such sensor can have', () => {
    expect(told([[0, { temperatureC: 1e9, humidityPercent: 101, batteryPercent: Number.NaN }]])).toEqual([])
  })

  it('tells that a tag began to move and came to rest, at most once in ten seconds', () => {
    const out = told([
      [0, { moving: false }],
      [1000, { moving: true }],
      [2000, { moving: false }],
      [3000, { moving: true }],
      [20_000, { moving: false }],
    ])
    expect(out.map((item) => [item.kind === 'event' && item.value, item.atMs - T0])).toEqual([
      [1, 1000],
      [0, 20_000],
    ])
  })
})
