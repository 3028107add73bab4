import type { TagEventKind, Telemetry } from '@biotrakr/shared'

import type { Fields, Frame, KontaktField } from './frame.ts'

type Draft = { -readonly [Name in keyof Telemetry]: Telemetry[Name] }

/** A Kontakt.io tag says how long ago something happened; within this time it counts as happening. */
const RECENT_S = 10
/** Numbers of rooms are short; what is longer is something else. */
const MAX_MARK_DIGITS = 16
const MAX_MARKS = 8

/**
 * What a frame says in the words of our model; undefined when it says nothing of the kind. See `Telemetry` for how
 * presses are told apart: a frame that is itself a press has `pressed`, and `pressCount` where the sender numbers them.
 */
export function telemetryOf(frame: Frame): Telemetry | undefined {
  const { format, fields } = frame
  const said: Draft = {}
  copyClimate(said, fields)
  const tamper = fields.tamper
  if (tamper !== undefined) said.tamper = tamper
  const moving = fields.moving ?? fields.vibration
  if (moving !== undefined) said.moving = moving
  SPECIAL.get(format)?.(said, fields)
  for (const _ in said) return said
  return undefined
}

type Climate = Pick<Fields, 'temperature' | 'humidity' | 'battery'>

function copyClimate(said: Draft, { temperature, humidity, battery }: Climate): void {
  if (temperature !== undefined) said.temperatureC = temperature
  if (humidity !== undefined && humidity <= 100) said.humidityPercent = humidity
  if (battery !== undefined) said.batteryPercent = battery
}

type Reader = (said: Draft, fields: Fields) => void

/** Formats whose buttons, alarms and movement have names or a meaning of their own. */
const SPECIAL: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['blueup', pressedByAlarm],
  ['blueup-safety', pressedByAlarm],
  [
    'minew-mse',
    (said, { button1, button2 }) => {
      said.pressed = button1 === true || button2 === true
    },
  ],
  [
    'ela-touch',
    (said, { state, count }) => {
      if (state !== undefined) said.pressed = state
      if (count !== undefined) said.pressCount = count
    },
  ],
  [
    'ela-mov',
    (said, { state }) => {
      if (state !== undefined) said.moving = state
    },
  ],
  ['bthome-v2', bthomePress],
  [
    'kontakt-tlm',
    (said, { fields = [] }) => {
      for (const field of fields) readKontakt(said, field)
    },
  ],
])

function pressedByAlarm(said: Draft, { alarm }: Fields): void {
  if (alarm !== undefined) said.pressed = alarm
}

/** The packet number counts every new packet, so it numbers presses only in packets that hold one. */
function bthomePress(said: Draft, { buttons, packetId, counter }: Fields): void {
  if (buttons === undefined) return
  said.pressed = buttons.some((state) => state !== 'none')
  const number = packetId ?? counter
  if (said.pressed && number !== undefined) said.pressCount = number
}

/**
 * A field that is not known by itself may be the number of the room that the tag's infrared or LF receiver last heard:
 * makers give these numbers away with their systems only, so the site map says which field and value is which room.
 */
function markOf({ pid, raw }: KontaktField): string | undefined {
  if (raw === undefined || raw.length === 0 || raw.length > MAX_MARK_DIGITS) return undefined
  return `kontakt-${pid.toString(16).padStart(2, '0')}:${raw}`
}

function readKontakt(said: Draft, field: KontaktField): void {
  const mark = markOf(field)
  if (mark !== undefined && (said.marks?.length ?? 0) < MAX_MARKS) said.marks = [...(said.marks ?? []), mark]
  copyClimate(said, field)
  if (field.clickId !== undefined) said.pressCount = field.clickId
  if (field.secondsSinceClick !== undefined) said.pressed = field.secondsSinceClick < RECENT_S
  if (field.secondsSinceThreshold !== undefined) said.moving = field.secondsSinceThreshold < RECENT_S
}

/** True for what nobody may hold back: a press that is happening, an opened case. Counters are for the filter to judge. */
export function isUrgent({ pressed, tamper }: Telemetry): boolean {
  return pressed === true || tamper === true
}

/** What one report alone says has happened; whether it is new, only the filter knows. */
export function eventsOf(telemetry: Telemetry): { readonly event: TagEventKind; readonly value: number }[] {
  const { pressed, pressCount, tamper, moving } = telemetry
  const events: { event: TagEventKind; value: number }[] = []
  if (pressed === true || (pressed === undefined && pressCount !== undefined) || (pressCount ?? 0) > 0) {
    events.push({ event: 'button', value: pressCount ?? 0 })
  }
  if (tamper === true) events.push({ event: 'tamper', value: 0 })
  if (moving === true) events.push({ event: 'motion', value: 1 })
  return events
}
