import type { Clock, Reading, ReceiverId, TagId, Timer } from '@biotrakr/shared'
import type { Ward } from '@biotrakr/sim'

import type { Source, SourceStatus } from '../agent.ts'

interface WardSourceOptions {
  readonly clock: Clock
  readonly allow: { has(tag: TagId): boolean }
}

/** How often the ward's radio is read, milliseconds. */
const STEP_MS = 200

/** Plays a simulated ward as a source: what its receivers would hear, when they would hear it. */
export function createWardSource(ward: Ward, { clock, allow }: WardSourceOptions): Source {
  const receivers: readonly ReceiverId[] = ward.siteMap.receivers.map(({ id }) => id)
  let timer: Timer | undefined
  let playedMs = 0
  let readings = 0
  let state: SourceStatus['state'] = 'starting'

  function play(onReading: (reading: Reading) => void): void {
    const nowMs = Math.floor(clock.wallMs())
    if (nowMs <= playedMs) return
    for (const reading of ward.readingsBetween(playedMs, nowMs)) {
      if (!allow.has(reading.tag)) continue
      readings += 1
      onReading(reading)
    }
    playedMs = nowMs
  }

  return {
    name: 'simulated',
    receivers,
    async start(onReading) {
      if (timer) return
      playedMs = Math.floor(clock.wallMs())
      timer = clock.every(STEP_MS, () => play(onReading))
      state = 'up'
    },
    async stop() {
      timer?.cancel()
      timer = undefined
      state = 'finished'
    },
    status: () => ({ state, detail: 'simulated ward', readings, errors: 0 }),
  }
}
