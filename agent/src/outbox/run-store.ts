import type { Epoch, GapReason, LedgerRecord } from '@biotrakr/shared'

import type { OutboxFault } from './outbox.ts'

/** A run of sequence numbers of one epoch: a group of records, or the one gap record that stands in its place. */
export interface NewRun {
  /** Counter of the epoch. */
  readonly epoch: number
  readonly first: number
  readonly last: number
  /** Ledger records in it: 1 for a gap, whatever it covers. */
  readonly records: number
  readonly fixes: number
  /** Tag events in it: a button press outlives positions when room is short. */
  readonly events: number
  readonly gap: GapReason | undefined
  /** Oldest and newest event time, wall milliseconds. */
  readonly fromMs: number
  readonly toMs: number
  readonly storedMs: number
}

export interface StoredRun extends NewRun {
  readonly id: number
}

/** What is known of one epoch as a whole. */
export interface Mark {
  readonly epoch: Epoch
  /** Lowest sequence number held; `last + 1` when none is. */
  readonly first: number
  /** Highest sequence number ever committed, 0 before the first. */
  readonly last: number
  readonly acked: number
  /** Fixes ever committed. */
  readonly fixes: number
  /** Sequence numbers lost unconfirmed (evicted or unreadable), and the fixes among them. */
  readonly lost: number
  readonly lostFixes: number
  /** Oldest and newest event time of what was confirmed and then let go, wall milliseconds; 0 when nothing was. */
  readonly releasedFromMs: number
  readonly releasedToMs: number
}

export interface Opened {
  readonly store: string
  /** The epoch of this opening, already durable. */
  readonly epoch: Epoch
  /** Every known epoch in order of opening, the new one last. */
  readonly marks: readonly Mark[]
  /** Where a damaged store was put aside to make this one possible. */
  readonly damaged?: string | undefined
}

/**
 * Where runs are kept: the part in which the SQLite and the memory outbox differ. `Body` is what one run's records
 * become there. Every method may throw; the ledger asks `explain` what to do then.
 */
export interface RunStore<Body> {
  /** Puts a damaged store aside, never deleting it, and opens a new one. */
  replaceDamaged(cause: unknown): Opened
  /** All of `work` or none of it; durable when it returns. */
  transact(work: () => void): void
  saveMark(mark: Mark): void
  /** @returns undefined when these records could not be read back: one of them is not what the model allows */
  pack(run: NewRun, epoch: Epoch, records: readonly LedgerRecord[]): Body | undefined
  /** @returns undefined when the body is not what was stored for exactly this run */
  unpack(run: StoredRun, epoch: Epoch, body: Body): readonly LedgerRecord[] | undefined
  lacksRoom(body: Body): boolean
  insert(run: NewRun, body: Body): void
  /** Puts a gap in the place of a run; needs no more room than the run had. */
  replace(run: StoredRun, gap: NewRun, body: Body): void
  remove(run: StoredRun): void
  /** Runs of the epoch from the one that holds `seq` on, or the first behind it. Nothing may be written meanwhile. */
  runsFrom(epoch: number, seq: number): Iterable<Shelved<Body>>
  /** The oldest run that is not a gap: one without tag events when there is one. */
  oldestGroup(): StoredRun | undefined
  bytes(): number
  explain(error: unknown): Trouble
  close(): void
}

export interface Shelved<Body> {
  readonly run: StoredRun
  readonly body: Body
  readonly bytes: number
}

/** `waits`: storing may succeed later; `damaged`: the store cannot be used any more; `bug`: neither. */
export type Trouble =
  | { readonly kind: 'waits'; readonly fault: Omit<OutboxFault, 'sinceMs'> }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'bug' }
