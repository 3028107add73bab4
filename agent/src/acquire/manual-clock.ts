import type { Clock, Timer } from '@biotrakr/shared'

export interface ManualClock extends Clock {
  /** Lets time pass and runs what falls due, in order. */
  advance(ms: number): void
  /** Sets the wall time, as a time server or a person would; monotonic time and timers do not notice. */
  setWall(wallMs: number): void
}

interface Due {
  atMs: number
  readonly task: () => void
  readonly periodMs?: number
}

/** Time that moves only when a test says so. */
export function createManualClock(startMs = 0): ManualClock {
  const pending = new Set<Due>()
  let monoMs = 0
  let wallOffsetMs = startMs

  function add(due: Due): Timer {
    pending.add(due)
    return { cancel: () => void pending.delete(due) }
  }

  function firstDue(untilMs: number): Due | undefined {
    const due = [...pending].sort((a, b) => a.atMs - b.atMs)[0]
    return due !== undefined && due.atMs <= untilMs ? due : undefined
  }

  return {
    wallMs: () => monoMs + wallOffsetMs,
    monoMs: () => monoMs,
    after: (delayMs, task) => add({ atMs: monoMs + delayMs, task }),
    every: (periodMs, task) => add({ atMs: monoMs + periodMs, task, periodMs }),
    setWall(wallMs) {
      wallOffsetMs = wallMs - monoMs
    },
    advance(ms) {
      const untilMs = monoMs + ms
      for (let due = firstDue(untilMs); due !== undefined; due = firstDue(untilMs)) {
        monoMs = due.atMs
        if (due.periodMs === undefined) pending.delete(due)
        else due.atMs += due.periodMs
        due.task()
      }
      monoMs = untilMs
    },
  }
}
