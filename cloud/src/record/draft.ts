import {
  type ClockAnchor,
  type Compression,
  type Epoch,
  encodeBatch,
  type Fix,
  type Gap,
  type GatewayId,
  type LedgerRecord,
  METHOD,
  REASON,
  RECEIVER_STATE,
  type ReceiverHealth,
  SENSOR,
  type SensorReading,
  seqSpan,
  TAG_EVENT,
  type TagEvent,
} from '@biotrakr/shared'

import type { GatewayEntry, Lookup } from './directory.ts'
import { metres, type PositionDraft } from './positions.ts'
import type { StagedRow } from './record-time.ts'
import { RowWriter } from './row-writer.ts'

/** One epoch of one gateway, as its watermark row says. */
export interface Stream {
  readonly id: number
  readonly gateway: GatewayEntry
  readonly epoch: Epoch
}

/**
 * Where a record belongs and against what it is judged. One object for a whole run, moved on from record to record: an
 * object for each of a hundred thousand records a second would cost more than the rest of the work on them.
 */
export interface Cursor {
  readonly stream: Stream
  readonly lookup: Lookup
  /** Present time, wall milliseconds. */
  readonly nowMs: number
  /** When the record reached us: the window of accepted event times ends shortly after it. */
  readonly receivedMs: number
  /** Event times are taken as they are: somebody decided so. */
  readonly anyTime: boolean
  /** Sequence number of the record; for a gap the first one that is not yet committed. */
  seq: number
  /** Keys of the record's tag and room, once found. */
  tagId: number
  roomId: number | null
}

/** Why a record is not stored. Codes are stable. */
export interface Rejection {
  readonly code: 'TAG_UNKNOWN' | 'ROOM_UNKNOWN' | 'TIME_RANGE' | 'KIND_UNKNOWN' | 'VALUE_RANGE'
  readonly detail: string
}

export interface QuarantineRow {
  readonly orgId: number | null
  readonly gateway: GatewayId
  readonly streamId: number | null
  readonly first: number | null
  readonly last: number | null
  readonly level: 'batch' | 'row'
  readonly code: string
  readonly detail: string
  readonly payload: Uint8Array
}

interface GapRow {
  readonly orgId: number
  readonly streamId: number
  readonly first: number
  readonly last: number
  readonly reason: string
  readonly fromMs: number
  readonly toMs: number
}

interface AnchorRow {
  readonly orgId: number
  readonly streamId: number
  readonly seq: number
  readonly anchor: ClockAnchor
}

/** Rows of one history table, kept between transactions so that their buffers are. */
export interface Writers {
  readonly fixes: RowWriter
  readonly sensors: RowWriter
  readonly events: RowWriter
  readonly health: RowWriter
}

export function createWriters(): Writers {
  return { fixes: new RowWriter(), sensors: new RowWriter(), events: new RowWriter(), health: new RowWriter() }
}

/** Everything one transaction is going to write. */
export interface Draft {
  readonly writers: Writers
  readonly positions: PositionDraft
  readonly gaps: GapRow[]
  readonly anchors: AnchorRow[]
  readonly quarantine: QuarantineRow[]
  readonly staged: StagedRow[]
}

/** Oldest accepted event time; older data comes in by an import only. */
const MAX_AGE_MS = 35 * 86_400_000
const MAX_AHEAD_MS = 5 * 60_000
const MAX_INT32 = 2_147_483_647
const MAX_EVIDENCE_BYTES = 256

/**
 * Puts one record into the draft.
 * @returns why it cannot be stored; the draft is then unchanged
 */
export function place(draft: Draft, record: LedgerRecord, at: Cursor): Rejection | undefined {
  if (record.kind === 'opaque') {
    return { code: 'KIND_UNKNOWN', detail: `record kind ${record.code} is not known to this version` }
  }
  if (record.kind === 'gap') {
    placeGap(draft, record, at)
    return undefined
  }
  if (record.kind === 'anchor') return placeAnchor(draft, record, at)
  const late = at.anyTime ? undefined : outsideTime(record.atMs, at.receivedMs)
  if (late) return late
  return record.kind === 'health' ? placeHealth(draft, record, at) : placeTagged(draft, record, at)
}

function outsideTime(atMs: number, receivedMs: number): Rejection | undefined {
  if (atMs >= receivedMs - MAX_AGE_MS && atMs <= receivedMs + MAX_AHEAD_MS) return undefined
  const side = atMs < receivedMs ? 'older than 35 days' : 'more than 5 minutes ahead'
  return { code: 'TIME_RANGE', detail: `event time ${atMs} ms is ${side}` }
}

/** An anchor may be as old as what it ties down; one from the future would put all that into the future too. */
function placeAnchor(draft: Draft, anchor: ClockAnchor, { stream, seq, receivedMs, anyTime }: Cursor) {
  const ahead = anchor.unsynced || anyTime ? undefined : outsideTime(Math.max(anchor.atMs, receivedMs), receivedMs)
  if (ahead) return ahead
  draft.anchors.push({ orgId: stream.gateway.orgId, streamId: stream.id, seq, anchor })
  return undefined
}

function placeGap(draft: Draft, record: Gap, { stream, seq, receivedMs }: Cursor): void {
  // The times only describe what was lost, so a wrong clock there is bounded instead of refused.
  const bounded = (ms: number) => Math.min(Math.max(ms, 0), receivedMs + MAX_AHEAD_MS)
  draft.gaps.push({
    orgId: stream.gateway.orgId,
    streamId: stream.id,
    first: seq,
    last: seq + record.count - 1,
    reason: record.reason,
    fromMs: bounded(record.fromMs),
    toMs: bounded(record.toMs),
  })
}

function placeHealth(draft: Draft, record: ReceiverHealth, { stream, seq }: Cursor): undefined {
  const rows = draft.writers.health
  const receiver = Buffer.from(record.receiver)
  rows.row(10, receiver.length)
  rows.time(record.atMs)
  rows.int32(stream.gateway.orgId)
  rows.int32(stream.gateway.facilityId)
  rows.int32(stream.gateway.id)
  rows.bytes(receiver)
  rows.int32(stream.id)
  rows.int64(seq)
  rows.int16(RECEIVER_STATE[record.state])
  rows.int64(record.readings)
  rows.int64(record.errors)
}

function placeTagged(draft: Draft, record: Fix | SensorReading | TagEvent, at: Cursor): Rejection | undefined {
  const tagId = at.lookup.tag(record.tag)
  if (tagId === undefined) return { code: 'TAG_UNKNOWN', detail: `tag ${record.tag} is not registered` }
  const roomId = record.room === null ? null : at.lookup.room(record.room)
  if (roomId === undefined) return { code: 'ROOM_UNKNOWN', detail: `room "${record.room}" is not registered` }
  at.tagId = tagId
  at.roomId = roomId
  const wrong = wrongValue(record)
  if (wrong) return { code: 'VALUE_RANGE', detail: `${wrong} is out of range` }
  if (record.kind === 'fix') return placeFix(draft, record, at)
  const rows = record.kind === 'sensor' ? draft.writers.sensors : draft.writers.events
  rows.row(9)
  keys(rows, record.atMs, at)
  if (record.kind === 'sensor') {
    rows.int16(SENSOR[record.sensor])
    rows.int32(record.milli)
  } else {
    rows.int16(TAG_EVENT[record.event])
    rows.int64(record.value)
  }
  return undefined
}

/** @returns the name of a value the column cannot hold */
function wrongValue(record: Fix | SensorReading | TagEvent): string | undefined {
  if (record.kind === 'sensor') return isBetween(record.milli, -MAX_INT32, MAX_INT32) ? undefined : 'milli'
  if (record.kind === 'event') return Number.isSafeInteger(record.value) ? undefined : 'value'
  if (!isBetween(record.spanMs, 0, MAX_INT32)) return 'spanMs'
  if (!isBetween(record.mapVersion, 0, MAX_INT32)) return 'mapVersion'
  if (!isBetween(record.confidence, 0, 1_000)) return 'confidence'
  return (record.evidence?.length ?? 0) > MAX_EVIDENCE_BYTES ? 'evidence' : undefined
}

function isBetween(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}

function placeFix(draft: Draft, fix: Fix, at: Cursor): undefined {
  const rows = draft.writers.fixes
  rows.row(16, fix.evidence?.length ?? 0)
  keys(rows, fix.atMs, at)
  rows.int32(fix.spanMs)
  rows.int16(METHOD[fix.method])
  rows.int16(REASON[fix.reason])
  rows.int16(fix.confidence)
  rows.int32(fix.mapVersion)
  rows.float32OrNull(metres(fix.xCm))
  rows.float32OrNull(metres(fix.yCm))
  rows.float32OrNull(metres(fix.accuracyCm))
  if (fix.evidence) rows.bytes(fix.evidence)
  else rows.null()
  draft.positions.consider(fix, at)
}

/** The seven columns with which every table of a tag's history begins. */
function keys(rows: RowWriter, atMs: number, { stream, tagId, roomId, seq }: Cursor): void {
  rows.time(atMs)
  rows.int32(stream.gateway.orgId)
  rows.int32(stream.gateway.facilityId)
  rows.int32(tagId)
  rows.int32OrNull(roomId)
  rows.int32(stream.id)
  rows.int64(seq)
}

/**
 * A quarantined record keeps the form of the wire, as a batch of one: it reads back under every later version of the
 * envelope, with its kind and its bytes as they were.
 */
export function quarantinedRecord(
  record: LedgerRecord,
  rejection: { readonly code: string; readonly detail: string },
  at: { readonly stream: Stream; readonly seq: number; readonly compression: Compression },
): QuarantineRow {
  const { stream, seq, compression } = at
  const last = seq + seqSpan(record) - 1
  const batch = { gateway: stream.gateway.name, epoch: stream.epoch, first: seq, last, records: [record] }
  return {
    orgId: stream.gateway.orgId,
    gateway: stream.gateway.name,
    streamId: stream.id,
    first: seq,
    last,
    level: 'row',
    code: rejection.code,
    detail: rejection.detail,
    payload: encodeBatch(batch, compression),
  }
}
