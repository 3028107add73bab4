import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'

import { BioTrakrError, type Compression, type Epoch, type Fix, type TagId } from '@biotrakr/shared'

import { openBlob } from './blob.ts'
import { keyHelp, loadDataKey } from './data-key.ts'
import { Dictionaries } from './dictionaries.ts'
import { keyCheck } from './seal.ts'
import { Sqlite } from './sqlite-driver.ts'
import type { StoreRow } from './sqlite-rows.ts'
import { checkSchema } from './sqlite-schema.ts'

interface FixesWish {
  readonly path: string
  readonly keyFile: string
  readonly compression: Compression
  readonly tag: TagId
  /** Fixes of this time and before, wall milliseconds. */
  readonly untilMs: number
  /** At most so many, newest first. */
  readonly limit: number
}

interface RunRow {
  readonly counter: number
  readonly nonce: string
  readonly first: number
  readonly last: number
  readonly body: Buffer
}

/** Groups looked into at most: about a million records. */
const MAX_RUNS = 5000

/**
 * What the store still holds of one tag, newest first; also while an agent writes to it. Nothing is written.
 * @throws BioTrakrError NOT_FOUND, OUTBOX_KEY, OUTBOX_SCHEMA or OUTBOX_DAMAGED
 */
export function readFixes({ path, keyFile, compression, tag, untilMs, limit }: FixesWish): Fix[] {
  if (!existsSync(path)) {
    throw new BioTrakrError(`There is no outbox ${path}`, { code: 'NOT_FOUND', next: 'Check the data folder' })
  }
  const key = loadDataKey(path, { keyFile, isFreshStore: false })
  const db = new Sqlite(path, { readonly: true, timeout: 2000 })
  try {
    checkSchema(db, path)
    const store = db.prepare<[], StoreRow>('SELECT * FROM store').get()
    if (store && !store.key_check.equals(keyCheck(key))) {
      const message = `The key ${keyFile} is not the key of the outbox ${path}`
      throw new BioTrakrError(message, { code: 'OUTBOX_KEY', next: keyHelp(path) })
    }
    const gateway = store?.gateway ?? ''
    const dictionaries = new Dictionaries(db, { key, gateway })
    const runs = db
      .prepare<[number, number], RunRow>(
        `SELECT e.counter, e.nonce, r.first, r.last, r.body FROM run r JOIN epoch e ON e.counter = r.epoch
         WHERE r.gap IS NULL AND r.fixes > 0 AND r.from_ms <= ? ORDER BY r.epoch DESC, r.last DESC LIMIT ?`,
      )
      .iterate(untilMs, MAX_RUNS)
    const fixes: Fix[] = []
    for (const run of runs) {
      fixes.push(...fixesIn(run, { key, compression, gateway, dictionaries }, { tag, untilMs }))
      if (fixes.length >= limit) break
    }
    return fixes.sort((a, b) => b.atMs - a.atMs).slice(0, limit)
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`Cannot read the outbox ${path}`, {
      code: 'OUTBOX_DAMAGED',
      cause,
      next: 'Start the agent: it puts a damaged store aside and begins a new one',
    })
  } finally {
    db.close()
  }
}

interface Opening {
  readonly key: KeyObject
  readonly compression: Compression
  readonly gateway: string
  readonly dictionaries: Dictionaries
}

/** A group that cannot be read has nothing to tell; the agent counts such groups. */
function fixesIn(run: RunRow, opening: Opening, { tag, untilMs }: Pick<FixesWish, 'tag' | 'untilMs'>): Fix[] {
  const { counter, nonce, first, last, body } = run
  const { dictionaries, key, gateway, compression } = opening
  const epoch: Epoch = { counter, nonce }
  const dictionary = dictionaries.inForce(epoch, first)
  const entries = openBlob(body, { key, label: { gateway, epoch, first, last }, dictionary, compression }) ?? []
  const fixes = entries.flatMap(({ record }) => (record.kind === 'fix' ? [record] : []))
  return fixes.filter((fix) => fix.tag === tag && fix.atMs <= untilMs).reverse()
}
