import type { KeyObject } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib'

import type { Epoch } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import { MAX_DICTIONARY_BYTES } from './sampler.ts'
import { seal, unseal } from './seal.ts'

/** Bytes that deflate may refer back to as if they stood before every group. */
export interface Dictionary {
  readonly id: number
  readonly bytes: Uint8Array
}

/** Where a dictionary, or none, is in force: numbers `from` up to, not including, `until` of an epoch. */
interface Span {
  readonly epoch: number
  readonly from: number
  readonly until: number
  readonly dictionary: Dictionary | undefined
}

interface DictionaryRow {
  readonly id: number
  readonly seq: number
  readonly body: Buffer
}

/** Dictionaries kept in memory, 16 kB each: rows are read in their order. */
const CACHED = 4

interface Owner {
  readonly key: KeyObject
  readonly gateway: string
}

/**
 * The compression dictionaries of a store. A run of records uses the one in force at its first number: the newest of
 * its epoch that begins at or before it. So a run needs no mark of its own, and joined runs find theirs as well.
 */
export class Dictionaries {
  readonly #db: Database
  readonly #owner: Owner
  readonly #exists: boolean
  #spans: Span[] = []

  constructor(db: Database, owner: Owner) {
    this.#db = db
    this.#owner = owner
    // A reader does not bring a store up to date; before version 3 there were none.
    this.#exists = Number(db.pragma('user_version', { simple: true })) >= 3
  }

  inForce(epoch: Epoch, seq: number): Dictionary | undefined {
    if (!this.#exists) return undefined
    const at = this.#spans.findIndex((s) => s.epoch === epoch.counter && s.from <= seq && seq < s.until)
    const span = this.#spans[at] ?? this.#read(epoch, seq)
    if (at !== 0) this.#spans = [span, ...this.#spans.filter((other) => other !== span)].slice(0, CACHED)
    return span.dictionary
  }

  /** To be called in a transaction; when that fails, `forget` must be called. Lets go of those no run needs any more. */
  add(epoch: Epoch, bytes: Uint8Array): void {
    this.prune()
    const last = this.#db.prepare<[number], number>('SELECT last FROM epoch WHERE counter = ?').pluck()
    const from = (last.get(epoch.counter) ?? 0) + 1
    const id = (this.#db.prepare<[], number | null>('SELECT max(id) FROM dictionary').pluck().get() ?? 0) + 1
    const { key, gateway } = this.#owner
    const body = seal(brotliCompressSync(bytes), key, { gateway, epoch, dictionary: id, from })
    this.#db.prepare('DELETE FROM dictionary WHERE epoch = ? AND seq = ?').run(epoch.counter, from)
    this.#db
      .prepare('INSERT INTO dictionary (id, epoch, seq, body) VALUES (?, ?, ?, ?)')
      .run(id, epoch.counter, from, body)
    this.forget()
  }

  /** Removes those whose runs are all gone: the first run that reaches their numbers begins behind them. */
  prune(): void {
    this.#db.exec(
      `DELETE FROM dictionary WHERE
         coalesce((SELECT r.first FROM run r WHERE r.epoch = dictionary.epoch AND r.last >= dictionary.seq
                   ORDER BY r.last LIMIT 1), ${Number.MAX_SAFE_INTEGER})
         >= coalesce((SELECT min(d.seq) FROM dictionary d WHERE d.epoch = dictionary.epoch AND d.seq > dictionary.seq),
                     ${Number.MAX_SAFE_INTEGER})`,
    )
    this.forget()
  }

  forget(): void {
    this.#spans = []
  }

  #read(epoch: Epoch, seq: number): Span {
    const row = this.#db
      .prepare<[number, number], DictionaryRow>(
        'SELECT id, seq, body FROM dictionary WHERE epoch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1',
      )
      .get(epoch.counter, seq)
    const next = this.#db
      .prepare<[number, number], number | null>('SELECT min(seq) FROM dictionary WHERE epoch = ? AND seq > ?')
      .pluck()
      .get(epoch.counter, seq)
    const dictionary = row && this.#open(epoch, row)
    return { epoch: epoch.counter, from: row?.seq ?? 0, until: next ?? Number.POSITIVE_INFINITY, dictionary }
  }

  /** @returns undefined when it was altered: then the runs that need it cannot be opened, and gaps take their places */
  #open(epoch: Epoch, { id, seq, body }: DictionaryRow): Dictionary | undefined {
    const { key, gateway } = this.#owner
    const plain = unseal(body, key, { gateway, epoch, dictionary: id, from: seq })
    try {
      return plain && { id, bytes: brotliDecompressSync(plain, { maxOutputLength: MAX_DICTIONARY_BYTES }) }
    } catch {
      return undefined
    }
  }
}
