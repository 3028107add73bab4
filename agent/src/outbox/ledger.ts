import {
  type Batch,
  BioTrakrError,
  type Clock,
  formatEpoch,
  type GapReason,
  type GatewayId,
  type LedgerRecord,
} from '@biotrakr/shared'

import { ALL_KEPT, DISK_FULL, MAKING_ROOM } from './faults.ts'
import { gather } from './gather.ts'
import { type Draft, loseRun } from './loss.ts'
import {
  GROUP_RECORDS,
  type HeldEpoch,
  type LostRun,
  type Outbox,
  type OutboxFault,
  type OutboxStatus,
  type Position,
} from './outbox.ts'
import { addRanks, createRanker, type Entry, NO_RANKS, RANK, type RankCounts } from './rank.ts'
import { type Stored, storeGroup } from './room.ts'
import type { Mark, Opened, RunStore, Trouble } from './run-store.ts'
import { sumOf, timesOf } from './thin.ts'

/** Tags whose room is remembered, to tell a room change from a fix in the same room. */
const RANKED_TAGS = 20_000
/** Transactions that one flush may spend on making room, before records wait in memory for the next. */
const ROUNDS = 8

/** Until the store could be opened there is no epoch: nothing has a number, and nothing is sent. */
const NOT_OPENED: Opened = { store: '', epoch: { counter: 0, nonce: '0'.repeat(16) }, marks: [] }

export interface LedgerOptions {
  readonly gateway: GatewayId
  readonly clock: Pick<Clock, 'wallMs'>
  /** How long a confirmed record should stay after it was stored, milliseconds. */
  readonly graceMs: number
  /** Records that may wait in memory while nothing can be stored. */
  readonly waitingRecords: number
  readonly bound: number
  /** Told of every run of sequence numbers that became a gap, after the gap is durable. */
  readonly onLost?: ((run: LostRun) => void) | undefined
}

/** Records that have no number yet and never will be stored, for example because memory had no place for them. */
interface Overflow {
  readonly count: number
  readonly fixes: number
  readonly ranks: RankCounts
  readonly fromMs: number
  readonly toMs: number
}

/** The outbox's rules, over any store of runs. */
export class Ledger<Body> implements Outbox {
  readonly #store: RunStore<Body>
  readonly #options: LedgerOptions
  #opened: Opened
  /** Never changed in place: a transaction works on a copy, which takes over when it has committed. */
  #marks: ReadonlyMap<number, Mark>
  #saved: ReadonlyMap<number, Mark>
  #open: Entry[] = []
  readonly #rank = createRanker({ maxTags: RANKED_TAGS })
  #overflow: Overflow | undefined
  #fault: OutboxFault | undefined
  readonly #damaged: string[] = []
  #isLogMissing = false
  #isSick = false
  readonly #lost = { evicted: 0, corrupt: 0, restored: 0 }
  #lostRanks: RankCounts = NO_RANKS
  #releasedEarly = 0
  #committedFixes = 0
  #strayAcks = 0

  /** Begins with the fault that kept the store from being opened, when that is what is given. */
  constructor(store: RunStore<Body>, start: Opened | Omit<OutboxFault, 'sinceMs'>, options: LedgerOptions) {
    this.#store = store
    this.#options = options
    this.#marks = new Map()
    this.#saved = this.#marks
    this.#opened = NOT_OPENED
    if ('epoch' in start) this.#begin(start)
    else {
      this.#isSick = true
      this.#wait(start)
    }
  }

  append(record: LedgerRecord): void {
    this.#open.push({ record, rank: this.#rank(record) })
    if (this.#open.length >= GROUP_RECORDS && !this.#fault) this.flush()
    if (this.#open.length > this.#options.waitingRecords) this.#spill()
  }

  flush(): void {
    if (this.#isSick && !this.#reopen()) return
    // A store found damaged while it was written is replaced on the spot; what waits then goes into the new one.
    if (!this.#drain() && !this.#fault) this.#drain()
  }

  peek(after: Position | undefined, { records }: { readonly records: number }): Batch | undefined {
    const limit = Math.max(1, records)
    for (const { mark, from } of this.#places(after)) {
      try {
        return this.#read(mark, from, limit)
      } catch (error) {
        this.#meet(error)
        return undefined
      }
    }
    return undefined
  }

  acknowledge(epoch: string, hw: number): void {
    const mark = this.#find(epoch)
    if (!mark || hw > mark.last) this.#strayAcks++
    else if (hw > mark.acked) this.#marks = new Map(this.#marks).set(mark.epoch.counter, { ...mark, acked: hw })
  }

  rewind(epoch: string, hw: number): void {
    const mark = this.#find(epoch)
    if (!mark) this.#strayAcks++
    else if (hw < mark.acked) this.#commit((draft) => this.#lower(draft, mark, Math.max(0, hw)))
  }

  held(): readonly HeldEpoch[] {
    return [...this.#marks.values()]
      .filter((mark) => mark.first <= mark.last)
      .map(({ epoch, first, last, acked }) => ({ epoch: formatEpoch(epoch), first, last, acked }))
  }

  status(): OutboxStatus {
    const marks = [...this.#marks.values()]
    return {
      epoch: formatEpoch(this.#opened.epoch),
      store: this.#opened.store,
      records: marks.reduce((sum, mark) => sum + mark.last - mark.first + 1, 0),
      unacknowledged: marks.reduce((sum, mark) => sum + mark.last - mark.acked, 0),
      open: this.#open.length,
      bytes: this.#ask(() => this.#store.bytes()) ?? 0,
      bound: this.#options.bound,
      oldestMs: this.#ask(() => this.#oldestMs()),
      committedFixes: this.#committedFixes,
      ...this.#lost,
      evicted: this.#lost.evicted + (this.#overflow?.count ?? 0),
      evictedBy: addRanks(this.#lostRanks, this.#overflow?.ranks ?? NO_RANKS),
      releasedEarly: this.#releasedEarly,
      strayAcks: this.#strayAcks,
      damaged: [...this.#damaged],
      isLogMissing: this.#isLogMissing,
      fault: this.#fault,
    }
  }

  close(): void {
    this.flush()
    this.#store.close()
  }

  /** @returns false when something is left that could not be stored */
  #drain(): boolean {
    const overflow = this.#overflow
    if (overflow && !this.#commit((draft) => this.#storeLoss(draft, overflow, 'evicted'))) return false
    this.#overflow = undefined
    while (this.#open.length > 0) {
      const group = this.#open.length > GROUP_RECORDS ? this.#open.slice(0, GROUP_RECORDS) : this.#open
      if (!this.#place(group)) return false
      this.#open = group === this.#open ? [] : this.#open.slice(group.length)
    }
    const isClean = this.#marks === this.#saved && !this.#fault
    return isClean || this.#commit(() => {})
  }

  /** @returns false when the group is still to be stored */
  #place(group: readonly Entry[]): boolean {
    const sinceMs = this.#fault?.sinceMs
    for (let round = 0; round < ROUNDS; round++) {
      const outcome: { stored: Stored } = { stored: 'full' }
      const work = (draft: Draft): void => {
        outcome.stored = this.#storeGroup(draft, group)
      }
      if (!this.#commit(work)) return false
      const { stored } = outcome
      if (stored === 'stored') return true
      if (stored === 'full') return this.#wait(this.#store.isTight() ? DISK_FULL : ALL_KEPT, sinceMs)
    }
    return this.#wait(MAKING_ROOM, sinceMs)
  }

  /** @returns false: records wait in memory */
  #wait(fault: Omit<OutboxFault, 'sinceMs'>, sinceMs = this.#fault?.sinceMs): false {
    this.#fault = { ...fault, sinceMs: sinceMs ?? this.#now() }
    return false
  }

  /** @returns false when nothing was changed, because the store failed */
  #commit(work: (draft: Draft) => void): boolean {
    const draft: Draft = {
      marks: new Map(this.#marks),
      lost: [],
      lostRanks: NO_RANKS,
      releasedEarly: 0,
      committedFixes: 0,
    }
    try {
      this.#store.transact(() => {
        work(draft)
        for (const [counter, mark] of draft.marks) {
          if (this.#saved.get(counter) !== mark) this.#store.saveMark(mark)
        }
      })
    } catch (error) {
      return this.#meet(error) === 'again' && this.#commit(work)
    }
    this.#marks = draft.marks
    this.#saved = draft.marks
    this.#fault = undefined
    this.#releasedEarly += draft.releasedEarly
    this.#lostRanks = addRanks(this.#lostRanks, draft.lostRanks)
    this.#committedFixes += draft.committedFixes
    for (const run of draft.lost) {
      this.#lost[run.reason] += run.last - run.first + 1
      this.#options.onLost?.(run)
    }
    return true
  }

  #storeGroup(draft: Draft, entries: readonly Entry[]): Stored {
    const { counter: epoch } = this.#opened.epoch
    const terms = { nowMs: this.#now(), graceMs: this.#options.graceMs }
    const mayEvict = !this.#store.isTight() || this.#open.length * 2 > this.#options.waitingRecords
    return storeGroup(this.#store, draft, { entries, epoch, terms, mayEvict })
  }

  /** Numbers for records that are lost before they had one are given here, in the transaction that stores the gap. */
  #storeLoss(draft: Draft, { count, fixes, ranks, fromMs, toMs }: Overflow, reason: GapReason): void {
    const mark = this.#mark(draft)
    const epoch = mark.epoch.counter
    const first = mark.last + 1
    const last = mark.last + count
    draft.marks.set(epoch, { ...mark, last, fixes: mark.fixes + fixes })
    const loss = { epoch, first, last, lostFixes: fixes, lostRanks: ranks, reason, times: { fromMs, toMs } }
    loseRun(this.#store, draft, { ...loss, nowMs: this.#now() })
  }

  #lower(draft: Draft, mark: Mark, hw: number): void {
    const { counter } = mark.epoch
    const swept = { join: 0, telemetry: 0, sameRoom: 0, roomChange: 0 }
    draft.marks.set(counter, { ...mark, acked: hw, first: Math.min(mark.first, hw + 1), swept })
    if (hw + 1 >= mark.first) return
    loseRun(this.#store, draft, {
      epoch: counter,
      first: hw + 1,
      last: mark.first - 1,
      lostFixes: 0,
      lostRanks: NO_RANKS,
      reason: 'restored',
      times: { fromMs: mark.releasedFromMs, toMs: mark.releasedToMs },
      nowMs: this.#now(),
    })
  }

  #read(mark: Mark, from: number, limit: number): Batch | undefined {
    let found = gather(this.#store, mark, { from, limit })
    if (found.broken) {
      const { first, last, run } = found.broken
      const lostFixes = Math.min(run?.fixes ?? 0, last - first + 1)
      const loss = {
        epoch: mark.epoch.counter,
        first,
        last,
        lostFixes,
        lostRanks: run ?? NO_RANKS,
        reason: 'corrupt',
        run,
        nowMs: this.#now(),
      } as const
      if (!this.#commit((draft) => loseRun(this.#store, draft, loss))) return undefined
      found = gather(this.#store, mark, { from, limit })
    }
    if (found.records.length === 0) return undefined
    return { gateway: this.#options.gateway, epoch: mark.epoch, first: from, last: found.last, records: found.records }
  }

  /** Where reading could go on behind `after`, oldest epoch first. */
  *#places(after: Position | undefined): Generator<{ mark: Mark; from: number }> {
    const behind = after && this.#find(after.epoch)
    for (const mark of this.#marks.values()) {
      if (behind && mark.epoch.counter < behind.epoch.counter) continue
      const from = Math.max(mark.first, (after && mark === behind ? after.seq : mark.acked) + 1)
      if (from <= mark.last) yield { mark, from }
    }
  }

  #oldestMs(): number | undefined {
    for (const { mark, from } of this.#places(undefined)) {
      for (const { run } of this.#store.runsFrom(mark.epoch.counter, from)) return run.fromMs
    }
    return undefined
  }

  /** The oldest record of the lowest rank gives way; it has no number yet, and gets one when its gap is stored. */
  #spill(): void {
    let at = 0
    for (const [i, { rank }] of this.#open.entries()) {
      if (rank < (this.#open[at]?.rank ?? 0)) at = i
      if (this.#open[at]?.rank === RANK.telemetry) break
    }
    const [spilt] = this.#open.splice(at, 1)
    if (!spilt) return
    const { fromMs, toMs } = timesOf(spilt.record, this.#now())
    const { count, fixes, ranks } = sumOf([spilt])
    const before = this.#overflow
    this.#overflow = {
      count: (before?.count ?? 0) + count,
      fixes: (before?.fixes ?? 0) + fixes,
      ranks: addRanks(before?.ranks ?? NO_RANKS, ranks),
      fromMs: Math.min(before?.fromMs ?? fromMs, fromMs),
      toMs: Math.max(before?.toMs ?? toMs, toMs),
    }
  }

  /** Decides what a failure of the store means. @throws the error itself when it is a fault of this program */
  #meet(error: unknown): Trouble['kind'] {
    const trouble = this.#store.explain(error)
    if (trouble.kind === 'bug') throw error
    if (trouble.kind === 'waits' || trouble.kind === 'sick') this.#wait(trouble.fault)
    this.#isSick = trouble.kind === 'sick'
    if (trouble.kind === 'damaged') {
      const damagedRecords = [...this.#marks.values()].reduce((sum, mark) => sum + mark.last - mark.acked, 0)
      this.#begin({ ...this.#store.replaceDamaged(error), damagedRecords })
    }
    return trouble.kind
  }

  #reopen(): boolean {
    try {
      this.#begin(this.#store.reopen())
      return true
    } catch (error) {
      this.#meet(error)
      return false
    }
  }

  #begin(opened: Opened): void {
    this.#isSick = false
    this.#opened = opened
    this.#marks = marksByCounter(opened)
    this.#saved = this.#marks
    this.#fault = undefined
    this.#isLogMissing ||= opened.isLogMissing === true
    const { damaged, damagedRecords: count = 1 } = opened
    if (damaged === undefined) return
    this.#damaged.push(damaged)
    // What the damaged store held has no numbers in this one: a gap at its start makes the loss known to the centre. A
    // store whose books cannot be read counts as one record.
    const now = this.#now()
    const loss = { count, fixes: 0, ranks: NO_RANKS, fromMs: now, toMs: now }
    if (count > 0) this.#commit((draft) => this.#storeLoss(draft, loss, 'corrupt'))
  }

  /** A status must be had even when the store cannot be read. */
  #ask<T>(question: () => T): T | undefined {
    try {
      return question()
    } catch (error) {
      if (this.#store.explain(error).kind === 'bug') throw error
      return undefined
    }
  }

  #mark(draft: Draft): Mark {
    const mark = draft.marks.get(this.#opened.epoch.counter)
    if (mark) return mark
    throw new BioTrakrError('The outbox has lost its own epoch', { code: 'OUTBOX_OPEN', next: 'Restart the agent' })
  }

  #find(epoch: string): Mark | undefined {
    for (const mark of this.#marks.values()) if (formatEpoch(mark.epoch) === epoch) return mark
    return undefined
  }

  #now(): number {
    return Math.floor(this.#options.clock.wallMs())
  }
}

function marksByCounter({ marks }: Opened): ReadonlyMap<number, Mark> {
  return new Map(marks.map((mark) => [mark.epoch.counter, mark]))
}
