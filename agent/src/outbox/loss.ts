import { BioTrakrError, formatEpoch, type GapReason } from '@biotrakr/shared'

import type { LostRun } from './outbox.ts'
import { addRanks, NO_RANKS, RANK, type RankCounts } from './rank.ts'
import type { Mark, NewRun, RunStore, StoredRun } from './run-store.ts'

/** What one transaction is about to change; becomes the ledger's state only when the transaction has committed. */
export interface Draft {
  readonly marks: Map<number, Mark>
  readonly lost: LostRun[]
  lostRanks: RankCounts
  releasedEarly: number
  committedFixes: number
}

export interface Loss {
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly lostFixes: number
  readonly lostRanks: RankCounts
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
  enterLoss(draft, loss)
}

/** The books alone: the gap itself stands already, or is about to. */
export function enterLoss(draft: Draft, loss: Omit<Loss, 'run' | 'times' | 'nowMs'>): void {
  const mark = draft.marks.get(loss.epoch)
  if (!mark) return
  const { first, last, reason, lostFixes, lostRanks } = loss
  // What the centre had and lost again was not lost here.
  if (reason !== 'restored') {
    draft.marks.set(loss.epoch, {
      ...mark,
      lost: mark.lost + last - first + 1,
      lostFixes: mark.lostFixes + lostFixes,
      lostRanks: addRanks(mark.lostRanks, lostRanks),
    })
  }
  if (reason === 'evicted') draft.lostRanks = addRanks(draft.lostRanks, lostRanks)
  const before = draft.lost.at(-1)
  const epoch = formatEpoch(mark.epoch)
  if (before?.epoch === epoch && before.reason === reason && before.last + 1 === first) {
    draft.lost[draft.lost.length - 1] = { ...before, last }
  } else draft.lost.push({ epoch, first, last, reason })
}

type Covered = Pick<Loss, 'epoch' | 'first' | 'last' | 'reason' | 'run' | 'times' | 'nowMs'>

/** The gap alone, without the books. */
export function coverWithGap<Body>(store: RunStore<Body>, mark: Mark, loss: Covered): void {
  const { epoch, reason, run } = loss
  const before = gapAt(store, loss, loss.first - 1)
  const after = gapAt(store, loss, loss.last + 1)
  const joined = [before, run, after].filter((part) => part !== undefined)
  const times = timesOver(loss, joined)
  const first = before?.first ?? loss.first
  const last = after?.last ?? loss.last
  const gap: NewRun = { epoch, first, last, ...GAP_RUN, gap: reason, ...times, storedMs: loss.nowMs }
  const record = { kind: 'gap', count: last - first + 1, reason, ...times } as const
  const body = store.pack(gap, mark.epoch, [{ record, rank: RANK.kept }])
  if (!body)
    throw new BioTrakrError('A gap record cannot be encoded', { code: 'OUTBOX_DAMAGED', next: 'Report this fault' })
  const kept = run ?? before ?? after
  for (const part of joined) if (part !== kept) store.remove(part)
  if (kept) store.replace(kept, gap, body)
  else store.insert(gap, body)
}

const GAP_RUN = { records: 1, fixes: 0, events: 0, ...NO_RANKS } as const

/** The run that holds `seq`, or the first one behind it. */
export function runAt<Body>(store: RunStore<Body>, epoch: number, seq: number): StoredRun | undefined {
  for (const { run } of store.runsFrom(epoch, seq)) return run
  return undefined
}

/** The run that holds `seq`, when it is a gap of the same reason, so that the two can be one. */
function gapAt<Body>(
  store: RunStore<Body>,
  { epoch, reason }: Pick<Loss, 'epoch' | 'reason'>,
  seq: number,
): StoredRun | undefined {
  const run = seq > 0 ? runAt(store, epoch, seq) : undefined
  return run?.gap === reason && run.first <= seq ? run : undefined
}

function timesOver({ times, nowMs }: Covered, joined: readonly StoredRun[]): { fromMs: number; toMs: number } {
  const known = times ? [...joined, times] : joined
  if (known.length === 0) return { fromMs: nowMs, toMs: nowMs }
  const fromMs = Math.min(...known.map((part) => part.fromMs))
  return { fromMs, toMs: Math.max(...known.map((part) => part.toMs)) }
}
