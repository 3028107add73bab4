import { u8 } from './bytes.ts'
import type { Span } from './frame.ts'

/** Traffic of phones, watches and computers. It is counted by class and dropped before any decoding. */
export interface Noise {
  /** `apple-findmy` is told apart from `apple`: lost-item trackers are no persons, and their number says much. */
  readonly class: 'apple' | 'apple-findmy' | 'microsoft' | 'google' | 'exposure'
  readonly format: string
  readonly kind: string
  /** Find My: battery and whether its owner is near. */
  readonly status?: number
}

const CONTINUITY = 'noise-apple-continuity'

/** Apple's continuity messages by type (Martin et al., Handoff All Your Privacy, PoPETs 2019). */
const APPLE: ReadonlyMap<number, Noise> = new Map(
  (
    [
      [0x05, 'apple-airdrop'],
      [0x06, 'apple-homekit'],
      [0x07, 'apple-airpods'],
      [0x08, 'apple-siri'],
      [0x09, 'apple-airplay'],
      [0x0a, 'apple-airplay'],
      [0x0b, 'apple-watch'],
      [0x0c, 'apple-handoff'],
      [0x0d, 'apple-hotspot'],
      [0x0e, 'apple-hotspot'],
      [0x0f, 'apple-nearby-action'],
      [0x10, 'apple-nearby'],
    ] as const
  ).map(([type, kind]) => [type, { class: 'apple', format: CONTINUITY, kind }]),
)
const APPLE_OTHER: Noise = { class: 'apple', format: CONTINUITY, kind: 'apple-other' }
const FINDMY: Noise = { class: 'apple-findmy', format: 'noise-apple-findmy', kind: 'apple-findmy' }
const FINDMY_TYPE = 0x12

/** @param span Apple's manufacturer data that is no iBeacon */
export function appleNoise({ bytes, at, end }: Span): Noise {
  if (end <= at) return APPLE_OTHER
  const type = u8(bytes, at)
  if (type !== FINDMY_TYPE) return APPLE.get(type) ?? APPLE_OTHER
  return end - at > 2 ? { ...FINDMY, status: u8(bytes, at + 2) } : FINDMY
}

/** Connected Devices Platform and Swift Pair (MS-CDP; Bluetooth Assigned Numbers 7.1). */
export const MICROSOFT_NOISE: Noise = { class: 'microsoft', format: 'noise-microsoft', kind: 'microsoft' }

function google(kind: string): Noise {
  return { class: 'google', format: 'noise-google', kind }
}

/**
 * 16-bit services (Bluetooth Assigned Numbers 3.4 and 3.11): exposure notification, and those Google holds for Fast
 * Pair (FE2C), Nearby and Quick Share (FE9F, FEF3, FCF1). Eddystone (FEAA) is Google's too, but beacons speak it.
 */
export const SERVICE_NOISE: ReadonlyMap<number, Noise> = new Map<number, Noise>([
  [0xfd6f, { class: 'exposure', format: 'noise-exposure-notification', kind: 'exposure-notification' }],
  [0xfe2c, google('google-fast-pair')],
  [0xfe9f, google('google-nearby')],
  [0xfef3, google('google-nearby')],
  [0xfcf1, google('google-nearby')],
])
