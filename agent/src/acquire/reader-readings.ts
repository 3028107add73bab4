import type { Driver, TagReport } from '@biotrakr/firmware-profiles'
import { isPersonalTag, type Reading, type ReceiverId, type TagId } from '@biotrakr/shared'

import type { Sightings } from './reader-sightings.ts'
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
  /** Names tags one by one, so a person's number is in it only when somebody wrote that very number. */
  readonly allow: AllowList
  readonly tagOf: TagOf
  /** Without it every report counts. */
  readonly sightings?: Sightings
}

export interface ReadingCounts {
  readings: number
  /** Reports of tags that nobody wants to follow. */
  unknownTags: number
  /** Reports of tags with the number of a person (GSRN, GSRNP) whom the site does not follow; not in `unknownTags`. */
  personalTags: number
  /** Reports whose number is no tag identity. */
  unusable: number
  /** Reports of antennas that the configuration does not name. */
  unmapped: number
  /** Readings whose signal strength cannot be one; they count as presence. */
  impossibleRssi: number
  /** Reports withheld as the first sighting of a tag, where a damaged frame can look like one. */
  firstSightings: number
  /** Reports that say no more than one of a moment ago did: a card that lies on its reader. */
  repeats: number
}

/** Tag reports of any kind, read from their counts. */
export function reportsIn({ impossibleRssi: _alsoReadings, ...counts }: Readonly<ReadingCounts>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function strangerKind(tag: TagId): 'personalTags' | 'unknownTags' {
  return isPersonalTag(tag) ? 'personalTags' : 'unknownTags'
}

/** A reading being made, member by member: copying members out of others costs more than all the rest of it. */
type Draft = { -readonly [key in keyof Reading]: Reading[key] }

const COUNTED_AS = { first: 'firstSightings', repeat: 'repeats' } as const

export interface Readings {
  readonly counts: Readonly<ReadingCounts>
  /** @returns the reading, or undefined for a report that is counted and forgotten */
  from(report: TagReport, atMs: number): Reading | undefined
}

/**
 * Turns what readers report into readings. Strength is dBm only where the reader itself reports dBm or the profile vouches
 * for its scale; any other number stays the reader's own.
 */
export function createReadings({ driver, receivers, allow, tagOf, sightings }: ReadingsOptions): Readings {
  const { unit, calibrated } = driver.rssi
  const isDbm = unit === 'dBm' || calibrated
  const [only] = receivers.size === 1 ? receivers.values() : []
  const counts: ReadingCounts = {
    readings: 0,
    unknownTags: 0,
    personalTags: 0,
    unusable: 0,
    unmapped: 0,
    impossibleRssi: 0,
    firstSightings: 0,
    repeats: 0,
  }

  function forget(why: Exclude<keyof ReadingCounts, 'readings' | 'impossibleRssi'>): undefined {
    counts[why] += 1
  }

  /** Sets the strength, where there is one. */
  function putStrength(reading: Draft, { rssiDbm, rssiRaw }: TagReport): void {
    if (!isDbm || rssiDbm === undefined) {
      const raw = rssiRaw ?? rssiDbm
      if (raw !== undefined) reading.rssiRaw = raw
    } else if (isRssi(rssiDbm)) {
      reading.rssiDbm = rssiDbm
    } else {
      counts.impossibleRssi += 1
    }
  }

  return {
    counts,
    from(report, atMs) {
      const { antenna } = report
      const tag = tagOf(report)
      if (tag === undefined) return forget('unusable')
      if (!allow.has(tag)) return forget(strangerKind(tag))
      // A reader with one antenna does not say which.
      const receiver = antenna === undefined ? only : receivers.get(antenna)
      if (receiver === undefined) return forget('unmapped')
      const reading: Draft = { tag, receiver, atMs, medium: 'RFID' }
      putStrength(reading, report)
      putRest(reading, report)
      const sighting = sightings?.judge(tag, receiver, isPresence(reading)) ?? 'news'
      if (sighting !== 'news') return forget(COUNTED_AS[sighting])
      counts.readings += 1
      return reading
    },
  }
}

/** Sets what few readers say besides. */
function putRest(reading: Draft, { phaseDeg, freqKHz, readerTimeMs }: TagReport): void {
  if (phaseDeg !== undefined) reading.phaseDeg = phaseDeg
  if (freqKHz !== undefined) reading.freqKHz = freqKHz
  if (readerTimeMs !== undefined) reading.readerTimeMs = readerTimeMs
}

/** It says that the tag is there and nothing else. */
function isPresence({ rssiDbm, rssiRaw, phaseDeg }: Reading): boolean {
  return rssiDbm === undefined && rssiRaw === undefined && phaseDeg === undefined
}
