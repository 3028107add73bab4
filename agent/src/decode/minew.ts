import { macLe, s8, s16be, text, u8, u16be, u16le } from './bytes.ts'
import { ABSENT_S16, type FieldsDraft, type Frame, type Span, setBattery, setHumidity } from './frame.ts'

/**
 * Minew (MiniBeaconPlus and Connect V3 configuration instructions). Temperatures, humidities and accelerations are
 * signed 8.8 fixed point, big-endian; addresses are sent least significant byte first.
 */
interface Layout {
  readonly format: string
  /** Bytes of the frame, exactly; `atLeast` where a name follows. */
  readonly length: number
  readonly atLeast?: true
  readonly read: (fields: FieldsDraft, bytes: Uint8Array, at: number) => void
}

/** Frames of service FFE1 by their version: A1, version, battery, then what follows at `at + 3`. */
const SERVICE_FRAMES: ReadonlyMap<number, Layout> = new Map<number, Layout>([
  [
    0x01,
    {
      format: 'minew-a1-01',
      length: 13,
      read: (fields, bytes, at) => {
        setClimate(fields, bytes, at + 3)
        fields.mac = macLe(bytes, at + 7)
      },
    },
  ],
  [
    0x02,
    {
      format: 'minew-a1-02',
      length: 10,
      read: (fields, bytes, at) => {
        fields.visibleLight = (u8(bytes, at + 3) & 1) === 1
        fields.mac = macLe(bytes, at + 4)
      },
    },
  ],
  [
    0x03,
    {
      format: 'minew-a1-03',
      length: 15,
      read: (fields, bytes, at) => {
        fields.accG = axes(bytes, at + 3)
        fields.mac = macLe(bytes, at + 9)
      },
    },
  ],
  [
    0x05,
    {
      format: 'minew-a1-05',
      length: 11,
      read: (fields, bytes, at) => {
        fields.lux = u16be(bytes, at + 3)
        fields.mac = macLe(bytes, at + 5)
      },
    },
  ],
  [
    0x08,
    {
      format: 'minew-a1-08',
      length: 9,
      atLeast: true,
      read: (fields, bytes, at) => {
        fields.mac = macLe(bytes, at + 3)
      },
    },
  ],
  [
    0x11,
    {
      format: 'minew-a1-11',
      length: 11,
      read: (fields, bytes, at) => {
        fields.motion = (u16be(bytes, at + 3) & 1) === 1
        fields.mac = macLe(bytes, at + 5)
      },
    },
  ],
  [
    0x12,
    {
      format: 'minew-a1-12',
      length: 11,
      read: (fields, bytes, at) => {
        fields.tvoc = u16be(bytes, at + 3) / 1000
        fields.mac = macLe(bytes, at + 5)
      },
    },
  ],
  [
    0x13,
    {
      format: 'minew-a1-13',
      length: 11,
      read: (fields, bytes, at) => {
        setTemperature(fields, bytes, at + 3)
        fields.mac = macLe(bytes, at + 5)
      },
    },
  ],
  [
    0x17,
    {
      format: 'minew-a1-17',
      length: 13,
      read: (fields, bytes, at) => {
        fields.pressurePa = (s16be(bytes, at + 3) + u16be(bytes, at + 5) / 65_536) * 100
        fields.mac = macLe(bytes, at + 7)
      },
    },
  ],
  [
    0x18,
    {
      format: 'minew-a1-18',
      length: 14,
      read: (fields, bytes, at) => {
        fields.vibration = (u8(bytes, at + 7) & 1) === 1
        fields.mac = macLe(bytes, at + 8)
      },
    },
  ],
  [
    0x20,
    {
      format: 'minew-a1-20',
      length: 10,
      read: (fields, bytes, at) => {
        fields.tamper = (u8(bytes, at + 3) & 1) === 1
        fields.mac = macLe(bytes, at + 4)
      },
    },
  ],
  [
    0x21,
    {
      format: 'minew-a1-21',
      length: 10,
      read: (fields, bytes, at) => {
        fields.leak = (u8(bytes, at + 3) & 1) === 1
        fields.mac = macLe(bytes, at + 4)
      },
    },
  ],
])

export function decodeMinewService(span: Span): Frame | string | undefined {
  const { bytes, at, end } = span
  if (u8(bytes, at) !== 0xa1) return undefined
  const layout = SERVICE_FRAMES.get(u8(bytes, at + 1))
  if (layout === undefined) return undefined
  if (layout.atLeast ? end - at < layout.length : end - at !== layout.length) return 'Minew frame of a wrong length'
  const fields: FieldsDraft = {}
  setBattery(fields, u8(bytes, at + 2))
  layout.read(fields, bytes, at)
  if (layout.atLeast) fields.name = text(bytes, at + layout.length, end)
  return { format: layout.format, fields }
}

/** Frames of Minew's company number by their first byte. */
export function decodeMinewMaker(span: Span): Frame | string | undefined {
  switch (u8(span.bytes, span.at)) {
    case 0x51:
      return decodeMse(span)
    case 0xa3:
      return decodeS3(span)
    case 0xa4:
      return decodeS4(span)
    case 0xca:
      return decodeConnectV3(span)
    default:
      return undefined
  }
}

/** MSE01/MSE02, button and contact driven by what they harvest. */
function decodeMse({ bytes, at, end }: Span): Frame | string {
  if (end - at < 7) return 'Minew MSE frame of a wrong length'
  const status = u8(bytes, at + 4)
  const fields: FieldsDraft = {
    button1: (status & 0x20) !== 0,
    button2: (status & 0x40) !== 0,
    contact: (status & 0x01) === 0,
    motion: (status & 0x02) !== 0,
    txCount: u8(bytes, at + 2),
  }
  setBattery(fields, u8(bytes, at + 3))
  return { format: 'minew-mse', fields }
}

function decodeS3({ bytes, at, end }: Span): Frame | string | undefined {
  const version = u8(bytes, at + 1)
  if (version === 1) {
    if (end - at !== 20) return 'Minew S3 frame of a wrong length'
    return { format: 'minew-s3', fields: { firmware: dotted(bytes, at + 2), mac: macLe(bytes, at + 12) } }
  }
  if (version !== 3) return undefined
  if (end - at !== 16) return 'Minew S3 frame of a wrong length'
  const fields: FieldsDraft = { mac: macLe(bytes, at + 7) }
  setBattery(fields, u8(bytes, at + 2))
  setClimate(fields, bytes, at + 3)
  return { format: 'minew-s3', fields }
}

function decodeS4({ bytes, at, end }: Span): Frame | string | undefined {
  const version = u8(bytes, at + 1)
  if (version === 0) {
    if (end - at !== 18) return 'Minew S4 frame of a wrong length'
    return { format: 'minew-s4', fields: { firmware: dotted(bytes, at + 2), mac: macLe(bytes, at + 10) } }
  }
  if (version !== 1) return undefined
  if (end - at !== 15) return 'Minew S4 frame of a wrong length'
  const fields: FieldsDraft = {
    doorOpenAlarm: u8(bytes, at + 3) !== 0,
    tamper: u8(bytes, at + 4) !== 0,
    mac: macLe(bytes, at + 7),
  }
  setBattery(fields, u8(bytes, at + 2))
  return { format: 'minew-s4', fields }
}

/** Connect V3 frames are 24 bytes, but for the combination frame. */
function decodeConnectV3(span: Span): Frame | string | undefined {
  const { bytes, at, end } = span
  const kind = u8(bytes, at + 1)
  if (kind === 0x03) return decodeCombination(span)
  const read = CONNECT_V3.get(kind)
  if (read === undefined) return undefined
  if (end - at !== 24) return 'Minew Connect V3 frame of a wrong length'
  const fields: FieldsDraft = {}
  read(fields, bytes, at)
  return { format: `minew-v3-${kind.toString(16).padStart(2, '0')}`, fields }
}

const CONNECT_V3: ReadonlyMap<number, Layout['read']> = new Map<number, Layout['read']>([
  [
    0x00,
    (fields, bytes, at) => {
      const version = u16be(bytes, at + 9)
      fields.mac = macLe(bytes, at + 2)
      setBattery(fields, u8(bytes, at + 8))
      fields.firmware = `${(version >> 13) & 0x03}.${(version >> 7) & 0x3f}.${version & 0x7f}`
    },
  ],
  [
    0x05,
    (fields, bytes, at) => {
      // Bit 1 of the device information: no humidity sensor.
      if ((u8(bytes, at + 3) & 0x02) === 0) setClimate(fields, bytes, at + 5)
      else setTemperature(fields, bytes, at + 5)
      fields.name = text(bytes, at + 9, at + 17)
    },
  ],
  [
    0x1b,
    (fields, bytes, at) => {
      fields.encrypted = (u8(bytes, at + 2) & 0x80) !== 0
      if (fields.encrypted) {
        fields.sealed = true
        return
      }
      fields.productId = u16be(bytes, at + 3)
      fields.mac = macLe(bytes, at + 6)
      if (u16be(bytes, at + 12) !== 0) fields.batteryMv = u16be(bytes, at + 12)
      setTemperature(fields, bytes, at + 14)
      fields.txPower = s8(bytes, at + 17)
    },
  ],
  [
    0x1e,
    (fields, bytes, at) => {
      const flags = u8(bytes, at + 6)
      fields.distanceMm = u16le(bytes, at + 4)
      fields.lowBattery = (flags & 0x08) !== 0
      fields.occupancy = (flags & 0x04) !== 0
      fields.motion = (flags & 0x02) !== 0
      fields.tamper = (flags & 0x01) !== 0
      fields.tamperCount = u8(bytes, at + 8)
    },
  ],
])

/** Blocks of a combination frame: their length with the identifier, and what they say. */
const BLOCKS: ReadonlyMap<number, { readonly length: number; readonly read: Layout['read'] }> = new Map<
  number,
  { length: number; read: Layout['read'] }
>([
  [
    0x03,
    {
      length: 7,
      read: (fields, bytes, at) => {
        fields.accG = axes(bytes, at)
      },
    },
  ],
  [0x21, { length: 2, read: (fields, bytes, at) => setBattery(fields, u8(bytes, at)) }],
  [
    0x22,
    {
      length: 2,
      read: (fields, bytes, at) => {
        fields.tamper = u8(bytes, at) !== 0
      },
    },
  ],
])

/** The last four bytes are a random number and a check. An unknown block hides what follows it, for it has no length. */
function decodeCombination({ bytes, at, end }: Span): Frame | string {
  if (end - at < 6) return 'Minew Connect V3 frame of a wrong length'
  const fields: FieldsDraft = {}
  let place = at + 2
  while (place < end - 4) {
    const block = BLOCKS.get(u8(bytes, place))
    if (block === undefined || place + block.length > end - 4) break
    block.read(fields, bytes, place + 1)
    place += block.length
  }
  return { format: 'minew-v3-03', fields }
}

function setTemperature(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  const raw = s16be(bytes, at)
  if (raw !== ABSENT_S16) fields.temperature = raw / 256
}

function setClimate(fields: FieldsDraft, bytes: Uint8Array, at: number): void {
  setTemperature(fields, bytes, at)
  setHumidity(fields, s16be(bytes, at + 2) / 256)
}

function axes(bytes: Uint8Array, at: number): number[] {
  return [s16be(bytes, at) / 256, s16be(bytes, at + 2) / 256, s16be(bytes, at + 4) / 256]
}

function dotted(bytes: Uint8Array, at: number): string {
  return `${u8(bytes, at)}.${u8(bytes, at + 1)}.${u8(bytes, at + 2)}`
}
