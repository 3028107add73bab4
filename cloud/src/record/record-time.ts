import type { ClockAnchor, Compression, LedgerRecord } from '@biotrakr/shared'
import { encodeBatch, seqSpan } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import type { Stream } from './draft.ts'

/** A stretch of a stream whose times only count up: a record's time since boot is its time less `offsetMs`. */
export interface UnknownTime {
  readonly bootId: string
  readonly offsetMs: number
}

/** A moment of one boot of which the wall time is known. */
export interface KnownMoment {
  readonly monoMs: number
  readonly atMs: number
}

/** Records of one stretch in sequence, which wait for an anchor of their boot. */
export interface StagedRow {
  readonly orgId: number
  readonly streamId: number
  readonly first: number
  readonly last: number
  readonly time: UnknownTime
  readonly payload: Uint8Array
}

/** @returns the stretch that an anchor begins; undefined when the times after it are right as they are */
export function timeAfter(anchor: ClockAnchor): UnknownTime | undefined {
  if (!anchor.unsynced) return undefined
  return { bootId: anchor.bootId, offsetMs: Math.round(anchor.atMs - anchor.monoMs) }
}

/** @returns the record with the wall time that it really had, by the moment nearest to it; undefined without a moment */
export function withKnownTime(
  record: LedgerRecord,
  { offsetMs }: UnknownTime,
  moments: readonly KnownMoment[],
): LedgerRecord | undefined {
  if (!('atMs' in record)) return record
  const monoMs = record.atMs - offsetMs
  let nearest: KnownMoment | undefined
  for (const moment of moments) {
    if (!nearest || Math.abs(moment.monoMs - monoMs) < Math.abs(nearest.monoMs - monoMs)) nearest = moment
  }
  if (!nearest) return undefined
  return { ...record, atMs: Math.max(0, Math.round(nearest.atMs + monoMs - nearest.monoMs)) }
}

/** Records in one row, so that its payload is again a batch that can be read. */
const MAX_ROW_RECORDS = 5_000

/** Gathers records that wait for an anchor into rows of consecutive sequence numbers. */
export function createStaging(rows: StagedRow[], stream: Stream, compression: Compression) {
  let open:
    | { readonly first: number; readonly time: UnknownTime; readonly records: LedgerRecord[]; last: number }
    | undefined
  const close = () => {
    if (!open) return
    const { first, last, time, records } = open
    const batch = { gateway: stream.gateway.name, epoch: stream.epoch, first, last, records }
    rows.push({
      orgId: stream.gateway.orgId,
      streamId: stream.id,
      first,
      last,
      time,
      payload: encodeBatch(batch, compression),
    })
    open = undefined
  }
  return {
    add: (record: LedgerRecord, seq: number, time: UnknownTime) => {
      if (open && (open.last + 1 !== seq || open.time !== time || open.records.length >= MAX_ROW_RECORDS)) close()
      open ??= { first: seq, last: seq - 1, time, records: [] }
      open.records.push(record)
      open.last += seqSpan(record)
    },
    close,
  }
}

/** Known moments of these boots of one gateway. */
export async function knownMoments(
  client: ClientBase,
  gatewayId: number,
  boots: readonly string[],
): Promise<ReadonlyMap<string, readonly KnownMoment[]>> {
  const moments = new Map<string, KnownMoment[]>()
  if (boots.length === 0) return moments
  const { rows } = await client.query<KnownMoment & { bootId: string }>({
    name: 'known-moments',
    text: `select a.boot_id as "bootId", a.mono_ms as "monoMs", extract(epoch from a.t)::float8 * 1000 as "atMs"
      from rtls.clock_anchor a join rtls.watermark w on w.org_id = a.org_id and w.id = a.stream_id
      where w.gateway_id = $1 and a.boot_id = any($2) and not a.unsynced order by a.mono_ms limit 10000`,
    values: [gatewayId, boots],
  })
  for (const { bootId, monoMs, atMs } of rows) {
    const known = moments.get(bootId) ?? []
    known.push({ monoMs, atMs })
    moments.set(bootId, known)
  }
  return moments
}

/** Boots whose time may have to be looked up before these records can be drafted. */
export function bootsOf(time: UnknownTime | undefined, records: readonly LedgerRecord[]): string[] {
  const boots = records.flatMap((record) => (record.kind === 'anchor' && record.unsynced ? [record.bootId] : []))
  return time ? [time.bootId, ...boots] : boots
}
