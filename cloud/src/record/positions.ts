import type { Fix } from '@biotrakr/shared'
import { METHOD, REASON } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

/** Newest fix per tag of one transaction, and how the tag came there. */
interface Candidate {
  readonly orgId: number
  readonly facilityId: number
  readonly tagId: number
  readonly streamId: number
  fix: Fix
  roomId: number | null
  seq: number
  sinceMs: number
  /** Last known room before the present one, as far as this transaction saw it. */
  lastRoomId: number | null
}

/** Where a fix came from and what its names stand for. */
interface FixSource {
  readonly stream: { readonly id: number; readonly gateway: { readonly orgId: number; readonly facilityId: number } }
  readonly tagId: number
  readonly roomId: number | null
  readonly seq: number
  /** Present time, wall milliseconds. */
  readonly nowMs: number
}

/** A clock ahead by more than this must not keep a tag's position from being updated for as long as it was ahead. */
const MAX_AHEAD_MS = 5_000

/** Tag -> newest event time known to be stored. Older fixes need not be sent, since the stored time only grows. */
export interface NewestKnown {
  get(tagId: number): number | undefined
  learn(tagId: number, tMs: number): void
  clear(): void
}

const MAX_KNOWN = 500_000

export function createNewestKnown(): NewestKnown {
  const times = new Map<number, number>()
  return {
    get: (tagId) => times.get(tagId),
    learn: (tagId, tMs) => {
      if (times.size >= MAX_KNOWN) times.clear()
      const known = times.get(tagId)
      if (known === undefined || known < tMs) times.set(tagId, tMs)
    },
    clear: () => times.clear(),
  }
}

export interface PositionDraft {
  consider(fix: Fix, source: FixSource): void
  /** One statement, rows sorted by tag: two transactions that upsert in different orders deadlock. */
  write(client: ClientBase): Promise<void>
  /** To be called after the commit. */
  remember(): void
}

/**
 * Merges fixes to the current position: the greatest (t, confidence, stream) wins, so any order of arrival gives the
 * same place. `since` stays while the room stays, and `unknown` keeps the last room.
 */
export function createPositionDraft(known: NewestKnown): PositionDraft {
  const candidates = new Map<number, Candidate>()
  return {
    consider: (fix, source) => {
      const { tagId } = source
      if (fix.atMs > source.nowMs + MAX_AHEAD_MS || fix.atMs < (known.get(tagId) ?? -Infinity)) return
      const candidate = candidates.get(tagId)
      if (!candidate) candidates.set(tagId, candidateOf(fix, source))
      else if (!wins(fix, source, candidate)) return
      else if (candidate.streamId !== source.stream.id) candidates.set(tagId, candidateOf(fix, source))
      else advance(candidate, fix, source)
    },
    write: async (client) => {
      if (candidates.size === 0) return
      const rows = [...candidates.values()].sort((a, b) => a.orgId - b.orgId || a.tagId - b.tagId)
      await client.query({ name: 'positions', text: UPSERT, values: columnsOf(rows) })
    },
    remember: () => {
      for (const { tagId, fix } of candidates.values()) known.learn(tagId, fix.atMs)
    },
  }
}

function wins(fix: Fix, source: FixSource, candidate: Candidate): boolean {
  if (fix.atMs !== candidate.fix.atMs) return fix.atMs > candidate.fix.atMs
  if (fix.confidence !== candidate.fix.confidence) return fix.confidence > candidate.fix.confidence
  return source.stream.id > candidate.streamId
}

function candidateOf(fix: Fix, { stream, tagId, roomId, seq }: FixSource): Candidate {
  const { orgId, facilityId } = stream.gateway
  return { orgId, facilityId, tagId, streamId: stream.id, fix, roomId, seq, sinceMs: fix.atMs, lastRoomId: null }
}

function advance(candidate: Candidate, fix: Fix, { roomId, seq }: FixSource): void {
  if (roomId !== candidate.roomId) {
    if (candidate.roomId !== null) candidate.lastRoomId = candidate.roomId
    candidate.roomId = roomId
    candidate.sinceMs = fix.atMs
  }
  candidate.seq = seq
  candidate.fix = fix
}

// A room left and entered again within one transaction shows as last_room_id of the new row, hence the new `since`.
const UPSERT = `
insert into rtls.position as p (org_id, facility_id, tag_id, room_id, t, since, last_room_id, method, reason, confidence,
  x, y, accuracy, stream_id, seq, map_version)
select org_id, facility_id, tag_id, room_id, to_timestamp(t / 1000.0), to_timestamp(since / 1000.0), last_room_id, method,
  reason, confidence, x, y, accuracy, stream_id, seq, map_version
from unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::int[], $8::int2[], $9::int2[],
  $10::int2[], $11::real[], $12::real[], $13::real[], $14::int[], $15::bigint[], $16::int[])
  as n (org_id, facility_id, tag_id, room_id, t, since, last_room_id, method, reason, confidence,
    x, y, accuracy, stream_id, seq, map_version)
on conflict (org_id, tag_id) do update set
  facility_id = excluded.facility_id,
  room_id = excluded.room_id,
  t = excluded.t,
  since = case when p.room_id is not distinct from excluded.room_id and excluded.last_room_id is null
    then p.since else excluded.since end,
  last_room_id = case
    when excluded.last_room_id is not null then excluded.last_room_id
    when p.room_id is not null and p.room_id is distinct from excluded.room_id then p.room_id
    else p.last_room_id end,
  method = excluded.method,
  reason = excluded.reason,
  confidence = excluded.confidence,
  x = excluded.x,
  y = excluded.y,
  accuracy = excluded.accuracy,
  stream_id = excluded.stream_id,
  seq = excluded.seq,
  map_version = excluded.map_version
where (excluded.t, excluded.confidence, excluded.stream_id) > (p.t, p.confidence, p.stream_id)`

function columnsOf(rows: readonly Candidate[]): string[] {
  // Array literals made here: the driver escapes every element of an array as if it were a text.
  const of = (value: (row: Candidate) => number | null) => `{${rows.map((row) => value(row) ?? 'NULL').join()}}`
  return [
    of((row) => row.orgId),
    of((row) => row.facilityId),
    of((row) => row.tagId),
    of((row) => row.roomId),
    of((row) => row.fix.atMs),
    of((row) => row.sinceMs),
    of((row) => row.lastRoomId),
    of((row) => METHOD[row.fix.method]),
    of((row) => REASON[row.fix.reason]),
    of((row) => row.fix.confidence),
    of((row) => metres(row.fix.xCm)),
    of((row) => metres(row.fix.yCm)),
    of((row) => metres(row.fix.accuracyCm)),
    of((row) => row.streamId),
    of((row) => row.seq),
    of((row) => row.fix.mapVersion),
  ]
}

/** The wire carries centimetres, the database metres. */
export function metres(centimetres: number | undefined): number | null {
  return centimetres === undefined ? null : centimetres / 100
}
