import type { Batch, ErrorCode, GapReason, LedgerRecord } from '@biotrakr/shared'

import type { RankCounts } from './rank.ts'

/** Records in one group: one commit, one encrypted blob. */
export const GROUP_RECORDS = 200

/** A place in the ledger: everything of `epoch` up to and including `seq`. */
export interface Position {
  readonly epoch: string
  readonly seq: number
}

/** What is held of one epoch: sequence numbers `first` to `last`, of which the centre has confirmed up to `acked`. */
export interface HeldEpoch {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly acked: number
}

/** Sequence numbers whose records are gone; a gap record stands in their place and will be sent. */
export interface LostRun {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly reason: GapReason
}

/** Why nothing can be stored just now. Records wait in memory until it is over. */
export interface OutboxFault {
  readonly code: ErrorCode
  readonly detail: string
  readonly next: string
  /** Wall milliseconds of the first failure. */
  readonly sinceMs: number
}

export interface OutboxStatus {
  /** Epoch of this opening. */
  readonly epoch: string
  /** Nonce of the store, the same for its whole life; `hello` carries it. Empty until the store could be opened. */
  readonly store: string
  /** Sequence numbers held, acknowledged ones in their grace time included. */
  readonly records: number
  /** Sequence numbers committed here and not yet confirmed by the centre. */
  readonly unacknowledged: number
  /** Records in memory that no commit has made durable yet. */
  readonly open: number
  /** Bytes on disk (file and write-ahead log); 0 for the memory outbox. */
  readonly bytes: number
  /** Bound of `bytes`; for the memory outbox its bound in records. */
  readonly bound: number
  /** Event time of the oldest unconfirmed record, wall milliseconds. */
  readonly oldestMs: number | undefined
  /** Fixes made durable since this opening. */
  readonly committedFixes: number
  /** Sequence numbers let go unconfirmed for want of room since this opening, each covered by a gap record. */
  readonly evicted: number
  /** Of these the telemetry, fixes in the room of the fix before, and room changes; the rest was events. */
  readonly evictedBy: RankCounts
  /** Sequence numbers whose stored bytes could not be read back since this opening, each covered by a gap record. */
  readonly corrupt: number
  /** Sequence numbers the centre lost and this store no longer held since this opening, each covered by a gap record. */
  readonly restored: number
  /** Confirmed sequence numbers let go before their grace time was over, because the bytes were needed. */
  readonly releasedEarly: number
  /** Acknowledgements that named an unknown epoch or a number never stored: ignored. */
  readonly strayAcks: number
  /** Where a damaged store was put aside, newest last. */
  readonly damaged: readonly string[]
  /** The write-ahead log of a store that nobody had closed was gone: an unknown number of records may be missing. */
  readonly isLogMissing: boolean
  readonly fault: OutboxFault | undefined
}

/**
 * Keeps ledger records until the centre has committed them.
 *
 * - Sequence numbers are 1, 2, 3... per epoch without a hole; an epoch is one opening of the store.
 * - `peek` shows committed records only, and in order.
 * - Only `acknowledge` lets go of a record; the bytes stay until they are needed for newer records.
 * - When the bound is reached, confirmed records go first. Then small groups are joined, which loses nothing. Then,
 *   oldest first, telemetry gives way, then fixes in the same room, then room changes; gap records over exactly their
 *   sequence numbers take their places. Tag events, clock anchors and unknown kinds never give way: when nothing else
 *   is left, new positions become gaps at once, and new events wait in memory.
 */
export interface Outbox {
  /** Joins the open group, which is committed when it has 200 records, or by `flush`. Never throws for a full disk. */
  append(record: LedgerRecord): void
  /** Commits what is open. Durable when it returns, unless `status().fault` says otherwise. */
  flush(): void
  /**
   * The next committed run of one epoch behind `after`, or from the oldest unconfirmed record. Oldest epoch first; at
   * an epoch's end it goes on with the next epoch. At most `limit.records` records and about 200 kB.
   */
  peek(after: Position | undefined, limit: { readonly records: number }): Batch | undefined
  /** The centre holds everything of `epoch` up to `hw`. Only ever raises the mark; kept durable with the next commit. */
  acknowledge(epoch: string, hw: number): void
  /**
   * The centre holds less of `epoch` than it had confirmed (its database was restored). Lowers the mark, durably, so
   * that records in their grace time are sent again; what is no longer held is covered by a gap record.
   */
  rewind(epoch: string, hw: number): void
  /** Every epoch of which something is held, oldest first. */
  held(): readonly HeldEpoch[]
  status(): OutboxStatus
  close(): void
}
