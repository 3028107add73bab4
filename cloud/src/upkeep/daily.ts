import type { Clock } from '@biotrakr/shared'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** When something that is done once a day ought to have been done last, at a minute of the UTC day. */
export function lastDueMs(nowMs: number, minuteOfDay: number): number {
  const today = Math.floor(nowMs / DAY_MS) * DAY_MS + minuteOfDay * MINUTE_MS
  return today <= nowMs ? today : today - DAY_MS
}

interface DailyWork {
  readonly clock: Pick<Clock, 'wallMs'>
  /** 0 to 1439, in UTC. */
  readonly minuteOfDay: number
  /** Waits so long, or until told to stop. */
  readonly wait: (ms: number) => Promise<void>
  readonly stop: AbortSignal
  /** When it was last done in whole, wall milliseconds. */
  lastDone(): Promise<number | undefined>
  /** Must not throw: says whether it was done. */
  run(): Promise<boolean>
}

/** After a failure it is tried again so much later. */
const RETRY_MS = 30 * MINUTE_MS

/** Does the work once a day, at once when a day was missed, and again half an hour after a failure; until told to stop. */
export async function runDaily({ clock, minuteOfDay, wait, stop, lastDone, run }: DailyWork): Promise<void> {
  while (!stop.aborted) {
    const done = await lastDone()
    const isDue = done === undefined || done < lastDueMs(clock.wallMs(), minuteOfDay)
    const failed = isDue && !(await run())
    if (!stop.aborted) await wait(failed ? RETRY_MS : MINUTE_MS)
  }
}
