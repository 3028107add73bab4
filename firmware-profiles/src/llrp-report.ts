import type { TagReport } from './driver.ts'
import { channelKHz, type LlrpReaderInfo } from './llrp-capabilities.ts'
import { findParameter, type LlrpParameter } from './llrp-parameters.ts'

/** A tag report of an LLRP reader. Its RSSI is in dBm as the reader itself states it. */
export interface LlrpTagReport extends TagReport {
  /** Whether `readerTimeMs` counts from 1970 (UTC) or from the reader's start. */
  readonly readerClock?: 'utc' | 'uptime'
  /** How often the tag was seen since the report before. */
  readonly count?: number
}

export interface LlrpTags {
  readonly tags: readonly LlrpTagReport[]
  /** Reports without an EPC. */
  readonly nameless: number
}

/** The tags of an RO_ACCESS_REPORT; without `reader` channel numbers stay unknown frequencies. */
export function tagsOfReport(children: readonly LlrpParameter[], reader?: LlrpReaderInfo): LlrpTags {
  const tags: LlrpTagReport[] = []
  let nameless = 0
  for (const child of children) {
    if (child.name !== 'TagReportData') continue
    const tag = tagOf(child.children, reader)
    if (tag.epc === '') nameless += 1
    else tags.push(tag)
  }
  return { tags, nameless }
}

type Draft = { -readonly [K in keyof LlrpTagReport]: LlrpTagReport[K] }

/** One pass over the parameters: this is the path every tag of every reader takes. */
function tagOf(parts: readonly LlrpParameter[], reader: LlrpReaderInfo | undefined): LlrpTagReport {
  const tag: Draft = { epc: epcOf(parts) }
  const rssi = findParameter(parts, 'PeakRSSI')
  if (rssi !== undefined) tag.rssiDbm = rssi.fields.dbm
  const antenna = findParameter(parts, 'AntennaID')
  if (antenna !== undefined) tag.antenna = antenna.fields.antenna
  const pc = findParameter(parts, 'C1G2PC')
  if (pc !== undefined) tag.pc = word(pc.fields.pc)
  const crc = findParameter(parts, 'C1G2CRC')
  if (crc !== undefined) tag.tagCrc = word(crc.fields.crc)
  const count = findParameter(parts, 'TagSeenCount')
  if (count !== undefined) tag.count = count.fields.count
  const channel = findParameter(parts, 'ChannelIndex')
  const khz = channel && reader && channelKHz(reader, channel.fields.index)
  if (khz !== undefined) tag.freqKHz = khz
  setTime(tag, parts)
  return tag
}

function word(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0')
}

/** 96-bit EPCs come as EPC-96, all others as EPCData with their length in bits. */
function epcOf(parts: readonly LlrpParameter[]): string {
  return findParameter(parts, 'EPC96')?.fields.epc ?? findParameter(parts, 'EPCData')?.fields.epc.hex ?? ''
}

/** When the tag was first seen since the report before, by whichever clock the reader has. */
function setTime(tag: Draft, parts: readonly LlrpParameter[]): void {
  const utc = findParameter(parts, 'FirstSeenTimestampUTC')
  const seen = utc ?? findParameter(parts, 'FirstSeenTimestampUptime')
  if (seen === undefined) return
  tag.readerTimeMs = Math.floor(seen.fields.us / 1_000)
  tag.readerClock = utc === undefined ? 'uptime' : 'utc'
}
