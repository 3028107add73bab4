import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import { syncFolder } from './data-key.ts'
import { Sqlite } from './sqlite-driver.ts'

/**
 * Of a new store; one that is there keeps its own. A commit writes whole pages, and most of them for a few bytes in the
 * books: at 200 fixes a second pages of 4,096 bytes cost 2.1 GB a day, of 2,048 bytes 1.6 GB, of 1,024 bytes 1.2 GB.
 */
const NEW_PAGE_BYTES = 1024
/** A page in the write-ahead log has a header of 24 bytes (sqlite.org/fileformat2.html, section 4.1). */
const FRAME_HEADER_BYTES = 24
/** More than one transaction writes: a group of 200 records of the largest size, and what gives way to it. */
const TRANSACTION_BYTES = 512 * 1024
/** The log's index has 32 KiB for each 4,096 frames. */
const INDEX_BYTES = 32_768
const INDEX_FRAMES = 4096
const LEAST_CHECKPOINT_BYTES = 128 * 1024
const MOST_CHECKPOINT_BYTES = 4096 * 1000
/** How long a commit waits for another program's transaction. The agent stands still meanwhile. */
const BUSY_MS = 250

export interface Bounds {
  readonly pageBytes: number
  /** Pages in the log after which it is written back into the file. */
  readonly checkpointPages: number
  /** Size of the log beyond which nothing more is stored until it has been emptied. */
  readonly logBytes: number
  readonly maxPages: number
}

/** Divides `maxBytes` between file, write-ahead log and ballast: the file takes what the others at their largest leave. */
export function boundsOf(
  db: Database,
  { maxBytes, ballast }: { readonly maxBytes: number; readonly ballast: number },
): Bounds {
  const pageBytes = Number(db.pragma('page_size', { simple: true }))
  const frameBytes = pageBytes + FRAME_HEADER_BYTES
  const checkpointBytes = Math.min(MOST_CHECKPOINT_BYTES, Math.max(LEAST_CHECKPOINT_BYTES, Math.floor(maxBytes / 64)))
  const checkpointPages = Math.floor(checkpointBytes / pageBytes)
  const transactionPages = TRANSACTION_BYTES / pageBytes
  const logPages = 2 * checkpointPages + transactionPages
  const mostPages = logPages + transactionPages
  const logAtWorst = mostPages * frameBytes + Math.ceil((mostPages + 34) / INDEX_FRAMES) * INDEX_BYTES
  return {
    pageBytes,
    checkpointPages,
    logBytes: logPages * frameBytes,
    maxPages: Math.floor((maxBytes - logAtWorst - ballast) / pageBytes),
  }
}

/** Smallest `maxBytes`: less would be all log. */
export const MIN_MAX_BYTES = 4 * 1024 * 1024

export function isFresh(path: string): boolean {
  return sizeOf(path) === 0 && sizeOf(`${path}-wal`) === 0
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * Opens the file, or makes it with mode 0600 (the log gets the mode of the file). Nothing is written to it yet.
 * @throws SqliteError, for example SQLITE_NOTADB
 */
export function connect(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'a', 0o600))
  const db = new Sqlite(path, { timeout: BUSY_MS })
  // Says nothing to a file that has pages already.
  db.pragma(`page_size = ${NEW_PAGE_BYTES}`)
  return db
}

/** Durability and size: FULL, because NORMAL loses the newest commits with the power, and they may have been sent. */
export function configure(db: Database, { pageBytes, checkpointPages, maxPages }: Bounds): void {
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  db.pragma(`journal_size_limit = ${checkpointPages * (pageBytes + FRAME_HEADER_BYTES)}`)
  db.pragma('cache_size = -8000')
  db.pragma(`max_page_count = ${maxPages}`)
}

/**
 * Holds `<path>.lock` for as long as the process lives; the system lets go of it however the process ends.
 * @throws BioTrakrError OUTBOX_OPEN when another process has the store open
 */
export function lock(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // SQLite has one code for all reasons why a file cannot be made; the system tells a read-only disk from a wrong path.
  closeSync(openSync(`${path}.lock`, 'a', 0o600))
  const holder = new Sqlite(`${path}.lock`, { timeout: 0 })
  try {
    holder.pragma('locking_mode = EXCLUSIVE')
    holder.exec('BEGIN EXCLUSIVE')
    return holder
  } catch (cause) {
    holder.close()
    if (!(cause instanceof Sqlite.SqliteError && cause.code === 'SQLITE_BUSY')) throw cause
    throw new BioTrakrError(`The outbox ${path} is open in another process`, {
      code: 'OUTBOX_OPEN',
      cause,
      next: 'End the other agent first; two agents must not share one store',
    })
  }
}

/** Damaged stores that are kept to be looked into; each may be as large as the store's bound. */
const KEPT_ASIDE = 2

/** Renames a damaged store, log included. Of those before it only the newest stays. @returns its new path */
export function putAside(path: string): string {
  const older = asideNumbers(path)
  const aside = `${path}.damaged-${(older.at(-1) ?? 0) + 1}`
  for (const part of ['-wal', '-shm', '']) {
    if (existsSync(`${path}${part}`)) renameSync(`${path}${part}`, `${aside}${part}`)
  }
  for (const n of older.slice(0, Math.max(0, older.length + 1 - KEPT_ASIDE))) {
    for (const part of ['-wal', '-shm', '']) rmSync(`${path}.damaged-${n}${part}`, { force: true })
  }
  syncFolder(dirname(path))
  return aside
}

function asideNumbers(path: string): number[] {
  const prefix = `${basename(path)}.damaged-`
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter((n) => Number.isInteger(n) && n > 0)
    .sort((a, b) => a - b)
}

export function isFull(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code === 'SQLITE_FULL'
}

export function isDamage(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB)/.test(error.code)
}

/** Failures that pass: no space, a disk that answers with errors, another program's lock. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof Sqlite.SqliteError &&
    /^SQLITE_(?:FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|PROTOCOL|NOMEM)/.test(error.code)
  )
}

/** Of these the ones after which an open file is not to be trusted, because the disk may be another one when it is back. */
export function isDiskFault(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && /^SQLITE_(?:IOERR|READONLY|CANTOPEN|PROTOCOL)/.test(error.code)
}

const DISK_ERRORS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

/** The disk is full, read-only or failing, whichever step found out: not a wrong path or a missing right. */
export function isDiskTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof Sqlite.SqliteError) return /^SQLITE_(?:FULL|IOERR|READONLY)/.test(error.code)
  return ('code' in error && DISK_ERRORS.has(String(error.code))) || isDiskTrouble(error.cause)
}
