import { isTagId, type Reading, siteMapSchema } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createWard, type Ward } from './ward.ts'

const startMs = 1_760_000_000_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
const ward = (seed: number, tags = 5): Ward => createWard({ seed, startMs, tags })

describe('the simulated ward', () => {
  it('has a valid site map of ten rooms, each with one receiver that stands inside it', () => {
    const { siteMap } = ward(1)
    expect(siteMapSchema.parse(siteMap)).toEqual(siteMap)
    expect(siteMap.rooms.filter((room) => room.transit)).toHaveLength(2)
    expect(siteMap.receivers.map((receiver) => receiver.room)).toEqual(siteMap.rooms.map((room) => room.id))
    expect(siteMap.adjacency).toHaveLength(9)
  })

  it('names each tag by an address of its own', () => {
    const { tags } = createWard({ seed: 3, startMs, tags: 2000 })
    expect(new Set(tags).size).toBe(2000)
    expect(tags.every((tag) => isTagId(tag) && /^ble:[cdef]/.test(tag))).toBe(true)
  })

  it('refuses options out of range and names them all', () => {
    expect(() => createWard({ seed: 1, startMs, tags: 0, wallLossDb: Number.NaN })).toThrow(
      /tags must.*wallLossDb must/,
    )
    expect(() => createWard({ seed: 1.5, startMs, deadReceivers: [10] })).toThrow(/seed must.*deadReceivers must/)
  })

  it('does not know the tags of another ward', () => {
    expect(() => ward(1).truthAt(ward(2).tags[0]!, startMs)).toThrow(/not of the simulated ward/)
  })
})

describe('readings', () => {
  it('are the same for the same seed and differ for another', () => {
    const of = (seed: number): Reading[] => ward(seed).readingsBetween(startMs, startMs + 60_000)
    expect(of(7)).toEqual(of(7))
    expect(of(7)).not.toEqual(of(8))
  })

  it('are the same however the time is cut, and asked in whatever order', () => {
    const span = fc.integer({ min: 0, max: 2 * DAY })
    const cuts = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 8 })
    fc.assert(
      fc.property(fc.integer(), span, cuts, (seed, offset, inner) => {
        const fromMs = startMs + offset
        const borders = [0, ...inner.sort((a, b) => a - b), 20_000].map((ms) => fromMs + ms)
        const whole = ward(seed).readingsBetween(fromMs, fromMs + 20_000)
        const cut = ward(seed)
        const parts = borders.slice(1).map((to, i) => () => cut.readingsBetween(borders[i]!, to))
        const backwards = [...parts].reverse().map((part) => part())
        expect(backwards.reverse().flat()).toEqual(whole)
        expect(parts.flatMap((part) => part())).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  it('are in time order, inside the interval, whole dBm between the noise floor and 0, and begin at the start', () => {
    const readings = ward(11, 40).readingsBetween(startMs - 5000, startMs + 60_000)
    readings.forEach((reading, i) => {
      expect(reading.atMs).toBeGreaterThanOrEqual(Math.max(startMs, readings[i - 1]?.atMs ?? startMs))
      expect(reading.atMs).toBeLessThan(startMs + 60_000)
      expect(Number.isInteger(reading.rssiDbm)).toBe(true)
      expect(reading.rssiDbm).toBeGreaterThanOrEqual(-96)
      expect(reading.rssiDbm).toBeLessThan(0)
    })
    const adverts = new Set(readings.map((reading) => `${reading.tag} ${reading.atMs}`)).size
    expect(adverts / (40 * 60)).toBeGreaterThan(0.9)
    expect(adverts / (40 * 60)).toBeLessThan(1.05)
  })

  it('carry telemetry now and then, and a press as a counter that has gone up by one', () => {
    const readings = ward(5).readingsBetween(startMs, startMs + 9 * HOUR)
    const told = readings.flatMap(({ telemetry }) => (telemetry ? [telemetry] : []))
    expect(told.length / readings.length).toBeLessThan(0.25)
    expect(told.every(({ batteryPercent = 50 }) => batteryPercent > 0 && batteryPercent <= 100)).toBe(true)
    expect(told.every(({ temperatureC = 22 }) => temperatureC > 15 && temperatureC < 30)).toBe(true)
    const counters = readings
      .filter((reading) => reading.tag === readings[0]?.tag)
      .flatMap(({ telemetry }) => telemetry?.pressCount ?? [])
    expect([...new Set(counters)]).toEqual([...new Set(counters)].sort((a, b) => a - b))
    expect(new Set(counters).size).toBeGreaterThanOrEqual(2)
  })

  it('say nothing of motion when the tags have no accelerometer, and never come from a dead receiver', () => {
    const plain = createWard({ seed: 5, startMs, tags: 5, motionBit: false, deadReceivers: [2] })
    const readings = plain.readingsBetween(startMs, startMs + 600_000)
    expect(readings.some(({ telemetry }) => telemetry?.moving !== undefined)).toBe(false)
    expect(readings.some(({ receiver }) => receiver === plain.siteMap.receivers[2]?.id)).toBe(false)
    expect(readings.some(({ receiver }) => receiver === plain.siteMap.receivers[3]?.id)).toBe(true)
  })

  it('are louder near the tag: its own room hears it best in most seconds, averaged over a minute', () => {
    const quiet = createWard({ seed: 2, startMs, tags: 40, wallLossDb: 8 })
    const sums = new Map<string, Map<string, number>>()
    for (const { tag, receiver, rssiDbm = 0 } of quiet.readingsBetween(startMs, startMs + 60_000)) {
      const own = sums.get(tag) ?? new Map<string, number>()
      sums.set(tag, own.set(receiver, (own.get(receiver) ?? 0) + 100 + rssiDbm))
    }
    const right = quiet.tags.filter((tag) => {
      const best = [...(sums.get(tag) ?? [])].sort((a, b) => b[1] - a[1])[0]?.[0]
      return best === `rx-${quiet.truthAt(tag, startMs + 30_000).room}`
    })
    expect(right.length).toBeGreaterThan(28)
  })
})

describe('truth', () => {
  it('never jumps: a tag covers at most 1 m in a second, and rests where it says so', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 400 * DAY }), (seed, offset) => {
        const one = createWard({ seed, startMs, tags: 1, stayMs: 20_000 })
        const tag = one.tags[0]!
        let before = one.truthAt(tag, startMs + offset)
        for (let ms = 500; ms <= 120_000; ms += 500) {
          const now = one.truthAt(tag, startMs + offset + ms)
          const metres = Math.hypot(now.x - before.x, now.y - before.y)
          expect(metres).toBeLessThanOrEqual(0.5 + 1e-9)
          // A move to a place close by may begin and end between two looks.
          if (!now.moving && now.sinceMs <= startMs + offset + ms - 500) expect(metres).toBe(0)
          before = now
        }
      }),
      { numRuns: 20 },
    )
  })

  it('is the same going back as going forward, and from a fresh ward', () => {
    const one = ward(21)
    const times = Array.from({ length: 300 }, (_, i) => startMs + i * 37_003)
    const forward = times.map((at) => one.tags.map((tag) => one.truthAt(tag, at)))
    const back = [...times].reverse().map((at) => one.tags.map((tag) => one.truthAt(tag, at)))
    expect(back.reverse()).toEqual(forward)
    const fresh = ward(21)
    expect(fresh.truthAt(fresh.tags[4]!, times[299]!)).toEqual(forward[299]![4])
  })

  it('visits all bedrooms, stays about as long as asked and passes through the corridor', () => {
    const one = createWard({ seed: 4, startMs, tags: 10 })
    const seen = new Set<string>()
    let moving = 0
    for (let s = 0; s < 6 * 3600; s += 5) {
      const truth = one.truthAt(one.tags[s % 10]!, startMs + s * 1000)
      seen.add(truth.room)
      if (truth.moving) moving += 1
      else expect(truth.room).not.toMatch(/corridor/)
      expect(startMs + s * 1000).toBeGreaterThanOrEqual(truth.sinceMs)
    }
    expect(seen.size).toBe(10)
    expect(moving / (6 * 720)).toBeGreaterThan(0.01)
    expect(moving / (6 * 720)).toBeLessThan(0.1)
  })
})
