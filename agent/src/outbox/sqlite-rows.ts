import { GAP_REASON, type GapReason } from '@biotrakr/shared'
import type { Database, Statement } from 'better-sqlite3'

import type { Mark, NewRun, Shelved, StoredRun } from './run-store.ts'

export interface StoreRow {
  readonly gateway: string
  readonly nonce: string
  readonly key_check: Buffer
  readonly counter: number
}

interface RunRow {
  readonly id: number
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly records: number
  readonly fixes: number
  readonly events: number
  readonly gap: number | null
  readonly from_ms: number
  readonly to_ms: number
  readonly stored_ms: number
  readonly body: Buffer
}

interface MarkRow {
  readonly counter: number
  readonly nonce: string
  readonly first: number
  readonly last: number
  readonly acked: number
  readonly fixes: number
  readonly lost: number
  readonly lost_fixes: number
  readonly released_from_ms: number
  readonly released_to_ms: number
}

const REASONS = new Map<number, GapReason>(
  Object.entries(GAP_REASON).map(([reason, code]) => [code, reason as GapReason]),
)

function toRun(row: Omit<RunRow, 'body'>): StoredRun {
  const { id, epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms } = row
  const reason = gap === null ? undefined : (REASONS.get(gap) ?? 'corrupt')
  const times = { fromMs: from_ms, toMs: to_ms, storedMs: stored_ms }
  return { id, epoch, first, last, records, fixes, events, gap: reason, ...times }
}

function toColumns(run: NewRun) {
  const gap = run.gap === undefined ? null : GAP_REASON[run.gap]
  return { ...run, gap }
}

/** Every epoch in order of opening. `first` is the lowest sequence number that still has a row. */
export function readMarks(db: Database): Mark[] {
  const rows = db
    .prepare<[], MarkRow>(
      `SELECT e.*, coalesce((SELECT r.first FROM run r WHERE r.epoch = e.counter ORDER BY r.last LIMIT 1), e.last + 1) AS first
       FROM epoch e ORDER BY e.counter`,
    )
    .all()
  return rows.map(({ counter, nonce, first, last, acked, fixes, lost, ...rest }) => ({
    epoch: { counter, nonce },
    ...{ first, last, acked, fixes, lost, lostFixes: rest.lost_fixes },
    releasedFromMs: rest.released_from_ms,
    releasedToMs: rest.released_to_ms,
  }))
}

/** The statements of an open store. */
export interface Rows {
  saveMark(mark: Mark): void
  insert(run: NewRun, body: Uint8Array): void
  replace(id: number, run: NewRun, body: Uint8Array): void
  remove(id: number): void
  from(epoch: number, seq: number): IterableIterator<Shelved<Uint8Array>>
  oldestGroup(): StoredRun | undefined
  /** The next group that `oldestGroup` would pass over was undone: look at every row again. */
  forgetPlace(): void
  pages(): { readonly used: number; readonly free: number; readonly most: number }
}

const RUN_COLUMNS = 'id, epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms'

export function prepareRows(db: Database): Rows {
  const save = db.prepare(
    `UPDATE epoch SET last = @last, acked = @acked, fixes = @fixes, lost = @lost, lost_fixes = @lostFixes,
       released_from_ms = @releasedFromMs, released_to_ms = @releasedToMs WHERE counter = @counter`,
  )
  const insert = db.prepare(
    `INSERT INTO run (epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms, body)
     VALUES (@epoch, @first, @last, @records, @fixes, @events, @gap, @fromMs, @toMs, @storedMs, @body)`,
  )
  const replace = db.prepare(
    `UPDATE run SET first = @first, last = @last, records = @records, fixes = @fixes, events = @events, gap = @gap,
       from_ms = @fromMs, to_ms = @toMs, stored_ms = @storedMs, body = @body WHERE id = @id`,
  )
  const remove = db.prepare('DELETE FROM run WHERE id = ?')
  const from = db.prepare<[number, number], RunRow>(
    `SELECT ${RUN_COLUMNS}, body FROM run WHERE epoch = ? AND last >= ? ORDER BY last`,
  )
  const usedPages = db.prepare<[], number>('PRAGMA page_count').pluck()
  const mostPages = Number(db.pragma('max_page_count', { simple: true }))
  const freePages = db.prepare<[], number>('PRAGMA freelist_count').pluck()
  const oldest = groupFinder(db)
  return {
    saveMark({ epoch, ...mark }) {
      save.run({ ...mark, counter: epoch.counter })
    },
    insert(run, body) {
      insert.run({ ...toColumns(run), body })
    },
    replace(id, run, body) {
      replace.run({ ...toColumns(run), id, body })
    },
    remove(id) {
      remove.run(id)
    },
    *from(epoch, seq) {
      for (const row of from.iterate(epoch, seq)) yield { run: toRun(row), body: row.body, bytes: row.body.length }
    },
    ...oldest,
    pages: () => ({ used: usedPages.get() ?? 0, free: freePages.get() ?? 0, most: mostPages }),
  }
}

/**
 * Finds the next group to evict. Groups without tag events go first, so rows that were passed over (gaps, and groups
 * with events) stay at the head; remembering how far that head reaches keeps each search short without an index that
 * would cost a page write in every commit.
 */
function groupFinder(db: Database): Pick<Rows, 'oldestGroup' | 'forgetPlace'> {
  const find = (events: string): Statement<[number, number], Omit<RunRow, 'body'>> =>
    db.prepare(
      `SELECT ${RUN_COLUMNS} FROM run WHERE (epoch, last) > (?, ?) AND gap IS NULL AND events ${events}
       ORDER BY epoch, last LIMIT 1`,
    )
  const searches = [
    { statement: find('= 0'), epoch: 0, last: 0 },
    { statement: find('> 0'), epoch: 0, last: 0 },
  ]
  return {
    oldestGroup() {
      for (const search of searches) {
        const row = search.statement.get(search.epoch, search.last)
        if (!row) continue
        search.epoch = row.epoch
        search.last = row.last - 1
        return toRun(row)
      }
      return undefined
    },
    forgetPlace() {
      for (const search of searches) {
        search.epoch = 0
        search.last = 0
      }
    },
  }
}
