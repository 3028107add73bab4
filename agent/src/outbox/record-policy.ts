import type { Fix, Method, Reason, RoomId, TagId } from '@biotrakr/shared'

/** An answer of the locate stage, as far as this policy needs it. */
interface Answer {
  readonly tag: TagId
  readonly room: RoomId | null
  readonly reason: Reason
  readonly method: Method
  /** Per mille. */
  readonly confidence: number
  /** Event time, wall milliseconds: the only time this policy knows. */
  readonly atMs: number
  readonly xCm?: number
  readonly yCm?: number
  readonly accuracyCm?: number
  /** Why the room is another one than before. */
  readonly evidence?: Uint8Array
}

export interface RecordPolicyOptions {
  /** `change`: a fix when room, reason or method changes, and each keep-alive; `all`: every answer. */
  readonly ledger: 'change' | 'all'
  /** How long an unchanged answer may go unrecorded, milliseconds. */
  readonly keepAliveMs: number
  /** Tags remembered; the one unheard for longest is forgotten first, and its next fix counts as its first. */
  readonly maxTags: number
}

interface RecordPolicyCounters {
  /** Tags forgotten to make room for others. */
  readonly evicted: number
  /** Answers dated before the tag's previous ledger fix. */
  readonly stepsBack: number
  /** Spans cut because the clock stepped ahead. */
  readonly spansCut: number
}

/** @returns the fix to record, or undefined when the ledger already says so */
export interface RecordPolicy {
  (answer: Answer, mapVersion: number): Fix | undefined
  readonly counters: RecordPolicyCounters
}

/**
 * Longest wait for the next answer about a tag that was in a room, beyond the keep-alive: a tag that reports every ten
 * minutes is called silent after six of its intervals. A longer time was watched by nobody, so no room is credited
 * with it; the clock has been set.
 */
const MAX_WATCHED_MS = 3_600_000

/** Largest span the ledger holds (a signed 32-bit number, 24.8 days). Only "not heard" lasts that long. */
const MAX_SPAN_MS = 2_147_483_647

interface Recorded {
  readonly room: RoomId | null
  readonly reason: Reason
  readonly method: Method
  readonly atMs: number
}

/** Decides which answers become ledger fixes, and how long the one before each of them stood. */
export function createRecordPolicy({ ledger, keepAliveMs, maxTags }: RecordPolicyOptions): RecordPolicy {
  // A Map keeps its order of insertion: the first key is the tag unheard for longest.
  const latest = new Map<TagId, Recorded>()
  const counters = { evicted: 0, stepsBack: 0, spansCut: 0 }

  function remember(tag: TagId, recorded: Recorded): void {
    latest.delete(tag)
    latest.set(tag, recorded)
    if (latest.size <= maxTags) return
    const oldest = latest.keys().next()
    if (!oldest.done && latest.delete(oldest.value)) counters.evicted += 1
  }

  function spanSince(previous: Recorded | undefined, atMs: number): number {
    if (previous === undefined) return 0
    const spanMs = Math.round(atMs - previous.atMs)
    if (spanMs < 0) counters.stepsBack += 1
    const longestMs = previous.room === null ? MAX_SPAN_MS : Math.min(MAX_SPAN_MS, keepAliveMs + MAX_WATCHED_MS)
    if (spanMs > longestMs) counters.spansCut += 1
    return Math.max(0, Math.min(spanMs, longestMs))
  }

  function decide(answer: Answer, mapVersion: number): Fix | undefined {
    const { tag, room, reason, method, atMs } = answer
    const previous = latest.get(tag)
    if (previous !== undefined && ledger === 'change' && !isDue(previous, answer, keepAliveMs)) {
      remember(tag, previous)
      return undefined
    }
    const spanMs = spanSince(previous, atMs)
    remember(tag, { room, reason, method, atMs })
    return { kind: 'fix', ...answerFields(answer), spanMs, mapVersion }
  }

  return Object.assign(decide, { counters })
}

/** A clock set back by a keep-alive or more is due as well, or an unchanged tag would go unrecorded until it caught up. */
function isDue(previous: Recorded, answer: Answer, keepAliveMs: number): boolean {
  return (
    previous.room !== answer.room ||
    previous.reason !== answer.reason ||
    previous.method !== answer.method ||
    Math.abs(answer.atMs - previous.atMs) >= keepAliveMs
  )
}

/** Field by field, so that nothing else an answer may carry reaches the ledger unseen. */
function answerFields({ tag, room, reason, method, confidence, atMs, xCm, yCm, accuracyCm, evidence }: Answer) {
  return {
    tag,
    room,
    reason,
    method,
    confidence,
    atMs,
    ...(xCm !== undefined && { xCm }),
    ...(yCm !== undefined && { yCm }),
    ...(accuracyCm !== undefined && { accuracyCm }),
    ...(evidence !== undefined && { evidence }),
  }
}
