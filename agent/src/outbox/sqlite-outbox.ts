import { BioTrakrError } from '@biotrakr/shared'

import { Ledger, type LedgerOptions } from './ledger.ts'
import type { LostRun, Outbox } from './outbox.ts'
import { isDiskTrouble, MIN_MAX_BYTES } from './sqlite-file.ts'
import { SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'

const DAY_MS = 24 * 3_600_000
const WAITING_RECORDS = 10_000

export interface SqliteOutboxOptions extends SqliteStoreOptions {
  /** How long a confirmed record should stay after it was stored, milliseconds; default 24 h. */
  readonly graceMs?: number
  /** Records that may wait in memory while the disk takes none; default 10,000. */
  readonly waitingRecords?: number
  /** Told of every run of sequence numbers that became a gap, after the gap is durable. */
  readonly onLost?: (run: LostRun) => void
}

/**
 * Opens the outbox, or makes it together with its key file, and begins a new epoch.
 *
 * A damaged file is put aside as `<path>.damaged-<n>` and reported through `onDamaged` and the status. `maxBytes` (at
 * least 4 MiB) bounds file and write-ahead log together; a store that is already larger keeps its size but does not grow.
 * On a disk that is full, read-only or failing the outbox begins in memory: its status names the fault and has no store
 * and no epoch yet, records wait, and every `flush` tries to open the store.
 * @throws BioTrakrError OUTBOX_KEY (key missing or wrong), OUTBOX_SCHEMA (written by a newer version), OUTBOX_OPEN
 *   (open elsewhere, another gateway's, not writable)
 */
export function openSqliteOutbox(options: SqliteOutboxOptions): Outbox {
  const { gateway, clock, maxBytes, graceMs = DAY_MS, waitingRecords = WAITING_RECORDS, onLost } = options
  if (!(maxBytes >= MIN_MAX_BYTES)) {
    throw new BioTrakrError(`An outbox needs at least ${MIN_MAX_BYTES} bytes, not ${maxBytes}`, {
      code: 'CONFIG_INVALID',
      next: 'Raise the size of the outbox in the configuration',
    })
  }
  const store = new SqliteStore(options)
  return begin(store, { gateway, clock, graceMs, waitingRecords, bound: maxBytes, onLost })
}

function begin(store: SqliteStore, options: LedgerOptions): Outbox {
  try {
    return new Ledger(store, store.open(), options)
  } catch (error) {
    if (!(error instanceof BioTrakrError && isDiskTrouble(error))) throw error
    return new Ledger(store, { code: error.code, detail: error.message, next: error.next }, options)
  }
}
