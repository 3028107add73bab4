import { hex, macBe, s8, s16be, s16le, u8, u16be, u16le, u32be, u32le } from './bytes.ts'
import { ABSENT_S16, type FieldsDraft, type Frame, type Span, setBattery, setHumidity } from './frame.ts'

/** Teltonika EYE (wiki.teltonika-gps.com, EYE SENSOR): a byte of flags says which values follow; big-endian. */
export function decodeTeltonika({ bytes, at, end }: Span): Frame | string | undefined {
  if (u8(bytes, at) !== 0x01) return undefined
  if (end - at < 2) return 'Teltonika EYE frame of a wrong length'
  const flags = u8(bytes, at + 1)
  const fields: FieldsDraft = { magnetPresent: (flags & 0x04) !== 0, lowBattery: (flags & 0x40) !== 0 }
  let place = at + 2
  if (flags & 0x01) {
    if (s16be(bytes, place) !== ABSENT_S16) fields.temperature = s16be(bytes, place) / 100
    place += 2
  }
  if (flags & 0x02) {
    setHumidity(fields, u8(bytes, place))
    place += 1
  }
  if (flags & 0x04) fields.magnet = (flags & 0x08) !== 0
  if (flags & 0x10) {
    fields.moving = u8(bytes, place) >> 7 === 1
    fields.moveCount = u16be(bytes, place) & 0x7fff
    place += 2
  }
  if (flags & 0x20) {
    fields.pitch = s8(bytes, place)
    fields.roll = s16be(bytes, place + 1)
    place += 3
  }
  if (flags & 0x80) {
    fields.batteryMv = 2000 + u8(bytes, place) * 10
    place += 1
  }
  return place > end ? 'Teltonika EYE value beyond the end' : { format: 'teltonika-eye', fields }
}

interface ElaLayout {
  readonly format: string
  readonly length: number
  readonly read: (fields: FieldsDraft, bytes: Uint8Array, at: number) => void
}

/** Bit 0 is the state, the bits above it count its changes. */
function setCounted(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  fields.state = (u8(bytes, at) & 1) === 1
  fields.count = u16le(bytes, at) >> 1
}

function setHundredths(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  if (s16le(bytes, at) !== ABSENT_S16) fields.temperature = s16le(bytes, at) / 100
}

/** ELA Innovation (Blue series advertising formats), by the first byte; little-endian. */
const ELA: ReadonlyMap<number, ElaLayout> = new Map<number, ElaLayout>([
  [
    0x06,
    {
      format: 'ela-id',
      length: 7,
      read: (fields, bytes, at) => {
        fields.id = hex(bytes, at, at + 6)
      },
    },
  ],
  [0x12, { format: 'ela-temp', length: 3, read: setHundredths }],
  [
    0x21,
    {
      format: 'ela-rht',
      length: 5,
      read: (fields, bytes, at) => {
        setHumidity(fields, u8(bytes, at))
        if (u8(bytes, at + 1) === 0x12) setHundredths(fields, bytes, at + 2)
      },
    },
  ],
  [0x32, { format: 'ela-mag', length: 3, read: setCounted }],
  [0x42, { format: 'ela-mov', length: 3, read: setCounted }],
  [
    0x56,
    {
      format: 'ela-ang',
      length: 7,
      read: (fields, bytes, at) => {
        fields.accG = [s16le(bytes, at) / 1000, s16le(bytes, at + 2) / 1000, s16le(bytes, at + 4) / 1000]
      },
    },
  ],
  [0x62, { format: 'ela-di', length: 3, read: setCounted }],
  [0x92, { format: 'ela-pir', length: 3, read: setCounted }],
  [0xb2, { format: 'ela-touch', length: 3, read: setCounted }],
  [0xf1, { format: 'ela-batt', length: 2, read: (fields, bytes, at) => setBattery(fields, u8(bytes, at)) }],
  [
    0xf2,
    {
      format: 'ela-batt-v',
      length: 3,
      read: (fields, bytes, at) => {
        if (u16le(bytes, at) !== 0) fields.batteryMv = u16le(bytes, at)
      },
    },
  ],
])

export function decodeEla({ bytes, at, end }: Span): Frame | string | undefined {
  const layout = ELA.get(u8(bytes, at))
  if (layout === undefined) return undefined
  if (end - at !== layout.length) return 'ELA frame of a wrong length'
  const fields: FieldsDraft = {}
  layout.read(fields, bytes, at + 1)
  return { format: layout.format, fields }
}

/**
 * MikroTik tags (help.mikrotik.com, MikroTik Tag advertisement formats), little-endian. A tag without a thermometer
 * sends -128 degC.
 */
export function decodeMikrotik({ bytes, at, end }: Span): Frame | string | undefined {
  if (u8(bytes, at) !== 1) return undefined
  if (end - at !== 18) return 'MikroTik frame of a wrong length'
  const encrypted = (u8(bytes, at + 1) & 1) === 1
  if (encrypted) return { format: 'mikrotik', fields: { version: 1, encrypted, sealed: true } }
  const flags = u8(bytes, at + 16)
  const fields: FieldsDraft = {
    version: 1,
    encrypted,
    salt: u16le(bytes, at + 2),
    acc: [s16le(bytes, at + 4) / 256, s16le(bytes, at + 6) / 256, s16le(bytes, at + 8) / 256],
    uptimeS: u32le(bytes, at + 12),
    flags,
    magnet: (flags & 0x01) !== 0,
    tilt: (flags & 0x02) !== 0,
    freeFall: (flags & 0x04) !== 0,
    impact: (flags & 0x38) !== 0,
  }
  if (s16le(bytes, at + 10) !== ABSENT_S16) fields.temperature = s16le(bytes, at + 10) / 256
  setBattery(fields, u8(bytes, at + 17))
  return { format: 'mikrotik', fields }
}

const UNIT_S = [1, 60, 3_600, 86_400]
const WEEK_S = 604_800

/** Six bits of number, two of unit; above 31 days it counts weeks. */
function durationS(code: number): number {
  const [unit, number] = [code >> 6, code & 0x3f]
  return unit === 3 && number >= 32 ? (number - 32) * WEEK_S : number * (UNIT_S[unit] ?? 1)
}

/** Estimote telemetry, service FE9A (github.com/Estimote/estimote-specs), subframes A and B; little-endian. */
export function decodeEstimote({ bytes, at, end }: Span): Frame | string | undefined {
  const version = u8(bytes, at) >> 4
  if ((u8(bytes, at) & 0x0f) !== 2 || version > 2) return undefined
  if (end - at !== 20) return 'Estimote telemetry of a wrong length'
  const subframe = u8(bytes, at + 9) & 0x03
  if (subframe > 1) return undefined
  const fields: FieldsDraft = { version, id: hex(bytes, at + 1, at + 9) }
  if (subframe === 0) readMotion(fields, bytes, at)
  else readSurroundings(fields, bytes, at)
  return { format: subframe === 0 ? 'estimote-tlm-a' : 'estimote-tlm-b', fields }
}

function readMotion(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  fields.accG = [s8(bytes, at + 10), s8(bytes, at + 11), s8(bytes, at + 12)].map((raw) => (raw * 2) / 127)
  fields.previousMotionStateS = durationS(u8(bytes, at + 13))
  fields.motionStateS = durationS(u8(bytes, at + 14))
  fields.moving = (u8(bytes, at + 15) & 0x03) === 1
  fields.gpio = u8(bytes, at + 15) >> 4
  if (fields.version === 2) fields.pressurePa = u32le(bytes, at + 16) / 256
}

function readSurroundings(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  const light = u8(bytes, at + 13)
  const uptime = u16le(bytes, at + 14)
  const raw = ((u8(bytes, at + 17) & 0x03) << 10) | (u8(bytes, at + 16) << 2) | (u8(bytes, at + 15) >> 6)
  const millivolts = (u8(bytes, at + 18) << 6) | (u8(bytes, at + 17) >> 2)
  fields.magneticField = [s8(bytes, at + 10) / 128, s8(bytes, at + 11) / 128, s8(bytes, at + 12) / 128]
  fields.lux = Math.round(2 ** (light >> 4) * (light & 0x0f) * 72) / 100
  fields.uptimeS = (uptime & 0x0fff) * (UNIT_S[(uptime >> 12) & 0x03] ?? 1)
  fields.temperature = (raw > 2047 ? raw - 4096 : raw) / 16
  if (millivolts !== 0x3fff) fields.batteryMv = millivolts
  if (fields.version !== 0) setBattery(fields, u8(bytes, at + 19))
}

/** MOKO's proximity frame: its length, the state of contact and movement, the address, the battery. */
export function decodeMoko({ bytes, at, end }: Span): Frame | string | undefined {
  if (u8(bytes, at) !== 0x02) return undefined
  if (end - at < 18 || end - at !== u8(bytes, at + 1) + 2) return 'MOKO frame of a wrong length'
  const status = u8(bytes, at + 2)
  const fields: FieldsDraft = {
    mac: macBe(bytes, at + 4),
    contact: (status & 0x08) === 0,
    moving: (status & 0x01) !== 0,
  }
  if (u16be(bytes, at + 16) !== 0) fields.batteryMv = u16be(bytes, at + 16)
  return { format: 'moko', fields }
}

/** Efento loggers (docs.efento.io, Bluetooth advertisement decoding), by the first byte; big-endian. */
export function decodeEfento(span: Span): Frame | string | undefined {
  switch (u8(span.bytes, span.at)) {
    case 0x02:
      return decodeEfento2(span)
    case 0x03:
      return decodeEfento3(span)
    case 0x04:
      return decodeEfento4(span)
    default:
      return undefined
  }
}

function decodeEfento2({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 24) return 'Efento frame of a wrong length'
  const fields: FieldsDraft = {
    firmware: `${u8(bytes, at + 1)}.${u8(bytes, at + 2)}`,
    lowBattery: (u8(bytes, at + 3) & 0x01) === 0,
    counter: u32be(bytes, at + 4),
  }
  for (let slot = 0; slot < 3; slot++) setMeasured(fields, u8(bytes, at + 11 + slot), u16be(bytes, at + 14 + 2 * slot))
  return { format: 'efento-v2', fields }
}

function decodeEfento3({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 24) return 'Efento frame of a wrong length'
  const lowBattery = (u8(bytes, at + 9) & 0x01) === 0
  return { format: 'efento-v3', fields: { mac: macBe(bytes, at + 1), lowBattery } }
}

/** The scan response: measurements of three bytes each, then a check of two. */
function decodeEfento4({ bytes, at, end }: Span): Frame | string {
  if (end - at < 6 || (end - at) % 3 !== 0) return 'Efento frame of a wrong length'
  const fields: FieldsDraft = {}
  for (let place = at + 1; place < end - 2; place += 3) setMeasured(fields, u8(bytes, place), u16be(bytes, place + 1))
  return { format: 'efento-v4', fields }
}

/** Values above the range of their kind are the logger's error codes. */
function setMeasured(fields: FieldsDraft, kind: number, raw: number): void {
  if (kind === 0x01 && raw <= 30_000) fields.temperature ??= (raw - 15_000) / 100
  else if (kind === 0x02) setHumidity(fields, raw)
  else if (kind === 0x03 && raw <= 65_279) fields.pressurePa ??= raw * 10
  else if (kind === 0x04 && raw >= 256 && raw <= 65_279) fields.differentialPressurePa ??= raw - 0x8000
}
