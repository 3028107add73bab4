import {
  type Batch,
  type Clock,
  type Compression,
  decodeBatch,
  formatEpoch,
  type GatewayId,
  type LedgerRecord,
  parseEpoch,
  seqSpan,
} from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

import { createDirectory, type Directory, type GatewayEntry } from './directory.ts'
import { createWriters, type Draft, place, quarantinedRecord, type Stream } from './draft.ts'
import { messageOf } from './faults.ts'
import { createNewestKnown } from './positions.ts'
import { withClient } from './session.ts'
import { emptyDraft } from './transaction.ts'
import { addLateRows } from './watermarks.ts'
import { writeDraft } from './write-draft.ts'

export interface RetryOptions {
  /** Logged in as bt_ingest. */
  readonly pool: Pool
  readonly clock: Clock
  readonly compression: Compression
  /** Take event times outside the accepted window as they are. */
  readonly anyTime?: boolean
}

export interface RetryReport {
  /** Entries stored by this retry. */
  readonly replayed: number
  /** Records stored by it. */
  readonly records: number
  /** Entries left as they were, and why. */
  readonly remaining: readonly { readonly id: number; readonly code: string; readonly detail: string }[]
}

/** Entries in one transaction. */
const CHUNK = 200

/**
 * Stores what can be stored by now, for example after a tag was registered: rows and the entry's new state in one
 * transaction, with the record's own (stream, seq), so that nothing can be stored twice, however often this runs.
 * @param which ids, or all undecided entries
 */
export async function retryQuarantine(which: readonly number[] | 'all', options: RetryOptions): Promise<RetryReport> {
  const total = { replayed: 0, records: 0, remaining: [] as { id: number; code: string; detail: string }[] }
  const add = (report: RetryReport) => {
    total.replayed += report.replayed
    total.records += report.records
    total.remaining.push(...report.remaining)
  }
  for await (const ids of chunks(which, options.pool)) {
    try {
      add(await replayChunk(ids, options))
    } catch {
      // One entry spoils the transaction of all: each on its own finds it.
      for (const id of ids) add(await replayAlone(id, options))
    }
  }
  return total
}

async function* chunks(which: readonly number[] | 'all', pool: Pool): AsyncGenerator<readonly number[]> {
  if (which !== 'all') {
    for (let at = 0; at < which.length; at += CHUNK) yield which.slice(at, at + CHUNK)
    return
  }
  // Entries that a retry itself adds have greater ids and are left for the next one.
  const newest = await pool.query<{ id: string | null }>('select max(id) as id from rtls.quarantine')
  const last = Number(newest.rows[0]?.id ?? 0)
  for (let after = 0; ; ) {
    const { rows } = await pool.query<{ id: string }>(
      `select id from rtls.quarantine
       where state = 'new' and stream_id is not null and id > $1 and id <= $2 order by id limit $3`,
      [after, last, CHUNK],
    )
    const ids = rows.map((row) => Number(row.id))
    if (ids.length === 0) return
    yield ids
    after = ids.at(-1) ?? last
  }
}

async function replayAlone(id: number, options: RetryOptions): Promise<RetryReport> {
  try {
    return await replayChunk([id], options)
  } catch (error) {
    return { replayed: 0, records: 0, remaining: [{ id, code: 'DATABASE_REFUSED', detail: messageOf(error) }] }
  }
}

interface Entry {
  readonly id: number
  readonly level: 'batch' | 'row'
  readonly first: number
  readonly last: number
  readonly payload: Uint8Array
  readonly receivedMs: number
  readonly stream: Stream
}

interface Stored {
  readonly records: number
  /** Oldest event time and first number among them. */
  readonly firstMs: number
  readonly firstSeq: number
}

type Verdict =
  | { readonly done: true; readonly id: number; readonly streamId: number; readonly stored: Stored }
  | { readonly done: false; readonly id: number; readonly code: string; readonly detail: string }

const NOT_REPLAYABLE = {
  code: 'NOT_REPLAYABLE',
  detail: 'decided already, in the hands of another retry, cut short, or of no ledger',
}

function replayChunk(ids: readonly number[], options: RetryOptions): Promise<RetryReport> {
  return withClient(options.pool, options.clock, async (client) => {
    const directory = createDirectory(options.clock)
    await client.query('begin')
    const entries = await lockEntries(client, ids)
    const draft = emptyDraft({ writers: createWriters(), newestKnown: createNewestKnown() })
    const verdicts: Verdict[] = []
    const locked = new Set(entries.map(({ id }) => id))
    for (const id of ids) if (!locked.has(id)) verdicts.push({ done: false, id, ...NOT_REPLAYABLE })
    for (const entry of entries) verdicts.push(await draftEntry(draft, entry, { client, directory, options }))
    await writeDraft(client, draft)
    await settle(client, verdicts)
    await client.query('commit')
    const done = verdicts.filter((verdict) => verdict.done)
    return {
      replayed: done.length,
      records: done.reduce((sum, verdict) => sum + verdict.stored.records, 0),
      remaining: verdicts.filter((verdict) => !verdict.done).map(({ id, code, detail }) => ({ id, code, detail })),
    }
  })
}

async function lockEntries(client: ClientBase, ids: readonly number[]): Promise<Entry[]> {
  const { rows } = await client.query<EntryRow>(
    `select q.id, q.level, q.first_seq, q.last_seq, q.payload, q.received_at, q.stream_id, w.epoch, w.gateway_id,
       g.org_id, g.facility_id, g.name
     from rtls.quarantine q
     join rtls.watermark w on w.org_id = q.org_id and w.id = q.stream_id
     join site.gateway g on g.org_id = w.org_id and g.id = w.gateway_id
     where q.id = any($1) and q.state = 'new' and q.payload is not null and not q.truncated
     order by q.id for update of q skip locked`,
    [ids],
  )
  return rows.flatMap((row) => {
    const epoch = parseEpoch(row.epoch)
    if (!epoch) return []
    const gateway: GatewayEntry = {
      id: row.gateway_id,
      orgId: row.org_id,
      facilityId: row.facility_id,
      name: row.name,
      barred: false,
    }
    return {
      id: Number(row.id),
      level: row.level,
      first: Number(row.first_seq),
      last: Number(row.last_seq),
      payload: row.payload,
      receivedMs: row.received_at.getTime(),
      stream: { id: row.stream_id, gateway, epoch },
    }
  })
}

interface EntryRow {
  id: string
  level: 'batch' | 'row'
  first_seq: string
  last_seq: string
  payload: Buffer
  received_at: Date
  stream_id: number
  epoch: string
  gateway_id: number
  org_id: number
  facility_id: number
  name: GatewayId
}

interface Replaying {
  readonly client: ClientBase
  readonly directory: Directory
  readonly options: RetryOptions
}

async function draftEntry(draft: Draft, entry: Entry, { client, directory, options }: Replaying): Promise<Verdict> {
  const { id, stream, level } = entry
  const verdict = decodeBatch(entry.payload, options.compression)
  if (!verdict.ok) return { done: false, id, code: verdict.code, detail: verdict.detail }
  if (!isOf(stream, verdict.batch)) {
    return { done: false, id, code: 'FOREIGN_GATEWAY', detail: 'the payload is of another gateway or epoch' }
  }
  await directory.loadNames(client, stream.gateway, verdict.batch.records)
  const at = {
    stream,
    lookup: directory.lookup(stream.gateway),
    nowMs: options.clock.wallMs(),
    receivedMs: entry.receivedMs,
    anyTime: options.anyTime ?? false,
    seq: 0,
    tagId: 0,
    roomId: null,
  }
  let records = 0
  let firstMs = Infinity
  for (const { record, seq } of within(verdict.batch, entry)) {
    at.seq = seq
    const rejection = place(draft, record, at)
    if (rejection && level === 'row') return { done: false, id, ...rejection }
    // Of a whole batch, the part that still cannot be stored goes on by itself.
    if (rejection) {
      draft.quarantine.push(quarantinedRecord(record, rejection, { stream, seq, compression: options.compression }))
    } else {
      records += 1
      if ('atMs' in record) firstMs = Math.min(firstMs, record.atMs)
    }
  }
  return { done: true, id, streamId: stream.id, stored: { records, firstMs, firstSeq: entry.first } }
}

function isOf({ gateway, epoch }: Stream, batch: Batch): boolean {
  return batch.gateway === gateway.name && formatEpoch(batch.epoch) === formatEpoch(epoch)
}

/** The records of a batch inside the run that its entry accounts for; the rest was committed before. */
function* within(batch: Batch, { first, last }: Entry): Generator<{ record: LedgerRecord; seq: number }> {
  let next = batch.first
  for (const record of batch.records) {
    const from = Math.max(next, first)
    const to = Math.min(next + seqSpan(record) - 1, last)
    next += seqSpan(record)
    if (from <= to) yield { record: record.kind === 'gap' ? { ...record, count: to - from + 1 } : record, seq: from }
  }
}

async function settle(client: ClientBase, verdicts: readonly Verdict[]): Promise<void> {
  const done = verdicts.filter((verdict) => verdict.done)
  const left = verdicts.filter((verdict) => !verdict.done).filter(({ code }) => code !== NOT_REPLAYABLE.code)
  await client.query(`update rtls.quarantine set state = 'replayed', decided_at = now() where id = any($1)`, [
    done.map(({ id }) => id),
  ])
  await client.query(
    `update rtls.quarantine q set code = n.code, detail = left(n.detail, 4000)
     from unnest($1::bigint[], $2::text[], $3::text[]) as n (id, code, detail) where q.id = n.id`,
    [left.map(({ id }) => id), left.map(({ code }) => code), left.map(({ detail }) => detail)],
  )
  const streams = new Map<number, Stored>()
  for (const { streamId, stored } of done) {
    const before = streams.get(streamId)
    streams.set(streamId, {
      records: stored.records + (before?.records ?? 0),
      firstMs: Math.min(stored.firstMs, before?.firstMs ?? Infinity),
      firstSeq: Math.min(stored.firstSeq, before?.firstSeq ?? Infinity),
    })
  }
  // One by one in the order in which every ingester locks these rows.
  for (const [streamId, stored] of [...streams].sort(([a], [b]) => a - b)) {
    await addLateRows(client, streamId, { ...stored, quarantined: 0 })
  }
}
