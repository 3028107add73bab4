import type { Clock } from '@biotrakr/shared'

/** A clock that tests move by hand: tasks run when their time is reached, in order. */
export interface TestClock extends Clock {
  pass(ms: number): void
}

interface Due {
  dueMs: number
  readonly periodMs: number | undefined
  readonly task: () => void
}

export function createTestClock(): TestClock {
  let nowMs = 1_800_000_000_000
  const due = new Set<Due>()
  const add = (delayMs: number, periodMs: number | undefined, task: () => void) => {
    const entry = { dueMs: nowMs + delayMs, periodMs, task }
    due.add(entry)
    return { cancel: () => due.delete(entry) }
  }
  const nextBefore = (endMs: number) =>
    [...due].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
  return {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after: (delayMs, task) => add(delayMs, undefined, task),
    every: (periodMs, task) => add(periodMs, periodMs, task),
    pass: (ms) => {
      const endMs = nowMs + ms
      for (let next = nextBefore(endMs); next; next = nextBefore(endMs)) {
        nowMs = next.dueMs
        if (next.periodMs === undefined) due.delete(next)
        else next.dueMs += next.periodMs
        next.task()
      }
      nowMs = endMs
    },
  }
}
