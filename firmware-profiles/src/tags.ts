import { gen2Crc } from '@biotrakr/shared'

import type { Cursor, Slots } from './cursor.ts'
import type { TagReport } from './driver.ts'
import { hexOf, hexOfWord } from './hex.ts'
import { tagNumber } from './number-memory.ts'
import type { TagSpec } from './profile.ts'
import { Report } from './report.ts'

/** Makes a report of what the cursor has read; undefined when it is none, with the reason in `cursor.why`. */
export type ReadTag = (cursor: Cursor) => TagReport | undefined

/** Compiles the mapping from fields to a tag report. */
export function compileTag(spec: TagSpec, slots: Slots): ReadTag {
  const { band } = spec
  const epc = slots.of(spec.epc)
  const pc = placeOf(spec.pc, slots)
  const tagCrc = placeOf(spec.tagCrc?.field, slots)
  const sound = compileSound(spec, slots)
  const fillSignal = compileSignal(spec, slots)
  const fillNumbers = compileNumbers(spec, slots)
  return (cursor) => {
    const tag = reportAt(cursor, epc)
    if (tag === undefined) {
      cursor.why = 'a tag without a number'
      return undefined
    }
    if (!sound(cursor)) return undefined
    if (band !== undefined) tag.band = band
    const pcWord = pc < 0 ? Number.NaN : at(cursor.raws, pc)
    if (pcWord >= 0) tag.pc = hexOfWord(pcWord & 0xffff)
    fillSignal(cursor, tag)
    fillNumbers?.(cursor, tag)
    const crcWord = tagCrc < 0 ? Number.NaN : at(cursor.raws, tagCrc)
    if (crcWord >= 0) tag.tagCrc = hexOfWord(crcWord & 0xffff)
    return tag
  }
}

/** Place of a field, -1 for none. */
function placeOf(name: string | undefined, slots: Slots): number {
  return name === undefined ? -1 : slots.of(name)
}

/** A report that says no more than the tag's number: what a column or a JSON member says, or the bytes as hex. */
function reportAt(cursor: Cursor, place: number): Report | undefined {
  const text = cursor.hasTexts ? cursor.texts[place] : undefined
  if (text !== undefined) return text === '' ? undefined : new Report(text.toUpperCase(), undefined)
  const start = cursor.starts[place] as number
  const end = cursor.ends[place] as number
  if (!(start >= 0 && end > start)) return undefined
  const number = tagNumber(cursor.bytes, start, end)
  return new Report(number?.text ?? hexOf(cursor.bytes, start, end), number)
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

type Fill = (cursor: Cursor, tag: Report) => void

/** Strength and antenna. */
function compileSignal({ rssi, antenna }: TagSpec, slots: Slots): Fill {
  const rssiPlace = placeOf(rssi?.field, slots)
  const isDbm = rssi?.unit === 'dBm'
  const { scale, offset } = rssi?.dbm ?? { scale: Number.NaN, offset: 0 }
  const antennaPlace = placeOf(antenna?.field, slots)
  const isMask = antenna?.kind === 'mask'
  return (cursor, tag) => {
    const value = rssiPlace < 0 ? Number.NaN : at(cursor.values, rssiPlace)
    if (!Number.isNaN(value)) {
      if (isDbm) tag.rssiDbm = value
      else tag.rssiRaw = value
      if (!Number.isNaN(scale)) tag.rssiDbm = Math.round((value * scale + offset) * 100) / 100
    }
    if (antennaPlace < 0) return
    const number = isMask ? antennaOfMask(at(cursor.raws, antennaPlace)) : at(cursor.values, antennaPlace)
    if (number > 0) tag.antenna = number
  }
}

/** What few readers say; undefined for the others. */
function compileNumbers(spec: TagSpec, slots: Slots): Fill | undefined {
  const fields = (['phaseDeg', 'freqKHz', 'readerTimeMs'] as const).flatMap((key) => {
    const name = spec[key]
    return name === undefined ? [] : [{ key, place: slots.of(name) }]
  })
  if (fields.length === 0) return undefined
  return (cursor, tag) => {
    for (const { key, place } of fields) {
      const value = at(cursor.values, place)
      if (!Number.isNaN(value)) tag[key] = value
    }
  }
}

function at(numbers: Float64Array, place: number): number {
  return numbers[place] ?? Number.NaN
}

/** Number of the only bit, from 1; 0 when there are none or several: then it is not known which antenna it was. */
function antennaOfMask(mask: number): number {
  return mask > 0 && (mask & (mask - 1)) === 0 ? 32 - Math.clz32(mask) : 0
}
