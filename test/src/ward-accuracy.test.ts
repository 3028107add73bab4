import type { Reading, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'
import { createWard, createWardScorer, type WardScore } from '@biotrakr/sim'
import { describe, expect, it } from 'vitest'

import { createFilter } from '../../agent/src/filter/filter.ts'
import { emptyState, locate } from '../../agent/src/locate/locate.ts'

const startMs = 1_760_000_000_000
const SECONDS = 1800

interface Compared {
  readonly product: WardScore
  /** The room of the strongest receiver of each second, for scale. */
  readonly raw: WardScore
  readonly answers: readonly { tag: TagId; room: RoomId | null; confidence: number }[]
}

function strongest(map: SiteMap, window: TagWindow): RoomId | null {
  const best = [...window.sightings].sort((a, b) => (b.rssiDbm ?? -200) - (a.rssiDbm ?? -200))[0]
  return map.receivers.find((receiver) => receiver.id === best?.receiver)?.room ?? null
}

/** Readings of a ward through the stages of the agent, without their wiring. */
function compare(seed: number, take: (readings: Reading[]) => Reading[] = (readings) => readings): Compared {
  const ward = createWard({ seed, startMs, tags: 20, motionBit: false })
  const filter = createFilter()
  const [product, raw] = [createWardScorer(ward), createWardScorer(ward)]
  const answers: { tag: TagId; room: RoomId | null; confidence: number }[] = []
  let state = emptyState()
  for (let s = 1; s <= SECONDS; s++) {
    for (const reading of take(ward.readingsBetween(startMs + (s - 1) * 1000, startMs + s * 1000))) filter.add(reading)
    for (const window of filter.close(startMs + s * 1000).windows) {
      const next = locate(ward.siteMap, state, window)
      state = next.state
      product.take(window.tag, next.located.room, window.atMs)
      raw.take(window.tag, strongest(ward.siteMap, window), window.atMs)
      answers.push(next.located)
    }
  }
  return { product: product.score(), raw: raw.score(), answers }
}

describe('rooms found on simulated wards', () => {
  const wards = [1, 2, 3].map((seed) => compare(seed))
  const mean = (of: (ward: Compared) => number): number => wards.reduce((sum, ward) => sum + of(ward), 0) / wards.length

  it('are right for at least 80 % of the time at rest', () => {
    expect(mean(({ product }) => product.rightAtRest)).toBeGreaterThan(0.8)
  })

  it('change falsely at most a tenth as often as the strongest receiver does, and at most 15 times an hour', () => {
    expect(mean(({ product }) => product.falseChangesPerTagHour)).toBeLessThan(15)
    expect(mean(({ product, raw }) => product.falseChangesPerTagHour / raw.falseChangesPerTagHour)).toBeLessThan(0.1)
  })

  it('are the same for the same readings', () => {
    expect(compare(1).answers).toEqual(wards[0]?.answers)
  })

  it('do not suffer from readings that are repeated', () => {
    expect(compare(1, (readings) => [...readings, ...readings]).answers).toEqual(wards[0]?.answers)
  })
})
