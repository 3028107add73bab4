import type { QuarantineView } from './centre-view.ts'
import type { Problem } from './problem-board.ts'

export type SyncState = 'connecting' | 'greeting' | 'sending' | 'idle' | 'refused' | 'denied' | 'stopped'

export interface SyncStatus {
  /**
   * `greeting`: connected, the centre has not answered yet; `denied`: the broker forbids it; `refused`: the centre
   * does. Both are tried again about once a minute.
   */
  readonly state: SyncState
  /** Wall milliseconds since when. */
  readonly since: number
  /** Wall milliseconds of the last commit ack. */
  readonly lastAckMs: number | undefined
  /** Batches sent and not yet committed. */
  readonly inFlight: number
  /** Records not yet committed at the centre. */
  readonly unacknowledged: number
  /** Time from sending to commit ack over the last 4,096 batches, milliseconds; `smoothed` steers the resend timer. */
  readonly ackMs: {
    readonly p50: number | undefined
    readonly p99: number | undefined
    readonly smoothed: number | undefined
  }
  /** Connections tried. */
  readonly connects: number
  /** Ledger batches handed to the broker, repeats included. */
  readonly published: number
  readonly nacks: number
  /** Batches called back to be sent again. */
  readonly resends: number
  /** Messages of the centre that could not be read or answered nothing that was asked. */
  readonly strays: number
  /** Positions of the live lane that could not be sent. */
  readonly liveDropped: number
  /** Events of the live lane that could not be sent; the ledger has them. */
  readonly liveEventsDropped: number
  /** What of this gateway waits in quarantine at the centre. */
  readonly quarantined: QuarantineView
  /** Epochs of which the centre had more than this store: the store was put back to an earlier state. */
  readonly storeBehind: readonly string[]
  readonly problem: Problem | undefined
}
