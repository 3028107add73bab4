import type { Clock, Timer } from '@biotrakr/shared'

/**
 * The clock of the machine. Its timers keep the process alive: between two attempts to reach a broker nothing else may
 * be open, and the process must not end there.
 */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after: (delayMs, task) => cancellable(setTimeout(task, delayMs)),
  every: (periodMs, task) => cancellable(setInterval(task, periodMs)),
}

function cancellable(handle: NodeJS.Timeout): Timer {
  return { cancel: () => clearTimeout(handle) }
}
