import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { nodeCompression, type Outbox, openSqliteOutbox, systemClock } from '@biotrakr/agent'
import type { Fix, GatewayId } from '@biotrakr/shared'

import type { Figure } from './figure.ts'
import { flatFixes, repeatFixes } from './fixes.ts'

const FIXES = 400_000

/** A store on this machine's disk, synchronous=FULL, filled with `fixes` in groups of 200. */
export function filledOutbox(
  dir: string,
  gateway: GatewayId,
  fixes: readonly Fix[],
): { outbox: Outbox; seconds: number } {
  const outbox = openSqliteOutbox({
    path: join(dir, 'outbox.sqlite'),
    keyFile: join(dir, 'outbox.key'),
    gateway,
    maxBytes: 700 * 1_048_576,
    compression: nodeCompression,
    clock: systemClock,
  })
  const startMs = performance.now()
  for (const fix of fixes) outbox.append(fix)
  outbox.flush()
  return { outbox, seconds: (performance.now() - startMs) / 1000 }
}

/** The agent's store alone: append with one durable, encrypted commit per 200 fixes; read in batches of 1,000. */
export function benchOutbox(): Figure[] {
  const dir = mkdtempSync(join(tmpdir(), 'biotrakr-bench-'))
  try {
    const fixes = repeatFixes(flatFixes(), FIXES)
    const { outbox, seconds } = filledOutbox(dir, 'bench' as GatewayId, fixes)
    const startMs = performance.now()
    let read = 0
    for (let batch = outbox.peek(undefined, { records: 1_000 }); batch; ) {
      read += batch.records.length
      batch = outbox.peek({ epoch: outbox.status().epoch, seq: batch.last }, { records: 1_000 })
    }
    const readSeconds = (performance.now() - startMs) / 1000
    if (read !== FIXES) throw new Error(`${read} of ${FIXES} fixes were read back`)
    const { bytes } = outbox.status()
    outbox.close()
    const group = 'outbox (SQLite, FULL, encrypted)'
    return [
      { group, name: 'append', value: FIXES / seconds, unit: 'fixes/s' },
      { group, name: 'read', value: FIXES / readSeconds, unit: 'fixes/s' },
      { group, name: 'bytes a fix on disk', value: bytes / FIXES, unit: 'B' },
    ]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
