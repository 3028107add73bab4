import type { Clock, DownMessage, Hello } from '@biotrakr/shared'

import type { Log } from './problem-board.ts'

/** Records of this gateway that the centre could not store and keeps for a person. */
export interface QuarantineView {
  /** Sequence numbers that wait there, as far as this process was told. */
  readonly total: number
  /** Newest of them, newest first. */
  readonly runs: readonly {
    readonly epoch: string
    readonly first: number
    readonly last: number
    readonly code: string
  }[]
}

/** What the centre's clock said, and between which two moments it said so. */
export interface CentreTime {
  readonly serverMs: number
  /** Monotonic milliseconds when the question left and when the answer came. */
  readonly askedMs: number
  readonly heardMs: number
}

type Welcome = Extract<DownMessage, { type: 'welcome' }>
type Ack = Extract<DownMessage, { type: 'ack' }>

/** What the centre says of this gateway beside the watermarks: its quarantine, its time, and whom it speaks to. */
export interface CentreView {
  readonly quarantined: QuarantineView
  asked(hello: Hello): void
  /** False for an answer to another box of the same name, or to an earlier opening of this store. */
  isForUs(message: DownMessage): boolean
  welcomed(message: Welcome): void
  acknowledged(message: Ack, ackMs: number | undefined): void
}

interface Options {
  readonly clock: Clock
  readonly log: Log
  readonly onCentreTime?: ((time: CentreTime) => void) | undefined
}

const KEPT_RUNS = 100

export function createCentreView({ clock, log, onCentreTime }: Options): CentreView {
  let asked: { readonly store: string; readonly opening: string | undefined; readonly atMs: number } | undefined
  let quarantined: QuarantineView = { total: 0, runs: [] }
  return {
    get quarantined() {
      return quarantined
    },
    asked({ store, opening }) {
      // A question that is repeated may still be answered the first time.
      if (asked?.store === store && asked.opening === opening && clock.monoMs() - asked.atMs < 30_000) return
      asked = { store, opening, atMs: clock.monoMs() }
    },
    isForUs(message) {
      if (message.type !== 'welcome' && message.type !== 'refuse') return true
      const { store, opening } = message
      if (store !== undefined && asked && store !== asked.store) return false
      return opening === undefined || !asked || opening === asked.opening
    },
    welcomed(message) {
      if (message.quarantined) quarantined = message.quarantined
      if (message.serverTimeMs !== undefined && asked) {
        onCentreTime?.({ serverMs: message.serverTimeMs, askedMs: asked.atMs, heardMs: clock.monoMs() })
      }
      asked = asked && { ...asked, atMs: Number.NEGATIVE_INFINITY }
    },
    acknowledged({ epoch, quarantined: added, serverTimeMs }, ackMs) {
      const heardMs = clock.monoMs()
      if (ackMs !== undefined) onCentreTime?.({ serverMs: serverTimeMs, askedMs: heardMs - ackMs, heardMs })
      if (added.length === 0) return
      log.warn(
        { event: 'sync.quarantined', epoch, runs: added.slice(0, 10), total: added.length },
        'the centre put records into quarantine; "biotrakr-cloud quarantine list" shows why',
      )
      const known = new Set(quarantined.runs.map((run) => `${run.epoch}/${run.first}`))
      const fresh = added.map((run) => ({ epoch, ...run })).filter((run) => !known.has(`${epoch}/${run.first}`))
      quarantined = {
        total: quarantined.total + fresh.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        runs: [...fresh.reverse(), ...quarantined.runs].slice(0, KEPT_RUNS),
      }
    },
  }
}
