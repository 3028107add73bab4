/** H4 indicator of an event packet (Bluetooth Core 5.4, Vol 4 Part A 2). */
export const HCI_EVENT = 0x04
const LE_META = 0x3e
const LEGACY_REPORT = 0x02
const EXTENDED_REPORT = 0x0d
const HARDWARE_ERROR = 0x10

/** Most advertising data of a legacy advert, and of one extended report (Bluetooth Core 5.4, Vol 4 Part E 7.7.65.13). */
const LEGACY_BYTES = 31
const FRAGMENT_BYTES = 229
const RSSI_NOT_AVAILABLE = 127

/** Bits of an extended report's event type. */
const SCAN_RESPONSE = 0x08
const LEGACY_PDU = 0x10
const MORE_TO_COME = 0x20

export type ScanMode = 'passive' | 'active'

/** One advert on the air, as the antenna has it. */
export interface Advert {
  /** 12 hex digits, most significant byte first. */
  readonly address: string
  /** As HCI codes it: 0 public, 1 random, 2 and 3 resolved identities, 255 anonymous; default 1. */
  readonly addressType?: number
  readonly data: Uint8Array
  /** Absent = the controller does not know. */
  readonly rssiDbm?: number
  readonly scanResponse?: boolean
  /** Advertising set, 0-15, of an extended advert; default 0. */
  readonly set?: number
}

export function tooLongForLegacy({ data }: Advert): boolean {
  return data.length > LEGACY_BYTES
}

/** LE Advertising Report of one advert, non-connectable or a scan response (7.7.65.2). */
export function legacyReport(advert: Advert): Uint8Array {
  const { data, scanResponse } = advert
  const packet = new Uint8Array(15 + data.length)
  packet.set([HCI_EVENT, LE_META, 12 + data.length, LEGACY_REPORT, 1, scanResponse ? 0x04 : 0x03])
  packet[6] = advert.addressType ?? 1
  putAddress(packet, 7, advert.address)
  packet[13] = data.length
  packet.set(data, 14)
  packet[14 + data.length] = rssiByte(advert)
  return packet
}

/** LE Extended Advertising Reports of one advert: a legacy one, or as many fragments as its length takes (7.7.65.13). */
export function extendedReports(advert: Advert): readonly Uint8Array[] {
  const { data } = advert
  const response = advert.scanResponse ? SCAN_RESPONSE : 0
  if (!tooLongForLegacy(advert)) return [extendedReport(advert, data, LEGACY_PDU | response)]
  const packets: Uint8Array[] = []
  for (let at = 0; at < data.length; at += FRAGMENT_BYTES) {
    const more = at + FRAGMENT_BYTES < data.length ? MORE_TO_COME : 0
    packets.push(extendedReport(advert, data.subarray(at, at + FRAGMENT_BYTES), response | more))
  }
  return packets
}

function extendedReport(advert: Advert, data: Uint8Array, eventType: number): Uint8Array {
  const packet = new Uint8Array(29 + data.length)
  packet.set([HCI_EVENT, LE_META, 26 + data.length, EXTENDED_REPORT, 1, eventType, 0, advert.addressType ?? 1])
  putAddress(packet, 8, advert.address)
  const set = eventType & LEGACY_PDU ? 0xff : (advert.set ?? 0)
  // Primary LE 1M, secondary none or LE 1M, then the set and a transmit power that is not known.
  packet.set([1, eventType & LEGACY_PDU ? 0 : 1, set, 0x7f, rssiByte(advert)], 14)
  packet[28] = data.length
  packet.set(data, 29)
  return packet
}

export function hardwareError(code: number): Uint8Array {
  return Uint8Array.of(HCI_EVENT, HARDWARE_ERROR, 1, code)
}

function putAddress(packet: Uint8Array, at: number, address: string): void {
  for (let i = 0; i < 6; i++) packet[at + i] = Number.parseInt(address.slice(10 - 2 * i, 12 - 2 * i), 16)
}

function rssiByte({ rssiDbm }: Advert): number {
  return (rssiDbm ?? RSSI_NOT_AVAILABLE) & 0xff
}
