import type { Clock, Timer } from '@biotrakr/shared'

/** Notices when something that was asked for stays away. */
export interface SilenceWatch {
  /** An answer is due from now on, if it was not already. */
  ask(): void
  /** Nothing is due any more. */
  answered(): void
  /** As `answered`, and lets go of the timer, which would otherwise keep an ending process up. */
  stop(): void
}

/** Calls `silent` when an answer is `limitMs` late, and again every `limitMs` as long as it stays away. */
export function createSilenceWatch(clock: Clock, limitMs: number, silent: () => void): SilenceWatch {
  let askedMs: number | undefined
  let timer: Timer | undefined
  // One timer that looks when it fires: acks come by the hundred a second and need not set a new one each.
  const look = (): void => {
    timer = undefined
    if (askedMs === undefined) return
    const leftMs = askedMs + limitMs - clock.monoMs()
    if (leftMs <= 0) silent()
    timer = clock.after(leftMs > 0 ? leftMs : limitMs, look)
  }
  return {
    ask() {
      askedMs ??= clock.monoMs()
      timer ??= clock.after(limitMs, look)
    },
    answered() {
      askedMs = undefined
    },
    stop() {
      askedMs = undefined
      timer?.cancel()
      timer = undefined
    },
  }
}
