import type { Clock, Timer } from '@biotrakr/shared'

/** Longest delay a Node timer takes; a longer one would fire at once (nodejs.org/api/timers.html, `setTimeout`). */
const MAX_DELAY_MS = 2_147_483_647

/** The machine's own clocks and timers: the one place, beside `main.ts`, where real time enters the agent. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after,
  every(periodMs, task) {
    if (periodMs <= MAX_DELAY_MS) {
      const interval = setInterval(task, periodMs)
      return { cancel: () => clearInterval(interval) }
    }
    let timer = after(periodMs, tick)
    function tick(): void {
      timer = after(periodMs, tick)
      task()
    }
    return { cancel: () => timer.cancel() }
  },
}

function after(delayMs: number, task: () => void): Timer {
  let handle: NodeJS.Timeout
  const arm = (leftMs: number): void => {
    const stepMs = Math.min(leftMs, MAX_DELAY_MS)
    handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : task()), stepMs)
  }
  arm(delayMs)
  return { cancel: () => clearTimeout(handle) }
}
