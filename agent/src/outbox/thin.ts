import { type Gap, type LedgerRecord, seqSpan } from '@biotrakr/shared'

import { countRanks, type Entry, RANK, type Rank, type RankCounts } from './rank.ts'
import type { NewRun } from './run-store.ts'

/** Puts gaps in the place of all records up to `rank`, each joined with the evicted gaps beside it. */
export function thin(entries: readonly Entry[], rank: Rank, nowMs: number): readonly Entry[] {
  const kept: Entry[] = []
  for (const entry of entries) push(kept, entry.rank <= rank ? gapOver(entry.record, nowMs) : entry)
  return kept
}

function push(entries: Entry[], entry: Entry): void {
  const before = entries.at(-1)?.record
  const { record } = entry
  if (before?.kind !== 'gap' || record.kind !== 'gap' || before.reason !== record.reason) {
    entries.push(entry)
    return
  }
  entries[entries.length - 1] = {
    rank: RANK.kept,
    record: {
      ...before,
      count: before.count + record.count,
      fromMs: Math.min(before.fromMs, record.fromMs),
      toMs: Math.max(before.toMs, record.toMs),
    },
  }
}

function gapOver(record: LedgerRecord, nowMs: number): Entry {
  const times = timesOf(record, nowMs)
  return { rank: RANK.kept, record: { kind: 'gap', count: seqSpan(record), reason: 'evicted', ...times } }
}

/** Joins gaps of one reason that stand beside each other. */
export function joinGaps(entries: readonly Entry[]): readonly Entry[] {
  const joined: Entry[] = []
  for (const entry of entries) push(joined, entry)
  return joined
}

/** Leaves out what lies up to `seq`; a gap that reaches across is shortened. */
export function cutUpTo(entries: readonly Entry[], firstSeq: number, seq: number): readonly Entry[] {
  if (seq < firstSeq) return entries
  const left: Entry[] = []
  let next = firstSeq
  for (const entry of entries) {
    const at = next
    next += seqSpan(entry.record)
    if (at > seq) left.push(entry)
    else if (next - 1 > seq && entry.record.kind === 'gap') {
      left.push({ ...entry, record: { ...entry.record, count: next - 1 - seq } })
    }
  }
  return left
}

/** Whole milliseconds, whatever the record says: a gap over a bad record must itself be a good one. */
export function timesOf(record: LedgerRecord, nowMs: number): { fromMs: number; toMs: number } {
  if (record.kind === 'opaque') return { fromMs: nowMs, toMs: nowMs }
  const [from, to] = record.kind === 'gap' ? [record.fromMs, record.toMs] : [record.atMs, record.atMs]
  return { fromMs: from >= 0 ? Math.floor(from) : nowMs, toMs: to >= 0 ? Math.ceil(to) : nowMs }
}

export interface Loss {
  readonly count: number
  readonly fixes: number
  readonly ranks: RankCounts
}

export function sumOf(entries: readonly Entry[]): Loss {
  let count = 0
  let fixes = 0
  for (const { record } of entries) {
    count += seqSpan(record)
    if (record.kind === 'fix') fixes++
  }
  return { count, fixes, ranks: countRanks(entries) }
}

interface Place {
  readonly epoch: number
  readonly first: number
  readonly storedMs: number
  readonly nowMs: number
}

/** The run that `entries` make when the first of them is number `first`. */
export function describe(entries: readonly Entry[], { epoch, first, storedMs, nowMs }: Place): NewRun {
  const { count, fixes, ranks } = sumOf(entries)
  let fromMs = Number.POSITIVE_INFINITY
  let toMs = Number.NEGATIVE_INFINITY
  let events = 0
  for (const { record, rank } of entries) {
    if (rank === RANK.kept && record.kind !== 'gap') events++
    const times = timesOf(record, nowMs)
    fromMs = Math.min(fromMs, times.fromMs)
    toMs = Math.max(toMs, times.toMs)
  }
  const only = entries.length === 1 ? entries[0]?.record : undefined
  const gap: Gap['reason'] | undefined = only?.kind === 'gap' ? only.reason : undefined
  const shape = { records: entries.length, fixes, events, ...ranks, gap }
  return { epoch, first, last: first + count - 1, ...shape, fromMs, toMs, storedMs }
}
