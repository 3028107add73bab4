import type { Telemetry } from '@biotrakr/shared'

import { below, fork, normal, type Stream, uniform } from './chance.ts'

/** One advert in this many carries the slow values; the others only identify the tag. */
const STATUS_EVERY_ADVERTS = 30
/** Movement and a press are repeated for this long, because three adverts in ten are lost. */
const REPEAT_MS = 5000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Each tag's button is pressed once in every slot of this length, at a time of its own. */
const PRESS_SLOT_MS = 4 * HOUR_MS
/** The counter is one byte on the air. */
const PRESS_COUNT_RANGE = 256
const BATTERY_PERCENT_PER_DAY = 0.2

interface AdvertContext {
  readonly advert: number
  readonly atMs: number
  readonly startMs: number
  /** Milliseconds since the tag last moved, 0 while it moves; undefined for a tag without an accelerometer. */
  readonly stillMs: number | undefined
}

/** What the tag says of itself in one advert; most adverts say nothing. */
export function telemetryOf(tag: Stream, { advert, atMs, startMs, stillMs }: AdvertContext): Telemetry | undefined {
  const presses = pressesOf(fork(tag, 1), atMs - startMs)
  const motion = stillMs === undefined ? {} : { moving: stillMs === 0 }
  if (advert % STATUS_EVERY_ADVERTS === below(tag, 0, STATUS_EVERY_ADVERTS)) {
    const button = { pressed: presses.sinceMs < REPEAT_MS, pressCount: presses.count }
    return { ...slowValues(fork(tag, 2), atMs, startMs), ...motion, ...button }
  }
  if (presses.sinceMs < REPEAT_MS) return { ...motion, pressed: true, pressCount: presses.count }
  return stillMs !== undefined && stillMs < REPEAT_MS ? motion : undefined
}

function pressesOf(stream: Stream, elapsedMs: number): { count: number; sinceMs: number } {
  const slot = Math.floor(elapsedMs / PRESS_SLOT_MS)
  const pressMs = (index: number): number => (index + uniform(stream, index)) * PRESS_SLOT_MS
  const pressed = pressMs(slot) <= elapsedMs
  const last = pressed ? slot : slot - 1
  return {
    count: (last + 1) % PRESS_COUNT_RANGE,
    sinceMs: last < 0 ? Number.POSITIVE_INFINITY : elapsedMs - pressMs(last),
  }
}

function slowValues(stream: Stream, atMs: number, startMs: number): Telemetry {
  const charge = 35 + 65 * uniform(stream, 0) - (BATTERY_PERCENT_PER_DAY * (atMs - startMs)) / DAY_MS
  const day = Math.sin((2 * Math.PI * atMs) / DAY_MS)
  return {
    batteryPercent: Math.max(1, Math.round(charge)),
    temperatureC: Math.round(10 * (22 + normal(stream, 1) + day)) / 10,
  }
}
