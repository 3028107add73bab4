import { type Clock, type Compression, decodeBatch, type GatewayId, parseEpoch, seqSpan } from '@biotrakr/shared'
import type { ClientBase, Pool } from 'pg'

import { createDirectory, type Directory } from './directory.ts'
import { createWriters, type Draft, place, quarantinedRecord, type Stream } from './draft.ts'
import { faultOf, messageOf } from './faults.ts'
import { createNewestKnown } from './positions.ts'
import { knownMoments, type UnknownTime, withKnownTime } from './record-time.ts'
import { withClient } from './session.ts'
import { emptyDraft } from './transaction.ts'
import { addLateRows } from './watermarks.ts'
import { writeDraft } from './write-draft.ts'

interface Options {
  /** Logged in as bt_ingest. */
  readonly pool: Pool
  readonly clock: Clock
  readonly compression: Compression
}

/** Rows moved in one transaction; a row holds up to 5,000 records. */
const CHUNK = 10

export interface Moved {
  /** Rows that were on hand and have a place now. */
  readonly rows: number
  readonly records: number
  readonly quarantined: number
}

/**
 * Moves records that have waited for their time into the history, as far as anchors of their boots have come: each with
 * its own (stream, seq), in the transaction that removes it from the waiting ones, so that no record is in both. Any
 * number of ingesters may do so at once.
 * @throws the database's own error; what was not moved waits on
 */
export async function moveStaged(options: Options): Promise<Moved> {
  try {
    return await moveChunk(options, CHUNK)
  } catch (error) {
    if (faultOf(error) !== 'poison') throw error
    return await moveOne(options)
  }
}

/** One row spoils the transaction of all: taken one by one, it is found and set aside whole. */
async function moveOne(options: Options): Promise<Moved> {
  try {
    return await moveChunk(options, 1)
  } catch (error) {
    if (faultOf(error) !== 'poison') throw error
    return await moveChunk(options, 1, messageOf(error))
  }
}

interface Waiting {
  readonly id: number
  readonly first: number
  readonly last: number
  readonly time: UnknownTime
  readonly payload: Uint8Array
  readonly stream: Stream
}

interface Moving {
  readonly client: ClientBase
  readonly directory: Directory
  readonly options: Options
  readonly draft: Draft
}

/** @param refused why the database does not take the records of the first row: it goes to the quarantine as it is */
function moveChunk(options: Options, limit: number, refused?: string): Promise<Moved> {
  return withClient(options.pool, options.clock, async (client) => {
    await client.query('begin')
    const waiting = await lockWaiting(client, limit)
    const draft = emptyDraft({ writers: createWriters(), newestKnown: createNewestKnown() })
    const moving = { client, directory: createDirectory(options.clock), options, draft }
    let records = 0
    for (const row of waiting) {
      const found = refused === undefined ? await draftRow(moving, row) : NOTHING
      if (refused !== undefined) setRowAside(draft, row, { code: 'DATABASE_REFUSED', detail: refused })
      records += found.records
      const quarantined = row.last - row.first + 1 - found.records
      await addLateRows(client, row.stream.id, { ...found, quarantined, firstSeq: row.first })
    }
    await writeDraft(client, draft)
    await client.query('delete from rtls.staged where id = any($1)', [waiting.map(({ id }) => id)])
    await client.query('commit')
    return { rows: waiting.length, records, quarantined: draft.quarantine.length }
  })
}

/** The streams are locked in the order in which every ingester locks them, before anything is written. */
async function lockWaiting(client: ClientBase, limit: number): Promise<Waiting[]> {
  const { rows } = await client.query<WaitingRow>({
    name: 'staged-rows',
    text: `select s.id, s.first_seq, s.last_seq, s.boot_id, s.offset_ms, s.payload, s.stream_id, w.epoch,
        w.gateway_id, g.org_id, g.facility_id, g.name
      from rtls.staged s
      join rtls.watermark w on w.org_id = s.org_id and w.id = s.stream_id
      join site.gateway g on g.org_id = w.org_id and g.id = w.gateway_id
      where exists (
        select from rtls.clock_anchor a join rtls.watermark o on o.org_id = a.org_id and o.id = a.stream_id
        where a.boot_id = s.boot_id and not a.unsynced and o.gateway_id = w.gateway_id)
      order by s.stream_id, s.first_seq limit $1 for update of s skip locked`,
    values: [limit],
  })
  const streams = [...new Set(rows.map((row) => row.stream_id))]
  await client.query('select from rtls.watermark where id = any($1) order by id for update', [streams])
  return rows.flatMap((row) => {
    const epoch = parseEpoch(row.epoch)
    if (!epoch) return []
    const gateway = {
      id: row.gateway_id,
      orgId: row.org_id,
      facilityId: row.facility_id,
      name: row.name,
      barred: false,
    }
    return {
      id: Number(row.id),
      first: Number(row.first_seq),
      last: Number(row.last_seq),
      time: { bootId: row.boot_id, offsetMs: Number(row.offset_ms) },
      payload: row.payload,
      stream: { id: row.stream_id, gateway, epoch },
    }
  })
}

interface WaitingRow {
  id: string
  first_seq: string
  last_seq: string
  boot_id: string
  offset_ms: string
  payload: Buffer
  stream_id: number
  epoch: string
  gateway_id: number
  org_id: number
  facility_id: number
  name: GatewayId
}

/** Records of a row that are going into the history, and the oldest time among them. */
interface Drafted {
  readonly records: number
  readonly firstMs: number
}

const NOTHING: Drafted = { records: 0, firstMs: Infinity }

async function draftRow({ client, directory, options, draft }: Moving, row: Waiting): Promise<Drafted> {
  const { stream, time } = row
  const verdict = decodeBatch(row.payload, options.compression)
  if (!verdict.ok) {
    setRowAside(draft, row, verdict)
    return NOTHING
  }
  const { records } = verdict.batch
  await directory.loadNames(client, stream.gateway, records)
  const moments = (await knownMoments(client, stream.gateway.id, [time.bootId])).get(time.bootId) ?? []
  const lookup = directory.lookup(stream.gateway)
  const nowMs = options.clock.wallMs()
  const at = { stream, lookup, nowMs, receivedMs: nowMs, anyTime: false, seq: row.first, tagId: 0, roomId: null }
  let placed = 0
  let firstMs = Infinity
  for (const waiting of records) {
    const record = withKnownTime(waiting, time, moments) ?? waiting
    const rejection = place(draft, record, at)
    const { seq } = at
    if (rejection) {
      draft.quarantine.push(quarantinedRecord(record, rejection, { stream, seq, compression: options.compression }))
    } else {
      placed += 1
      if ('atMs' in record) firstMs = Math.min(firstMs, record.atMs)
    }
    at.seq += seqSpan(record)
  }
  return { records: placed, firstMs }
}

function setRowAside(
  draft: Draft,
  { stream, first, last, payload }: Waiting,
  { code, detail }: { readonly code: string; readonly detail: string },
): void {
  const { orgId, name } = stream.gateway
  const run = { streamId: stream.id, first, last, level: 'batch' as const }
  draft.quarantine.push({ orgId, gateway: name, ...run, code, detail, payload })
}
