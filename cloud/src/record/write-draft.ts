import { once } from 'node:events'

import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

import type { Draft, QuarantineRow } from './draft.ts'
import type { RowWriter } from './row-writer.ts'

/** Everything but the watermarks. */
export async function writeDraft(client: ClientBase, draft: Draft): Promise<void> {
  const { fixes, sensors, events, health } = draft.writers
  await copy(client, fixes, COPY.fixes)
  await copy(client, sensors, COPY.sensors)
  await copy(client, events, COPY.events)
  await copy(client, health, COPY.health)
  await insertGaps(client, draft)
  await insertAnchors(client, draft)
  await insertQuarantine(client, draft.quarantine)
  await insertStaged(client, draft)
  await draft.positions.write(client)
}

const KEYS = 't, org_id, facility_id, tag_id, room_id, stream_id, seq'
const COPY = {
  fixes: `copy telemetry.location_history (${KEYS}, span_ms, method, reason, confidence, map_version, x, y, accuracy,
    evidence) from stdin (format binary)`,
  sensors: `copy telemetry.sensor_reading (${KEYS}, kind, milli) from stdin (format binary)`,
  events: `copy telemetry.usage_event (${KEYS}, kind, value) from stdin (format binary)`,
  health: `copy telemetry.receiver_health (t, org_id, facility_id, gateway_id, receiver, stream_id, seq, state, readings,
    errors) from stdin (format binary)`,
} as const

async function copy(client: ClientBase, rows: RowWriter, statement: string): Promise<void> {
  if (rows.rows === 0) return
  const stream = client.query(copyFrom(statement))
  const finished = once(stream, 'finish')
  stream.end(rows.finish())
  await finished
}

async function insertGaps(client: ClientBase, { gaps }: Draft): Promise<void> {
  if (gaps.length === 0) return
  await client.query({
    text: `insert into rtls.gap (org_id, stream_id, first_seq, last_seq, reason, from_t, to_t)
      select org_id, stream_id, first_seq, last_seq, reason, to_timestamp(f / 1000.0), to_timestamp(t / 1000.0)
      from unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::float8[], $7::float8[])
        as g (org_id, stream_id, first_seq, last_seq, reason, f, t)`,
    values: [
      gaps.map((gap) => gap.orgId),
      gaps.map((gap) => gap.streamId),
      gaps.map((gap) => gap.first),
      gaps.map((gap) => gap.last),
      gaps.map((gap) => gap.reason),
      gaps.map((gap) => gap.fromMs),
      gaps.map((gap) => gap.toMs),
    ],
  })
}

async function insertAnchors(client: ClientBase, { anchors }: Draft): Promise<void> {
  if (anchors.length === 0) return
  await client.query({
    text: `insert into rtls.clock_anchor (org_id, stream_id, seq, t, boot_id, mono_ms, error_ms, unsynced)
      select org_id, stream_id, seq, to_timestamp(t / 1000.0), boot_id, mono_ms, error_ms, unsynced
      from unnest($1::int[], $2::int[], $3::bigint[], $4::float8[], $5::text[], $6::float8[], $7::float8[], $8::bool[])
        as a (org_id, stream_id, seq, t, boot_id, mono_ms, error_ms, unsynced)`,
    values: [
      anchors.map((row) => row.orgId),
      anchors.map((row) => row.streamId),
      anchors.map((row) => row.seq),
      anchors.map((row) => row.anchor.atMs),
      anchors.map((row) => row.anchor.bootId),
      anchors.map((row) => row.anchor.monoMs),
      anchors.map((row) => row.anchor.errorMs),
      anchors.map((row) => row.anchor.unsynced ?? false),
    ],
  })
}

async function insertStaged(client: ClientBase, { staged }: Draft): Promise<void> {
  if (staged.length === 0) return
  await client.query({
    text: `insert into rtls.staged (org_id, stream_id, first_seq, last_seq, boot_id, offset_ms, payload)
      select * from unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bytea[])`,
    values: [
      staged.map((row) => row.orgId),
      staged.map((row) => row.streamId),
      staged.map((row) => row.first),
      staged.map((row) => row.last),
      staged.map((row) => row.time.bootId),
      staged.map((row) => row.time.offsetMs),
      staged.map((row) => Buffer.from(row.payload)),
    ],
  })
}

/** Also for what no transaction of records stands behind: strays are written with it on their own. */
export async function insertQuarantine(client: ClientBase, rows: readonly QuarantineRow[]): Promise<void> {
  if (rows.length === 0) return
  await client.query({
    text: `insert into rtls.quarantine (org_id, gateway_name, stream_id, first_seq, last_seq, level, code, detail, payload,
        truncated)
      select * from unnest($1::int[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
        $8::text[], $9::bytea[], $10::bool[])`,
    values: [
      rows.map((row) => row.orgId),
      rows.map((row) => row.gateway),
      rows.map((row) => row.streamId),
      rows.map((row) => row.first),
      rows.map((row) => row.last),
      rows.map((row) => row.level),
      rows.map((row) => row.code),
      // PostgreSQL has no text with a zero character in it.
      rows.map((row) => row.detail.replaceAll('\0', '?').slice(0, MAX_DETAIL)),
      rows.map((row) => bytesOf(row.payload)),
      rows.map((row) => row.payload.length > MAX_PAYLOAD_BYTES),
    ],
  })
}

/** Limits of the columns of rtls.quarantine. */
const MAX_DETAIL = 4_000
const MAX_PAYLOAD_BYTES = 262_144

function bytesOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.byteLength, MAX_PAYLOAD_BYTES))
}
