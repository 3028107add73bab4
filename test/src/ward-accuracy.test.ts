import type { Reading, ReceiverId, SiteMap } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { describe, expect, it } from 'vitest'

import { createFilter } from '../../agent/src/filter/filter.ts'
import { emptyState, locate } from '../../agent/src/locate/locate.ts'
import { CASES, engine, outsideSeen, prepare, type WardCase } from '../bench/ward-cases.ts'
import { bermuda, espresense, nearestFingerprint, roomAssistant, strongest } from '../bench/ward-peers.ts'
import { meanOf, runWard, WARD_START_MS, type WardRun } from '../bench/ward-run.ts'

/** Few wards and a short time: a gate against regressions. `npm run bench -- wards` has the full table. */
const SEEDS = [1, 2, 3, 4]
const TAGS = 3
const SECONDS = 2400

function runs(name: string, locators: 'ours' | 'all' = 'ours'): WardRun[][] {
  const wardCase = caseOf(name)
  return SEEDS.map((seed) => {
    const { options, stops, surveyed } = prepare(wardCase, seed, TAGS)
    const peers = (map: SiteMap) => [
      strongest(map),
      roomAssistant(map),
      bermuda(map),
      espresense(map),
      nearestFingerprint(map, stops),
    ]
    return runWard(options, (map) => [engine(surveyed(map)).told, ...(locators === 'all' ? peers(map) : [])], {
      seconds: SECONDS,
    })
  })
}

function caseOf(name: string): WardCase {
  const found = CASES.find((wardCase) => wardCase.name === name)
  if (!found) throw new Error(`no case ${name}`)
  return found
}

const column = (wards: readonly WardRun[][], index: number): WardRun[] => wards.map((ward) => ward[index]!)
const right = (list: readonly WardRun[]): number => meanOf(list, (run) => run.rightAtRest)
const changes = (list: readonly WardRun[]): number => meanOf(list, (run) => run.falseChanges)

describe('rooms found on simulated wards', () => {
  it('with a survey are right at rest, stay put, and beat every public rule in both', () => {
    const wards = runs('base', 'all')
    const ours = column(wards, 0)
    expect(right(ours)).toBeGreaterThan(0.91)
    expect(changes(ours)).toBeLessThan(7)
    for (const peer of [1, 2, 3, 4, 5]) {
      expect(right(column(wards, peer))).toBeLessThan(right(ours))
      expect(changes(column(wards, peer))).toBeGreaterThan(changes(ours))
    }
  })

  it.each([
    ['adverts every 4 s', 0.88],
    ['3 of 10 dead', 0.82],
    ['no survey', 0.8],
  ])('with %s are right at rest for more than %d', (name, least) => {
    const ours = column(runs(name), 0)
    expect(right(ours)).toBeGreaterThan(least)
    expect(changes(ours)).toBeLessThan(9)
  })

  it('are "outside" for a tag beyond a wall', () => {
    const seen = SEEDS.map((seed) => {
      const { options, surveyed } = prepare(caseOf('base'), seed, 1)
      return outsideSeen(surveyed(createWard(options).siteMap), options, 12)
    })
    expect(meanOf(seen, (share) => share)).toBeGreaterThan(0.85)
  })
})

describe('a receiver that dies unannounced', () => {
  it('is left out within 30 s, and taken back when it hears again', () => {
    const { options, surveyed } = prepare(caseOf('base'), 1, 20)
    const ward = createWard(options)
    const map = surveyed(ward.siteMap)
    const dead = map.receivers[0]!.id
    const masked = play(map, ward.readingsBetween, { dead, fromS: 120, toS: 240, seconds: 300 })
    const number = map.receivers.findIndex(({ id }) => id === dead)
    const first = masked.findIndex((list, s) => s >= 120 && list.includes(number))
    expect(first).toBeGreaterThanOrEqual(120)
    expect(first).toBeLessThanOrEqual(150)
    expect(masked[239]).toEqual([number])
    expect(masked.at(-1)).toEqual([])
  })
})

interface Death {
  readonly dead: ReceiverId
  readonly fromS: number
  readonly toS: number
  readonly seconds: number
}

/** @returns numbers of the masked receivers after each second */
function play(
  map: SiteMap,
  readingsBetween: (fromMs: number, toMs: number) => Reading[],
  { dead, fromS, toS, seconds }: Death,
): number[][] {
  const filter = createFilter()
  let state = emptyState()
  return Array.from({ length: seconds }, (_, s) => {
    const fromMs = WARD_START_MS + s * 1000
    for (const reading of readingsBetween(fromMs, fromMs + 1000)) {
      if (reading.receiver !== dead || s < fromS || s >= toS) filter.add(reading)
    }
    for (const window of filter.close(fromMs + 1000).windows) state = locate(map, state, window).state
    return [...(state.engine?.watch.masked ?? [])].flatMap((own, i) => (own === 1 ? [i] : []))
  })
}

describe('answers', () => {
  it('are the same for the same readings, and do not suffer from readings that are repeated', () => {
    const once = answers(1)
    expect(answers(1)).toBe(once)
    expect(answers(2)).toBe(once)
  })
})

function answers(times: number): string {
  const ward = createWard({ seed: 1, startMs: WARD_START_MS, tags: 5 })
  const filter = createFilter()
  let state = emptyState()
  const list: unknown[] = []
  for (let s = 1; s <= 300; s++) {
    const toMs = WARD_START_MS + s * 1000
    const readings = ward.readingsBetween(toMs - 1000, toMs)
    for (const reading of Array.from({ length: times }, () => readings).flat()) filter.add(reading)
    for (const window of filter.close(toMs).windows) {
      const next = locate(ward.siteMap, state, window)
      state = next.state
      list.push(next.located)
    }
  }
  return JSON.stringify(list)
}
