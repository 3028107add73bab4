import { isPersonalTag, numberTag, type TagId, tagIdFromEpc } from '@biotrakr/shared'

import type { TagReport } from './driver.ts'
import { type MemoryCounters, NAME_TALLY } from './memory-counters.ts'
import type { TagNumber } from './number-memory.ts'
import { Report } from './report.ts'

/** How many tags that are no remembered numbers are remembered at least; at most twice as many. */
const REMEMBERED = 4_096

interface Named {
  readonly pc: string | undefined
  readonly band: TagReport['band'] | undefined
  readonly tag: TagId | undefined
}

/**
 * Names by number: readers report the same tags many times a second, and looking one up takes a tenth of the time of making
 * its name again. What is found here makes no difference but in time. When the newer half is full the older one is forgotten
 * whole: a map that lost one tag for each new one would have to step over all the gaps it has left. Numbers that are
 * remembered by their bytes carry their names themselves.
 */
let newer = new Map<string, Named>()
let older = new Map<string, Named>()

/** Since the process began, of all readers together. */
export const nameMemoryCounters: MemoryCounters = NAME_TALLY

/** Identity of the tag that a report is about: UHF tags by what their EPC says, LF and HF tags by their number. */
export function tagIdOfReport(report: TagReport): TagId | undefined {
  const number = Report.numberOf(report)
  if (number === undefined) return tagOfText(report)
  if (!number.isNamed || number.pc !== report.pc || number.band !== report.band) return nameNumber(number, report)
  NAME_TALLY.hits += 1
  return number.tag
}

function nameNumber(number: TagNumber, report: TagReport): TagId | undefined {
  const tag = nameOf(report)
  if (isKept(tag)) {
    number.isNamed = true
    number.pc = report.pc
    number.band = report.band
    number.tag = tag
  }
  return tag
}

function tagOfText(report: TagReport): TagId | undefined {
  const { epc, pc, band } = report
  const known = newer.get(epc)
  if (known === undefined || known.pc !== pc || known.band !== band) return lookFurther(report)
  NAME_TALLY.hits += 1
  return known.tag
}

function lookFurther(report: TagReport): TagId | undefined {
  const { epc, pc, band } = report
  const known = older.get(epc)
  if (known !== undefined && known.pc === pc && known.band === band) {
    NAME_TALLY.hits += 1
    older.delete(epc)
    remember(epc, known)
    return known.tag
  }
  const tag = nameOf(report)
  if (isKept(tag)) remember(epc, { pc, band, tag })
  return tag
}

function nameOf({ epc, pc, band }: TagReport): TagId | undefined {
  NAME_TALLY.misses += 1
  return band === undefined ? tagIdOfEpc(epc, pc) : numberTag(band, epc)
}

/** A person's number is not remembered: nobody but the site decides who is. */
function isKept(tag: TagId | undefined): boolean {
  return tag === undefined || !isPersonalTag(tag)
}

function remember(epc: string, named: Named): void {
  if (newer.size >= REMEMBERED && !newer.has(epc)) {
    NAME_TALLY.evictions += older.size
    older = newer
    newer = new Map()
  }
  newer.set(epc, named)
}

function tagIdOfEpc(epc: string, pc: string | undefined): TagId | undefined {
  return tagIdFromEpc(epc, pc === undefined ? undefined : Number.parseInt(pc, 16))?.tag
}
