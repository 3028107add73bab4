import type { Clock, ClockAnchor, LedgerRecord } from '@biotrakr/shared'

/**
 * The time that records carry. Everything up to the record lives in a time that never steps: wall time at the start of
 * the process plus what has passed since. How far that is from the truth becomes known later, from a time server or from
 * the centre, and may change; each change is a clock anchor in the ledger, so that the centre can tell when records from
 * before it were made. A box that boots in 1970 therefore loses and misplaces nothing.
 */
export interface RecordClock {
  /** The record with the best time known now. */
  stamp<R extends LedgerRecord>(record: R): R
  /**
   * Looks at the clocks; to be called before each commit.
   * @param epoch present epoch of the store: each begins with an anchor
   * @returns the anchor that is to be recorded now, if one is due
   */
  beat(epoch: string): ClockAnchor | undefined
  /** The centre said its time, somewhere between two moments of the process's monotonic clock. */
  heard(time: { readonly serverMs: number; readonly askedMs: number; readonly heardMs: number }): void
  status(): RecordClockStatus
}

export interface RecordClockStatus {
  /** `unsynced`: nobody has confirmed the time yet; records wait at the centre until somebody does. */
  readonly state: 'unsynced' | 'synced'
  /** Who confirmed it. */
  readonly source: 'machine' | 'centre' | undefined
  /** How far this machine's clock is ahead of the centre's, milliseconds; undefined before the centre was heard. */
  readonly aheadMs: number | undefined
  /** True when that is so much that the centre's time is used instead. */
  readonly isWrong: boolean
}

interface Options {
  /** Its wall time must never step. */
  readonly clock: Pick<Clock, 'wallMs' | 'monoMs'>
  /** The machine's own wall time, which may. */
  readonly machineMs: () => number
  /** Time since boot: goes on through a restart of the process. */
  readonly bootMs: () => number
  /** 16 hex digits. */
  readonly bootId: string
  /** Whether a time server has set the machine's clock. */
  readonly isMachineSynced: () => boolean
}

/** A machine that is off by more than this from the centre is wrong, whatever it says of itself. */
const WRONG_MS = 60_000
/** Smaller differences are left alone: they are within what two clocks of one hospital differ by. */
const STEP_MS = 500
const REFRESH_MS = 3_600_000
/** A quartz clock drifts by up to 100 parts in a million. */
const DRIFT = 1e-4

interface Estimate {
  /** Centre time less record time. */
  readonly offsetMs: number
  readonly errorMs: number
  readonly atMs: number
}

export function createRecordClock(options: Options): RecordClock {
  const { clock, machineMs, bootMs, bootId, isMachineSynced } = options
  let shiftMs = 0
  let source: RecordClockStatus['source']
  let centre: Estimate | undefined
  let anchored: { readonly epoch: string; readonly atMs: number } | undefined

  const errorNow = ({ errorMs, atMs }: Estimate) => errorMs + DRIFT * (clock.monoMs() - atMs)
  const machineOffset = () => machineMs() - clock.wallMs()

  /** @returns the offset that should hold now and who says so; undefined when nobody does */
  const judge = (): { readonly offsetMs: number; readonly source: 'machine' | 'centre' } | undefined => {
    const offsetMs = machineOffset()
    if (centre) {
      const isNear = Math.abs(offsetMs - centre.offsetMs) <= WRONG_MS + errorNow(centre)
      return isNear ? { offsetMs, source: 'machine' } : { offsetMs: centre.offsetMs, source: 'centre' }
    }
    return isMachineSynced() ? { offsetMs, source: 'machine' } : undefined
  }

  /** @returns true when the time of the next records runs differently from that of the last ones */
  const follow = (): boolean => {
    const found = judge()
    if (!found) return false
    const isFirst = source === undefined
    const isStep = Math.abs(found.offsetMs - shiftMs) > STEP_MS
    if (isStep) shiftMs = Math.round(found.offsetMs)
    source = found.source
    return isFirst || isStep
  }

  return {
    stamp: (record) => {
      if (shiftMs === 0 || !('atMs' in record)) return record
      return { ...record, atMs: Math.max(0, record.atMs + shiftMs) }
    },
    beat: (epoch) => {
      const isNew = follow()
      const isStale = anchored?.epoch !== epoch || clock.monoMs() - anchored.atMs >= REFRESH_MS
      if (!isNew && !isStale) return undefined
      anchored = { epoch, atMs: clock.monoMs() }
      const errorMs = centre ? Math.ceil(errorNow(centre)) : 0
      return {
        kind: 'anchor',
        bootId,
        monoMs: Math.floor(bootMs()),
        atMs: Math.max(0, clock.wallMs() + shiftMs),
        errorMs,
        ...(source === undefined && { unsynced: true as const }),
      }
    },
    heard: ({ serverMs, askedMs, heardMs }) => {
      const middleMs = (askedMs + heardMs) / 2
      const offsetMs = serverMs - (clock.wallMs() - (clock.monoMs() - middleMs))
      const next = { offsetMs, errorMs: (heardMs - askedMs) / 2, atMs: heardMs }
      if (!centre || errorNow(next) <= errorNow(centre)) centre = next
    },
    status: () => {
      const aheadMs = centre && Math.round(machineOffset() - centre.offsetMs)
      return {
        state: source === undefined ? 'unsynced' : 'synced',
        source,
        aheadMs,
        isWrong: centre !== undefined && Math.abs(aheadMs ?? 0) > WRONG_MS + errorNow(centre),
      }
    },
  }
}

/** @returns a clock whose wall time starts where that of `base` is, and then never steps */
export function steadyClock(base: Clock): Clock {
  const startMs = base.wallMs() - base.monoMs()
  return { ...base, wallMs: () => Math.floor(startMs + base.monoMs()) }
}
