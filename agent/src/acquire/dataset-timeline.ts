/** Pause on the common timeline between two sessions. */
const SESSION_GAP_MS = 60_000

/**
 * A longer jump between two rows of a session is somebody setting the clock. Real recordings pause for up to 1.5 hours
 * (the survey of kolakowski-flat), and one row dated years ahead must not make a replay wait for years.
 */
const CLOCK_SET_MS = 6 * 3_600_000

export interface SessionSpan {
  readonly name: string
  /** Place on the common timeline, milliseconds. */
  readonly startMs: number
  readonly endMs: number
  /** Recorded time of its first row, milliseconds: whole seconds of a recording begin by its own clock. */
  readonly recordedMs: number
  readonly rows: number
}

export interface Timeline {
  readonly sessions: readonly SessionSpan[]
  /** Rows whose time was before the newest so far; they keep their place in the order and get the newest time. */
  readonly stepsBack: number
  /** Jumps of more than six hours in either direction; the timeline goes on from the newest time so far. */
  readonly clockSets: number
}

/**
 * Lays sessions end to end on one timeline that begins at 0 and never runs back.
 * @param sessions rows of each session in file order; their recorded time in `offsetMs` is replaced, in place because
 *   a set may have millions of rows, by the place on the timeline
 */
export function layEndToEnd(sessions: ReadonlyMap<string, readonly { offsetMs: number }[]>): Timeline {
  const spans: SessionSpan[] = []
  let stepsBack = 0
  let clockSets = 0
  let startMs = 0
  for (const [name, rows] of sessions) {
    let newestMs = startMs
    const recordedMs = rows[0]?.offsetMs ?? 0
    let shiftMs = startMs - recordedMs
    for (const row of rows) {
      const atMs = row.offsetMs + shiftMs
      if (Math.abs(atMs - newestMs) > CLOCK_SET_MS) {
        clockSets += 1
        shiftMs += newestMs - atMs
      } else if (atMs < newestMs) {
        stepsBack += 1
      } else {
        newestMs = atMs
      }
      row.offsetMs = newestMs
    }
    spans.push({ name, startMs, endMs: newestMs, recordedMs, rows: rows.length })
    startMs = newestMs + SESSION_GAP_MS
  }
  return { sessions: spans, stepsBack, clockSets }
}
