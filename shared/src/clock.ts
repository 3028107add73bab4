/**
 * Time as an argument. Stages never read a clock of their own; `main.ts` passes the real one, tests pass one they
 * advance by hand, and a replay passes one that follows the recording.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970-01-01 UTC. May step in either direction. */
  wallMs(): number
  /** Monotonic time in milliseconds since an arbitrary start. Never steps back. */
  monoMs(): number
  /** Runs `task` once after `delayMs` milliseconds. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` every `periodMs` milliseconds, the first time one period from now. */
  every(periodMs: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Chance as an argument: a number in [0, 1). */
export type Random = () => number
