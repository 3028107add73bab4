import { gen2Crc } from '@biotrakr/shared'

import type { Cursor, Slots } from './cursor.ts'
import type { TagReport } from './driver.ts'
import { hexOfWord } from './hex.ts'
import { numberHex } from './number-memory.ts'
import type { RssiSpec, TagSpec } from './profile.ts'

/** Makes a report of what the cursor has read; undefined when it is none, with the reason in `cursor.why`. */
export type ReadTag = (cursor: Cursor) => TagReport | undefined

type Draft = { -readonly [key in keyof TagReport]: TagReport[key] }
type Fill = (cursor: Cursor, tag: Draft) => void

/** Compiles the mapping from fields to a tag report. */
export function compileTag(spec: TagSpec, slots: Slots): ReadTag {
  const epc = slots.of(spec.epc)
  const sound = compileSound(spec, slots)
  const fills = compileFills(spec, slots)
  return (cursor) => {
    const text = numberAt(cursor, epc)
    if (text === undefined || text === '') {
      cursor.why = 'a tag without a number'
      return undefined
    }
    if (!sound(cursor)) return undefined
    const tag: Draft = { epc: text }
    for (const fill of fills) fill(cursor, tag)
    return tag
  }
}

/** The tag's number: what a column or a JSON member says, or the bytes as hex. */
function numberAt(cursor: Cursor, place: number): string | undefined {
  const text = cursor.hasTexts ? cursor.texts[place] : undefined
  if (text !== undefined) return text.toUpperCase()
  const start = cursor.starts[place] ?? -1
  return start < 0 ? undefined : numberHex(cursor.bytes, start, cursor.ends[place] ?? start)
}

/** The tag's own evidence: the length in its PC word, and the CRC it sent. */
function compileSound(spec: TagSpec, slots: Slots): (cursor: Cursor) => boolean {
  const epc = slots.of(spec.epc)
  const pc = spec.pc === undefined ? -1 : slots.of(spec.pc)
  const crc = spec.tagCrc?.verify === true ? slots.of(spec.tagCrc.field) : -1
  return (cursor) => {
    const from = cursor.starts[epc] ?? -1
    const to = cursor.ends[epc] ?? -1
    // Bits 15-11 of the PC word count 16-bit words of EPC (EPC Gen2, 6.3.2.1.2.2).
    if (spec.checkPcLength === true && ((cursor.raws[pc] ?? 0) >> 11) * 2 !== to - from) {
      cursor.why = 'EPC of another length than its PC word says'
      return false
    }
    // PC and EPC stand side by side: the CRC is taken over both where they are.
    if (crc >= 0 && gen2Crc(cursor.bytes, from - 2, to) !== cursor.raws[crc]) {
      cursor.why = 'CRC of the tag'
      return false
    }
    return true
  }
}

function compileFills(spec: TagSpec, slots: Slots): Fill[] {
  const fills: Fill[] = []
  if (spec.band !== undefined) fills.push(bandFill(spec.band))
  if (spec.pc !== undefined) fills.push(wordFill('pc', slots.of(spec.pc)))
  if (spec.rssi !== undefined) fills.push(rssiFill(spec.rssi, slots.of(spec.rssi.field)))
  if (spec.antenna !== undefined) fills.push(antennaFill(slots.of(spec.antenna.field), spec.antenna.kind === 'mask'))
  for (const key of ['phaseDeg', 'freqKHz', 'readerTimeMs'] as const) {
    const field = spec[key]
    if (field !== undefined) fills.push(numberFill(key, slots.of(field)))
  }
  if (spec.tagCrc !== undefined) fills.push(wordFill('tagCrc', slots.of(spec.tagCrc.field)))
  return fills
}

function bandFill(band: 'lf' | 'hf'): Fill {
  return (_cursor, tag) => {
    tag.band = band
  }
}

function wordFill(key: 'pc' | 'tagCrc', place: number): Fill {
  return (cursor, tag) => {
    const raw = cursor.raws[place] ?? Number.NaN
    if (raw >= 0) tag[key] = hexOfWord(raw & 0xffff)
  }
}

function numberFill(key: 'phaseDeg' | 'freqKHz' | 'readerTimeMs', place: number): Fill {
  return (cursor, tag) => {
    const value = cursor.values[place] ?? Number.NaN
    if (!Number.isNaN(value)) tag[key] = value
  }
}

function rssiFill({ unit, dbm }: RssiSpec, place: number): Fill {
  return (cursor, tag) => {
    const value = cursor.values[place] ?? Number.NaN
    if (Number.isNaN(value)) return
    if (unit === 'dBm') {
      tag.rssiDbm = value
      return
    }
    tag.rssiRaw = value
    if (dbm !== undefined) tag.rssiDbm = Math.round((value * dbm.scale + dbm.offset) * 100) / 100
  }
}

function antennaFill(place: number, isMask: boolean): Fill {
  return (cursor, tag) => {
    const value = isMask ? antennaOfMask(cursor.raws[place] ?? 0) : (cursor.values[place] ?? Number.NaN)
    if (value > 0) tag.antenna = value
  }
}

/** Number of the only bit, from 1; 0 when there are none or several: then it is not known which antenna it was. */
function antennaOfMask(mask: number): number {
  return mask > 0 && (mask & (mask - 1)) === 0 ? 32 - Math.clz32(mask) : 0
}
