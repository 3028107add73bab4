import type { Reading, TagEvent, Telemetry } from '@biotrakr/shared'

/** A press or an opened case, before anyone has said in which room. */
export type Emergency = Omit<TagEvent, 'room'>

/** What is remembered of one tag's button and case. */
export interface EmergencyMemory {
  newestMs: number
  pressCount: number | undefined
  /** The newest report of the button said that it is pressed, and when. */
  pressed: boolean
  pressedMs: number
  tampered: boolean
  /** Events that may still be told at once, and since when. */
  allowance: number
  allowanceMs: number
}

/** Adverts reach the agent in order, but for the few that hang in a receiver for a moment. */
const OUT_OF_ORDER_MS = 10_000
/**
 * A press that has not been repeated for so long is over, whether or not the tag said so: the same number, or the same
 * alarm, is then a new press. Counters are one byte in most formats.
 */
const OVER_MS = 60_000

/**
 * More than anybody presses: 30 at once, and one in two seconds for ever. Beyond it somebody plays with the air or a tag
 * is broken, and the ledger must not be filled with it; the alarm has long been raised.
 */
const MOST_EVENTS = 30
const EVENT_EVERY_MS = 2_000

export function calm(): EmergencyMemory {
  return {
    newestMs: Number.NEGATIVE_INFINITY,
    pressCount: undefined,
    pressed: false,
    pressedMs: Number.NEGATIVE_INFINITY,
    tampered: false,
    allowance: MOST_EVENTS,
    allowanceMs: Number.NEGATIVE_INFINITY,
  }
}

/** Whether a report says anything of a button or a case, good or bad. */
export function tellsEmergency(telemetry: Telemetry | undefined): boolean {
  if (telemetry === undefined) return false
  return telemetry.pressCount !== undefined || telemetry.pressed !== undefined || telemetry.tamper !== undefined
}

interface Told {
  readonly emergencies: readonly Emergency[]
  /** New, but beyond what a tag may tell. */
  readonly withheld: number
}

const NOTHING: Told = { emergencies: [], withheld: 0 }

/**
 * What is new in a report. The same press comes many times, from several receivers: presses with a number are told apart
 * by it, presses without by the release between them. A number alone is only learned the first time, for it may be of
 * yesterday; said of a press that is happening, the first one counts.
 */
export function emergenciesIn(memory: EmergencyMemory, { tag, atMs, telemetry = {} }: Reading): Told {
  if (atMs < memory.newestMs && memory.newestMs - atMs <= OUT_OF_ORDER_MS) return NOTHING
  memory.newestMs = atMs
  const seen: Emergency[] = []
  const press = pressIn(memory, telemetry, atMs)
  if (press !== undefined) seen.push({ kind: 'event', tag, event: 'button', value: press, atMs })
  if (telemetry.tamper === true && !memory.tampered) seen.push({ kind: 'event', tag, event: 'tamper', value: 0, atMs })
  memory.tampered = telemetry.tamper ?? memory.tampered
  if (seen.length === 0) return NOTHING
  const emergencies = seen.filter(() => mayTell(memory, atMs))
  return { emergencies, withheld: seen.length - emergencies.length }
}

function mayTell(memory: EmergencyMemory, atMs: number): boolean {
  const earned = Math.max(0, atMs - memory.allowanceMs) / EVENT_EVERY_MS
  memory.allowance = Math.min(MOST_EVENTS, memory.allowance + earned)
  memory.allowanceMs = atMs
  if (memory.allowance < 1) return false
  memory.allowance -= 1
  return true
}

function pressIn(memory: EmergencyMemory, { pressCount, pressed }: Telemetry, atMs: number): number | undefined {
  const before = { ...memory }
  const isRecent = Math.abs(atMs - before.pressedMs) < OVER_MS
  const goesOn = before.pressed && isRecent
  memory.pressed = pressed ?? goesOn
  if (pressed === true) memory.pressedMs = atMs
  if (pressCount === undefined) return pressed === true && !goesOn ? 0 : undefined
  memory.pressCount = pressCount
  const isNew = pressCount !== before.pressCount
  if (pressed === true) return isNew || !isRecent ? pressCount : undefined
  return isNew && before.pressCount !== undefined ? pressCount : undefined
}
