import { type Clock, explainError, type Reading, type ReceiverId, type Timer } from '@biotrakr/shared'

import type { Source, SourceStatus } from './source.ts'

const BEAT_MS = 1_000

export interface ReplayStatus extends SourceStatus {
  /** Readings that were already past when the source started: a restart does not play them twice. */
  readonly skipped: number
}

export interface ReplaySource extends Source {
  status(): ReplayStatus
}

interface ReplayOptions {
  readonly name: string
  readonly receivers: readonly ReceiverId[]
  readonly clock: Clock
  /** What to play, in order of time, `atMs` in the clock's wall time. Closed when the source stops. */
  readonly readings: Iterator<Reading>
}

/**
 * Plays recorded readings when their time has come, looking once a second of the given clock. A clock that steps back
 * makes it wait, one that steps forward makes it catch up; either way each reading is handed on once and in order.
 * It plays once: after its end, or after `stop`, it stays `finished`.
 */
export function createReplaySource({ name, receivers, clock, readings }: ReplayOptions): ReplaySource {
  let state: SourceStatus['state'] = 'starting'
  let failure: unknown
  let played = 0
  let skipped = 0
  let next: Reading | undefined
  let timer: Timer | undefined

  /** Fetches the next reading; a recording that cannot be read any further ends the source and not the gateway. */
  function advance(): void {
    try {
      const result = readings.next()
      next = result.done ? undefined : result.value
      if (next === undefined) end('finished')
    } catch (error) {
      next = undefined
      failure = error
      end('failed')
    }
  }

  function end(last: 'finished' | 'failed'): void {
    timer?.cancel()
    if (state !== 'failed') state = last
  }

  function beat(onReading: (reading: Reading) => void): void {
    const nowMs = clock.wallMs()
    while (next !== undefined && next.atMs <= nowMs) {
      const due = next
      advance()
      played += 1
      onReading(due)
    }
  }

  return {
    name,
    receivers,
    async start(onReading) {
      if (state !== 'starting') return
      state = 'up'
      const nowMs = clock.wallMs()
      for (advance(); next !== undefined && next.atMs < nowMs; advance()) skipped += 1
      if (failure !== undefined) throw failure
      if (next !== undefined) timer = clock.every(BEAT_MS, () => beat(onReading))
    },
    async stop() {
      next = undefined
      end('finished')
      readings.return?.()
    },
    status: () => ({
      state,
      detail:
        failure === undefined ? `${played} readings played, ${skipped} skipped as already past` : explainError(failure),
      readings: played,
      errors: failure === undefined ? 0 : 1,
      skipped,
    }),
  }
}
