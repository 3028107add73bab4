import type { Epoch, GapReason } from '@biotrakr/shared'

import type { OutboxFault } from './outbox.ts'
import type { Entry, RankCounts } from './rank.ts'

/**
 * What is done to old groups when room is short, in this order: first many small ones are joined to few large ones,
 * which loses nothing; then the records of one rank after the other give way.
 */
export const SWEEPS = ['join', 'telemetry', 'sameRoom', 'roomChange'] as const
export type Sweep = (typeof SWEEPS)[number]

/** A run of sequence numbers of one epoch: records and gaps, or the one gap record that stands in the place of all. */
export interface NewRun extends RankCounts {
  /** Counter of the epoch. */
  readonly epoch: number
  readonly first: number
  readonly last: number
  /** Ledger records in it, gaps among them: 1 for a gap, whatever it covers. */
  readonly records: number
  readonly fixes: number
  /** Records in it that never give way, gaps not counted. */
  readonly events: number
  /** Set when the run is nothing but one gap. */
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
  readonly lostRanks: RankCounts
  /** For each sweep the sequence number up to which it has nothing left to do in this epoch. */
  readonly swept: Readonly<Record<Sweep, number>>
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
  /** Unconfirmed sequence numbers that the damaged store held; absent when its books could not be read either. */
  readonly damagedRecords?: number | undefined
  /** The log of a store that nobody had closed was gone: its newest commits may be missing. */
  readonly isLogMissing?: boolean
}

/**
 * Where runs are kept: the part in which the SQLite and the memory outbox differ. `Body` is what one run's records
 * become there. Every method may throw; the ledger asks `explain` what to do then.
 */
export interface RunStore<Body> {
  /** Puts a damaged store aside, never deleting it, and opens a new one. */
  replaceDamaged(cause: unknown): Opened
  /** Opens the store anew, in a new epoch, after its disk failed under it. */
  reopen(): Opened
  /** All of `work` or none of it; durable when it returns. */
  transact(work: () => void): void
  saveMark(mark: Mark): void
  /** @returns undefined when these records could not be read back: one of them is not what the model allows */
  pack(run: NewRun, epoch: Epoch, entries: readonly Entry[]): Body | undefined
  /** @returns undefined when the body is not what was stored for exactly this run */
  unpack(run: StoredRun, epoch: Epoch, body: Body): readonly Entry[] | undefined
  lacksRoom(body: Body): boolean
  /** Confirmed runs that are let go of together when room is short. */
  readonly releaseRuns: number
  /** Bytes that a body takes, or whatever else the room is measured in. */
  sizeOf(body: Body): number
  insert(run: NewRun, body: Body): void
  /** Puts a smaller run in the place of a run; needs no more room than that had. */
  replace(run: StoredRun, by: NewRun, body: Body): void
  remove(run: StoredRun): void
  /** Runs of the epoch from the one that holds `seq` on, or the first behind it. Nothing may be written meanwhile. */
  runsFrom(epoch: number, seq: number): Iterable<Shelved<Body>>
  /** Looks, at most through a few hundred runs behind `behind`, for one that the sweep concerns. */
  seek(epoch: number, behind: number, sweep: Sweep): Sought
  /** The disk has no space left, whatever the bound allows: the file can only use again what it has. */
  isTight(): boolean
  bytes(): number
  explain(error: unknown): Trouble
  close(): void
}

export interface Sought {
  /** First sequence number of the run that was found. */
  readonly first: number | undefined
  /** Last sequence number that was looked at without finding one. */
  readonly seenTo: number
}

export interface Shelved<Body> {
  readonly run: StoredRun
  readonly body: Body
  readonly bytes: number
}

/** `sick`: the file must be opened anew before anything can be stored; `again`: the same can succeed at once; `waits`: storing may succeed later; `damaged`: the store cannot be used any more; `bug`: neither. */
export type Trouble =
  | { readonly kind: 'again' }
  | { readonly kind: 'waits' | 'sick'; readonly fault: Omit<OutboxFault, 'sinceMs'> }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'bug' }
