import { randomBytes } from 'node:crypto'

import { type Epoch, GAP_REASON, type GapReason } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import { NO_RANKS, type RankCounts } from './rank.ts'
import { type Mark, type NewRun, type Shelved, type Sought, type StoredRun, SWEEPS, type Sweep } from './run-store.ts'

export interface StoreRow {
  readonly gateway: string
  readonly nonce: string
  readonly key_check: Buffer
  readonly counter: number
  /** 1 while an agent has it open, or when the last one did not close it. */
  readonly is_open: number
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
  readonly telemetry: number
  readonly same_room: number
  readonly room_change: number
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
  /** Absent in version 1, as all that follow. */
  readonly lost_telemetry?: number
  readonly lost_same_room?: number
  readonly lost_room_change?: number
  readonly swept_join?: number
  readonly swept_telemetry?: number
  readonly swept_same_room?: number
  readonly swept_room_change?: number
}

const REASONS = new Map<number, GapReason>(
  Object.entries(GAP_REASON).map(([reason, code]) => [code, reason as GapReason]),
)

function toRun(row: Omit<RunRow, 'body'>): StoredRun {
  const { id, epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms } = row
  const reason = gap === null ? undefined : (REASONS.get(gap) ?? 'corrupt')
  const times = { fromMs: from_ms, toMs: to_ms, storedMs: stored_ms }
  return { id, epoch, first, last, records, fixes, events, gap: reason, ...ranksOf(row), ...times }
}

function ranksOf(row: Omit<RunRow, 'body'>): RankCounts {
  const { telemetry, same_room: sameRoom, room_change: roomChange, gap, records, fixes, events } = row
  if (telemetry >= 0) return { telemetry, sameRoom, roomChange }
  return gap === null ? { telemetry: records - fixes - events, sameRoom: 0, roomChange: fixes } : NO_RANKS
}

function toColumns(run: NewRun) {
  const gap = run.gap === undefined ? null : GAP_REASON[run.gap]
  return { ...run, gap }
}

/** Epochs of which nothing is held any more stay in the books for this many openings. */
const KEPT_EPOCHS = 1000

/** The counter never goes back while the store lives; the nonce tells a restored image from the original. */
export function beginEpoch(db: Database, nowMs: number): Epoch {
  const counter =
    db.prepare<[], number>('UPDATE store SET counter = counter + 1, is_open = 1 RETURNING counter').pluck().get() ?? 0
  db.prepare(
    `DELETE FROM epoch WHERE (last = 0 OR counter < ?) AND NOT EXISTS (SELECT 1 FROM run WHERE run.epoch = epoch.counter)`,
  ).run(counter - KEPT_EPOCHS)
  const nonce = randomBytes(8).toString('hex')
  db.prepare('INSERT INTO epoch (counter, nonce, opened_ms) VALUES (?, ?, ?)').run(counter, nonce, Math.floor(nowMs))
  return { counter, nonce }
}

/** Every epoch in order of opening. `first` is the lowest sequence number that still has a row. */
export function readMarks(db: Database): Mark[] {
  const rows = db
    .prepare<[], MarkRow>(
      `SELECT e.*, coalesce((SELECT r.first FROM run r WHERE r.epoch = e.counter ORDER BY r.last LIMIT 1), e.last + 1) AS first
       FROM epoch e ORDER BY e.counter`,
    )
    .all()
  return rows.map(toMark)
}

function toMark(row: MarkRow): Mark {
  const { counter, nonce, first, last, acked, fixes, lost } = row
  return {
    epoch: { counter, nonce },
    ...{ first, last, acked, fixes, lost, lostFixes: row.lost_fixes },
    lostRanks: {
      telemetry: row.lost_telemetry ?? 0,
      sameRoom: row.lost_same_room ?? 0,
      roomChange: row.lost_room_change ?? 0,
    },
    releasedFromMs: row.released_from_ms,
    releasedToMs: row.released_to_ms,
    swept: {
      join: row.swept_join ?? 0,
      telemetry: row.swept_telemetry ?? 0,
      sameRoom: row.swept_same_room ?? 0,
      roomChange: row.swept_room_change ?? 0,
    },
  }
}

/** The statements of an open store. */
export interface Rows {
  saveMark(mark: Mark): void
  insert(run: NewRun, body: Uint8Array): void
  replace(id: number, run: NewRun, body: Uint8Array): void
  remove(id: number): void
  from(epoch: number, seq: number): IterableIterator<Shelved<Uint8Array>>
  seek(epoch: number, behind: number, sweep: Sweep): Sought
  pages(): { readonly used: number; readonly free: number; readonly most: number }
}

const BASE_COLUMNS = 'id, epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms'
const RUN_COLUMNS = `${BASE_COLUMNS}, telemetry, same_room, room_change`

export function prepareRows(db: Database): Rows {
  const save = db.prepare(
    `UPDATE epoch SET last = @last, acked = @acked, fixes = @fixes, lost = @lost, lost_fixes = @lostFixes,
       released_from_ms = @releasedFromMs, released_to_ms = @releasedToMs, lost_telemetry = @lostTelemetry,
       lost_same_room = @lostSameRoom, lost_room_change = @lostRoomChange, swept_join = @join,
       swept_telemetry = @telemetry, swept_same_room = @sameRoom, swept_room_change = @roomChange
     WHERE counter = @counter`,
  )
  const insert = db.prepare(
    `INSERT INTO run (epoch, first, last, records, fixes, events, gap, from_ms, to_ms, stored_ms, body,
       telemetry, same_room, room_change)
     VALUES (@epoch, @first, @last, @records, @fixes, @events, @gap, @fromMs, @toMs, @storedMs, @body,
       @telemetry, @sameRoom, @roomChange)`,
  )
  const replace = db.prepare(
    `UPDATE run SET first = @first, last = @last, records = @records, fixes = @fixes, events = @events, gap = @gap,
       from_ms = @fromMs, to_ms = @toMs, stored_ms = @storedMs, body = @body,
       telemetry = @telemetry, same_room = @sameRoom, room_change = @roomChange WHERE id = @id`,
  )
  const remove = db.prepare('DELETE FROM run WHERE id = ?')
  const from = db.prepare<[number, number], RunRow>(
    `SELECT ${RUN_COLUMNS}, body FROM run WHERE epoch = ? AND last >= ? ORDER BY last`,
  )
  const usedPages = db.prepare<[], number>('PRAGMA page_count').pluck()
  const mostPages = Number(db.pragma('max_page_count', { simple: true }))
  const freePages = db.prepare<[], number>('PRAGMA freelist_count').pluck()
  const seek = runSeeker(db)
  return {
    saveMark({ epoch, swept, lostRanks, ...mark }) {
      const { telemetry: lostTelemetry, sameRoom: lostSameRoom, roomChange: lostRoomChange } = lostRanks
      save.run({ ...mark, ...swept, lostTelemetry, lostSameRoom, lostRoomChange, counter: epoch.counter })
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
    seek,
    pages: () => ({ used: usedPages.get() ?? 0, free: freePages.get() ?? 0, most: mostPages }),
  }
}

/** All runs of an epoch in order, for a reader that has the file open read-only; version 1 has no ranks. */
export function* rowsOfEpoch(db: Database, epoch: number): Iterable<Shelved<Uint8Array>> {
  const isRanked = Number(db.pragma('user_version', { simple: true })) >= 2
  const columns = isRanked ? RUN_COLUMNS : `${BASE_COLUMNS}, -1 AS telemetry, 0 AS same_room, 0 AS room_change`
  const rows = db.prepare<[number], RunRow>(`SELECT ${columns}, body FROM run WHERE epoch = ? ORDER BY last`)
  for (const row of rows.iterate(epoch)) yield { run: toRun(row), body: row.body, bytes: row.body.length }
}

/** Runs looked through in one go: an index would spare that, but cost a page write in every commit. */
const SEEK_RUNS = 256

const CONCERNS: Readonly<Record<Sweep, string>> = {
  // Two of these fit into one window; larger ones are as good as joined.
  join: 'length(body) < 24000',
  telemetry: 'telemetry <> 0',
  sameRoom: 'telemetry <> 0 OR same_room > 0',
  roomChange: 'telemetry <> 0 OR same_room > 0 OR room_change > 0',
}

interface SeekRow {
  readonly first: number
  readonly last: number
  readonly hit: number
}

function runSeeker(db: Database): Rows['seek'] {
  const statement = (sweep: Sweep) =>
    db.prepare<[number, number, number], SeekRow>(
      `SELECT first, last, gap IS NULL AND (${CONCERNS[sweep]}) AS hit FROM run
       WHERE epoch = ? AND last > ? ORDER BY last LIMIT ?`,
    )
  const statements = Object.fromEntries(SWEEPS.map((sweep) => [sweep, statement(sweep)]))
  return (epoch, behind, sweep) => {
    let seenTo = behind
    for (const { first, last, hit } of statements[sweep]?.iterate(epoch, behind, SEEK_RUNS) ?? []) {
      if (hit === 1) return { first, seenTo }
      seenTo = last
    }
    return { first: undefined, seenTo }
  }
}
