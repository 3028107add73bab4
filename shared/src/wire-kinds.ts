import type { Range } from './bytes.ts'
import {
  GAP_REASON,
  type GapReason,
  type LedgerRecord,
  METHOD,
  type Method,
  REASON,
  RECEIVER_STATE,
  type Reason,
  type ReceiverState,
  SENSOR,
  type SensorKind,
  TAG_EVENT,
  type TagEventKind,
} from './model.ts'

/**
 * Codes of blocks and columns, version 1. Append only: a code or column id is never used for something else. A kind that
 * is added later is written as rows (ROW), so that a reader that does not know it can keep each record byte for byte.
 */
export const BLOCK_DICTIONARIES = 0
export const KIND = { fix: 1, sensor: 2, event: 3, health: 4, gap: 5, anchor: 6 } as const
export const MAX_KIND_CODE = 0xffff

export const DICTIONARY = { tags: 1, rooms: 2, receivers: 3 } as const
export const FIX = {
  tag: 1,
  room: 2,
  reason: 3,
  method: 4,
  confidence: 5,
  atMs: 6,
  spanMs: 7,
  mapVersion: 8,
  xCm: 9,
  yCm: 10,
  accuracyCm: 11,
  evidence: 12,
} as const
export const SENSOR_READING = { tag: 1, room: 2, sensor: 3, milli: 4, atMs: 5 } as const
export const EVENT = { tag: 1, room: 2, event: 3, value: 4, atMs: 5 } as const
export const HEALTH = { receiver: 1, state: 2, readings: 3, errors: 4, atMs: 5 } as const
export const GAP = { count: 1, reason: 2, fromMs: 3, toMs: 4 } as const
export const ANCHOR = { bootId: 1, monoMs: 2, atMs: 3, errorMs: 4, unsynced: 5 } as const
export const ROW = { length: 1, bytes: 2 } as const

export const CONFIDENCE: Range = { min: 0, max: 1000 }
/** As the site map's version. */
export const MAP_VERSION: Range = { min: 0, max: 2_147_483_647 }
export const MAX_EVIDENCE_BYTES = 256
export const BOOT_ID_BYTES = 8

/** Names by code; a code without a name is unknown to this version. */
export const METHODS = byCode<Method>(METHOD)
export const REASONS = byCode<Reason>(REASON)
export const SENSORS = byCode<SensorKind>(SENSOR)
export const TAG_EVENTS = byCode<TagEventKind>(TAG_EVENT)
export const RECEIVER_STATES = byCode<ReceiverState>(RECEIVER_STATE)
export const GAP_REASONS = byCode<GapReason>(GAP_REASON)

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): readonly (Name | undefined)[] {
  const names: (Name | undefined)[] = []
  for (const [name, code] of Object.entries<number>(codes)) names[code] = name as Name
  return Array.from(names)
}

export function codeOf(record: LedgerRecord): number {
  return record.kind === 'opaque' ? record.code : KIND[record.kind]
}
