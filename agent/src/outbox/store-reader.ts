import { existsSync } from 'node:fs'

import { BioTrakrError, type Compression, type GatewayId, type LedgerRecord, seqSpan } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import { openBlob } from './blob.ts'
import { loadDataKey } from './data-key.ts'
import { Dictionaries } from './dictionaries.ts'
import { inspectOutbox, type LedgerTally } from './inspect.ts'
import type { Mark, StoredRun } from './run-store.ts'
import { keyCheck } from './seal.ts'
import { Sqlite } from './sqlite-driver.ts'
import { sizeOf } from './sqlite-file.ts'
import { readMarks, rowsOfEpoch, type StoreRow } from './sqlite-rows.ts'
import { checkSchema } from './sqlite-schema.ts'
import { describe } from './thin.ts'

/** Problems named at most; more are only counted in the last line. */
const MAX_PROBLEMS = 100
const RECENT_MS = 3_600_000

interface StoreSummary extends LedgerTally {
  readonly path: string
  /** Version of the schema. */
  readonly version: number
  readonly rows: number
  /** On disk: file, log and ballast. */
  readonly bytes: number
  /** Of these what records take: freed pages are used again before the file grows. */
  readonly usedBytes: number
  readonly oldestMs: number | undefined
  /** The newest groups, at most an hour of them. */
  readonly recent: { readonly bytes: number; readonly spanMs: number }
}

interface Verdict {
  readonly epochs: number
  readonly groups: number
  readonly records: number
  readonly problems: readonly string[]
}

interface ReadGroup {
  readonly epoch: string
  readonly first: number
  readonly last: number
  readonly acked: number
  /** Undefined when the group cannot be read. */
  readonly records: readonly LedgerRecord[] | undefined
}

/** Looks into a store, read-only: a copy, one that was put aside, or one that an agent writes to meanwhile. */
export interface StoreReader {
  summary(): StoreSummary
  /** Checks the database itself, every sealed group, and that no sequence number is missing. */
  verify(): Verdict
  groups(): Iterable<ReadGroup>
  close(): void
}

interface ReaderOptions {
  readonly path: string
  /** Needed to look into groups; the summary does without. */
  readonly keyFile: string | undefined
  readonly compression: Compression
}

/** @throws BioTrakrError NOT_FOUND, OUTBOX_KEY, OUTBOX_SCHEMA, OUTBOX_OPEN or OUTBOX_DAMAGED */
export function createStoreReader({ path, keyFile, compression }: ReaderOptions): StoreReader {
  if (!existsSync(path)) {
    throw new BioTrakrError(`There is no outbox ${path}`, { code: 'NOT_FOUND', next: 'Check the data folder' })
  }
  const db = new Sqlite(path, { readonly: true, timeout: 2000 })
  try {
    checkSchema(db, path)
    return new Reader(db, { path, keyFile, compression })
  } catch (cause) {
    db.close()
    throw readError(path, cause)
  }
}

function readError(path: string, cause: unknown): BioTrakrError {
  if (cause instanceof BioTrakrError) return cause
  const next = 'Start the agent: it puts a damaged store aside and begins a new one'
  return new BioTrakrError(`Cannot read the outbox ${path}`, { code: 'OUTBOX_DAMAGED', cause, next })
}

class Reader implements StoreReader {
  readonly #db: Database
  readonly #options: ReaderOptions

  constructor(db: Database, options: ReaderOptions) {
    this.#db = db
    this.#options = options
  }

  summary(): StoreSummary {
    const { path } = this.#options
    const db = this.#db
    const number = (source: string): number => Number(db.pragma(source, { simple: true }))
    const newest = db.prepare<[], number | null>('SELECT max(stored_ms) FROM run').pluck().get() ?? 0
    const recent = db
      .prepare<[number], { bytes: number | null; since: number | null }>(
        'SELECT sum(length(body) + 120) AS bytes, min(stored_ms) AS since FROM run WHERE gap IS NULL AND stored_ms >= ?',
      )
      .get(newest - RECENT_MS)
    return {
      ...inspectOutbox(path),
      path,
      version: number('user_version'),
      rows: db.prepare<[], number>('SELECT count(*) FROM run').pluck().get() ?? 0,
      bytes: ['', '-wal', '-shm', '.ballast'].reduce((sum, part) => sum + sizeOf(`${path}${part}`), 0),
      usedBytes: (number('page_count') - number('freelist_count')) * number('page_size'),
      oldestMs: this.#oldestMs(),
      recent: { bytes: recent?.bytes ?? 0, spanMs: newest - (recent?.since ?? newest) },
    }
  }

  #oldestMs(): number | undefined {
    const oldest = this.#db.prepare<[], number | null>(
      'SELECT min(r.from_ms) FROM run r JOIN epoch e ON e.counter = r.epoch WHERE r.last > e.acked',
    )
    return oldest.pluck().get() ?? undefined
  }

  verify(): Verdict {
    try {
      return this.#db.transaction(() => this.#verify())()
    } catch (cause) {
      throw readError(this.#options.path, cause)
    }
  }

  #verify(): Verdict {
    const problems: string[] = []
    const check = this.#db.pragma('integrity_check', { simple: true })
    if (check !== 'ok') problems.push(`SQLite: ${String(check)}`)
    const marks = readMarks(this.#db)
    let groups = 0
    let records = 0
    const next = new Map(marks.map((mark) => [mark.epoch.counter, mark.first]))
    for (const { mark, run, entries } of this.#runs(marks)) {
      groups++
      records += run.last - run.first + 1
      const name = `epoch ${mark.epoch.counter}, ${run.first} to ${run.last}`
      const expected = next.get(run.epoch) ?? run.first
      if (run.first !== expected) problems.push(`${name}: numbers from ${expected} on are missing`)
      next.set(run.epoch, run.last + 1)
      if (!entries) problems.push(`${name}: cannot be opened`)
      else problems.push(...differences(run, entries).map((what) => `${name}: ${what}`))
    }
    for (const { epoch, last, first } of marks) {
      const end = next.get(epoch.counter) ?? first
      if (end <= last) problems.push(`epoch ${epoch.counter}: numbers from ${end} to ${last} are missing`)
    }
    if (problems.length > MAX_PROBLEMS) {
      const more = problems.length - MAX_PROBLEMS
      problems.splice(MAX_PROBLEMS, more, `and ${more} more`)
    }
    return { epochs: marks.length, groups, records, problems }
  }

  *groups(): Iterable<ReadGroup> {
    for (const { mark, run, entries } of this.#runs(readMarks(this.#db))) {
      const epoch = `${mark.epoch.counter}-${mark.epoch.nonce}`
      const records = entries?.map(({ record }) => record)
      yield { epoch, first: run.first, last: run.last, acked: mark.acked, records }
    }
  }

  *#runs(marks: readonly Mark[]) {
    const key = this.#key()
    const gateway = this.#store()?.gateway as GatewayId
    const dictionaries = new Dictionaries(this.#db, { key, gateway })
    const { compression } = this.#options
    for (const { epoch, ...mark } of marks) {
      // An agent may have added one since the epoch before was read.
      dictionaries.forget()
      for (const { run, body } of rowsOfEpoch(this.#db, epoch.counter)) {
        const label = { gateway, epoch, first: run.first, last: run.last }
        const dictionary = dictionaries.inForce(epoch, run.first)
        yield { mark: { epoch, ...mark }, run, entries: openBlob(body, { key, label, dictionary, compression }) }
      }
    }
  }

  #store(): StoreRow | undefined {
    return this.#db.prepare<[], StoreRow>('SELECT * FROM store').get()
  }

  #key() {
    const { path, keyFile } = this.#options
    if (keyFile === undefined) {
      throw new BioTrakrError(`The key of ${path} is needed`, { code: 'USAGE', next: 'Name it with --key' })
    }
    const key = loadDataKey(path, { keyFile, isFreshStore: false })
    if (this.#store()?.key_check.equals(keyCheck(key))) return key
    throw new BioTrakrError(`The key ${keyFile} is not the key of the outbox ${path}`, {
      code: 'OUTBOX_KEY',
      next: 'Name the key file that belongs to this store',
    })
  }

  close(): void {
    this.#db.close()
  }
}

/** What the row says of a group against what is in it. */
function differences(run: StoredRun, entries: Parameters<typeof describe>[0]): string[] {
  const found = describe(entries, { epoch: run.epoch, first: run.first, storedMs: run.storedMs, nowMs: run.storedMs })
  const covered = entries.reduce((sum, { record }) => sum + seqSpan(record), 0)
  const wrong: string[] = []
  if (covered !== run.last - run.first + 1) wrong.push(`holds ${covered} numbers`)
  for (const what of ['records', 'fixes', 'gap'] as const) {
    if (found[what] !== run[what]) wrong.push(`${what} ${String(found[what])}, its row says ${String(run[what])}`)
  }
  return wrong
}
