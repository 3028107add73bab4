import { BioTrakrError, type LedgerRecord } from '@biotrakr/shared'
import type { Pool } from 'pg'

import { databaseAccess } from '../access.ts'
import {
  discardQuarantine,
  listQuarantine,
  type QuarantineEntry,
  retryQuarantine,
  showQuarantine,
  withPool,
} from '../administration.ts'
import { readConfig } from '../config.ts'
import { nodeCompression } from '../node-compression.ts'
import { systemClock } from '../system-clock.ts'

interface Common {
  readonly config: string
  readonly json: boolean
}

interface ListOptions extends Common {
  readonly gateway?: string
  readonly state: 'new' | 'replayed' | 'discarded'
  readonly limit: number
  readonly after: number
}

interface RetryOptions extends Common {
  readonly all: boolean
  readonly anyTime: boolean
}

const HEX_SHOWN_BYTES = 64

/** `biotrakr-cloud quarantine list`: what waits for a decision, oldest first. */
export async function listEntries({ config, json, gateway, state, limit, after }: ListOptions): Promise<void> {
  const filter = { state, limit, after, ...(gateway && { gateway }) }
  const entries = await asIngest(config, (pool) => listQuarantine(pool, filter))
  if (json) process.stdout.write(`${JSON.stringify(entries)}\n`)
  else if (entries.length === 0) process.stdout.write('nothing is in quarantine\n')
  else for (const entry of entries) process.stdout.write(`${line(entry)}\n`)
}

/** `biotrakr-cloud quarantine show ID`: one entry with what can be read of it. */
export async function showEntry(id: number, { config, json }: Common): Promise<void> {
  const found = await asIngest(config, (pool) => showQuarantine(pool, id, nodeCompression))
  if (!found) {
    const next = 'See `biotrakr-cloud quarantine list`.'
    throw new BioTrakrError(`there is no quarantine entry ${id}`, { code: 'NOT_FOUND', next })
  }
  const { entry, payload, content } = found
  if (json) {
    const text = { ...entry, content, payloadHex: Buffer.from(payload).toString('hex') }
    process.stdout.write(`${JSON.stringify(text, evidenceAsHex)}\n`)
    return
  }
  process.stdout.write(`${line(entry)}\n`)
  process.stdout.write(`payload: ${Buffer.from(payload.subarray(0, HEX_SHOWN_BYTES)).toString('hex')}\n`)
  if (content.ok) for (const record of content.records) process.stdout.write(`${recordLine(record)}\n`)
  else process.stdout.write(`cannot be read: ${content.detail} [${content.code}]\n`)
}

/** `biotrakr-cloud quarantine retry`: stores what can be stored by now. Exit code 1 when something remains. */
export async function retryEntries(ids: readonly number[], options: RetryOptions): Promise<void> {
  if ((ids.length === 0) !== options.all) {
    throw new BioTrakrError('name entries, or say --all, not both', {
      code: 'USAGE',
      next: 'See `biotrakr-cloud quarantine retry --help`.',
    })
  }
  const { anyTime } = options
  const report = await asIngest(options.config, (pool) =>
    retryQuarantine(options.all ? 'all' : ids, { pool, clock: systemClock, compression: nodeCompression, anyTime }),
  )
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  else {
    const { replayed, records, remaining } = report
    process.stdout.write(`${replayed} stored (${records} records), ${remaining.length} remain\n`)
    for (const { id, code, detail } of remaining) process.stdout.write(`  ${id}: ${detail} [${code}]\n`)
  }
  if (report.remaining.length > 0) process.exitCode = 1
}

/** `biotrakr-cloud quarantine discard`: what is let go stays readable. Exit code 1 when an id was decided already. */
export async function discardEntries(ids: readonly number[], { config, json }: Common): Promise<void> {
  const discarded = await asIngest(config, (pool) => discardQuarantine(pool, ids))
  if (json) process.stdout.write(`${JSON.stringify({ discarded })}\n`)
  else process.stdout.write(`${discarded.length} of ${ids.length} discarded\n`)
  if (discarded.length < ids.length) process.exitCode = 1
}

function asIngest<T>(config: string, work: (pool: Pool) => Promise<T>): Promise<T> {
  return withPool(databaseAccess(readConfig(config), 'biotrakr-quarantine'), work)
}

function line({ id, gateway, epoch, first, last, code, detail, receivedAt, state }: QuarantineEntry): string {
  const run =
    first === null ? 'no sequence numbers' : first === last ? `${epoch} ${first}` : `${epoch} ${first}-${last}`
  return `${id}  ${receivedAt.toISOString()}  ${gateway ?? 'unknown gateway'}  ${run}  ${state}  ${code}: ${detail}`
}

function recordLine(record: LedgerRecord): string {
  return JSON.stringify(record, evidenceAsHex)
}

function evidenceAsHex(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}
