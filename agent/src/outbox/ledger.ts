import {
  type Batch,
  BioTrakrError,
  type Clock,
  formatEpoch,
  type GapReason,
  type GatewayId,
  type LedgerRecord,
  seqSpan,
} from '@biotrakr/shared'

import { gather } from './gather.ts'
import {
  GROUP_RECORDS,
  type HeldEpoch,
  type LostRun,
  type Outbox,
  type OutboxFault,
  type OutboxStatus,
  type Position,
} from './outbox.ts'
import { type Draft, loseRun, makeRoom } from './room.ts'
import type { Mark, NewRun, Opened, RunStore } from './run-store.ts'

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
  #open: LedgerRecord[] = []
  #overflow: Overflow | undefined
  #fault: OutboxFault | undefined
  readonly #damaged: string[] = []
  readonly #lost = { evicted: 0, corrupt: 0, restored: 0 }
  #releasedEarly = 0
  #committedFixes = 0
  #strayAcks = 0

  constructor(store: RunStore<Body>, opened: Opened, options: LedgerOptions) {
    this.#store = store
    this.#options = options
    this.#opened = opened
    this.#marks = marksByCounter(opened)
    this.#saved = this.#marks
    if (opened.damaged) this.#damaged.push(opened.damaged)
  }

  append(record: LedgerRecord): void {
    this.#open.push(record)
    if (this.#open.length >= GROUP_RECORDS && !this.#fault) this.flush()
    if (this.#open.length > this.#options.waitingRecords) this.#spill()
  }

  flush(): void {
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
      releasedEarly: this.#releasedEarly,
      strayAcks: this.#strayAcks,
      damaged: [...this.#damaged],
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
      if (!this.#commit((draft) => this.#storeGroup(draft, group))) return false
      this.#open = group === this.#open ? [] : this.#open.slice(group.length)
    }
    const isClean = this.#marks === this.#saved && !this.#fault
    return isClean || this.#commit(() => {})
  }

  /** @returns false when nothing was changed, because the store failed */
  #commit(work: (draft: Draft) => void): boolean {
    const draft: Draft = { marks: new Map(this.#marks), lost: [], releasedEarly: 0, committedFixes: 0 }
    try {
      this.#store.transact(() => {
        work(draft)
        for (const [counter, mark] of draft.marks) {
          if (this.#saved.get(counter) !== mark) this.#store.saveMark(mark)
        }
      })
    } catch (error) {
      this.#meet(error)
      return false
    }
    this.#marks = draft.marks
    this.#saved = draft.marks
    this.#fault = undefined
    this.#releasedEarly += draft.releasedEarly
    this.#committedFixes += draft.committedFixes
    for (const run of draft.lost) {
      this.#lost[run.reason] += run.last - run.first + 1
      this.#options.onLost?.(run)
    }
    return true
  }

  #storeGroup(draft: Draft, records: readonly LedgerRecord[]): void {
    const { counter } = this.#opened.epoch
    const nowMs = this.#now()
    const run = describe(records, { epoch: counter, first: this.#mark(draft).last + 1, nowMs })
    const body = this.#store.pack(run, this.#opened.epoch, records)
    if (!body) {
      this.#storeParts(draft, records)
      return
    }
    makeRoom(this.#store, draft, { body, terms: { nowMs, graceMs: this.#options.graceMs } })
    this.#store.insert(run, body)
    const mark = this.#mark(draft)
    draft.marks.set(counter, { ...mark, last: run.last, fixes: mark.fixes + run.fixes })
    draft.committedFixes += run.fixes
  }

  /** Halves a group that cannot be stored until the record that is to blame stands alone; that one becomes a gap. */
  #storeParts(draft: Draft, records: readonly LedgerRecord[]): void {
    const half = records.length >> 1
    if (half > 0) {
      this.#storeGroup(draft, records.slice(0, half))
      this.#storeGroup(draft, records.slice(half))
      return
    }
    const now = this.#now()
    const count = records.reduce((sum, record) => sum + seqSpan(record), 0)
    this.#storeLoss(draft, { count, fixes: 0, fromMs: now, toMs: now }, 'corrupt')
  }

  /** Numbers for records that are lost before they had one are given here, in the transaction that stores the gap. */
  #storeLoss(draft: Draft, { count, fixes, fromMs, toMs }: Overflow, reason: GapReason): void {
    const mark = this.#mark(draft)
    const epoch = mark.epoch.counter
    const first = mark.last + 1
    const last = mark.last + count
    draft.marks.set(epoch, { ...mark, last, fixes: mark.fixes + fixes })
    const loss = { epoch, first, last, lostFixes: fixes, reason, times: { fromMs, toMs } }
    loseRun(this.#store, draft, { ...loss, nowMs: this.#now() })
  }

  #lower(draft: Draft, mark: Mark, hw: number): void {
    const { counter } = mark.epoch
    draft.marks.set(counter, { ...mark, acked: hw, first: Math.min(mark.first, hw + 1) })
    if (hw + 1 >= mark.first) return
    loseRun(this.#store, draft, {
      epoch: counter,
      first: hw + 1,
      last: mark.first - 1,
      lostFixes: 0,
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

  #spill(): void {
    const record = this.#open.shift()
    if (!record) return
    const { fromMs, toMs } = timesOf(record, this.#now())
    const before = this.#overflow
    this.#overflow = {
      count: (before?.count ?? 0) + seqSpan(record),
      fixes: (before?.fixes ?? 0) + (record.kind === 'fix' ? 1 : 0),
      fromMs: Math.min(before?.fromMs ?? fromMs, fromMs),
      toMs: Math.max(before?.toMs ?? toMs, toMs),
    }
  }

  /** Decides what a failure of the store means. @throws the error itself when it is a fault of this program */
  #meet(error: unknown): void {
    const trouble = this.#store.explain(error)
    if (trouble.kind === 'bug') throw error
    if (trouble.kind === 'waits') {
      this.#fault = { ...trouble.fault, sinceMs: this.#fault?.sinceMs ?? this.#now() }
      return
    }
    this.#opened = this.#store.replaceDamaged(error)
    this.#marks = marksByCounter(this.#opened)
    this.#saved = this.#marks
    this.#fault = undefined
    if (this.#opened.damaged) this.#damaged.push(this.#opened.damaged)
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

/** Whole milliseconds, whatever the record says: a gap over a bad record must itself be a good one. */
function timesOf(record: LedgerRecord, nowMs: number): { fromMs: number; toMs: number } {
  if (record.kind === 'opaque') return { fromMs: nowMs, toMs: nowMs }
  const [from, to] = record.kind === 'gap' ? [record.fromMs, record.toMs] : [record.atMs, record.atMs]
  return { fromMs: from >= 0 ? Math.floor(from) : nowMs, toMs: to >= 0 ? Math.ceil(to) : nowMs }
}

interface Place {
  readonly epoch: number
  readonly first: number
  readonly nowMs: number
}

function describe(records: readonly LedgerRecord[], { epoch, first, nowMs }: Place): NewRun {
  let span = 0
  let fixes = 0
  let events = 0
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const record of records) {
    span += seqSpan(record)
    if (record.kind === 'fix') fixes++
    else if (record.kind === 'event') events++
    const { fromMs, toMs } = timesOf(record, nowMs)
    from = Math.min(from, fromMs)
    to = Math.max(to, toMs)
  }
  const shape = { records: records.length, fixes, events, gap: undefined }
  return { epoch, first, last: first + span - 1, ...shape, fromMs: from, toMs: to, storedMs: nowMs }
}
