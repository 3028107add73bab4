import type { Clock } from '@biotrakr/shared'

/** A clock that tests move by hand: timers run when their time is reached. */
export interface TestClock extends Clock {
  pass(ms: number): void
}

export function createTestClock(): TestClock {
  let nowMs = 1_000
  const timers = new Set<{ readonly dueMs: number; readonly task: () => void }>()
  const after: Clock['after'] = (delayMs, task) => {
    const timer = { dueMs: nowMs + delayMs, task }
    timers.add(timer)
    return { cancel: () => timers.delete(timer) }
  }
  return {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after,
    every: () => {
      throw new Error('nothing in this stage is periodic')
    },
    pass: (ms) => {
      nowMs += ms
      const due = [...timers].filter((timer) => timer.dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs)
      for (const timer of due) if (timers.delete(timer)) timer.task()
    },
  }
}
