import { decodeOpenLocate } from './access-points.ts'
import { decodeAltbeacon, decodeEddystone, decodeIbeacon, isAltbeacon } from './beacons.ts'
import { decodeBthome } from './bthome.ts'
import { s8, text, u8, u16be, u16le } from './bytes.ts'
import { type Decode, type FieldsDraft, type Frame, isPercent, type Secrets, type Span } from './frame.ts'
import { decodeKontakt, decodeKontaktScanResponse } from './kontakt.ts'
import { decodeMinewMaker, decodeMinewService } from './minew.ts'
import { appleNoise, MICROSOFT_NOISE, type Noise, SERVICE_NOISE } from './noise.ts'
import { decodeRuuvi } from './ruuvi.ts'
import { decodeEfento, decodeEla, decodeEstimote, decodeMikrotik, decodeMoko, decodeTeltonika } from './sensors.ts'

/** What one advert holds. */
export interface Payload {
  /** Decoded structures, in their order. */
  readonly frames: readonly Frame[]
  /** The first structure that is some phone's or computer's. */
  readonly noise: Noise | undefined
  /** What is broken first; a sentence of a fixed set. */
  readonly broken: string | undefined
  /** Whole structures. */
  readonly elements: number
}

/** Longest advertising data, extended advertising included (Bluetooth Core 5.4, Vol 4 Part E 7.8.54). */
const MAX_BYTES = 1_650

/** Frames kept of one advert; beacons send one, rarely two. */
const MAX_FRAMES = 16

const TOO_LONG = 'too long'
export const OVERRUN = 'length beyond the end'

/** AD types (Bluetooth Assigned Numbers 2.3). */
const AD = {
  someServices: 0x02,
  allServices: 0x03,
  shortName: 0x08,
  name: 0x09,
  txPower: 0x0a,
  serviceData: 0x16,
  manufacturer: 0xff,
} as const

/** Company identifiers (Bluetooth Assigned Numbers 7.1). */
const APPLE = 0x004c
const MICROSOFT = 0x0006
const COMPANIES: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [0x026c, decodeEfento],
  [0x0499, decodeRuuvi],
  [0x0639, decodeMinewMaker],
  [0x0757, decodeEla],
  [0x089a, decodeTeltonika],
  [0x094f, decodeMikrotik],
  [0x0a62, decodeMoko],
])

const BATTERY_SERVICE = 0x180f
const BLUEUP_SERVICE = 0x8800

/** 16-bit services whose data are decoded. */
const SERVICES: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [0xfeaa, decodeEddystone],
  [0xffe1, decodeMinewService],
  [0xfe6a, decodeKontakt],
  [0xd00d, decodeKontaktScanResponse],
  [0xfcd2, decodeBthome],
  [0xfe9a, decodeEstimote],
  [0xfd94, decodeOpenLocate],
  [BLUEUP_SERVICE, decodeBlueup],
])

const BLUEUP_ALARM = 0x80

/** BlueUp's own frame (docs.blueupbeacons.com, configuration GATT firmware 6): a byte of flags. */
function decodeBlueup({ bytes, at, end }: Span): Frame | undefined {
  if (end - at !== 1) return undefined
  const flags = u8(bytes, at)
  return { format: 'blueup', fields: { flags, alarm: (flags & BLUEUP_ALARM) !== 0 } }
}

const NONE: readonly Frame[] = []
/** Type 2, length 15 hex. */
const IBEACON_TYPE = 0x0215

/** One pass over the structures of an advert: where it stands and what it found. */
interface Walk {
  readonly bytes: Uint8Array
  secrets: Secrets | undefined
  /** Of the structure's data. */
  at: number
  end: number
  frames: readonly Frame[]
  noise: Noise | undefined
  broken: string | undefined
  elements: number
  /** Fields of a frame that takes name, power and battery from the structures beside its own. */
  incomplete: FieldsDraft | undefined
  /** Where these stand; 0 = nowhere. */
  nameAt: number
  nameEnd: number
  txPowerAt: number
  batteryAt: number
}

/**
 * Decodes an advert in one pass. Never throws, whatever the bytes; the work is bounded by their number. What is whole
 * counts even if something behind it is broken.
 * @param bytes AdvData without PDU header, as from the radio
 */
export function decodePayload(bytes: Uint8Array, secrets?: Secrets): Payload {
  if (bytes.length > MAX_BYTES) return { frames: NONE, noise: undefined, broken: TOO_LONG, elements: 0 }
  const walk: Walk = {
    bytes,
    secrets,
    at: 0,
    end: 0,
    frames: NONE,
    noise: undefined,
    broken: undefined,
    elements: 0,
    incomplete: undefined,
    nameAt: 0,
    nameEnd: 0,
    txPowerAt: 0,
    batteryAt: 0,
  }
  let next = 0
  while (next < bytes.length) {
    const length = u8(bytes, next)
    // Zeros fill up what is not used (Bluetooth Core 5.4, Vol 3 Part C 11).
    if (length === 0) break
    walk.at = next + 2
    walk.end = next + 1 + length
    if (walk.end > bytes.length) {
      walk.broken ??= OVERRUN
      break
    }
    walk.elements += 1
    readStructure(walk, u8(bytes, next + 1))
    next = walk.end
  }
  if (walk.incomplete !== undefined) completeFromBeside(walk, walk.incomplete)
  // What is handed back must not carry keys into somebody's log.
  walk.secrets = undefined
  return walk
}

function readStructure(walk: Walk, type: number): void {
  if (type === AD.manufacturer) {
    if (walk.end - walk.at >= 2) readManufacturer(walk)
  } else if (type === AD.serviceData) {
    if (walk.end - walk.at >= 2) readServiceData(walk)
  } else if (type === AD.allServices || type === AD.someServices) readServiceList(walk)
  else if (type === AD.name || type === AD.shortName) {
    walk.nameAt = walk.at
    walk.nameEnd = walk.end
  } else if (type === AD.txPower && walk.end > walk.at) walk.txPowerAt = walk.at
}

function readServiceData(walk: Walk): void {
  const service = u16le(walk.bytes, walk.at)
  walk.at += 2
  const decode = SERVICES.get(service)
  if (decode !== undefined) run(walk, decode)
  else if (service === BATTERY_SERVICE) {
    if (walk.end > walk.at) walk.batteryAt = walk.at
  } else walk.noise ??= SERVICE_NOISE.get(service)
}

function readManufacturer(walk: Walk): void {
  const company = u16le(walk.bytes, walk.at)
  walk.at += 2
  if (isAltbeacon(walk)) keep(walk, decodeAltbeacon(walk))
  else if (company === APPLE) readApple(walk)
  else if (company === MICROSOFT) walk.noise ??= MICROSOFT_NOISE
  else run(walk, COMPANIES.get(company))
}

function readApple(walk: Walk): void {
  if (walk.end - walk.at >= 2 && u16be(walk.bytes, walk.at) === IBEACON_TYPE) run(walk, decodeIbeacon)
  else walk.noise ??= appleNoise(walk)
}

function readServiceList(walk: Walk): void {
  if (walk.noise !== undefined) return
  for (let at = walk.at; at + 1 < walk.end; at += 2) {
    const noise = SERVICE_NOISE.get(u16le(walk.bytes, at))
    if (noise !== undefined) {
      walk.noise = noise
      return
    }
  }
}

function run(walk: Walk, decode: Decode | undefined): void {
  if (decode === undefined || walk.at >= walk.end) return
  const result = decode(walk)
  if (typeof result === 'string') walk.broken ??= result
  else if (result !== undefined) keep(walk, result)
}

function keep(walk: Walk, frame: Frame): void {
  if (frame.format === 'kontakt-scanresp' || frame.format === 'blueup') walk.incomplete = frame.fields
  if (walk.frames.length < MAX_FRAMES) walk.frames = walk.frames.length === 0 ? [frame] : [...walk.frames, frame]
}

/** Name, power and battery that stand beside a frame which has no room for them. */
function completeFromBeside({ bytes, nameAt, nameEnd, txPowerAt, batteryAt }: Walk, fields: FieldsDraft): void {
  if (nameAt > 0) fields.name = text(bytes, nameAt, nameEnd)
  if (txPowerAt > 0) fields.txPower = s8(bytes, txPowerAt)
  if (batteryAt > 0 && isPercent(u8(bytes, batteryAt))) fields.battery = u8(bytes, batteryAt)
}
