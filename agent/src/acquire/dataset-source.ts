import type { Clock, Reading } from '@biotrakr/shared'

import type { DatasetRow } from './dataset-rows.ts'
import { createReplaySource, type ReplaySource, type ReplayStatus } from './replay-source.ts'
import type { AllowList } from './source.ts'

interface DatasetSourceOptions {
  readonly name: string
  readonly rows: readonly DatasetRow[]
  readonly medium: 'RFID' | 'BLE'
  readonly clock: Clock
  /** Wall time, in the clock's own time, of offset 0. Rows that are past when the source starts are skipped. */
  readonly startMs: number
  readonly allow: AllowList
}

export interface DatasetSourceStatus extends ReplayStatus {
  /** Rows of tags that are not on the allow-list. */
  readonly notAllowed: number
}

/** Plays the rows of a data set as if they were heard now. */
export function createDatasetSource(options: DatasetSourceOptions): ReplaySource & { status(): DatasetSourceStatus } {
  const { name, rows, medium, clock, startMs, allow } = options
  let notAllowed = 0

  function* readings(): Generator<Reading, void, void> {
    for (const { tag, receiver, rssiDbm, offsetMs } of rows) {
      if (allow.has(tag)) yield { tag, receiver, rssiDbm, atMs: startMs + offsetMs, medium }
      else notAllowed += 1
    }
  }

  const receivers = [...new Set(rows.map((row) => row.receiver))]
  const source = createReplaySource({ name, receivers, clock, readings: readings() })
  return { ...source, status: () => ({ ...source.status(), notAllowed }) }
}
