import {
  type Clock,
  type Compression,
  encodeLive,
  type Fix,
  type GatewayId,
  type TagEvent,
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
  /** As `isOpen`, for events: they are few and small, so they go out on a line that has no room for positions. */
  readonly isOpenForEvents: () => boolean
  /** @returns false when the message was not taken; it is then dropped */
  readonly send: (message: Uint8Array) => boolean
  /** Largest message in bytes, as of now. */
  readonly maxBytes: () => number
}

/**
 * Newest position of each tag, and what happens to a tag, for whoever looks now. Nothing is kept for later and nothing
 * is sent twice: what cannot go out is counted, and the ledger has it.
 */
export interface LiveLane {
  offer(fixes: readonly Fix[]): void
  /** Sends at once, each event for itself and past the time between two messages: nothing waits, nothing is merged. */
  raise(events: readonly TagEvent[]): void
  /** Drops what waits. */
  clear(): void
  /** Positions that were not sent and had no newer one to take their place. */
  readonly dropped: number
  /** Events that were not sent. */
  readonly droppedEvents: number
}

export function createLiveLane(options: LiveOptions): LiveLane {
  const { clock, everyMs, maxTags } = options
  const waiting = new Map<TagId, Fix>()
  let dropped = 0
  let droppedEvents = 0
  let sentMs = Number.NEGATIVE_INFINITY
  let timer: Timer | undefined

  /** @returns how many of the records could not be sent */
  const transmit = (records: readonly (Fix | TagEvent)[]): number => {
    const message = encodeLive(options.gateway, records, options.compression)
    if (message.length > options.maxBytes() && records.length > 1) {
      const half = Math.ceil(records.length / 2)
      return transmit(records.slice(0, half)) + transmit(records.slice(half))
    }
    return message.length > options.maxBytes() || !options.send(message) ? records.length : 0
  }
  const flush = (): void => {
    timer = undefined
    if (waiting.size === 0) return
    const fixes = [...waiting.values()]
    waiting.clear()
    sentMs = clock.monoMs()
    dropped += options.isOpen() ? transmit(fixes) : fixes.length
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
    offer(fixes) {
      for (const fix of fixes) keep(fix)
      const waitMs = sentMs + everyMs - clock.monoMs()
      if (waitMs <= 0) {
        timer?.cancel()
        flush()
      } else {
        timer ??= clock.after(waitMs, flush)
      }
    },
    raise(events) {
      if (events.length > 0) droppedEvents += options.isOpenForEvents() ? transmit(events) : events.length
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
    get droppedEvents() {
      return droppedEvents
    },
  }
}
