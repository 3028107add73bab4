import type { RoomId, TagId } from '@biotrakr/shared'

import type { Truth, Ward } from './ward.ts'

/** A tag that has stayed this long at its place is scored as at rest. */
const SETTLED_MS = 30_000
const HOUR_MS = 3_600_000

export interface TagTruth extends Truth {
  readonly tag: TagId
}

/** Where every tag of the ward is at one time. */
export function wardTruth(ward: Ward, atMs: number): TagTruth[] {
  return ward.tags.map((tag) => ({ tag, ...ward.truthAt(tag, atMs) }))
}

export interface WardScore {
  /** Answers taken, and the share of them that named the right room, 0-1; an unknown room is not right. */
  readonly answers: number
  readonly right: number
  /** The same for tags at rest, that is at their place for at least 30 s. */
  readonly restAnswers: number
  readonly rightAtRest: number
  /** Changes from one named room to another while at rest, per hour of one tag. A late arrival counts as well. */
  readonly falseChangesPerTagHour: number
}

interface Last {
  readonly room: RoomId | null
  readonly atMs: number
}

/** Adds up how an answer per tag and second compares with the truth. Keeps one small record per tag. */
export interface WardScorer {
  /** @param room the answer, null = unknown; times of one tag must not fall */
  take(tag: TagId, room: RoomId | null, atMs: number): void
  score(): WardScore
}

export function createWardScorer(ward: Ward): WardScorer {
  const last = new Map<TagId, Last>()
  const sums = { answers: 0, right: 0, restAnswers: 0, restRight: 0, changes: 0, restMs: 0 }
  const takeAtRest = (right: boolean, before: Last | undefined, { room, atMs }: Last): void => {
    sums.restAnswers += 1
    if (right) sums.restRight += 1
    if (!before) return
    sums.restMs += atMs - before.atMs
    if (room !== null && before.room !== null && room !== before.room) sums.changes += 1
  }
  return {
    take(tag, room, atMs) {
      const truth = ward.truthAt(tag, atMs)
      const right = truth.room === room
      sums.answers += 1
      if (right) sums.right += 1
      if (!truth.moving && atMs - truth.sinceMs >= SETTLED_MS) takeAtRest(right, last.get(tag), { room, atMs })
      last.set(tag, { room: room ?? last.get(tag)?.room ?? null, atMs })
    },
    score: () => ({
      answers: sums.answers,
      right: share(sums.right, sums.answers),
      restAnswers: sums.restAnswers,
      rightAtRest: share(sums.restRight, sums.restAnswers),
      falseChangesPerTagHour: sums.changes / Math.max(sums.restMs / HOUR_MS, Number.EPSILON),
    }),
  }
}

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
