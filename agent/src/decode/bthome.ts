import { u8, u16le, u32le } from './bytes.ts'
import { type FieldsDraft, type Frame, isPercent, type Secrets, type Span } from './frame.ts'

/** Names of a button's states, by their code (bthome.io/format). */
const BUTTON = ['none', 'press', 'double', 'triple', 'long', 'long-double', 'long-triple']
const BUTTON_HOLD = 0x80

type Put = (fields: FieldsDraft, value: number) => void

interface Property {
  /** Bytes of the value; 0 where the first byte says how many follow. */
  readonly size: number
  readonly signed?: true
  /** Absent for what is passed over: nothing here asks for it. */
  readonly put?: Put
}

const skip = (size: number): Property => ({ size })

type NumberName = {
  [Name in keyof FieldsDraft]-?: NonNullable<FieldsDraft[Name]> extends number ? Name : never
}[keyof FieldsDraft]
type FlagName = {
  [Name in keyof FieldsDraft]-?: NonNullable<FieldsDraft[Name]> extends boolean ? Name : never
}[keyof FieldsDraft]

/** The first of several values of one name counts: a sender lists its main sensor first. */
function unsigned(size: number, name: NumberName, divisor = 1): Property {
  return {
    size,
    put: (fields, value) => {
      fields[name] ??= value / divisor
    },
  }
}

function signed(size: number, name: NumberName, divisor = 1): Property {
  return { ...unsigned(size, name, divisor), signed: true }
}

function flag(name: FlagName): Property {
  return {
    size: 1,
    put: (fields, value) => {
      fields[name] ??= value === 1
    },
  }
}

function percent(size: number, name: 'battery' | 'humidity', divisor = 1): Property {
  return {
    size,
    put: (fields, value) => {
      if (isPercent(value / divisor)) fields[name] ??= value / divisor
    },
  }
}

const button: Property = {
  size: 1,
  put: (fields, value) => {
    const state = value === BUTTON_HOLD ? 'hold' : (BUTTON[value] ?? 'unknown')
    fields.buttons = [...(fields.buttons ?? []), state]
  },
}

/** Objects by their identifier (bthome.io/format); little-endian. Sizes are those of the specification. */
const OBJECTS: ReadonlyMap<number, Property> = new Map<number, Property>([
  [0x00, unsigned(1, 'packetId')],
  [0x01, percent(1, 'battery')],
  [0x02, signed(2, 'temperature', 100)],
  [0x03, percent(2, 'humidity', 100)],
  [0x04, unsigned(3, 'pressureHpa', 100)],
  [0x05, unsigned(3, 'lux', 100)],
  [0x06, skip(2)],
  [0x07, skip(2)],
  [0x08, signed(2, 'dewPoint', 100)],
  [0x09, unsigned(1, 'count')],
  [0x0a, skip(3)],
  [0x0b, skip(3)],
  [0x0c, unsigned(2, 'voltageMv')],
  [0x0d, unsigned(2, 'pm25')],
  [0x0e, unsigned(2, 'pm10')],
  [0x11, flag('opening')],
  [0x12, unsigned(2, 'co2')],
  [0x13, unsigned(2, 'tvoc')],
  [0x14, skip(2)],
  [0x15, flag('lowBattery')],
  [0x16, flag('charging')],
  [0x1a, flag('opening')],
  [0x20, flag('leak')],
  [0x21, flag('motion')],
  [0x22, flag('moving')],
  [0x23, flag('occupancy')],
  [0x2b, flag('tamper')],
  [0x2c, flag('vibration')],
  [0x2d, flag('opening')],
  [0x2e, percent(1, 'humidity')],
  [0x3a, button],
  [0x3c, skip(2)],
  [0x3d, unsigned(2, 'count')],
  [0x3e, unsigned(4, 'count')],
  [0x3f, skip(2)],
  [0x40, unsigned(2, 'distanceMm')],
  [0x41, skip(2)],
  [0x42, skip(3)],
  [0x43, skip(2)],
  [0x44, skip(2)],
  [0x45, signed(2, 'temperature', 10)],
  [0x46, skip(1)],
  [0x47, skip(2)],
  [0x48, skip(2)],
  [0x49, skip(2)],
  [0x4a, skip(2)],
  [0x4b, skip(3)],
  [0x4c, skip(4)],
  [0x4d, skip(4)],
  [0x4e, skip(4)],
  [0x4f, skip(4)],
  [0x50, unsigned(4, 'unixTimeS')],
  [0x51, skip(2)],
  [0x52, skip(2)],
  [0x53, skip(0)],
  [0x54, skip(0)],
  [0x55, skip(4)],
  [0x56, skip(2)],
  [0x57, signed(1, 'temperature')],
  [0x58, signed(1, 'temperature', 1 / 0.35)],
  [0x59, skip(1)],
  [0x5a, skip(2)],
  [0x5b, skip(4)],
  [0x5c, skip(4)],
  [0x5d, skip(2)],
  [0x5e, skip(2)],
  [0x5f, skip(2)],
  [0x60, skip(1)],
  [0x61, skip(2)],
  [0x62, skip(4)],
  [0x63, skip(4)],
  [0x64, skip(1)],
  [0xf0, skip(2)],
  [0xf1, skip(4)],
  [0xf2, skip(3)],
])

/** Binary sensors with identifiers 0F to 2D that no field of ours stands for are one byte each. */
const ONE_BYTE = skip(1)

const VERSION_2 = 2
const COUNTER_BYTES = 4
const TAG_BYTES = 4

/** BTHome version 2, service FCD2. */
export function decodeBthome({ bytes, at, end, secrets }: Span): Frame | string | undefined {
  if (end <= at) return 'BTHome without device information'
  const info = u8(bytes, at)
  if (info >> 5 !== VERSION_2) return undefined
  if ((info & 1) === 1) return decodeSealed({ bytes, at, end, secrets })
  const fields: FieldsDraft = { encrypted: false }
  return readObjects(fields, { bytes, at: at + 1, end }) ?? { format: 'bthome-v2', fields }
}

/** Objects stand in the order of their identifiers; an unknown one ends the reading, for its length is not known. */
function readObjects(fields: FieldsDraft, { bytes, at, end }: Omit<Span, 'secrets'>): string | undefined {
  let place = at
  while (place < end) {
    const id = u8(bytes, place)
    const property = OBJECTS.get(id) ?? (id >= 0x0f && id <= 0x2d ? ONE_BYTE : undefined)
    if (property === undefined) return undefined
    const size = property.size === 0 ? 1 + u8(bytes, place + 1) : property.size
    const next = place + 1 + size
    if (next > end) return 'BTHome object beyond the end'
    property.put?.(fields, numberAt(bytes, place + 1, property))
    place = next
  }
  return undefined
}

function numberAt(bytes: Uint8Array, at: number, { size, signed: isSigned }: Property): number {
  const value = size === 1 ? u8(bytes, at) : size === 2 ? u16le(bytes, at) : wide(bytes, at, size)
  const range = 2 ** (8 * size)
  return isSigned && value >= range / 2 ? value - range : value
}

function wide(bytes: Uint8Array, at: number, size: number): number {
  return size === 3 ? u16le(bytes, at) + u8(bytes, at + 2) * 0x1_0000 : u32le(bytes, at)
}

function decodeSealed({ bytes, at, end, secrets }: Span): Frame | string {
  const counterAt = end - TAG_BYTES - COUNTER_BYTES
  if (counterAt <= at) return 'BTHome of a wrong length'
  const fields: FieldsDraft = { encrypted: true, counter: u32le(bytes, counterAt) }
  const plain = openSealed({ bytes, at, end: counterAt, secrets })
  if (plain === undefined) fields.sealed = true
  else {
    const broken = readObjects(fields, { bytes: plain, at: 0, end: plain.length })
    if (broken !== undefined) return broken
  }
  return { format: 'bthome-v2', fields }
}

/** AES-CCM; the nonce is the address, the service as on air, the device information and the counter. */
function openSealed({ bytes, at, end, secrets }: Span): Uint8Array | undefined {
  if (!canOpen(secrets)) return undefined
  const nonce = new Uint8Array(13)
  nonce.set(secrets.address)
  nonce.set(bytes.subarray(at - 2, at + 1), 6)
  nonce.set(bytes.subarray(end, end + COUNTER_BYTES), 9)
  return secrets.aes.ccmDecrypt({
    key: secrets.bindKey,
    nonce,
    cipher: bytes.subarray(at + 1, end),
    tag: bytes.subarray(end + COUNTER_BYTES, end + COUNTER_BYTES + TAG_BYTES),
  })
}

function canOpen(secrets: Secrets | undefined): secrets is Required<Secrets> {
  return secrets?.bindKey?.length === 16 && secrets.address?.length === 6
}
