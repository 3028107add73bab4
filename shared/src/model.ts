import type { GatewayId, ReceiverId, RoomId, TagId } from './ids.ts'

/** How a position was found. The numbers stand on the wire and in the database: append only. */
export const METHOD = {
  RFID: 1,
  BLE: 2,
  FUSED: 3,
  PORTAL: 4,
  ROOM_BEACON: 5,
  QR: 6,
  MANUAL: 7,
  GPS: 8,
  MIGRATED: 9,
  WIRED: 10,
} as const
export type Method = keyof typeof METHOD

/** Why a room is not known (or, with a room, what weakens the answer). Numbers as on the wire: append only. */
export const REASON = {
  none: 0,
  not_heard: 1,
  ambiguous: 2,
  receiver_down: 3,
  outside: 4,
  not_calibrated: 5,
  clock: 6,
  low_evidence: 7,
} as const
export type Reason = keyof typeof REASON

export const SENSOR = { temperature: 1, humidity: 2, battery: 3, motion: 4 } as const
/** Units: temperature degC, humidity %RH, battery % of full, motion 0 or 1. */
export type SensorKind = keyof typeof SENSOR

export const TAG_EVENT = { button: 1, tamper: 2, fall: 3, low_battery: 4, dock: 5, motion: 6 } as const
export type TagEventKind = keyof typeof TAG_EVENT

export const RECEIVER_STATE = { up: 1, silent: 2, down: 3 } as const
export type ReceiverState = keyof typeof RECEIVER_STATE

export const GAP_REASON = { evicted: 1, corrupt: 2, restored: 3 } as const
export type GapReason = keyof typeof GAP_REASON

/** One decoded report of one tag by one receiver. */
export interface Reading {
  readonly tag: TagId
  readonly receiver: ReceiverId
  /** Received power in dBm; absent where the receiver only reports presence (LF/HF). */
  readonly rssiDbm?: number
  /** Event time, wall milliseconds. */
  readonly atMs: number
  readonly medium: 'RFID' | 'BLE'
  readonly telemetry?: Telemetry
  /** Signal strength as the reader's own number, where its unit is unknown or not calibrated. */
  readonly rssiRaw?: number
  /** Phase of the backscatter, degrees; its range and sign are the reader's. */
  readonly phaseDeg?: number
  /** Carrier frequency. */
  readonly freqKHz?: number
  /** The reader's own clock, milliseconds; only differences mean something. */
  readonly readerTimeMs?: number
}

/** What a tag said of itself in one report. Absent means not said; "not available" codes never become numbers. */
export interface Telemetry {
  readonly temperatureC?: number
  readonly humidityPercent?: number
  readonly batteryPercent?: number
  readonly moving?: boolean
  /** Counter of the tag's button; a changed value is one press. */
  readonly pressCount?: number
  /**
   * The button is held, an alarm stands, or this very report is a press. Together with `pressCount` that number tells
   * presses apart, and the first one heard counts; without it, a change from false or from nothing to true is one press.
   */
  readonly pressed?: boolean
  /** The tag's case is open or it was taken off. */
  readonly tamper?: boolean
  /**
   * What may be the number of a room's transmitter (infrared, LF exciter) that the tag passes on; which of them are,
   * and of which rooms, the site map's marks say.
   */
  readonly marks?: readonly string[]
}

/** What one receiver heard of one tag in one window. */
export interface Sighting {
  readonly receiver: ReceiverId
  /** Median of the window's readings in dBm, outliers left out; absent when every reading was presence only. */
  readonly rssiDbm?: number
  /** The strongest of them, outliers left out: least held back by bodies in between. */
  readonly maxDbm?: number
  /** When the strongest was heard, wall milliseconds; of RFID only, where the order of antennas tells a direction. */
  readonly peakMs?: number
  readonly count: number
}

/** All that was heard of one tag in one window, from any receiver, own or foreign. Input of the locate stage. */
export interface TagWindow {
  readonly tag: TagId
  /** End of the window, wall milliseconds. */
  readonly atMs: number
  readonly medium: 'RFID' | 'BLE'
  readonly moving?: boolean
  /** Sorted by receiver; empty when the tag has gone silent. */
  readonly sightings: readonly Sighting[]
  /** Rooms that named themselves to the tag, by their id or by a mark of the site map: infrared or LF room id, dock. */
  readonly namedRooms?: readonly string[]
}

/** The answer: which room a tag is in, or that this is not known and why. */
export interface Fix {
  readonly kind: 'fix'
  readonly tag: TagId
  /** Null = unknown; `reason` then says why. */
  readonly room: RoomId | null
  readonly reason: Reason
  readonly method: Method
  /** Probability of the answer in per mille, 0-1000. */
  readonly confidence: number
  /** Event time, wall milliseconds. */
  readonly atMs: number
  /** How long the tag's previous ledger fix stood, milliseconds, 0 for the first; makes dwell a plain sum. */
  readonly spanMs: number
  /** Version of the site map that the answer was computed with. */
  readonly mapVersion: number
  /** Place on the floor in centimetres, where receivers have places. */
  readonly xCm?: number
  readonly yCm?: number
  readonly accuracyCm?: number
  /** Compact explanation, at most 256 bytes; only on room changes. */
  readonly evidence?: Uint8Array
}

export interface SensorReading {
  readonly kind: 'sensor'
  readonly tag: TagId
  readonly room: RoomId | null
  readonly sensor: SensorKind
  /** Thousandths of the sensor's unit, a whole number. */
  readonly milli: number
  readonly atMs: number
}

export interface TagEvent {
  readonly kind: 'event'
  readonly tag: TagId
  readonly room: RoomId | null
  readonly event: TagEventKind
  /** The tag's own counter, 0 where it has none; for motion 1 = began to move, 0 = came to rest. */
  readonly value: number
  readonly atMs: number
}

export interface ReceiverHealth {
  readonly kind: 'health'
  readonly receiver: ReceiverId
  readonly state: ReceiverState
  /** Reports since the previous health record of this receiver. */
  readonly readings: number
  /** Reports dropped as malformed in the same time. */
  readonly errors: number
  readonly atMs: number
}

/** Stands in the ledger in place of records that had to be let go; covers `count` sequence numbers. */
export interface Gap {
  readonly kind: 'gap'
  readonly count: number
  readonly reason: GapReason
  /** Event times of the oldest and newest record lost, wall milliseconds. */
  readonly fromMs: number
  readonly toMs: number
}

/**
 * Ties the gateway's monotonic time to wall time. Within one epoch, the times of the records that follow run with it: a
 * record's time since boot is `monoMs` plus the difference of the two `atMs`.
 */
export interface ClockAnchor {
  readonly kind: 'anchor'
  /** Identifies one boot of the gateway, 16 hex digits. */
  readonly bootId: string
  /** Time since boot. */
  readonly monoMs: number
  readonly atMs: number
  /** Uncertainty of the pair in milliseconds; without meaning where the time is not known. */
  readonly errorMs: number
  /** The wall time is not known to be right, so it only counts up: another anchor of this boot says what it stands for. */
  readonly unsynced?: true
}

/** A record of a kind this version does not know: kept byte for byte, never dropped. Covers one sequence number. */
export interface OpaqueRecord {
  readonly kind: 'opaque'
  /** The kind's code on the wire, 7-65535. */
  readonly code: number
  readonly bytes: Uint8Array
}

/** All numbers of a record are whole and at most 2^53 - 1 in size; times, counts, spans and counters are not negative. */
export type LedgerRecord = Fix | SensorReading | TagEvent | ReceiverHealth | Gap | ClockAnchor | OpaqueRecord

/** How many sequence numbers a record stands for. */
export function seqSpan(record: LedgerRecord): number {
  return record.kind === 'gap' ? record.count : 1
}

/**
 * One opening of the gateway's store: `counter` rises by one each time, `nonce` (16 hex digits) keeps a restored image
 * or a cloned card from using an epoch twice. Text form `<counter>-<nonce>`.
 */
export interface Epoch {
  readonly counter: number
  readonly nonce: string
}

/**
 * A run of the ledger of one gateway and epoch. Sequence numbers start at 1. `records` are in sequence order and
 * together cover exactly [first, last]; a batch's borders carry no meaning.
 */
export interface Batch {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
  readonly records: readonly LedgerRecord[]
}

export function formatEpoch(epoch: Epoch): string {
  return `${epoch.counter}-${epoch.nonce}`
}

/** @returns undefined when the text is not `<counter>-<16 hex digits>`, the counter without leading zeros */
export function parseEpoch(text: string): Epoch | undefined {
  const match = /^(0|[1-9]\d{0,9})-([0-9a-f]{16})$/.exec(text)
  if (!match?.[1] || !match[2]) return undefined
  return { counter: Number(match[1]), nonce: match[2] }
}
