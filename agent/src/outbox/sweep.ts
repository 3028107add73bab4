import { type GapReason, seqSpan } from '@biotrakr/shared'

import { type Draft, enterLoss, loseRun } from './loss.ts'
import { type Entry, RANK, type Rank } from './rank.ts'
import type { Mark, RunStore, Shelved, Sweep } from './run-store.ts'
import { cutUpTo, describe, joinGaps, sumOf, thin } from './thin.ts'

/** What one step of a sweep takes at most, so that neither a commit nor its pages in the log grow with the store. */
const WINDOW_RUNS = 32
const WINDOW_RECORDS = 4_000
const WINDOW_BYTES = 48_000
/** Fewer runs than this are not worth being joined: the newest ones wait for more. */
const JOIN_RUNS = 8

export interface Terms {
  readonly nowMs: number
  readonly graceMs: number
}

/** `moved`: something was rewritten or looked through; `done`: in the whole store nothing is left for this sweep. */
export type Progress = 'moved' | 'done'

const UP_TO: Readonly<Record<Sweep, Rank | undefined>> = {
  join: undefined,
  telemetry: RANK.telemetry,
  sameRoom: RANK.sameRoom,
  roomChange: RANK.roomChange,
}

/** One step of a sweep, from the oldest epoch on. */
export function sweepOnce<Body>(store: RunStore<Body>, draft: Draft, job: { sweep: Sweep; terms: Terms }): Progress {
  for (const mark of draft.marks.values()) {
    if (mark.first <= mark.last && mark.swept[job.sweep] < mark.last && step(store, draft, { ...job, mark })) {
      return 'moved'
    }
  }
  return 'done'
}

interface Job {
  readonly sweep: Sweep
  readonly mark: Mark
  readonly terms: Terms
}

function step<Body>(store: RunStore<Body>, draft: Draft, job: Job): boolean {
  const { sweep, mark } = job
  const behind = Math.max(mark.swept[sweep], mark.first - 1)
  const { first, seenTo } = store.seek(mark.epoch.counter, behind, sweep)
  if (first === undefined) {
    if (seenTo > mark.swept[sweep]) moveOn(draft, job, seenTo)
    // Less than a full look means that the end was reached; then the other epochs have their turn at once.
    return seenTo > mark.swept[sweep] && seenTo < mark.last
  }
  const window = openWindow(store, mark, first)
  if (window.broken) {
    const { run } = window.broken
    const lost = { epoch: run.epoch, first: Math.max(run.first, mark.acked + 1), last: run.last, run }
    if (run.first < lost.first) draft.marks.set(run.epoch, { ...mark, first: lost.first })
    const ranks = { telemetry: run.telemetry, sameRoom: run.sameRoom, roomChange: run.roomChange }
    const lostFixes = Math.min(run.fixes, lost.last - lost.first + 1)
    loseRun(store, draft, { ...lost, lostFixes, lostRanks: ranks, reason: 'corrupt', nowMs: job.terms.nowMs })
    moveOn(draft, job, run.last)
    return true
  }
  if (sweep === 'join' && window.rows.length < JOIN_RUNS && window.atEnd) return false
  if (sweep === 'join' && window.rows.length === 1) moveOn(draft, job, window.rows[0]?.run.last ?? seenTo)
  else rewrite(store, draft, { ...job, window })
  return true
}

function moveOn(draft: Draft, { mark, sweep }: Job, seq: number): void {
  const now = draft.marks.get(mark.epoch.counter) ?? mark
  draft.marks.set(mark.epoch.counter, { ...now, swept: { ...now.swept, [sweep]: seq } })
}

interface Window<Body> {
  readonly rows: readonly Shelved<Body>[]
  readonly entries: readonly Entry[]
  /** The newest run is in it, or would be the next. */
  readonly atEnd: boolean
  /** The run at its start, when that cannot be read. */
  readonly broken?: Shelved<Body>
}

/** Runs beside each other from `first` on, with the gap before them: what is rewritten as one. */
function openWindow<Body>(store: RunStore<Body>, mark: Mark, first: number): Window<Body> {
  const rows: Shelved<Body>[] = []
  const entries: Entry[] = []
  const chosen = choose(store, mark, first)
  for (const row of chosen.rows) {
    const found = store.unpack(row.run, mark.epoch, row.body)
    if (!found && row.run.first <= first) return { rows: [], entries, atEnd: false, broken: row }
    if (!found) return { rows, entries, atEnd: false }
    rows.push(row)
    entries.push(...found)
  }
  return { rows, entries, atEnd: chosen.atEnd }
}

/** Chooses rows without reading into them, because the rows' iterator must be done before anything is written. */
function choose<Body>(store: RunStore<Body>, mark: Mark, first: number) {
  const rows: Shelved<Body>[] = []
  let records = 0
  let bytes = 0
  for (const row of store.runsFrom(mark.epoch.counter, Math.max(mark.first, first - 1))) {
    const before = rows.at(-1)
    const isGapBefore = before === undefined && row.run.last < first
    if (isGapBefore && row.run.gap !== 'evicted') continue
    records += row.run.records
    bytes += store.sizeOf(row.body)
    const fits = rows.length < WINDOW_RUNS && records <= WINDOW_RECORDS && bytes <= WINDOW_BYTES
    const isNeeded = before === undefined || before.run.last < first
    if (!isNeeded && (!fits || row.run.first !== before.run.last + 1)) return { rows, atEnd: false }
    rows.push(row)
  }
  return { rows, atEnd: true }
}

interface Rewriting<Body> extends Job {
  readonly window: Window<Body>
}

function rewrite<Body>(store: RunStore<Body>, draft: Draft, job: Rewriting<Body>): void {
  const { window, mark, sweep, terms } = job
  const [head, ...others] = window.rows
  const last = window.rows.at(-1)?.run.last
  if (!head || last === undefined) return
  const first = Math.max(head.run.first, mark.acked + 1)
  // The centre already has the head of a group whose tail it has not confirmed.
  const unconfirmed = cutUpTo(window.entries, head.run.first, mark.acked)
  const rank = UP_TO[sweep]
  const entries = rank === undefined ? joinGaps(unconfirmed) : thin(unconfirmed, rank, terms.nowMs)
  const storedMs = Math.max(...window.rows.map(({ run }) => run.storedMs))
  const run = describe(entries, { epoch: head.run.epoch, first, storedMs, nowMs: terms.nowMs })
  const body = store.pack(run, mark.epoch, entries)
  const before = window.rows.reduce((sum, row) => sum + store.sizeOf(row.body), 0)
  // What would free nothing is left as it is, and nothing is lost for it.
  if (body && store.sizeOf(body) < before) {
    for (const row of others) store.remove(row.run)
    store.replace(head.run, run, body)
    if (first > head.run.first) draft.marks.set(head.run.epoch, cutHead(draft, head.run, { mark, first, terms }))
    if (rank !== undefined) {
      const isLost = (entry: Entry): boolean => entry.rank <= rank
      reportLost(draft, { entries: unconfirmed, isLost, reason: 'evicted', epoch: run.epoch, first })
    }
  }
  moveOn(draft, job, last)
}

interface Head {
  readonly mark: Mark
  readonly first: number
  readonly terms: Terms
}

function cutHead(draft: Draft, run: Shelved<unknown>['run'], { mark, first, terms }: Head): Mark {
  if (run.storedMs + terms.graceMs > terms.nowMs) draft.releasedEarly += first - mark.first
  return {
    ...mark,
    first,
    releasedFromMs: mark.releasedToMs === 0 ? run.fromMs : Math.min(mark.releasedFromMs, run.fromMs),
    releasedToMs: Math.max(mark.releasedToMs, run.toMs),
  }
}

interface Report {
  readonly entries: readonly Entry[]
  readonly isLost: (entry: Entry) => boolean
  readonly reason: GapReason
  readonly epoch: number
  /** Sequence number of the first entry. */
  readonly first: number
}

/** Enters every run of lost numbers by itself: between two of them stands what was kept. */
export function reportLost(draft: Draft, { entries, isLost, reason, epoch, first }: Report): void {
  let seq = first
  let run: Entry[] = []
  const close = (): void => {
    if (run.length === 0) return
    const { count, fixes, ranks } = sumOf(run)
    enterLoss(draft, { epoch, first: seq - count, last: seq - 1, reason, lostFixes: fixes, lostRanks: ranks })
    run = []
  }
  for (const entry of entries) {
    if (isLost(entry)) run.push(entry)
    else close()
    seq += seqSpan(entry.record)
  }
  close()
}
