/** How an address came to be (Bluetooth Core 5.4, Vol 4 Part E 7.7.65.13). `anonymous` adverts carry none. */
export type BleAddressType = 'public' | 'random' | 'publicIdentity' | 'randomIdentity' | 'anonymous' | 'unknown'

/** One advert as the adapter heard it, nothing merged and nothing left out. */
export interface AdvertReport {
  /** Six bytes, most significant first; zeros for an anonymous advert. */
  readonly address: Uint8Array
  readonly addressType: BleAddressType
  /** Absent where the controller did not measure it. */
  readonly rssiDbm?: number
  /** Advertising data, at most 1650 bytes. Good during the call only: the buffer may be used again. */
  readonly bytes: Uint8Array
  /** Wall milliseconds. */
  readonly atMs: number
}

export interface ReportCounts {
  /** Adverts handed on. */
  reports: number
  /** Event packets whose lengths contradict each other; what was whole in them is handed on. */
  malformed: number
  /** Long adverts of which the controller had only the beginning; handed on as far as they go. */
  truncated: number
  /** Long adverts given up: their end never came, they grew too long, or too many were open at once. */
  fragmentsLost: number
}

interface Heard {
  readonly address: Uint8Array
  readonly addressType: number
  readonly rssi: number
  readonly bytes: Uint8Array
}

interface Chain {
  readonly parts: Uint8Array[]
  length: number
  readonly sinceMs: number
}

interface Now {
  readonly wallMs: number
  readonly monoMs: number
}

const EVENT_PACKET = 0x04
const LE_META = 0x3e
const LEGACY = 0x02
const EXTENDED = 0x0d
const FIRST_REPORT = 5
const RSSI_NOT_AVAILABLE = 127
/** Longest advertising data (Bluetooth Core 5.4, Vol 4 Part E 7.8.54). */
const MAX_BYTES = 1_650
/** All fragments of an advert come within one chain of packets, some 100 ms on the air at most. */
const FRAGMENT_MS = 1_000
const MAX_CHAINS = 64

/** Data status in bits 5 and 6 of an extended report's event type. */
const MORE_TO_COME = 1
const CUT_OFF = 2
const SCAN_RESPONSE = 0x08

const ADDRESS_TYPES: Readonly<Record<number, BleAddressType>> = {
  0: 'public',
  1: 'random',
  2: 'publicIdentity',
  3: 'randomIdentity',
  255: 'anonymous',
}

/** True for an H4 packet that carries adverts (Bluetooth Core 5.4, Vol 4 Part E 7.7.65.2 and 7.7.65.13). */
export function isAdvertPacket(packet: Uint8Array): boolean {
  return packet[0] === EVENT_PACKET && packet[1] === LE_META && (packet[3] === LEGACY || packet[3] === EXTENDED)
}

/**
 * Reads adverts out of H4 event packets, legacy and extended, and puts long ones together. Never throws, whatever the
 * bytes; memory is bounded by 64 open adverts of 1650 bytes.
 */
export class AdvertReader {
  readonly counts: ReportCounts = { reports: 0, malformed: 0, truncated: 0, fragmentsLost: 0 }
  readonly #onReport: (report: AdvertReport) => void
  readonly #chains = new Map<string, Chain>()

  constructor(onReport: (report: AdvertReport) => void) {
    this.#onReport = onReport
  }

  /** @param packet one whole packet for which `isAdvertPacket` holds */
  take(packet: Uint8Array, now: Now): void {
    const reports = packet[4] ?? 0
    const readOne = packet[3] === LEGACY ? this.#legacy : this.#extended
    let at = FIRST_REPORT
    for (let i = 0; i < reports; i++) {
      const next = readOne.call(this, packet, at, now)
      if (next === undefined) {
        this.counts.malformed += 1
        return
      }
      at = next
    }
  }

  /** An advert that did not come as a packet: counted and handed on. */
  pass(report: AdvertReport): void {
    this.counts.reports += 1
    this.#onReport(report)
  }

  /** Event type, address type, address, data length, data, RSSI. @returns where the next report begins */
  #legacy(packet: Uint8Array, at: number, now: Now): number | undefined {
    const dataAt = at + 9
    const length = packet[dataAt - 1]
    if (length === undefined || dataAt + length >= packet.length) return undefined
    this.#deliver(
      {
        addressType: packet[at + 1] ?? 0,
        address: addressAt(packet, at + 2),
        bytes: packet.subarray(dataAt, dataAt + length),
        rssi: packet[dataAt + length] ?? RSSI_NOT_AVAILABLE,
      },
      now,
    )
    return dataAt + length + 1
  }

  /** 24 bytes of header, then data; the data may go on in the next report of the same advertiser and set. */
  #extended(packet: Uint8Array, at: number, now: Now): number | undefined {
    const dataAt = at + 24
    const length = packet[dataAt - 1]
    if (length === undefined || dataAt + length > packet.length) return undefined
    const eventType = packet[at] ?? 0
    const heard: Heard = {
      addressType: packet[at + 2] ?? 0,
      address: addressAt(packet, at + 3),
      bytes: packet.subarray(dataAt, dataAt + length),
      rssi: packet[at + 13] ?? RSSI_NOT_AVAILABLE,
    }
    const status = (eventType >> 5) & 3
    if (status === 0 && this.#chains.size === 0) this.#deliver(heard, now)
    else this.#join(heard, { status, set: `${packet[at + 11]}/${eventType & SCAN_RESPONSE}`, now })
    return dataAt + length
  }

  #join(
    heard: Heard,
    { status, set, now }: { readonly status: number; readonly set: string; readonly now: Now },
  ): void {
    this.#forgetOld(now.monoMs)
    const key = `${heard.addressType}/${heard.address.join()}/${set}`
    const chain = this.#chains.get(key) ?? { parts: [], length: 0, sinceMs: now.monoMs }
    this.#chains.delete(key)
    chain.length += heard.bytes.length
    if (chain.length > MAX_BYTES) {
      this.counts.fragmentsLost += 1
      return
    }
    if (status === MORE_TO_COME) {
      // A copy: the packet's buffer may be used again before the end comes.
      chain.parts.push(heard.bytes.slice())
      this.#chains.set(key, chain)
      this.#makeRoom()
      return
    }
    if (status === CUT_OFF) this.counts.truncated += 1
    this.#deliver({ ...heard, bytes: concat(chain, heard.bytes) }, now)
  }

  /** Chains are in order of their newest fragment, near enough to order of age. */
  #forgetOld(monoMs: number): void {
    for (const [key, { sinceMs }] of this.#chains) {
      if (monoMs - sinceMs < FRAGMENT_MS) continue
      this.#chains.delete(key)
      this.counts.fragmentsLost += 1
    }
  }

  #makeRoom(): void {
    if (this.#chains.size <= MAX_CHAINS) return
    const [oldest] = this.#chains.keys()
    if (oldest !== undefined) this.#chains.delete(oldest)
    this.counts.fragmentsLost += 1
  }

  #deliver({ address, addressType, rssi, bytes }: Heard, { wallMs }: Now): void {
    const report = { address, addressType: ADDRESS_TYPES[addressType] ?? 'unknown', bytes, atMs: wallMs }
    const rssiDbm = rssi > 127 ? rssi - 256 : rssi
    this.pass(rssiDbm === RSSI_NOT_AVAILABLE ? report : { ...report, rssiDbm })
  }
}

function concat({ parts, length }: Chain, last: Uint8Array): Uint8Array {
  if (parts.length === 0) return last
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of [...parts, last]) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** HCI sends addresses least significant byte first. */
function addressAt(packet: Uint8Array, at: number): Uint8Array {
  const address = new Uint8Array(6)
  for (let i = 0; i < 6; i++) address[i] = packet[at + 5 - i] ?? 0
  return address
}
