import { type LedgerRecord, seqSpan } from '@biotrakr/shared'

import type { Entry } from './rank.ts'
import type { Mark, RunStore, Shelved, StoredRun } from './run-store.ts'

/** With it a message stays below the 256 KiB that one may have: its compression takes more than twice what blobs take. */
const BATCH_BYTES = 100_000

export interface Gathered {
  readonly records: readonly LedgerRecord[]
  /** Last sequence number that `records` covers. */
  readonly last: number
  /** Set when nothing could be read at the start: the run that must be covered by a gap before reading goes on. */
  readonly broken?: { readonly first: number; readonly last: number; readonly run: StoredRun | undefined }
}

/** Reads records of one epoch from sequence number `from` on: whole groups, at most `limit` records. */
export function gather<Body>(
  store: RunStore<Body>,
  mark: Mark,
  { from, limit }: { readonly from: number; readonly limit: number },
): Gathered {
  const shelved = pick(store, mark, { from, limit })
  const head = shelved[0]?.run
  if (!head || head.first > from) {
    return {
      records: [],
      last: from - 1,
      broken: { first: from, last: head ? head.first - 1 : mark.last, run: undefined },
    }
  }
  const out: LedgerRecord[] = []
  let next = from
  for (const { run, body } of shelved) {
    const entries = store.unpack(run, mark.epoch, body)
    if (!entries) {
      if (out.length > 0) break
      // What the centre has confirmed of an unreadable group is not lost, unless it is just being read again.
      const first = Math.max(run.first, Math.min(from, mark.acked + 1))
      return { records: out, last: from - 1, broken: { first, last: run.last, run } }
    }
    next = take(out, entries, { firstSeq: run.first, from, limit })
  }
  return { records: out, last: next - 1 }
}

/** Chooses rows without reading into them, because the rows' iterator must be done before anything is written. */
function pick<Body>(
  store: RunStore<Body>,
  mark: Mark,
  { from, limit }: { readonly from: number; readonly limit: number },
): readonly Shelved<Body>[] {
  const shelved: Shelved<Body>[] = []
  let records = 0
  let bytes = 0
  let next = 0
  for (const row of store.runsFrom(mark.epoch.counter, from)) {
    records += row.run.records
    bytes += row.bytes
    const isFirst = shelved.length === 0
    if (!isFirst && (row.run.first !== next || records > limit || bytes > BATCH_BYTES)) break
    shelved.push(row)
    next = row.run.last + 1
    if (records >= limit) break
  }
  return shelved
}

interface Cut {
  readonly firstSeq: number
  readonly from: number
  readonly limit: number
}

/** Adds what lies at or behind `from`, at most `limit` in all. @returns the sequence number behind the last one added */
function take(out: LedgerRecord[], entries: readonly Entry[], { firstSeq, from, limit }: Cut): number {
  let seq = firstSeq
  for (const { record } of entries) {
    if (out.length >= limit) break
    const next = seq + seqSpan(record)
    if (next > from) out.push(seq < from && record.kind === 'gap' ? { ...record, count: next - from } : record)
    seq = next
  }
  return seq
}
