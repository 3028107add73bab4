import { eddystoneTag, ibeaconTag, type TagId } from '@biotrakr/shared'

/** Whose traffic an advert without a tag identity is. Numbers of each are kept, devices never. */
type AdvertClass = 'apple' | 'microsoft' | 'google' | 'exposure' | 'other' | 'empty'

export type AdvertVerdict =
  | { readonly kind: 'identity'; readonly tag: TagId }
  | { readonly kind: 'class'; readonly class: AdvertClass }
  | { readonly kind: 'malformed'; readonly why: MalformedAdvert }

type MalformedAdvert =
  | 'too long'
  | 'length beyond the end'
  | 'iBeacon of a wrong length'
  | 'Eddystone-UID of a wrong length'

/** Longest advertising data, extended advertising included (Bluetooth Core 5.4, Vol 4 Part E 7.8.54). */
const MAX_BYTES = 1_650

/** AD types (Bluetooth Assigned Numbers 2.3). */
const SERVICE_UUIDS_SOME = 0x02
const SERVICE_UUIDS_ALL = 0x03
const SERVICE_DATA = 0x16
const MANUFACTURER = 0xff

/** Company identifiers (Bluetooth Assigned Numbers 7.1). */
const APPLE = 0x004c
const MICROSOFT = 0x0006

/**
 * 16-bit services (Bluetooth Assigned Numbers 3.4 and 3.11): exposure notification, and those Google holds for Fast
 * Pair (FE2C), Nearby and Quick Share (FE9F, FEF3, FCF1). Eddystone (FEAA) is Google's too, but beacons speak it.
 */
const SERVICE_CLASS: ReadonlyMap<number, AdvertClass> = new Map([
  [0xfd6f, 'exposure'],
  [0xfe2c, 'google'],
  [0xfe9f, 'google'],
  [0xfef3, 'google'],
  [0xfcf1, 'google'],
])

/** iBeacon (Proximity Beacon Specification R1): Apple's id, type 02, length 15 hex, then 21 bytes: 25 in all. */
const IBEACON_TYPE = 0x0215
const IBEACON_BYTES = 25

/** Eddystone-UID (github.com/google/eddystone): 18 bytes of frame after the service id; 2 reserved ones may be absent. */
const EDDYSTONE = 0xfeaa
const EDDYSTONE_UID_TYPE = 0x00
const EDDYSTONE_UID_BYTES = [20, 22]

/**
 * Says who sent an advert, from its advertising data: one pass over the AD structures, no allocation but the answer.
 * An identity in a whole structure is taken even if a later structure is broken; otherwise the first known class wins.
 * Never throws, whatever the bytes.
 * @param bytes AdvData without PDU header, as from the radio
 */
export function decodeAdvert(bytes: Uint8Array): AdvertVerdict {
  if (bytes.length > MAX_BYTES) return { kind: 'malformed', why: 'too long' }
  let found: AdvertVerdict = { kind: 'class', class: 'empty' }
  let at = 0
  while (at < bytes.length) {
    const length = bytes[at] ?? 0
    // Zeros fill up what is not used (Bluetooth Core 5.4, Vol 3 Part C 11).
    if (length === 0) break
    const end = at + 1 + length
    if (end > bytes.length) return { kind: 'malformed', why: 'length beyond the end' }
    const verdict = judge(bytes[at + 1] ?? 0, bytes.subarray(at + 2, end))
    if (verdict.kind === 'identity') return verdict
    if (rank(verdict) > rank(found)) found = verdict
    at = end
  }
  return found
}

/** A broken beacon says more than a class, a class more than `other`, anything more than nothing. */
function rank(verdict: AdvertVerdict): number {
  if (verdict.kind !== 'class') return 3
  if (verdict.class === 'empty') return 0
  return verdict.class === 'other' ? 1 : 2
}

function judge(type: number, data: Uint8Array): AdvertVerdict {
  if (type === MANUFACTURER) return judgeManufacturer(data)
  if (type === SERVICE_DATA) return judgeServiceData(data)
  if (type === SERVICE_UUIDS_SOME || type === SERVICE_UUIDS_ALL) return judgeServiceList(data)
  return OTHER
}

const OTHER: AdvertVerdict = { kind: 'class', class: 'other' }

function judgeManufacturer(data: Uint8Array): AdvertVerdict {
  const company = uint16le(data, 0)
  if (company === MICROSOFT) return { kind: 'class', class: 'microsoft' }
  if (company !== APPLE) return OTHER
  if (uint16be(data, 2) !== IBEACON_TYPE) return { kind: 'class', class: 'apple' }
  const tag =
    data.length === IBEACON_BYTES ? ibeaconTag(uuidText(data, 4), uint16be(data, 20), uint16be(data, 22)) : undefined
  return tag === undefined ? { kind: 'malformed', why: 'iBeacon of a wrong length' } : { kind: 'identity', tag }
}

function judgeServiceData(data: Uint8Array): AdvertVerdict {
  const service = uint16le(data, 0)
  if (service !== EDDYSTONE) return serviceClass(service)
  if (data[2] !== EDDYSTONE_UID_TYPE) return OTHER
  const whole = EDDYSTONE_UID_BYTES.includes(data.length)
  const tag = whole ? eddystoneTag(hex(data, 4, 14), hex(data, 14, 20)) : undefined
  return tag === undefined ? { kind: 'malformed', why: 'Eddystone-UID of a wrong length' } : { kind: 'identity', tag }
}

function judgeServiceList(data: Uint8Array): AdvertVerdict {
  for (let at = 0; at + 1 < data.length; at += 2) {
    const verdict = serviceClass(uint16le(data, at))
    if (verdict !== OTHER) return verdict
  }
  return OTHER
}

function serviceClass(service: number): AdvertVerdict {
  const known = SERVICE_CLASS.get(service)
  return known === undefined ? OTHER : { kind: 'class', class: known }
}

/** @returns -1 where the bytes are not there */
function uint16le(data: Uint8Array, at: number): number {
  const [low, high] = [data[at], data[at + 1]]
  return low === undefined || high === undefined ? -1 : low | (high << 8)
}

/** @returns -1 where the bytes are not there */
function uint16be(data: Uint8Array, at: number): number {
  const [high, low] = [data[at], data[at + 1]]
  return low === undefined || high === undefined ? -1 : low | (high << 8)
}

function hex(data: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; at++) text += (data[at] ?? 0).toString(16).padStart(2, '0')
  return text
}

function uuidText(data: Uint8Array, from: number): string {
  const digits = hex(data, from, from + 16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
}
