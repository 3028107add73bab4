import type { Fix, TagEvent } from '@biotrakr/shared'

import type { Outbox } from './outbox/outbox.ts'
import type { RecordClock } from './record-clock.ts'
import type { Sync } from './sync/sync.ts'

/** Gives every record the best time known when it is stored, and the ledger its clock anchors. */
export function stampedOutbox(outbox: Outbox, time: RecordClock): Outbox {
  const anchor = () => {
    const due = time.beat(outbox.status().epoch)
    if (due) outbox.append(due)
  }
  // Before the first record, so that every record has an anchor in front of it.
  anchor()
  return {
    append: (record) => outbox.append(time.stamp(record)),
    flush: () => {
      anchor()
      outbox.flush()
    },
    peek: (after, limit) => outbox.peek(after, limit),
    acknowledge: (epoch, hw) => outbox.acknowledge(epoch, hw),
    rewind: (epoch, hw) => outbox.rewind(epoch, hw),
    held: () => outbox.held(),
    status: () => outbox.status(),
    close: () => {
      outbox.close()
    },
  }
}

/** As `stampedOutbox`, for the live lane. */
export function stampedSync(sync: Sync, time: RecordClock): Sync {
  return {
    start: () => sync.start(),
    stop: (flush) => sync.stop(flush),
    notifyCommitted: () => sync.notifyCommitted(),
    publishLive: (fixes: readonly Fix[]) => sync.publishLive(fixes.map((fix) => time.stamp(fix))),
    raiseLive: (events: readonly TagEvent[]) => sync.raiseLive(events.map((event) => time.stamp(event))),
    reconnect: () => sync.reconnect(),
    status: () => sync.status(),
  }
}
