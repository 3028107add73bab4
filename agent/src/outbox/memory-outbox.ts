import { randomBytes } from 'node:crypto'

import type { Clock, GatewayId } from '@biotrakr/shared'

import { Ledger } from './ledger.ts'
import { GROUP_RECORDS, type LostRun, type Outbox } from './outbox.ts'
import { type Entry, NO_RANKS } from './rank.ts'
import type { NewRun, Opened, RunStore, Shelved, StoredRun, Sweep } from './run-store.ts'

export interface MemoryOutboxOptions {
  readonly gateway: GatewayId
  readonly clock: Pick<Clock, 'wallMs'>
  /** Records kept, confirmed ones included; at least two groups (400). */
  readonly maxRecords: number
  /** How long a confirmed record should stay, milliseconds. */
  readonly graceMs?: number
  readonly onLost?: (run: LostRun) => void
}

/** An outbox that forgets everything with its process: for tests, the bench and try-outs. */
export function createMemoryOutbox({ gateway, clock, maxRecords, graceMs = 0, onLost }: MemoryOutboxOptions): Outbox {
  const bound = Math.max(2 * GROUP_RECORDS, maxRecords)
  const epoch = { counter: 1, nonce: randomBytes(8).toString('hex') }
  const swept = { join: 0, telemetry: 0, sameRoom: 0, roomChange: 0 }
  const books = { fixes: 0, lost: 0, lostFixes: 0, lostRanks: NO_RANKS, releasedFromMs: 0, releasedToMs: 0 }
  const blank = { first: 1, last: 0, acked: 0, ...books, swept }
  const opened: Opened = { store: randomBytes(16).toString('hex'), epoch, marks: [{ epoch, ...blank }] }
  const options = { gateway, clock, graceMs, bound, waitingRecords: bound, onLost }
  return new Ledger(createMemoryStore(bound), opened, options)
}

type Entries = readonly Entry[]

function createMemoryStore(maxRecords: number): RunStore<Entries> {
  /** In sequence order: one epoch is all that a memory outbox ever has. */
  let shelf: Shelved<Entries>[] = []
  let records = 0
  let nextId = 1

  const indexOf = (run: StoredRun): number => shelf.findIndex((row) => row.run.id === run.id)

  return {
    replaceDamaged: (cause) => {
      throw cause
    },
    reopen: () => {
      throw new Error('memory does not fail')
    },
    transact: (work) => work(),
    saveMark: () => {},
    pack: (_run, _epoch, body) => body,
    unpack: (_run, _epoch, body) => body,
    releaseRuns: 1,
    lacksRoom: (body) => records + body.length > maxRecords,
    sizeOf: (body) => body.length,
    insert(run, body) {
      const row = { run: { ...run, id: nextId++ }, body, bytes: 0 }
      if ((shelf.at(-1)?.run.last ?? 0) < run.first) shelf.push(row)
      else
        shelf.splice(
          shelf.findIndex((other) => other.run.first > run.last),
          0,
          row,
        )
      records += body.length
    },
    replace(run, by, body) {
      shelf[indexOf(run)] = { run: { ...by, id: run.id }, body, bytes: 0 }
      records += body.length - run.records
    },
    remove(run) {
      shelf = shelf.filter((row) => row.run.id !== run.id)
      records -= run.records
    },
    *runsFrom(_epoch, seq) {
      for (const row of shelf) if (row.run.last >= seq) yield row
    },
    seek(_epoch, behind, sweep) {
      const row = shelf.find(({ run }) => run.last > behind && concerns(run, sweep))
      return { first: row?.run.first, seenTo: shelf.at(-1)?.run.last ?? behind }
    },
    isTight: () => false,
    bytes: () => 0,
    explain: () => ({ kind: 'bug' }),
    close: () => {},
  }
}

/** There is nothing to win from joining groups that are counted by their records. */
function concerns({ gap, telemetry, sameRoom, roomChange }: NewRun, sweep: Sweep): boolean {
  if (gap !== undefined || sweep === 'join') return false
  const counts = { telemetry, sameRoom: telemetry + sameRoom, roomChange: telemetry + sameRoom + roomChange }
  return counts[sweep] > 0
}
