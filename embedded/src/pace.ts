/** How event time follows real time; all wall milliseconds. */
export interface Pace {
  readonly speed: number
  readonly eventStartMs: number
  readonly realStartMs: number
}

interface PaceWish {
  /** Length of the recording, milliseconds. */
  readonly durationMs: number
  readonly realStartMs: number
  readonly speed: number | undefined
  /** When the run must end, wall milliseconds. */
  readonly endMs: number | undefined
}

const DEFAULT_SPEED = 10
const FASTEST = 10_000
/** Kept free at the end of a run for the last windows to close. */
const TAIL_MS = 2_000
/** A clock that runs ahead goes on until somebody notices that the recording has ended. */
const NOTICE_MS = 10_000
/** The centre takes events up to five minutes ahead of its own clock; some of it stays in hand. */
const AHEAD_MS = 240_000

/**
 * A replay is placed so that the recording's end is about now when it is played: the centre takes events from 35 days
 * ago to 5 minutes ahead. At high speed it ends earlier, by what the clock may run ahead after the end.
 */
export function replayPace({ durationMs, realStartMs, speed, endMs }: PaceWish): Pace {
  const chosen = speed ?? fittingSpeed(durationMs, endMs === undefined ? undefined : endMs - TAIL_MS - realStartMs)
  const realEndMs = realStartMs + durationMs / chosen
  const inHandMs = Math.max(0, chosen * NOTICE_MS - AHEAD_MS)
  const eventStartMs = Math.min(realStartMs, realEndMs - durationMs - inHandMs)
  // Whole seconds, so that the agent's windows are those of the recording.
  return { speed: chosen, eventStartMs: Math.floor(eventStartMs / 1000) * 1000, realStartMs }
}

/** The slowest speed, in tenths, that plays everything in the time there is. */
function fittingSpeed(durationMs: number, availableMs: number | undefined): number {
  if (availableMs === undefined) return DEFAULT_SPEED
  const needed = Math.ceil((durationMs / Math.max(1, availableMs)) * 10) / 10
  return Math.min(FASTEST, Math.max(1, needed))
}
