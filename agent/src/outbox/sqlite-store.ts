import { type KeyObject, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'

import {
  BioTrakrError,
  type Clock,
  type Compression,
  decodeBatch,
  type Epoch,
  encodeBatch,
  type GatewayId,
} from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import { Ballast, ballastBytes } from './ballast.ts'
import { openBlob, sealBlob, uncompressed } from './blob.ts'
import { keyHelp, loadDataKey } from './data-key.ts'
import { Dictionaries } from './dictionaries.ts'
import { unconfirmedIn } from './inspect.ts'
import type { Entry } from './rank.ts'
import type { Mark, NewRun, Opened, RunStore, Shelved, Sought, StoredRun, Sweep, Trouble } from './run-store.ts'
import { createSampler, type Sampler } from './sampler.ts'
import { type GroupLabel, keyCheck } from './seal.ts'
import {
  type Bounds,
  boundsOf,
  configure,
  connect,
  isDamage,
  isDiskFault,
  isDiskTrouble,
  isFresh,
  isFull,
  isPassing,
  lock,
  putAside,
  sizeOf,
} from './sqlite-file.ts'
import { beginEpoch, prepareRows, type Rows, readMarks, type StoreRow } from './sqlite-rows.ts'
import { checkSchema, migrate } from './sqlite-schema.ts'

/** Kept free for small writes that must always succeed: marks, gaps, the epoch of the next opening. */
const RESERVE_BYTES = 48 * 1024
/** What a dictionary takes when nothing of it can be compressed. */
const DICTIONARY_BYTES = 24 * 1024
/** Confirmed groups that are let go of together, so that not every commit writes the pages at the store's old end. */
const MOST_RELEASED = 64
/** And at most this part of the store, when groups have the usual size. */
const RELEASED_PART = 64
const GROUP_BYTES = 2048

export interface SqliteStoreOptions {
  readonly path: string
  readonly keyFile: string
  readonly gateway: GatewayId
  readonly compression: Compression
  readonly clock: Pick<Clock, 'wallMs'>
  readonly maxBytes: number
  readonly onDamaged?: ((damage: { readonly path: string; readonly cause: unknown }) => void) | undefined
}

interface Session {
  readonly db: Database
  readonly rows: Rows
  readonly dictionaries: Dictionaries
  readonly sampler: Sampler
  readonly epoch: Epoch
  readonly bounds: Bounds
  readonly transact: (work: () => void) => void
}

/** What was sealed last, still readable. */
interface Packed {
  readonly body: Uint8Array
  readonly raw: Uint8Array
}

/** Runs in a SQLite file, each group of records one AES-256-GCM blob over a wire batch. */
export class SqliteStore implements RunStore<Uint8Array> {
  readonly #options: SqliteStoreOptions
  readonly #ballast: Ballast
  /** The ballast was let go of, and nobody has tried again yet. */
  #hasGained = false
  #lock: Database | undefined
  #key: KeyObject | undefined
  #session: Session | undefined
  #packed: Packed | undefined

  constructor(options: SqliteStoreOptions) {
    this.#options = options
    this.#ballast = new Ballast(`${options.path}.ballast`, ballastBytes(options.maxBytes))
  }

  /** Opens the store and begins a new epoch, durable before it returns. */
  open(): Opened {
    try {
      return this.#tryOpen()
    } catch (error) {
      // An epoch is a few pages: on a full disk they take the place of the ballast.
      if (isDiskTrouble(error) && this.#ballast.drop()) return this.#tryOpen()
      throw error
    }
  }

  #tryOpen(): Opened {
    const { path, keyFile } = this.#options
    try {
      this.#lock = lock(path)
      this.#key = loadDataKey(path, { keyFile, isFreshStore: isFresh(path) })
      return this.#openOrReplace()
    } catch (error) {
      this.close()
      throw openError(path, error)
    }
  }

  reopen(): Opened {
    try {
      this.#closeFile()
      this.#lock?.close()
    } catch (error) {
      if (!isPassing(error)) throw error
    }
    this.#session = undefined
    this.#lock = undefined
    return this.open()
  }

  replaceDamaged(cause: unknown): Opened {
    const { path, onDamaged } = this.#options
    this.#closeFile()
    const damagedRecords = unconfirmedIn(path)
    const damaged = putAside(path)
    onDamaged?.({ path: damaged, cause })
    return { ...this.#openFile(), damaged, damagedRecords }
  }

  transact(work: () => void): void {
    this.#ballast.refill()
    this.#keepLogShort()
    const { transact, dictionaries, sampler } = this.#in()
    try {
      let isRenewed = false
      transact(() => {
        isRenewed = this.#renewDictionary()
        work()
      })
      if (isRenewed) sampler.renewed()
    } catch (error) {
      dictionaries.forget()
      if (isFull(error)) this.#hasGained = this.#ballast.drop()
      throw error
    }
  }

  saveMark(mark: Mark): void {
    this.#in().rows.saveMark(mark)
  }

  pack(run: NewRun, epoch: Epoch, entries: readonly Entry[]): Uint8Array | undefined {
    const { gateway } = this.#options
    const { first, last } = run
    const records = entries.map(({ record }) => record)
    const batch = encodeBatch({ gateway, epoch, first, last, records }, uncompressed)
    // Read back once while the records are still at hand: a single bad one would take its whole group along later.
    if (!decodeBatch(batch, uncompressed).ok) return undefined
    const body = sealBlob(batch, entries, this.#lockOf(run, epoch))
    this.#packed = { body, raw: batch }
    return body
  }

  unpack(run: StoredRun, epoch: Epoch, body: Uint8Array): readonly Entry[] | undefined {
    return openBlob(body, { ...this.#lockOf(run, epoch), compression: this.#options.compression })
  }

  lacksRoom(body: Uint8Array): boolean {
    // While a dictionary is wished for, its pages are made free as well: without it every group takes twice the room.
    const wished = this.#in().sampler.due() ? DICTIONARY_BYTES : 0
    return this.#freeBytes() < RESERVE_BYTES + wished + body.length
  }

  get releaseRuns(): number {
    const { bounds } = this.#in()
    const part = (bounds.maxPages * bounds.pageBytes) / RELEASED_PART
    return Math.max(1, Math.min(MOST_RELEASED, Math.floor(part / GROUP_BYTES)))
  }

  #freeBytes(): number {
    const { rows, bounds } = this.#in()
    const { used, free, most } = rows.pages()
    return ((this.isTight() ? 0 : most - used) + free) * bounds.pageBytes
  }

  /** @returns true when there is a new one, provided that the transaction commits */
  #renewDictionary(): boolean {
    const { sampler, dictionaries, epoch } = this.#in()
    const bytes = sampler.due()
    if (!bytes || this.#freeBytes() < RESERVE_BYTES + DICTIONARY_BYTES) return false
    dictionaries.add(epoch, bytes)
    return true
  }

  sizeOf(body: Uint8Array): number {
    return body.length
  }

  insert(run: NewRun, body: Uint8Array): void {
    const { rows, sampler } = this.#in()
    rows.insert(run, body)
    if (this.#packed?.body === body && run.gap === undefined) sampler.note(this.#packed.raw, body.length)
  }

  replace(run: StoredRun, by: NewRun, body: Uint8Array): void {
    this.#in().rows.replace(run.id, by, body)
  }

  remove(run: StoredRun): void {
    this.#in().rows.remove(run.id)
  }

  runsFrom(epoch: number, seq: number): Iterable<Shelved<Uint8Array>> {
    return this.#in().rows.from(epoch, seq)
  }

  seek(epoch: number, behind: number, sweep: Sweep): Sought {
    return this.#in().rows.seek(epoch, behind, sweep)
  }

  isTight(): boolean {
    return this.#ballast.isTight
  }

  bytes(): number {
    const { path } = this.#options
    return this.#ballast.size + sizeOf(path) + sizeOf(`${path}-wal`) + sizeOf(`${path}-shm`)
  }

  explain(error: unknown): Trouble {
    if (isDamage(error)) return { kind: 'damaged' }
    if (isFull(error) && this.#hasGained) {
      this.#hasGained = false
      return { kind: 'again' }
    }
    if (error instanceof BioTrakrError && error.code === 'OUTBOX_FULL') {
      return {
        kind: this.#session ? 'waits' : 'sick',
        fault: { code: error.code, detail: error.message, next: error.next },
      }
    }
    const isClosed = error instanceof BioTrakrError && this.#key !== undefined && this.#session === undefined
    if (!isPassing(error) && !isClosed) return { kind: 'bug' }
    const { path } = this.#options
    const detail = `Cannot write the outbox ${path}: ${error instanceof Error ? error.message : String(error)}`
    return {
      kind: isClosed || isDiskFault(error) ? 'sick' : 'waits',
      fault: {
        code: 'OUTBOX_FULL',
        detail,
        next: `Free space on the disk of ${path} and check that it can be written`,
      },
    }
  }

  close(): void {
    this.#sayClosed()
    this.#closeFile()
    this.#lock?.close()
    this.#lock = undefined
  }

  #openOrReplace(): Opened {
    try {
      return this.#openFile()
    } catch (error) {
      if (isDamage(error)) return this.replaceDamaged(error)
      throw error
    }
  }

  #openFile(): Opened {
    const { path } = this.#options
    const hasLog = existsSync(`${path}-wal`)
    const db = connect(path)
    try {
      checkSchema(db, path)
      const bounds = boundsOf(db, { maxBytes: this.#options.maxBytes, ballast: this.#ballast.target })
      configure(db, bounds)
      migrate(db, () => this.#fillNew(db))
      const { nonce: store, is_open: wasOpen } = this.#checkOwner(db)
      const epoch = db.transaction(() => beginEpoch(db, this.#options.clock.wallMs())).immediate()
      const run = db.transaction((work: () => void) => work())
      const dictionaries = new Dictionaries(db, { key: this.#dataKey(), gateway: this.#options.gateway })
      db.transaction(() => dictionaries.prune()).immediate()
      const parts = { rows: prepareRows(db), dictionaries, sampler: createSampler(), epoch, bounds }
      this.#session = { db, ...parts, transact: (work) => run.immediate(work) }
      // In the file itself, not in the log: the next opening must know even when the log is gone.
      if (wasOpen === 0) db.pragma('wal_checkpoint(TRUNCATE)')
      return { store, epoch, marks: readMarks(db), isLogMissing: wasOpen === 1 && !hasLog }
    } catch (error) {
      db.close()
      throw error
    }
  }

  #fillNew(db: Database): void {
    const nonce = randomBytes(16).toString('hex')
    db.prepare('INSERT INTO store (id, gateway, nonce, key_check, counter) VALUES (1, ?, ?, ?, 0)').run(
      this.#options.gateway,
      nonce,
      keyCheck(this.#dataKey()),
    )
  }

  #checkOwner(db: Database): StoreRow {
    const { path, gateway, keyFile } = this.#options
    const row = db.prepare<[], StoreRow>('SELECT * FROM store').get()
    if (row?.gateway !== gateway) {
      throw new BioTrakrError(`The outbox ${path} belongs to gateway "${row?.gateway}", not to "${gateway}"`, {
        code: 'OUTBOX_OPEN',
        next: 'Set the gateway back to its old name, or give the new one a store of its own',
      })
    }
    if (!row.key_check.equals(keyCheck(this.#dataKey()))) {
      throw new BioTrakrError(`The key ${keyFile} is not the key of the outbox ${path}`, {
        code: 'OUTBOX_KEY',
        next: keyHelp(path),
      })
    }
    return row
  }

  /** A reader that stays in an old snapshot keeps the log from being emptied; then it is better to wait than to grow. */
  #keepLogShort(): void {
    const { path } = this.#options
    const { db, bounds } = this.#in()
    if (sizeOf(`${path}-wal`) <= bounds.logBytes) return
    db.pragma('wal_checkpoint(TRUNCATE)')
    if (sizeOf(`${path}-wal`) <= bounds.logBytes) return
    throw new BioTrakrError(`The log of the outbox ${path} is at its bound and another program is reading from it`, {
      code: 'OUTBOX_FULL',
      next: `End the program that has ${path} open`,
    })
  }

  #lockOf({ first, last, gap }: NewRun, epoch: Epoch) {
    const label: GroupLabel = { gateway: this.#options.gateway, epoch, first, last }
    // A gap alone is small, and must be readable whatever else is damaged.
    const dictionary = gap === undefined ? this.#in().dictionaries.inForce(epoch, first) : undefined
    return { key: this.#dataKey(), label, dictionary }
  }

  #sayClosed(): void {
    try {
      this.#session?.db.prepare('UPDATE store SET is_open = 0').run()
    } catch (error) {
      if (!isPassing(error) && !isDamage(error)) throw error
    }
  }

  #closeFile(): void {
    this.#session?.db.close()
    this.#session = undefined
  }

  #in(): Session {
    if (this.#session) return this.#session
    throw closedError(this.#options.path)
  }

  #dataKey(): KeyObject {
    if (this.#key) return this.#key
    throw closedError(this.#options.path)
  }
}

function closedError(path: string): BioTrakrError {
  return new BioTrakrError(`The outbox ${path} is closed`, { code: 'OUTBOX_OPEN', next: 'Restart the agent' })
}

function openError(path: string, error: unknown): BioTrakrError {
  if (error instanceof BioTrakrError && !isDiskTrouble(error)) return error
  const reason = error instanceof Error ? `: ${error.message}` : ''
  return new BioTrakrError(`Cannot open the outbox ${path}${reason}`, {
    code: isPassing(error) || isDiskTrouble(error) ? 'OUTBOX_FULL' : 'OUTBOX_OPEN',
    cause: error,
    next: 'Check free space on its disk and who may write to its folder',
  })
}
