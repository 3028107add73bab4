import type { Driver, TagReport } from '@biotrakr/firmware-profiles'
import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'

import { type AllowList, isRssi } from './source.ts'

/**
 * Identity of a tag from its EPC, or of an LF or HF tag from its own number, as upper-case hex.
 * @returns undefined for what is no identity
 */
export type TagOf = (report: TagReport) => TagId | undefined

interface ReadingsOptions {
  readonly driver: Pick<Driver, 'rssi'>
  /** Receiver of each antenna, by its number from 1. */
  readonly receivers: ReadonlyMap<number, ReceiverId>
  readonly allow: AllowList
  readonly tagOf: TagOf
}

export interface ReadingCounts {
  readings: number
  /** Reports of tags that nobody wants to follow. */
  unknownTags: number
  /** Reports whose number is no tag identity. */
  unusable: number
  /** Reports of antennas that the configuration does not name. */
  unmapped: number
  /** Readings whose signal strength cannot be one; they count as presence. */
  impossibleRssi: number
}

export interface Readings {
  readonly counts: Readonly<ReadingCounts>
  /** @returns the reading, or undefined for a report that is counted and forgotten */
  from(report: TagReport, atMs: number): Reading | undefined
}

/**
 * Turns what readers report into readings. Strength is dBm only where the reader itself reports dBm or the profile vouches
 * for its scale; any other number stays the reader's own.
 */
export function createReadings({ driver, receivers, allow, tagOf }: ReadingsOptions): Readings {
  const { unit, calibrated } = driver.rssi
  const isDbm = unit === 'dBm' || calibrated
  const [only] = receivers.size === 1 ? receivers.values() : []
  const counts: ReadingCounts = { readings: 0, unknownTags: 0, unusable: 0, unmapped: 0, impossibleRssi: 0 }

  function forget(why: 'unknownTags' | 'unusable' | 'unmapped'): undefined {
    counts[why] += 1
  }

  function strength({ rssiDbm, rssiRaw }: TagReport): Pick<Reading, 'rssiDbm' | 'rssiRaw'> {
    if (!isDbm || rssiDbm === undefined) {
      const raw = rssiRaw ?? rssiDbm
      return raw === undefined ? {} : { rssiRaw: raw }
    }
    if (isRssi(rssiDbm)) return { rssiDbm }
    counts.impossibleRssi += 1
    return {}
  }

  return {
    counts,
    from(report, atMs) {
      const { antenna, phaseDeg, freqKHz, readerTimeMs } = report
      const tag = tagOf(report)
      if (tag === undefined) return forget('unusable')
      if (!allow.has(tag)) return forget('unknownTags')
      // A reader with one antenna does not say which.
      const receiver = antenna === undefined ? only : receivers.get(antenna)
      if (receiver === undefined) return forget('unmapped')
      counts.readings += 1
      return {
        tag,
        receiver,
        atMs,
        medium: 'RFID',
        ...strength(report),
        ...(phaseDeg !== undefined && { phaseDeg }),
        ...(freqKHz !== undefined && { freqKHz }),
        ...(readerTimeMs !== undefined && { readerTimeMs }),
      }
    },
  }
}
