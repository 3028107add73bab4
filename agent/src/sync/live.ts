import {
  type Clock,
  type Compression,
  encodeLive,
  type Fix,
  type GatewayId,
  type TagId,
  type Timer,
} from '@biotrakr/shared'

export interface LiveOptions {
  readonly gateway: GatewayId
  readonly clock: Clock
  readonly compression: Compression
  /** Shortest time between two messages, milliseconds. */
  readonly everyMs: number
  /** Tags that may wait for the next message; beyond that the one that waits longest is let go. */
  readonly maxTags: number
  /** False while nothing can be sent; what waits is then dropped when its time comes. */
  readonly isOpen: () => boolean
  /** @returns false when the message was not taken; it is then dropped */
  readonly send: (message: Uint8Array) => boolean
  /** Largest message in bytes, as of now. */
  readonly maxBytes: () => number
}

/** Newest position of each tag, for whoever looks now. Nothing is kept for later: what cannot go out is counted. */
export interface LiveLane {
  /** Sends at once what is urgent, and all that waits with it. */
  offer(fixes: readonly Fix[], urgency?: { readonly isUrgent: boolean }): void
  /** Drops what waits. */
  clear(): void
  /** Positions that were not sent and had no newer one to take their place. */
  readonly dropped: number
}

export function createLiveLane(options: LiveOptions): LiveLane {
  const { clock, everyMs, maxTags } = options
  const waiting = new Map<TagId, Fix>()
  let dropped = 0
  let sentMs = Number.NEGATIVE_INFINITY
  let timer: Timer | undefined

  const transmit = (fixes: readonly Fix[]): void => {
    const message = encodeLive(options.gateway, fixes, options.compression)
    if (message.length > options.maxBytes() && fixes.length > 1) {
      const half = Math.ceil(fixes.length / 2)
      transmit(fixes.slice(0, half))
      transmit(fixes.slice(half))
    } else if (message.length > options.maxBytes() || !options.send(message)) {
      dropped += fixes.length
    }
  }
  const flush = (): void => {
    timer = undefined
    if (waiting.size === 0) return
    const fixes = [...waiting.values()]
    waiting.clear()
    sentMs = clock.monoMs()
    if (options.isOpen()) transmit(fixes)
    else dropped += fixes.length
  }
  const keep = (fix: Fix): void => {
    const before = waiting.get(fix.tag)
    if (before !== undefined && before.atMs > fix.atMs) return
    if (before === undefined && waiting.size >= maxTags) {
      const [oldest] = waiting.keys()
      if (oldest !== undefined) waiting.delete(oldest)
      dropped += 1
    }
    waiting.set(fix.tag, fix)
  }
  return {
    offer(fixes, { isUrgent } = { isUrgent: false }) {
      for (const fix of fixes) keep(fix)
      const waitMs = sentMs + everyMs - clock.monoMs()
      if (waitMs <= 0 || isUrgent) {
        timer?.cancel()
        flush()
      } else {
        timer ??= clock.after(waitMs, flush)
      }
    },
    clear() {
      timer?.cancel()
      timer = undefined
      dropped += waiting.size
      waiting.clear()
    },
    get dropped() {
      return dropped
    },
  }
}
