import type { Clock } from '@biotrakr/shared'
import type { Logger } from 'pino'

interface LostRun {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly reason: string
}

const QUIET_MS = 60_000

/**
 * Says that records were let go: at once the first time, then at most once a minute with the count since. A store that
 * has been full for days lets a group go every few seconds.
 */
export function createLossLog(clock: Pick<Clock, 'monoMs'>, log: Pick<Logger, 'error'>): (run: LostRun) => void {
  let saidMs = Number.NEGATIVE_INFINITY
  let records = 0
  return ({ epoch, first, last, reason }) => {
    records += last - first + 1
    if (clock.monoMs() - saidMs < QUIET_MS) return
    log.error(
      { event: 'outbox.lost', records, epoch, last, reason },
      'records were let go before the centre had them; gap records stand in their place',
    )
    saidMs = clock.monoMs()
    records = 0
  }
}
