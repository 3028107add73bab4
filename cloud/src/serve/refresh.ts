import type { Clock, Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

interface RefreshOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Reads from the database what is to be shown. */
  readonly task: () => Promise<void>
}

interface RefreshStatus {
  /** The newest attempt succeeded. */
  readonly ok: boolean
  readonly durationMs: number
  readonly failures: number
  /** Readings that have ended, well or badly. */
  readonly attempts: number
}

export interface Refresh {
  /** The first one. @throws what the task threw; there is then nothing to show */
  start(): Promise<void>
  stop(): void
  status(): RefreshStatus
}

const EVERY_MS = 3_000
/** Refreshing takes at most this part of the time, so that a large site or a slow database is asked less often. */
const SHARE = 0.05

/** Repeats the task for as long as it runs, never two at once. */
export function createRefresh({ clock, log, task }: RefreshOptions): Refresh {
  let ok = true
  let durationMs = 0
  let failures = 0
  let attempts = 0
  let timer: Timer | undefined
  let stopped = false

  const plan = () => {
    if (!stopped) timer = clock.after(Math.max(EVERY_MS, durationMs / SHARE), () => void again())
  }
  const once = async () => {
    const fromMs = clock.monoMs()
    try {
      await task()
      if (!ok) log.info({ event: 'serve.refresh.back' }, 'the database answers again')
      ok = true
    } catch (error) {
      if (ok) log.warn({ event: 'serve.refresh.failed', error: String(error) }, 'positions could not be read again')
      ok = false
      failures += 1
      throw error
    } finally {
      durationMs = clock.monoMs() - fromMs
      attempts += 1
    }
  }
  const again = async () => {
    try {
      await once()
    } catch {
      // Counted and said by `once`; the next attempt is the answer.
    }
    plan()
  }

  return {
    start: async () => {
      await once()
      plan()
    },
    stop: () => {
      stopped = true
      timer?.cancel()
    },
    status: () => ({ ok, durationMs, failures, attempts }),
  }
}
