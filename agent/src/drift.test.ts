import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Reading, RoomId, SiteMap, TagId } from '@biotrakr/shared'
import { createWard, surveyWard } from '@biotrakr/sim'
import { afterAll, describe, expect, it } from 'vitest'

import { createCapture } from './acquire/capture-write.ts'
import { capturedSeconds, driftOfReadings } from './drift.ts'
import { createFilter } from './filter/filter.ts'
import { fitSurvey } from './locate/fit.ts'

const root = mkdtempSync(join(tmpdir(), 'drift-'))
afterAll(() => rmSync(root, { recursive: true }))

const startMs = 1_700_000_000_000
const SECONDS = 900
const options = { seed: 5, startMs, tags: 16, wallLossDb: 8 }
const ward = createWard(options)

function surveyed(): SiteMap {
  const windows = surveyWard(options, { stops: 8, seconds: 10 }).flatMap(({ room, readings }, stop) => {
    const filter = createFilter()
    for (const reading of readings) filter.add(reading)
    const heard = filter.close((readings.at(-1)?.atMs ?? 0) + 2000).windows
    return heard.map(({ atMs, sightings }) => ({ session: `stop ${stop}`, room, atMs, sightings }))
  })
  return { ...ward.siteMap, survey: fitSurvey(ward.siteMap, windows) }
}
const map = surveyed()

const story = Array.from({ length: SECONDS }, (_, n) => {
  const fromMs = startMs + n * 1000
  return { readings: ward.readingsBetween(fromMs, fromMs + 1000), nowMs: fromMs + 1000 }
})

/** What the ward's tags say, second by second, with something changed about it. */
function* seconds(
  change: (reading: Reading) => Reading | undefined,
): Generator<{ readings: Reading[]; nowMs: number }> {
  for (const { readings, nowMs } of story) {
    yield { readings: readings.flatMap((reading) => change(reading) ?? []), nowMs }
  }
}

const louder = (reading: Reading, db: number): Reading => ({
  ...reading,
  rssiDbm: Math.max(-120, Math.min(-1, (reading.rssiDbm ?? 0) + db)),
})
const found = (change: (reading: Reading) => Reading | undefined) =>
  driftOfReadings(map, seconds(change), { references: [] })

describe('drift', () => {
  it('is none while the ward sounds as it did in the survey', () => {
    const { findings, pairs, ticks } = found((reading) => reading)
    expect([findings, pairs > 20, ticks > 2000]).toEqual([[], true, true])
  })

  it('is told of a receiver that was turned or moved, and of no other', () => {
    const moved = (db: number) => found((reading) => (reading.receiver === 'rx-102' ? louder(reading, db) : reading))
    const { findings } = moved(12)
    expect(findings.map(({ kind, name }) => [kind, name])).toEqual([['receiver', 'rx-102']])
    expect(findings[0]?.words).toMatch(/louder than in the survey/)
    // Weaker, much of it falls below what can be heard at all.
    expect(moved(-14).findings.map(({ name }) => name)).toEqual(['rx-102'])
  })

  it('is told of a receiver that has gone deaf', () => {
    let n = 0
    const { findings } = found((reading) => {
      n += 1
      return reading.receiver === 'rx-corridor-w' && n % 5 !== 0 ? undefined : reading
    })
    expect(findings.map(({ kind, name }) => [kind, name])).toEqual([['deaf', 'rx-corridor-w']])
  })

  it('does not take a tag of another power for drift', () => {
    expect(found((reading) => louder(reading, -8)).findings).toEqual([])
  })

  it('is measured with a reference tag even while the engine is unsure of it', () => {
    const tag = 'ble:c20000000001' as TagId
    const { readings } = surveyWard(options, { stops: 1, seconds: 400 }).find(({ room }) => room === '103') ?? {
      readings: [],
    }
    const fixed = readings.map((reading) => ({ ...louder(reading, reading.receiver === 'rx-103' ? -25 : 0), tag }))
    function* alone() {
      const firstMs = fixed[0]?.atMs ?? 0
      for (let fromMs = firstMs; fromMs < firstMs + 400_000; fromMs += 1000) {
        const own = fixed.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 1000)
        yield { readings: own, nowMs: fromMs + 1000 }
      }
    }
    const { ticks } = driftOfReadings(map, alone(), { references: [{ tag, room: '103' as RoomId }] })
    expect(ticks).toBeGreaterThan(300)
  })

  it('reads captures as it reads what comes live', () => {
    const path = join(root, 'run.capture')
    const settings = { siteMap: ward.siteMap, maxTags: 100, floorDbm: -95, ledger: 'change', keepAliveMs: 300_000 }
    const header = { software: 'test', gateway: 'gw', run: 'r', startedMs: startMs, settings }
    const writer = createCapture({ path, maxBytes: 50_000_000, header })
    for (const { readings, nowMs } of seconds((reading) => reading)) {
      for (const reading of readings) writer.took(reading, nowMs - 1)
      writer.closed(nowMs)
    }
    writer.end()
    const live = found((reading) => reading)
    expect(driftOfReadings(map, capturedSeconds([path]), { references: [] })).toEqual(live)
  })

  it('of nothing is nothing', () => {
    expect(driftOfReadings(map, [], { references: [] })).toEqual({ ticks: 0, tags: 0, pairs: 0, findings: [] })
    expect(found(() => undefined).findings).toEqual([])
  })
})
