import { existsSync } from 'node:fs'

import { BioTrakrError, formatEpoch } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

import type { RankCounts } from './rank.ts'
import { Sqlite } from './sqlite-driver.ts'
import { readMarks, type StoreRow } from './sqlite-rows.ts'
import { checkSchema } from './sqlite-schema.ts'

interface EpochTally {
  readonly epoch: string
  /** Lowest sequence number still held; `last + 1` when none is. */
  readonly first: number
  /** Last committed sequence number; 1 to `last` were all given out. */
  readonly last: number
  readonly acked: number
  /** Fixes ever committed. */
  readonly fixes: number
  /** Sequence numbers evicted or unreadable before they were confirmed, and the fixes among them. */
  readonly lost: number
  readonly lostFixes: number
  readonly lostRanks: RankCounts
}

export interface LedgerTally {
  readonly gateway: string
  readonly epochs: readonly EpochTally[]
}

/**
 * Reads the books of an outbox without its key, also while an agent writes to it and after one was killed.
 * Acknowledgements are made durable with the next commit, so `acked` may lag behind the agent by a second.
 * @throws BioTrakrError NOT_FOUND, OUTBOX_SCHEMA, OUTBOX_OPEN or OUTBOX_DAMAGED
 */
export function inspectOutbox(path: string): LedgerTally {
  if (!existsSync(path)) {
    throw new BioTrakrError(`There is no outbox ${path}`, { code: 'NOT_FOUND', next: 'Check the data folder' })
  }
  const db = new Sqlite(path, { readonly: true, timeout: 2000 })
  try {
    checkSchema(db, path)
    return db.transaction(() => {
      const gateway = db.prepare<[], StoreRow>('SELECT * FROM store').get()?.gateway ?? ''
      const epochs = readMarks(db).map(({ epoch, releasedFromMs, releasedToMs, swept, ...mark }) => ({
        epoch: formatEpoch(epoch),
        ...mark,
      }))
      return { gateway, epochs }
    })()
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

/** Needs the books alone, not one group. @returns undefined when even they cannot be read */
export function unconfirmedIn(path: string): number | undefined {
  let db: Database | undefined
  try {
    db = new Sqlite(path, { readonly: true, timeout: 2000 })
    return db.prepare<[], number | null>('SELECT sum(last - acked) FROM epoch').pluck().get() ?? 0
  } catch (error) {
    if (error instanceof Sqlite.SqliteError) return undefined
    throw error
  } finally {
    db?.close()
  }
}
