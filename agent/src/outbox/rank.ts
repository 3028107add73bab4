import type { LedgerRecord, RoomId, TagId } from '@biotrakr/shared'

/**
 * What gives way first when room is short. `KEPT` never gives way to newer records: tag events, clock anchors and kinds
 * that this version does not know.
 */
export const RANK = { telemetry: 0, sameRoom: 1, roomChange: 2, kept: 3 } as const
export type Rank = (typeof RANK)[keyof typeof RANK]

/** A record with its rank, which depends on the tag's record before it and is therefore kept beside it. */
export interface Entry {
  readonly record: LedgerRecord
  readonly rank: Rank
}

/** Records by rank, those of rank `kept` left out. */
export interface RankCounts {
  readonly telemetry: number
  readonly sameRoom: number
  readonly roomChange: number
}

export const NO_RANKS: RankCounts = { telemetry: 0, sameRoom: 0, roomChange: 0 }

/**
 * Ranks records in the order in which they are appended. A tag's first fix counts as a room change, also after it was
 * forgotten to make room for other tags; so does the news that a receiver is silent or down.
 */
export function createRanker({ maxTags }: { readonly maxTags: number }): (record: LedgerRecord) => Rank {
  // A Map keeps its order of insertion: the first key is the tag unheard for longest.
  const rooms = new Map<TagId, RoomId | null>()

  function isChange(tag: TagId, room: RoomId | null): boolean {
    const before = rooms.get(tag)
    rooms.delete(tag)
    rooms.set(tag, room)
    if (rooms.size > maxTags) {
      const oldest = rooms.keys().next()
      if (!oldest.done) rooms.delete(oldest.value)
    }
    return before !== room
  }

  return (record) => rankOfKind(record, record.kind === 'fix' && isChange(record.tag, record.room))
}

/** What the kind alone tells of the rank: where the tag's record before is not known, every fix is a room change. */
export function rankOfKind(record: LedgerRecord, isChange: boolean): Rank {
  if (record.kind === 'sensor') return RANK.telemetry
  if (record.kind === 'health') return record.state === 'up' ? RANK.telemetry : RANK.roomChange
  if (record.kind === 'fix') return isChange ? RANK.roomChange : RANK.sameRoom
  return RANK.kept
}

export function countRanks(entries: readonly Entry[]): RankCounts {
  const counts = [0, 0, 0, 0]
  for (const { rank } of entries) counts[rank] = (counts[rank] ?? 0) + 1
  const [telemetry = 0, sameRoom = 0, roomChange = 0] = counts
  return { telemetry, sameRoom, roomChange }
}

export function addRanks(a: RankCounts, b: RankCounts): RankCounts {
  return {
    telemetry: a.telemetry + b.telemetry,
    sameRoom: a.sameRoom + b.sameRoom,
    roomChange: a.roomChange + b.roomChange,
  }
}
