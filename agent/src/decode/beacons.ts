import { hex, s8, s16be, u8, u16be, u32be, uuid } from './bytes.ts'
import { ABSENT_S16, type FieldsDraft, type Frame, type Span } from './frame.ts'

/** Text that stands for one byte of an Eddystone-URL (github.com/google/eddystone, eddystone-url). */
const URL_SCHEMES = ['http://www.', 'https://www.', 'http://', 'https://']
const URL_ENDS = ['.com', '.org', '.edu', '.net', '.info', '.biz', '.gov']

/**
 * BlueUp's safety frame: an iBeacon of this UUID in which major holds nothing, minor the battery in percent and the
 * alarm's flags.
 */
const BLUEUP_SAFETY = [0xa5, 0x65, 0xcc, 0x84, 0x1e, 0x0e, 0x4b, 0x5a, 0xb2, 0xd3, 0x17, 0xc9, 0x8f, 0xf5, 0x41]

/** iBeacon (Proximity Beacon Specification R1) after Apple's number and the type: 0x15, then 21 bytes, big-endian. */
export function decodeIbeacon({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 23 || u8(bytes, at + 1) !== 0x15) return 'iBeacon of a wrong length'
  const fields = {
    uuid: uuid(bytes, at + 2),
    major: u16be(bytes, at + 18),
    minor: u16be(bytes, at + 20),
    txPower: s8(bytes, at + 22),
  }
  if (u8(bytes, at + 2) !== 0xa5 || !isBlueupSafety(bytes, at + 2)) return { format: 'ibeacon', fields }
  const flags = u8(bytes, at + 21)
  const safety: FieldsDraft = { ...fields, flags, alarm: flags !== 0 }
  if (u8(bytes, at + 20) <= 100) safety.battery = u8(bytes, at + 20)
  return { format: 'blueup-safety', fields: safety }
}

function isBlueupSafety(bytes: Uint8Array, at: number): boolean {
  return BLUEUP_SAFETY.every((value, index) => u8(bytes, at + index) === value)
}

/** Whether manufacturer data is AltBeacon's (github.com/AltBeacon/spec): the code BEAC after any company's number. */
export function isAltbeacon({ bytes, at, end }: Span): boolean {
  return end - at === 24 && u8(bytes, at) === 0xbe && u8(bytes, at + 1) === 0xac
}

/** @param span as `isAltbeacon` found it */
export function decodeAltbeacon({ bytes, at }: Span): Frame {
  return {
    format: 'altbeacon',
    fields: {
      companyId: u8(bytes, at - 2) | (u8(bytes, at - 1) << 8),
      id1: uuid(bytes, at + 2),
      id2: u16be(bytes, at + 18),
      id3: u16be(bytes, at + 20),
      refRssi: s8(bytes, at + 22),
      mfgReserved: u8(bytes, at + 23),
    },
  }
}

/** Eddystone (github.com/google/eddystone): all numbers big-endian. */
export function decodeEddystone(span: Span): Frame | string | undefined {
  switch (u8(span.bytes, span.at)) {
    case 0x00:
      return decodeUid(span)
    case 0x10:
      return decodeUrl(span)
    case 0x20:
      return u8(span.bytes, span.at + 1) === 1 ? decodeEtlm(span) : decodeTlm(span)
    case 0x30:
      return decodeEid(span)
    default:
      return undefined
  }
}

/** The two reserved bytes at the end may be absent. */
function decodeUid({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 18 && end - at !== 20) return 'Eddystone-UID of a wrong length'
  return {
    format: 'eddystone-uid',
    fields: {
      txPower0m: s8(bytes, at + 1),
      namespace: hex(bytes, at + 2, at + 12),
      instance: hex(bytes, at + 12, at + 18),
    },
  }
}

function decodeUrl({ bytes, at, end }: Span): Frame | string {
  let url = URL_SCHEMES[u8(bytes, at + 2)]
  if (end - at < 3 || url === undefined) return 'Eddystone-URL without a scheme'
  for (let index = at + 3; index < end; index++) {
    const part = urlPart(u8(bytes, index))
    if (part === undefined) return 'Eddystone-URL with a reserved byte'
    url += part
  }
  return { format: 'eddystone-url', fields: { txPower0m: s8(bytes, at + 1), url } }
}

function urlPart(code: number): string | undefined {
  if (code < 7) return `${URL_ENDS[code]}/`
  if (code < 14) return URL_ENDS[code - 7]
  return code > 0x20 && code < 0x7f ? String.fromCharCode(code) : undefined
}

function decodeTlm({ bytes, at, end }: Span): Frame | string | undefined {
  if (u8(bytes, at + 1) !== 0) return undefined
  return end - at === 14
    ? { format: 'eddystone-tlm', fields: tlmFields(bytes, at + 2) }
    : 'Eddystone-TLM of a wrong length'
}

/** The twelve bytes of telemetry, plain or decrypted. A battery of 0 mV is "not supported", -128 degC "not available". */
export function tlmFields(bytes: Uint8Array, at: number): FieldsDraft {
  const fields: FieldsDraft = { advCount: u32be(bytes, at + 4), uptimeS: u32be(bytes, at + 8) / 10 }
  if (u16be(bytes, at) !== 0) fields.batteryMv = u16be(bytes, at)
  const raw = s16be(bytes, at + 2)
  if (raw !== ABSENT_S16) fields.temperature = raw / 256
  return fields
}

function decodeEtlm({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 18) return 'Eddystone-ETLM of a wrong length'
  return {
    format: 'eddystone-etlm',
    fields: { etlm: hex(bytes, at + 2, at + 14), salt: u16be(bytes, at + 14), mic: u16be(bytes, at + 16) },
  }
}

function decodeEid({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 10) return 'Eddystone-EID of a wrong length'
  return { format: 'eddystone-eid', fields: { txPower0m: s8(bytes, at + 1), eid: hex(bytes, at + 2, at + 10) } }
}
