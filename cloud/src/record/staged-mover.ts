import type { Clock, Compression, Timer } from '@biotrakr/shared'
import type { Pool } from 'pg'
import type { Logger } from 'pino'

import { messageOf } from './faults.ts'
import { moveStaged } from './staged.ts'

interface Options {
  readonly pool: Pool
  readonly clock: Clock
  readonly compression: Compression
  readonly log: Logger
}

export interface StagedMover {
  start(): void
  /** An anchor was committed: what waited for it need not wait for the next look. */
  wake(): void
  /** Records moved since the start. */
  moved(): number
  stop(): Promise<void>
}

const LOOK_MS = 5_000
const WOKEN_MS = 50

/** Looks now and then for records whose time has become known, and moves them on until none is left. */
export function createStagedMover(options: Options): StagedMover {
  const { clock, log } = options
  let stopped = true
  let moved = 0
  let timer: Timer | undefined
  let running: Promise<void> | undefined

  const work = async () => {
    try {
      for (let more = true; more && !stopped; ) {
        const { rows, records, quarantined } = await moveStaged(options)
        moved += records
        more = rows > 0
        if (more) log.info({ event: 'ingest.time_known', rows, records, quarantined }, 'records have got their time')
      }
    } catch (error) {
      log.warn({ event: 'ingest.staged', error: messageOf(error) }, 'records that wait for their time were not moved')
    }
  }

  const look = () => {
    timer = undefined
    running = work().finally(() => {
      running = undefined
      if (!stopped) timer ??= clock.after(LOOK_MS, look)
    })
  }

  return {
    start: () => {
      stopped = false
      look()
    },
    wake: () => {
      if (stopped || running) return
      timer?.cancel()
      timer = clock.after(WOKEN_MS, look)
    },
    moved: () => moved,
    stop: async () => {
      stopped = true
      timer?.cancel()
      await running
    },
  }
}
