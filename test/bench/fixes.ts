import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { createFilter, datasetSiteMap, emptyState, type LocateState, locate, readDataset } from '@biotrakr/agent'
import type { Fix, Reading, SiteMap, TagId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'

const dataFolder = process.env['BIOTRAKR_DATA'] ?? '../shared/data'

export interface FixSet {
  readonly origin: string
  readonly fixes: readonly Fix[]
}

/** Answers of the real pipeline, one a second, on the recorded flat where the recording is there, else on the ward. */
export function flatFixes(): FixSet {
  const dir = join(dataFolder, 'kolakowski-flat')
  if (!existsSync(dir)) return wardFixes(600)
  const dataset = readDataset(dir, { part: 'train' })
  const startMs = Date.UTC(2026, 0, 5, 8)
  const readings = dataset.rows.map(({ tag, receiver, rssiDbm, offsetMs }) => ({
    tag,
    receiver,
    rssiDbm,
    atMs: startMs + offsetMs,
    medium: dataset.medium,
  }))
  return { origin: 'kolakowski-flat', fixes: locateAll(datasetSiteMap(dataset), readings, dataset.tags) }
}

/** Answers about the tags of a simulated ward, each one a second. */
export function wardFixes(seconds: number, tags = 40): FixSet {
  const startMs = Date.UTC(2026, 0, 5, 8)
  const ward = createWard({ seed: 1, startMs, tags })
  const readings = ward.readingsBetween(startMs, startMs + seconds * 1000)
  return { origin: 'simulated ward', fixes: locateAll(ward.siteMap, readings, ward.tags) }
}

function locateAll(map: SiteMap, readings: readonly Reading[], tags: readonly TagId[]): Fix[] {
  const filter = createFilter({ maxTags: tags.length })
  const fixes: Fix[] = []
  let state: LocateState = emptyState({ maxTags: tags.length })
  const close = (nowMs: number) => {
    for (const window of filter.close(nowMs).windows) {
      const step = locate(map, state, window)
      state = step.state
      fixes.push({ kind: 'fix', ...step.located, spanMs: 1000, mapVersion: map.version })
    }
  }
  for (const reading of readings) {
    filter.add(reading)
    close(reading.atMs - 1000)
  }
  close((readings.at(-1)?.atMs ?? 0) + 2000)
  return fixes
}

/** `count` fixes by repeating a set, each round later than the one before. */
export function repeatFixes({ fixes }: FixSet, count: number): Fix[] {
  const first = fixes[0]?.atMs ?? 0
  const roundMs = (fixes.at(-1)?.atMs ?? 0) - first + 1000
  return Array.from({ length: count }, (_, i) => {
    const fix = fixes[i % fixes.length]
    if (!fix) throw new Error('there is no fix to repeat')
    return { ...fix, atMs: fix.atMs + Math.floor(i / fixes.length) * roundMs }
  })
}

/** Fixes about the ward's 40 tags whose event times end now: the centre takes nothing older than 35 days. */
export function recentFixes(count: number): Fix[] {
  const fixes = repeatFixes(wardFixes(600), count)
  const shiftMs = Date.now() - 60_000 - (fixes.at(-1)?.atMs ?? 0)
  return fixes.map((fix) => ({ ...fix, atMs: fix.atMs + shiftMs }))
}
