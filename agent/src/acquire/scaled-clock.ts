import { BioTrakrError, type Clock } from '@biotrakr/shared'

export interface Scale {
  /** Event seconds per second of the base clock, above 0. */
  readonly speed: number
  /** What this clock's wall showed when the base clock's wall showed `realStartMs`; both wall milliseconds. */
  readonly eventStartMs: number
  readonly realStartMs: number
}

/**
 * A clock that runs faster or slower than `base`, for playing recordings. It keeps no state: the same scale gives the
 * same event time after a restart. A delay below one real millisecond becomes the shortest the base clock has, so that
 * above 1000 times real speed a one-second timer beats less often than once an event second.
 * @throws BioTrakrError USAGE when the scale is not made of finite numbers with a speed above 0
 */
export function scaledClock(base: Clock, { speed, eventStartMs, realStartMs }: Scale): Clock {
  if (!(speed > 0) || ![speed, eventStartMs, realStartMs].every(Number.isFinite)) {
    throw new BioTrakrError(`a clock cannot run ${speed} times as fast from ${eventStartMs} at ${realStartMs}`, {
      code: 'USAGE',
      next: 'Give a speed above 0 and both start times in milliseconds.',
    })
  }
  return {
    wallMs: () => Math.floor(eventStartMs + (base.wallMs() - realStartMs) * speed),
    monoMs: () => base.monoMs() * speed,
    after: (delayMs, task) => base.after(delayMs / speed, task),
    every: (periodMs, task) => base.every(periodMs / speed, task),
  }
}
