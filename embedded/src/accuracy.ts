/** What the database says of a tag from `atMs` on, until its next fix. */
export interface StoredFix {
  readonly tag: string
  /** Event time, wall milliseconds. */
  readonly atMs: number
  /** Null = unknown. */
  readonly room: string | null
}

/** Where a tag truly was at one moment. */
export interface TruthSample {
  readonly tag: string
  readonly atMs: number
  readonly room: string
}

export interface Accuracy {
  /** Tag-seconds judged. */
  readonly samples: number
  readonly right: number
}

/**
 * How many truth samples the stored fixes answer rightly: the newest fix of the tag at or before the sample names the
 * room. No fix yet, an unknown room and a wrong room all count as wrong.
 * @param fixes in the order in which they were recorded; of two at one time the later one holds
 */
export function judgeRooms(fixes: Iterable<StoredFix>, samples: Iterable<TruthSample>): Accuracy {
  const byTag = new Map<string, StoredFix[]>()
  for (const fix of fixes) {
    const known = byTag.get(fix.tag)
    if (known) known.push(fix)
    else byTag.set(fix.tag, [fix])
  }
  for (const list of byTag.values()) list.sort((a, b) => a.atMs - b.atMs)
  let judged = 0
  let right = 0
  for (const { tag, atMs, room } of samples) {
    judged += 1
    if (newestUntil(byTag.get(tag) ?? [], atMs)?.room === room) right += 1
  }
  return { samples: judged, right }
}

/** The last fix with a time of at most `atMs`, by halving. */
function newestUntil(fixes: readonly StoredFix[], atMs: number): StoredFix | undefined {
  let low = 0
  let high = fixes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((fixes[middle]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs) low = middle + 1
    else high = middle
  }
  return fixes[low - 1]
}

interface TruthRow {
  readonly tag: string
  readonly offsetMs: number
  readonly room: string
}

/**
 * One sample per tag and whole second in which it was heard, at the end of that second; the newest row tells the truth.
 * @param rows in the order of the timeline
 * @param startMs event time of offset 0, a whole second
 * @param untilMs seconds that end later were not played
 */
export function* truthPerSecond(rows: Iterable<TruthRow>, startMs: number, untilMs: number): Generator<TruthSample> {
  const open = new Map<string, TruthSample>()
  let second = 0
  for (const { tag, offsetMs, room } of rows) {
    const end = (Math.floor(offsetMs / 1000) + 1) * 1000
    if (end !== second) {
      yield* open.values()
      open.clear()
      second = end
      if (startMs + end > untilMs) return
    }
    open.set(tag, { tag, atMs: startMs + end, room })
  }
  yield* open.values()
}
