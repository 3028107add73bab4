import type { Clock, Timer } from './clock.ts'

/**
 * One kind of work of which something must move while there is any: a count that grows, a time that is renewed. Work
 * that stands still for longer than its limit, with no reason of its own, is stuck, and starting anew is what is left.
 */
export interface Pulse {
  readonly name: string
  /** Changes whenever the work moves on. */
  readonly mark: () => string | number
  /** True while standing still is right: nothing to do, or a fault that is told and that a new start would not mend. */
  readonly isExcused?: () => boolean
  /** Longest that it may stand still, milliseconds. */
  readonly limitMs: number
}

interface PulseWatchOptions {
  readonly clock: Clock
  readonly pulses: readonly Pulse[]
  /** How often to say that everything moves, milliseconds. */
  readonly everyMs: number
  /** Says that everything moves; never called while something is stuck. */
  readonly alive: () => void
  /** Told once whenever something gets stuck, with its name, and again when all of it moves. */
  readonly onStuck: (names: readonly string[]) => void
}

export interface PulseWatch {
  start(): void
  stop(): void
  /** What is stuck now. */
  stuck(): readonly string[]
}

const BEAT_MS = 1_000
/** A loop that comes to its timers later than this is too busy to be called alive. */
const MAX_LAG_MS = 1_000

/**
 * Says "alive" only as long as the loop is on time and every pulse moves. It runs on the very loop that it vouches for:
 * a loop that is blocked says nothing.
 */
export function createPulseWatch({ clock, pulses, everyMs, alive, onStuck }: PulseWatchOptions): PulseWatch {
  const seen = new Map<Pulse, { mark: string | number; atMs: number }>()
  let timer: Timer | undefined
  let beatMs = 0
  let saidMs = Number.NEGATIVE_INFINITY
  let stuck: readonly string[] = []

  const isStuck = (pulse: Pulse, nowMs: number): boolean => {
    const mark = pulse.mark()
    const last = seen.get(pulse)
    if (last === undefined || last.mark !== mark || pulse.isExcused?.()) {
      seen.set(pulse, { mark, atMs: nowMs })
      return false
    }
    return nowMs - last.atMs > pulse.limitMs
  }

  const beat = () => {
    const nowMs = clock.monoMs()
    const lagMs = nowMs - beatMs - BEAT_MS
    beatMs = nowMs
    const names = pulses.filter((pulse) => isStuck(pulse, nowMs)).map(({ name }) => name)
    if (names.join() !== stuck.join()) {
      stuck = names
      onStuck(names)
    }
    if (names.length > 0 || lagMs > MAX_LAG_MS || nowMs - saidMs < everyMs) return
    saidMs = nowMs
    alive()
  }

  return {
    start() {
      beatMs = clock.monoMs()
      timer = clock.every(BEAT_MS, beat)
    },
    stop: () => timer?.cancel(),
    stuck: () => stuck,
  }
}
