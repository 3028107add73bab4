import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'

import type { BleAdapterStatus } from './ble-adapter.ts'

/** What every source tells health and metrics. */
export interface SourceStatus {
  readonly state: 'starting' | 'up' | 'finished' | 'failed'
  /** One plain line for a person. */
  readonly detail: string
  /** Readings handed on since the source was made. */
  readonly readings: number
  /** Reports that could not be used, and failures of the source itself. */
  readonly errors: number
  /** True while the source itself does something about a silence that lasts; otherwise silence says nothing of it. */
  readonly watchesSilence?: boolean
  /** While it is up: receivers that hear nothing all the same, as their radio or antenna is gone. */
  readonly down?: readonly ReceiverId[]
  /** Of a source with radios: each of them. */
  readonly adapters?: readonly BleAdapterStatus[]
  /** Of a source that hears everybody: whoever is not the site's, as numbers. */
  readonly strangers?: StrangerCounts
  /** Of a reader on a line or in the network, since the start. */
  readonly reader?: ReaderFigures
}

interface ReaderFigures {
  /** Whole frames or messages. */
  readonly frames: number
  /** Bytes that belong to no frame, where the protocol has frames to be told from noise. */
  readonly bytesDropped: number
  readonly badChecksum: number
  /** Times a frame was found again after dropped bytes. */
  readonly resyncs: number
  /** Tag reports of any kind. */
  readonly tags: number
  /** Of these, of tags that are not the site's, and of tags with the number of a person that the site does not follow. */
  readonly unknownTags: number
  readonly personalTags: number
  /** Times the line was opened again after a loss. */
  readonly reconnects: number
  /** Times the reader started anew while the line stayed open. */
  readonly restarts: number
}

interface StrangerCounts {
  /** Adverts by class since the start. */
  readonly adverts: Readonly<Record<string, number>>
  /** Devices remembered now. */
  readonly devices: number
  /** Forgotten before their time, for want of room. */
  readonly evicted: number
}

/** Where readings come from: a radio, a reader on a wire, a recording or a simulation. */
export interface Source {
  readonly name: string
  /** Receivers this source speaks for. */
  readonly receivers: readonly ReceiverId[]
  /** Begins to hand readings on. A second call changes nothing. */
  start(onReading: (reading: Reading) => void): Promise<void>
  /** Ends it; no reading comes after the promise settles. A second call changes nothing. */
  stop(): Promise<void>
  status(): SourceStatus
}

/**
 * Tags the site wants to follow, each by its whole identity (a Set will do; nothing stands for several). Every other device
 * is counted and forgotten.
 */
export interface AllowList {
  has(tag: TagId): boolean
}

/**
 * Whether a number can be a received power. 127 is "not available" in HCI reports (Bluetooth Core 5.4, Vol 4 Part E
 * 7.7.65.2), and at 0 dBm and above, or -128 and below, a receiver reports a fault rather than a tag.
 */
export function isRssi(rssiDbm: number): boolean {
  return rssiDbm < 0 && rssiDbm > -128
}
