import { type BatchVerdict, type Compression, decodeBatch, type GatewayId, type LedgerRecord } from '@biotrakr/shared'
import type { Pool } from 'pg'

type QuarantineState = 'new' | 'replayed' | 'discarded'

export interface QuarantineEntry {
  readonly id: number
  readonly gateway: GatewayId | null
  readonly epoch: string | null
  /** Sequence numbers; null for bytes that no ledger accounts for, which can be looked at but not replayed. */
  readonly first: number | null
  readonly last: number | null
  readonly level: 'batch' | 'row'
  readonly code: string
  readonly detail: string
  readonly payloadBytes: number
  readonly truncated: boolean
  readonly receivedAt: Date
  readonly state: QuarantineState
}

interface ListOptions {
  readonly state?: QuarantineState
  readonly gateway?: string
  /** Entries with a greater id than this one, for paging. */
  readonly after?: number
  /** At most this many, 1 to 1,000. */
  readonly limit?: number
}

const COLUMNS = `q.id, q.gateway_name as gateway, w.epoch, q.first_seq as first, q.last_seq as last, q.level, q.code,
  q.detail, coalesce(octet_length(q.payload), 0) as payload_bytes, q.truncated, q.received_at, q.state`
const TABLES = 'rtls.quarantine q left join rtls.watermark w on w.org_id = q.org_id and w.id = q.stream_id'

/** @param pool logged in as bt_ingest, as for everything here */
export async function listQuarantine(pool: Pool, options: ListOptions = {}): Promise<QuarantineEntry[]> {
  const { rows } = await pool.query<Row>(
    `select ${COLUMNS} from ${TABLES}
     where q.state = $1 and q.id > $2 and ($3::text is null or q.gateway_name = $3) order by q.id limit $4`,
    [
      options.state ?? 'new',
      options.after ?? 0,
      options.gateway ?? null,
      Math.min(Math.max(options.limit ?? 100, 1), 1_000),
    ],
  )
  return rows.map(entryOf)
}

export interface QuarantineDetail {
  readonly entry: QuarantineEntry
  readonly payload: Uint8Array
  /** What this version reads in the payload. */
  readonly content:
    | { readonly ok: true; readonly records: readonly LedgerRecord[] }
    | { readonly ok: false; readonly code: string; readonly detail: string }
}

/** @returns undefined when there is no entry of that id */
export async function showQuarantine(
  pool: Pool,
  id: number,
  compression: Compression,
): Promise<QuarantineDetail | undefined> {
  const { rows } = await pool.query<Row & { payload: Buffer | null }>(
    `select ${COLUMNS}, q.payload from ${TABLES} where q.id = $1`,
    [id],
  )
  const row = rows[0]
  if (!row) return undefined
  const payload = row.payload ?? Buffer.alloc(0)
  return { entry: entryOf(row), payload, content: contentOf(decodeBatch(payload, compression)) }
}

/**
 * Lets entries go that nobody wants stored. They can still be listed and read.
 * @returns the ids that were undecided until now
 */
export async function discardQuarantine(pool: Pool, ids: readonly number[]): Promise<number[]> {
  const { rows } = await pool.query<{ id: string }>(
    `update rtls.quarantine set state = 'discarded', decided_at = now() where id = any($1) and state = 'new' returning id`,
    [ids],
  )
  return rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
}

function contentOf(verdict: BatchVerdict): QuarantineDetail['content'] {
  if (verdict.ok) return { ok: true, records: verdict.batch.records }
  return { ok: false, code: verdict.code, detail: verdict.detail }
}

interface Row {
  id: string
  gateway: GatewayId | null
  epoch: string | null
  first: string | null
  last: string | null
  level: 'batch' | 'row'
  code: string
  detail: string
  payload_bytes: number
  truncated: boolean
  received_at: Date
  state: QuarantineState
}

function entryOf(row: Row): QuarantineEntry {
  const { gateway, epoch, level, code, detail, truncated, state } = row
  return {
    id: Number(row.id),
    gateway,
    epoch,
    first: row.first === null ? null : Number(row.first),
    last: row.last === null ? null : Number(row.last),
    level,
    code,
    detail,
    payloadBytes: row.payload_bytes,
    truncated,
    receivedAt: row.received_at,
    state,
  }
}
