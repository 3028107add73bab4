import { METHOD, type Method, REASON, type Reason, type RoomId, type TagId } from '@biotrakr/shared'

export interface NamedRoom {
  readonly code: RoomId
  readonly name: string
}

/** Where a tag is as far as the database knows, which is as of the newest committed record. */
export interface StoredPosition {
  readonly tag: TagId
  /** Code of the facility. */
  readonly facility: string
  /** Null = unknown; `reason` then says why. */
  readonly room: NamedRoom | null
  /** The room before this one. */
  readonly lastRoom: NamedRoom | null
  readonly reason: Reason
  readonly method: Method
  /** Per mille, 0-1000. */
  readonly confidence: number
  /** Event times, wall milliseconds. */
  readonly atMs: number
  readonly sinceMs: number
  /** Metres. */
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
  readonly mapVersion: number
}

/** Columns of `POSITION_SOURCE`, to be read with `positionOf`. */
export const POSITION_COLUMNS = `t.identity as tag, f.code as facility, r.code as room, r.name as "roomName",
  l.code as "lastRoom", l.name as "lastRoomName", p.reason, p.method, p.confidence,
  extract(epoch from p.t)::float8 * 1000 as "atMs", extract(epoch from p.since)::float8 * 1000 as "sinceMs",
  p.x, p.y, p.accuracy, p.map_version as "mapVersion"`

export const POSITION_SOURCE = `rtls.tag t
  left join rtls.position p on p.org_id = t.org_id and p.tag_id = t.id
  left join site.facility f on f.id = p.facility_id
  left join site.room r on r.id = p.room_id
  left join site.room l on l.id = p.last_room_id`

/** Every column but the tag's is null for a tag that has no position yet. */
export interface PositionRow {
  readonly tag: TagId
  readonly facility: string | null
  readonly room: RoomId | null
  readonly roomName: string | null
  readonly lastRoom: RoomId | null
  readonly lastRoomName: string | null
  readonly reason: number
  readonly method: number
  readonly confidence: number
  readonly atMs: number
  readonly sinceMs: number
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
  readonly mapVersion: number
}

/** @returns undefined for a tag that was never placed */
export function positionOf(row: PositionRow): StoredPosition | undefined {
  const { tag, facility, confidence, x, y, accuracy, mapVersion } = row
  if (facility === null) return undefined
  return {
    tag,
    facility,
    room: named(row.room, row.roomName),
    lastRoom: named(row.lastRoom, row.lastRoomName),
    reason: REASON_NAMES.get(row.reason) ?? 'none',
    method: METHOD_NAMES.get(row.method) ?? 'MIGRATED',
    confidence,
    // float8 seconds hold microseconds until the year 2255, times 1000 not exactly.
    atMs: Math.round(row.atMs),
    sinceMs: Math.round(row.sinceMs),
    x,
    y,
    accuracy,
    mapVersion,
  }
}

function named(code: RoomId | null, name: string | null): NamedRoom | null {
  return code === null ? null : { code, name: name ?? code }
}

const REASON_NAMES = namesOf(REASON)
const METHOD_NAMES = namesOf(METHOD)

function namesOf<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  const names = Object.keys(codes) as Name[]
  return new Map(names.map((name) => [codes[name], name]))
}
