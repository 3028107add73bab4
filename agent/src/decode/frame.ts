import type { Aes } from './aes.ts'

/**
 * What one structure of an advert says, by the names and units of its format. A value that the sender marks as "not
 * available" is absent.
 */
export interface Fields {
  // Who sent it.
  readonly uuid?: string
  readonly major?: number
  readonly minor?: number
  readonly companyId?: number
  readonly id1?: string
  readonly id2?: number
  readonly id3?: number
  readonly mfgReserved?: number
  /** 20 and 12 hex digits. */
  readonly namespace?: string
  readonly instance?: string
  readonly eid?: string
  readonly url?: string
  readonly uniqueId?: string
  readonly id?: string
  /** `aa:bb:cc:dd:ee:ff`, most significant byte first. */
  readonly mac?: string
  /** Last three bytes of the address, hex. */
  readonly macSuffix?: string
  readonly name?: string
  readonly model?: number
  readonly firmware?: string
  readonly version?: number
  readonly productId?: number

  // Radio.
  /** dBm: at 1 m for iBeacon, of the transmitter elsewhere. */
  readonly txPower?: number
  /** dBm at 0 m (Eddystone). */
  readonly txPower0m?: number
  /** dBm at 1 m (AltBeacon). */
  readonly refRssi?: number
  readonly channel?: number
  readonly txCount?: number
  readonly advCount?: number
  readonly sequence?: number
  readonly packetId?: number
  readonly counter?: number
  readonly uptimeS?: number
  readonly unixTimeS?: number
  readonly flags?: number

  // Ciphers.
  readonly encrypted?: boolean
  /** The contents are encrypted and could not be opened: no key, another key, or altered on the way. */
  readonly sealed?: boolean
  readonly salt?: number
  readonly mic?: number
  /** Ciphertext, hex. */
  readonly etlm?: string

  // Power.
  /** Percent of full. */
  readonly battery?: number
  readonly batteryMv?: number
  readonly lowBattery?: boolean
  readonly charging?: boolean

  // Surroundings.
  /** degC. */
  readonly temperature?: number
  /** %RH. */
  readonly humidity?: number
  readonly pressurePa?: number
  readonly pressureHpa?: number
  readonly differentialPressurePa?: number
  readonly dewPoint?: number
  readonly lux?: number
  /** Percent of full scale. */
  readonly lightLevel?: number
  readonly visibleLight?: boolean
  /** ug/m3. */
  readonly pm25?: number
  readonly pm10?: number
  /** ppm. */
  readonly co2?: number
  /** Index 0-500 (Ruuvi). */
  readonly voc?: number
  readonly nox?: number
  /** ug/m3 (BTHome), ppm (Minew). */
  readonly tvoc?: number
  readonly leak?: boolean
  readonly magneticField?: readonly number[]
  readonly gpio?: number
  readonly distanceMm?: number
  readonly count?: number
  readonly voltageMv?: number

  // Movement.
  /** g, one number per axis. */
  readonly accG?: readonly number[]
  /** The unit is the maker's own (MikroTik writes m/s2 and means g). */
  readonly acc?: readonly number[]
  /** degrees/s. */
  readonly gyro?: readonly number[]
  readonly pitch?: number
  readonly roll?: number
  readonly moving?: boolean
  /** What a motion sensor sees; not that the sender moves. */
  readonly motion?: boolean
  readonly occupancy?: boolean
  readonly vibration?: boolean
  readonly moveCount?: number
  readonly movementCounter?: number
  readonly motionStateS?: number
  readonly previousMotionStateS?: number
  readonly tilt?: boolean
  readonly freeFall?: boolean
  readonly impact?: boolean
  /** State and count of a sensor with one bit (ELA). */
  readonly state?: boolean

  // Buttons, contacts, alarms.
  readonly button1?: boolean
  readonly button2?: boolean
  /** Per button of the sender, in their order; `none` = not pressed. */
  readonly buttons?: readonly string[]
  readonly alarm?: boolean
  readonly tamper?: boolean
  readonly contact?: boolean
  readonly magnetPresent?: boolean
  readonly magnet?: boolean
  readonly opening?: boolean
  readonly doorOpenAlarm?: boolean
  readonly tamperCount?: number

  /** Fields of a Kontakt.io telemetry packet, in their order. */
  readonly fields?: readonly KontaktField[]

  // HPE/Aruba access points.
  readonly stationary?: boolean
  readonly floor?: string
  /** Metres on the floor's map. */
  readonly position?: readonly number[]
  readonly lastFragment?: boolean
  readonly fragment?: number
}

/** One field of a Kontakt.io telemetry packet. */
export interface KontaktField {
  readonly pid: number
  readonly lightLevel?: number
  readonly temperature?: number
  readonly humidity?: number
  readonly battery?: number
  readonly unixTimeS?: number
  /** Raw digits per axis, and what one digit is in mg. */
  readonly acceleration?: readonly number[]
  readonly sensitivity?: number
  readonly secondsSinceThreshold?: number
  readonly secondsSinceDoubleTap?: number
  readonly secondsSinceClick?: number
  readonly clickId?: number
  readonly movementId?: number
  /** Bytes of a field that is not known, hex. */
  readonly raw?: string
}

export type FieldsDraft = { -readonly [Name in keyof Fields]: Fields[Name] }

/** One decoded structure. `format` is the key of its layout, such as `ibeacon` or `minew-a1-01`. */
export interface Frame {
  readonly format: string
  readonly fields: Fields
}

/** What opens encrypted contents; what is absent is not opened. */
export interface Secrets {
  readonly aes: Aes
  /** The sender's address, six bytes, most significant first. */
  readonly address?: Uint8Array
  /** BTHome bind key, 16 bytes. */
  readonly bindKey?: Uint8Array
}

/** The structure under the decoder: `bytes` from `at` to `end`, after its company or service number. */
export interface Span {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  readonly secrets: Secrets | undefined
}

/**
 * Decodes one structure.
 * @returns the frame; a sentence of a fixed set when the bytes claim a format and break it; undefined when they are
 * something else
 */
export type Decode = (span: Span) => Frame | string | undefined

/** Above 100 % a value is a code such as 255 for "not available". */
export function isPercent(value: number): boolean {
  return value >= 0 && value <= 100
}

export function setBattery(draft: { battery?: number }, value: number): void {
  if (isPercent(value)) draft.battery = value
}

export function setHumidity(draft: { humidity?: number }, value: number): void {
  if (isPercent(value)) draft.humidity = value
}

/** Smallest number of a signed 16-bit field: "not available" in every format that has such a code. */
export const ABSENT_S16 = -0x8000
