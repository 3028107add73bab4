import { BioTrakrError, formatEpoch, type GapReason, type LedgerRecord, seqSpan } from '@biotrakr/shared'

import type { LostRun } from './outbox.ts'
import type { Mark, NewRun, RunStore, StoredRun } from './run-store.ts'

/** What one transaction is about to change; becomes the ledger's state only when the transaction has committed. */
export interface Draft {
  readonly marks: Map<number, Mark>
  readonly lost: LostRun[]
  releasedEarly: number
  committedFixes: number
}

interface Terms {
  readonly nowMs: number
  readonly graceMs: number
}

/**
 * Lets go of as little as gives `body` a place: confirmed runs first, oldest first, then the oldest unconfirmed group,
 * in whose place a gap is put.
 * @throws BioTrakrError OUTBOX_FULL when there is nothing left to let go of
 */
export function makeRoom<Body>(store: RunStore<Body>, draft: Draft, { body, terms }: Wanted<Body>): void {
  while (store.lacksRoom(body)) {
    if (!releaseOldest(store, draft, terms) && !evictOldest(store, draft, terms)) {
      throw new BioTrakrError('The outbox has no room for one more group', {
        code: 'OUTBOX_FULL',
        next: 'Raise the size of the outbox in the configuration',
      })
    }
  }
}

interface Wanted<Body> {
  readonly body: Body
  readonly terms: Terms
}

/** The run that holds `seq`, or the first one behind it. */
function runAt<Body>(store: RunStore<Body>, epoch: number, seq: number): StoredRun | undefined {
  for (const { run } of store.runsFrom(epoch, seq)) return run
  return undefined
}

function releaseOldest<Body>(store: RunStore<Body>, draft: Draft, { nowMs, graceMs }: Terms): boolean {
  for (const mark of draft.marks.values()) {
    if (mark.first > mark.acked) continue
    const run = runAt(store, mark.epoch.counter, mark.first)
    if (!run || run.last > mark.acked) continue
    store.remove(run)
    draft.marks.set(mark.epoch.counter, {
      ...mark,
      first: run.last + 1,
      releasedFromMs: mark.releasedToMs === 0 ? run.fromMs : Math.min(mark.releasedFromMs, run.fromMs),
      releasedToMs: Math.max(mark.releasedToMs, run.toMs),
    })
    if (run.storedMs + graceMs > nowMs) draft.releasedEarly += run.last - run.first + 1
    return true
  }
  return false
}

function evictOldest<Body>(store: RunStore<Body>, draft: Draft, { nowMs }: Terms): boolean {
  const run = store.oldestGroup()
  const mark = run && draft.marks.get(run.epoch)
  if (!run || !mark) return false
  // The centre already has the head of a group whose tail it has not confirmed: only the tail is lost.
  const first = Math.max(run.first, mark.acked + 1)
  const lostFixes = first === run.first ? run.fixes : fixesFrom(store, { run, mark, first })
  if (first > run.first) draft.marks.set(run.epoch, { ...mark, first })
  loseRun(store, draft, { epoch: run.epoch, first, last: run.last, lostFixes, reason: 'evicted', run, nowMs })
  return true
}

function fixesFrom<Body>(store: RunStore<Body>, { run, mark, first }: Tail): number {
  for (const { body } of store.runsFrom(run.epoch, run.first)) {
    const records = store.unpack(run, mark.epoch, body)
    if (!records) break
    return countFixesFrom(records, run.first, first)
  }
  return Math.min(run.fixes, run.last - first + 1)
}

interface Tail {
  readonly run: StoredRun
  readonly mark: Mark
  readonly first: number
}

function countFixesFrom(records: readonly LedgerRecord[], firstSeq: number, from: number): number {
  let seq = firstSeq
  let fixes = 0
  for (const record of records) {
    if (seq >= from && record.kind === 'fix') fixes++
    seq += seqSpan(record)
  }
  return fixes
}

export interface Loss {
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly lostFixes: number
  readonly reason: GapReason
  /** The row in whose place the gap is put; absent when there is none. */
  readonly run?: StoredRun | undefined
  /** Event times of what is lost, where no row tells them; wall milliseconds. */
  readonly times?: { readonly fromMs: number; readonly toMs: number }
  readonly nowMs: number
}

/** Puts a gap over [first, last], joined with gaps of the same reason beside it, and enters the loss in the books. */
export function loseRun<Body>(store: RunStore<Body>, draft: Draft, loss: Loss): void {
  const mark = draft.marks.get(loss.epoch)
  if (!mark) return
  coverWithGap(store, mark, loss)
  const count = loss.last - loss.first + 1
  // What the centre had and lost again was not lost here.
  if (loss.reason !== 'restored') {
    draft.marks.set(loss.epoch, { ...mark, lost: mark.lost + count, lostFixes: mark.lostFixes + loss.lostFixes })
  }
  draft.lost.push({ epoch: formatEpoch(mark.epoch), first: loss.first, last: loss.last, reason: loss.reason })
}

function coverWithGap<Body>(store: RunStore<Body>, mark: Mark, loss: Loss): void {
  const { epoch, reason, run } = loss
  const before = gapAt(store, loss, loss.first - 1)
  const after = gapAt(store, loss, loss.last + 1)
  const joined = [before, run, after].filter((part) => part !== undefined)
  const times = timesOver(loss, joined)
  const first = before?.first ?? loss.first
  const last = after?.last ?? loss.last
  const gap: NewRun = { epoch, first, last, ...GAP_RUN, gap: reason, ...times, storedMs: loss.nowMs }
  const body = store.pack(gap, mark.epoch, [{ kind: 'gap', count: last - first + 1, reason, ...times }])
  if (!body)
    throw new BioTrakrError('A gap record cannot be encoded', { code: 'OUTBOX_DAMAGED', next: 'Report this fault' })
  const kept = run ?? before ?? after
  for (const part of joined) if (part !== kept) store.remove(part)
  if (kept) store.replace(kept, gap, body)
  else store.insert(gap, body)
}

const GAP_RUN = { records: 1, fixes: 0, events: 0 } as const

/** The run that holds `seq`, when it is a gap of the same reason, so that the two can be one. */
function gapAt<Body>(store: RunStore<Body>, { epoch, reason }: Loss, seq: number): StoredRun | undefined {
  const run = seq > 0 ? runAt(store, epoch, seq) : undefined
  return run?.gap === reason && run.first <= seq ? run : undefined
}

function timesOver({ times, nowMs }: Loss, joined: readonly StoredRun[]): { fromMs: number; toMs: number } {
  const known = times ? [...joined, times] : joined
  if (known.length === 0) return { fromMs: nowMs, toMs: nowMs }
  const fromMs = Math.min(...known.map((part) => part.fromMs))
  return { fromMs, toMs: Math.max(...known.map((part) => part.toMs)) }
}
