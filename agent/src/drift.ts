import type { Reading, SiteMap } from '@biotrakr/shared'

import { readHeader } from './capture.ts'
import { createFilter } from './filter/filter.ts'
import { emptyState, locate } from './locate/locate.ts'
import { createDriftWatch, type DriftReport, type ReferenceTag } from './locate/survey-drift.ts'
import type { HeardNow } from './survey-ear.ts'

export type { DriftReport, ReferenceTag } from './locate/survey-drift.ts'

export interface DriftCheck {
  /** One second of what was heard. Windows without an answer are answered here. */
  take(now: HeardNow): void
  report(): DriftReport
}

interface DriftOptions {
  readonly references: readonly ReferenceTag[]
  readonly maxTags?: number
}

const MAX_TAGS = 10_000

/** Compares what is heard with the survey. @param map with the survey in it */
export function createDriftCheck(map: SiteMap, { references, maxTags = MAX_TAGS }: DriftOptions): DriftCheck {
  const watch = createDriftWatch(map, references)
  let state = emptyState({ maxTags })
  return {
    take({ windows }) {
      for (const window of windows) {
        if (window.room !== undefined) {
          watch.take(window, { room: window.room, confidence: window.confidence ?? 0 })
          continue
        }
        const { state: next, located } = locate(map, state, window)
        state = next
        watch.take(window, located)
      }
    },
    report: () => watch.report(),
  }
}

/**
 * The same for readings in the order of time, as fast as they can be taken.
 * @param readings second by second: the readings that came, and the end of the second in wall milliseconds
 */
export function driftOfReadings(
  map: SiteMap,
  readings: Iterable<{ readonly readings: readonly Reading[]; readonly nowMs: number }>,
  options: DriftOptions,
): DriftReport {
  const check = createDriftCheck(map, options)
  const filter = createFilter({ maxTags: options.maxTags ?? MAX_TAGS })
  for (const { readings: some, nowMs } of readings) {
    for (const reading of some) filter.add(reading)
    check.take({ atMs: nowMs, windows: filter.close(nowMs).windows })
  }
  return check.report()
}

/**
 * The seconds of captures of one run, for `driftOfReadings`.
 * @throws BioTrakrError CAPTURE_UNREADABLE
 */
export function* capturedSeconds(
  paths: readonly string[],
): Generator<{ readings: Reading[]; nowMs: number }, void, void> {
  for (const path of paths) {
    let readings: Reading[] = []
    for (const step of readHeader(path).steps) {
      if (step.kind === 'reading') readings.push(step.reading)
      else {
        yield { readings, nowMs: step.nowMs }
        readings = []
      }
    }
  }
}
