import { z } from 'zod'

import type { AdvertReport } from './ble-reports.ts'

/** PDU types of the advertising physical channel (Bluetooth Core 5.4, Vol 6 Part B 2.3), by their number. */
const PDU_NAMES = [
  'ADV_IND',
  'ADV_DIRECT_IND',
  'ADV_NONCONN_IND',
  'SCAN_REQ',
  'SCAN_RSP',
  'CONNECT_IND',
  'ADV_SCAN_IND',
  'ADV_EXT_IND',
] as const

/** Longest advertising data, extended advertising included (Bluetooth Core 5.4, Vol 4 Part E 7.8.54). */
const MAX_ADVERT_BYTES = 1_650

const frameSchema = z.object({
  /** Microseconds since 1970. */
  t_us: z.int().min(0),
  chan: z.int().min(0).max(39),
  rssi: z.int().min(-128).max(127),
  pdu: z.int().min(0).max(15),
  addr: z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i, 'is not an address such as c3:00:00:12:34:56'),
  addrType: z.enum(['public', 'random']),
  /** Advertising data without the PDU header, hex. */
  adv: z
    .string()
    .max(MAX_ADVERT_BYTES * 2, `is longer than ${MAX_ADVERT_BYTES} bytes`)
    .regex(/^(?:[0-9a-f]{2})*$/i, 'is not whole bytes in hex'),
})

export type CaptureFrame = z.infer<typeof frameSchema>

const RSSI_NOT_AVAILABLE = 127
const LEGACY_BYTES = 31
/** What a host is not told: the channel, and whether a legacy advert could be connected to. */
const UNTOLD = { chan: 37, legacyPdu: 0, extendedPdu: 7 } as const

/** A report of an adapter as a line of a capture, without its line end. It names its sender: for own tags, or consent. */
export function captureLine({ address, addressType, bytes, rssiDbm, atMs }: AdvertReport): string {
  const frame: CaptureFrame = {
    t_us: Math.round(atMs * 1_000),
    chan: UNTOLD.chan,
    rssi: rssiDbm ?? RSSI_NOT_AVAILABLE,
    pdu: bytes.length > LEGACY_BYTES ? UNTOLD.extendedPdu : UNTOLD.legacyPdu,
    addr: Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':'),
    addrType: addressType === 'public' || addressType === 'publicIdentity' ? 'public' : 'random',
    adv: Buffer.from(bytes).toString('hex'),
  }
  return JSON.stringify(frame)
}

/** @returns the frame, or in words what is wrong with the line; never any of its values, which may name a person's device */
export function parseFrame(text: string | undefined): CaptureFrame | string {
  if (text === undefined) return 'the line is longer than 65536 characters'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'is not JSON'
  }
  const result = frameSchema.safeParse(value)
  if (result.success) return result.data
  return result.error.issues.map(({ path, message }) => [...path, message].join(' ')).join('; ')
}

export function pduName({ pdu }: CaptureFrame): string {
  return PDU_NAMES[pdu] ?? 'reserved'
}

/** False for a scanner's or an initiator's own frames, whose address is that of no tag. */
export function hasAdvertiser(frame: CaptureFrame): boolean {
  const name = pduName(frame)
  return name.startsWith('ADV_') || name === 'SCAN_RSP'
}

/** A directed advert names its target and carries no data. */
export function carriesAdvert(frame: CaptureFrame): boolean {
  return hasAdvertiser(frame) && pduName(frame) !== 'ADV_DIRECT_IND'
}
