import { hex, s8, s16le, text, u8, u16le, u32le } from './bytes.ts'
import { type FieldsDraft, type Frame, type KontaktField, type Span, setBattery, setHumidity } from './frame.ts'

/** Kontakt.io (developer.kontakt.io/hardware/packets): service FE6A by its payload identifier; little-endian. */
export function decodeKontakt(span: Span): Frame | string | undefined {
  switch (u8(span.bytes, span.at)) {
    case 0x02:
      return decodePlain(span)
    case 0x03:
      return decodeTelemetry(span)
    case 0x05:
      return decodeLocation(span)
    default:
      return undefined
  }
}

function decodePlain({ bytes, at, end }: Span): Frame | string {
  if (end - at < 7) return 'Kontakt.io frame of a wrong length'
  const fields: FieldsDraft = {
    model: u8(bytes, at + 1),
    firmware: `${u8(bytes, at + 2)}.${u8(bytes, at + 3)}`,
    txPower: s8(bytes, at + 5),
    uniqueId: text(bytes, at + 6, end),
  }
  setBattery(fields, u8(bytes, at + 4))
  return { format: 'kontakt-plain', fields }
}

function decodeLocation({ bytes, at, end }: Span): Frame | string {
  if (end - at < 6) return 'Kontakt.io frame of a wrong length'
  return {
    format: 'kontakt-location',
    fields: {
      txPower: s8(bytes, at + 1),
      channel: u8(bytes, at + 2),
      model: u8(bytes, at + 3),
      flags: u8(bytes, at + 4),
      uniqueId: text(bytes, at + 5, end),
    },
  }
}

/** The older scan response, service D00D. Name and power come from the structures beside it. */
export function decodeKontaktScanResponse({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 7) return 'Kontakt.io scan response of a wrong length'
  const fields: FieldsDraft = {
    uniqueId: text(bytes, at, at + 4),
    firmware: `${u8(bytes, at + 4)}.${u8(bytes, at + 5)}`,
  }
  setBattery(fields, u8(bytes, at + 6))
  return { format: 'kontakt-scanresp', fields }
}

type Draft = { -readonly [Name in keyof KontaktField]: KontaktField[Name] }
type Read = (field: Draft, bytes: Uint8Array, at: number) => void

/** Fields by identifier: their length without it, and what they say. 65535 s means "never since power-up". */
const FIELDS: ReadonlyMap<number, { readonly length: number; readonly read: Read }> = new Map([
  [
    0x01,
    {
      length: 5,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        field.unixTimeS = u32le(bytes, at)
        setBattery(field, u8(bytes, at + 4))
      },
    },
  ],
  [
    0x02,
    {
      length: 8,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        setAcceleration(field, bytes, at)
        setSeconds(field, 'secondsSinceDoubleTap', u16le(bytes, at + 4))
        setSeconds(field, 'secondsSinceThreshold', u16le(bytes, at + 6))
      },
    },
  ],
  [
    0x05,
    {
      length: 2,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        setLight(field, u8(bytes, at))
        setTemperature(field, s8(bytes, at + 1))
      },
    },
  ],
  [0x06, { length: 4, read: setAcceleration }],
  [
    0x07,
    {
      length: 2,
      read: (field: Draft, bytes: Uint8Array, at: number) =>
        setSeconds(field, 'secondsSinceThreshold', u16le(bytes, at)),
    },
  ],
  [
    0x08,
    {
      length: 2,
      read: (field: Draft, bytes: Uint8Array, at: number) =>
        setSeconds(field, 'secondsSinceDoubleTap', u16le(bytes, at)),
    },
  ],
  [0x0a, { length: 1, read: (field: Draft, bytes: Uint8Array, at: number) => setLight(field, u8(bytes, at)) }],
  [0x0b, { length: 1, read: (field: Draft, bytes: Uint8Array, at: number) => setTemperature(field, s8(bytes, at)) }],
  [0x0c, { length: 1, read: (field: Draft, bytes: Uint8Array, at: number) => setBattery(field, u8(bytes, at)) }],
  [
    0x0d,
    {
      length: 2,
      read: (field: Draft, bytes: Uint8Array, at: number) => setSeconds(field, 'secondsSinceClick', u16le(bytes, at)),
    },
  ],
  [
    0x0f,
    {
      length: 4,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        field.unixTimeS = u32le(bytes, at)
      },
    },
  ],
  [
    0x11,
    {
      length: 3,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        field.clickId = u8(bytes, at)
        setSeconds(field, 'secondsSinceClick', u16le(bytes, at + 1))
      },
    },
  ],
  [
    0x12,
    {
      length: 1,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        setHumidity(field, u8(bytes, at))
      },
    },
  ],
  [
    0x13,
    { length: 2, read: (field: Draft, bytes: Uint8Array, at: number) => setTemperature(field, s16le(bytes, at) / 256) },
  ],
  [
    0x16,
    {
      length: 3,
      read: (field: Draft, bytes: Uint8Array, at: number) => {
        field.movementId = u8(bytes, at)
        setSeconds(field, 'secondsSinceThreshold', u16le(bytes, at + 1))
      },
    },
  ],
])

/** Fields with their own length: one that is not known is passed over, and kept as it is. */
function decodeTelemetry({ bytes, at, end }: Span): Frame | string {
  const fields: KontaktField[] = []
  let place = at + 1
  while (place < end) {
    const next = place + 1 + u8(bytes, place)
    if (next > end || next < place + 2) return 'Kontakt.io field beyond the end'
    fields.push(readField(bytes, place + 1, next))
    place = next
  }
  return { format: 'kontakt-tlm', fields: { fields } }
}

function readField(bytes: Uint8Array, at: number, end: number): KontaktField {
  const pid = u8(bytes, at)
  const known = FIELDS.get(pid)
  const field: Draft = { pid }
  if (known?.length === end - at - 1) known.read(field, bytes, at + 1)
  else field.raw = hex(bytes, at + 1, end)
  return field
}

function setAcceleration(field: Draft, bytes: Uint8Array, at: number): void {
  field.sensitivity = u8(bytes, at)
  field.acceleration = [s8(bytes, at + 1), s8(bytes, at + 2), s8(bytes, at + 3)]
}

type SecondsName = 'secondsSinceThreshold' | 'secondsSinceDoubleTap' | 'secondsSinceClick'

function setSeconds(field: Draft, name: SecondsName, seconds: number): void {
  if (seconds !== 0xffff) field[name] = seconds
}

function setTemperature(field: Draft, degrees: number): void {
  if (degrees > -128) field.temperature = degrees
}

function setLight(field: Draft, level: number): void {
  if (level <= 100) field.lightLevel = level
}
