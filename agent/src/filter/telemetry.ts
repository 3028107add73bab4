import type { SensorKind, SensorReading, TagEvent, TagId, Telemetry } from '@biotrakr/shared'

/** A sensor value or an event, before the locate stage has said in which room. */
export type Observation = Omit<SensorReading, 'room'> | Omit<TagEvent, 'room'>

/** What is remembered of one tag's telemetry. */
export interface TelemetryMemory {
  newestMs: number
  readonly sentMs: Map<SensorKind, number>
  moving: boolean | undefined
  motionMs: number
}

/** An accelerometer that wavers must not fill the ledger: at most one motion event per tag in this time. */
const MOTION_EVERY_MS = 10_000

/** Values outside are a decoding fault or a broken sensor; a fridge, a steriliser and a cold store are inside. */
const SENSORS = [
  { sensor: 'temperature', field: 'temperatureC', min: -100, max: 300 },
  { sensor: 'humidity', field: 'humidityPercent', min: 0, max: 100 },
  { sensor: 'battery', field: 'batteryPercent', min: 0, max: 100 },
] as const

export function emptyMemory(): TelemetryMemory {
  return {
    newestMs: Number.NEGATIVE_INFINITY,
    sentMs: new Map(),
    moving: undefined,
    motionMs: Number.NEGATIVE_INFINITY,
  }
}

interface Report {
  readonly tag: TagId
  readonly telemetry: Telemetry
  readonly atMs: number
  /** A sensor of a tag is passed on at most once in this time. */
  readonly everyMs: number
}

/**
 * Passes on what is new in a report and can wait for its window. Several receivers report the same advert, so a report
 * older than the newest is ignored. The first motion bit of a tag is only learned: what was before it is not known.
 */
export function observe(memory: TelemetryMemory, { tag, telemetry, atMs, everyMs }: Report): Observation[] {
  if (atMs < memory.newestMs) return []
  memory.newestMs = atMs
  const seen: Observation[] = []
  for (const { sensor, field, min, max } of SENSORS) {
    const value = telemetry[field]
    const due = atMs - (memory.sentMs.get(sensor) ?? Number.NEGATIVE_INFINITY) >= everyMs
    if (value === undefined || !(value >= min && value <= max) || !due) continue
    memory.sentMs.set(sensor, atMs)
    seen.push({ kind: 'sensor', tag, sensor, milli: Math.round(value * 1000), atMs })
  }
  const moved = motionOf(memory, telemetry, atMs)
  if (moved !== undefined) seen.push({ kind: 'event', tag, event: 'motion', value: moved ? 1 : 0, atMs })
  return seen
}

function motionOf(memory: TelemetryMemory, { moving }: Telemetry, atMs: number): boolean | undefined {
  if (moving === undefined || moving === memory.moving) return undefined
  if (memory.moving === undefined) {
    memory.moving = moving
    return undefined
  }
  if (atMs - memory.motionMs < MOTION_EVERY_MS) return undefined
  memory.moving = moving
  memory.motionMs = atMs
  return moving
}

/** After the wall clock was set back, times ahead of it would silence the tag until they come round again. */
export function rewindMemory(memory: TelemetryMemory, nowMs: number): void {
  memory.newestMs = Math.min(memory.newestMs, nowMs)
  memory.motionMs = Math.min(memory.motionMs, nowMs)
  for (const [sensor, sentMs] of memory.sentMs) memory.sentMs.set(sensor, Math.min(sentMs, nowMs))
}
