import type { ReceiverId, TagWindow } from '@biotrakr/shared'

/** Running sums of one receiver over the windows of one tag; older windows weigh less. */
interface Level {
  readonly weight: number
  readonly sumDbm: number
}

/** How one tag sounds to the receivers lately. Plain data. */
export interface Signal {
  /** Weight of all windows, those in which a receiver heard nothing included. */
  readonly windows: number
  readonly levels: ReadonlyMap<ReceiverId, Level>
}

export const NO_SIGNAL: Signal = { windows: 0, levels: new Map() }

/** A reader that only reports presence (LF, HF) reaches a metre: as good as a strong signal. */
const PRESENCE_DBM = -55
/** What a receiver loses when it hears none of the windows, dB; in between, in proportion. */
const MISSED_DB = 8
/** Receivers kept per tag, those with the most weight. */
const MAX_RECEIVERS = 32
const FORGOTTEN = 0.02

/**
 * Adds a window.
 * @param decay what the sums so far keep of their weight, 0-1
 */
export function listen(signal: Signal, window: TagWindow, decay: number): Signal {
  const levels = new Map<ReceiverId, Level>()
  for (const [receiver, { weight, sumDbm }] of signal.levels) {
    if (weight * decay >= FORGOTTEN) levels.set(receiver, { weight: weight * decay, sumDbm: sumDbm * decay })
  }
  for (const { receiver, rssiDbm = PRESENCE_DBM } of window.sightings) {
    const { weight, sumDbm } = levels.get(receiver) ?? { weight: 0, sumDbm: 0 }
    levels.set(receiver, { weight: weight + 1, sumDbm: sumDbm + rssiDbm })
  }
  return { windows: signal.windows * decay + 1, levels: levels.size > MAX_RECEIVERS ? heaviest(levels) : levels }
}

function heaviest(levels: ReadonlyMap<ReceiverId, Level>): Map<ReceiverId, Level> {
  const sorted = [...levels].sort(([a, x], [b, y]) => y.weight - x.weight || (a < b ? -1 : 1))
  return new Map(sorted.slice(0, MAX_RECEIVERS))
}

/** Smoothed strength at a receiver in dBm, lowered for what it missed; undefined when it has heard nothing lately. */
export function strengthAt(signal: Signal, receiver: ReceiverId): number | undefined {
  const level = signal.levels.get(receiver)
  if (!level) return undefined
  return level.sumDbm / level.weight - MISSED_DB * (1 - level.weight / signal.windows)
}
