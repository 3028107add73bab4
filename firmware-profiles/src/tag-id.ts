import { isPersonalTag, numberTag, type TagId, tagIdFromEpc } from '@biotrakr/shared'

import type { TagReport } from './driver.ts'
import type { MemoryCounters, MemoryTally } from './memory-counters.ts'

/** How many tags are remembered at least; at most twice as many. */
const REMEMBERED = 4_096

interface Named {
  readonly pc: string | undefined
  readonly band: TagReport['band'] | undefined
  readonly tag: TagId | undefined
}

/**
 * Names by number: readers report the same tags many times a second, and looking one up takes a tenth of the time of making
 * its name again. What is found here makes no difference but in time. When the newer half is full the older one is forgotten
 * whole: a map that lost one tag for each new one would have to step over all the gaps it has left.
 */
let newer = new Map<string, Named>()
let older = new Map<string, Named>()

const TALLY: MemoryTally = { hits: 0, misses: 0, evictions: 0 }

/** Since the process began, of all readers together. */
export const nameMemoryCounters: MemoryCounters = TALLY

/** Identity of the tag that a report is about: UHF tags by what their EPC says, LF and HF tags by their number. */
export function tagIdOfReport(report: TagReport): TagId | undefined {
  const { epc, pc, band } = report
  const known = newer.get(epc)
  if (known !== undefined && known.pc === pc && known.band === band) {
    TALLY.hits += 1
    return known.tag
  }
  return lookFurther(report)
}

function lookFurther({ epc, pc, band }: TagReport): TagId | undefined {
  const known = older.get(epc)
  if (known !== undefined && known.pc === pc && known.band === band) {
    TALLY.hits += 1
    older.delete(epc)
    remember(epc, known)
    return known.tag
  }
  TALLY.misses += 1
  const tag = band === undefined ? tagIdOfEpc(epc, pc) : numberTag(band, epc)
  // A person's number is not remembered: nobody but the site decides who is.
  if (tag === undefined || !isPersonalTag(tag)) remember(epc, { pc, band, tag })
  return tag
}

function remember(epc: string, named: Named): void {
  if (newer.size >= REMEMBERED && !newer.has(epc)) {
    TALLY.evictions += older.size
    older = newer
    newer = new Map()
  }
  newer.set(epc, named)
}

function tagIdOfEpc(epc: string, pc: string | undefined): TagId | undefined {
  return tagIdFromEpc(epc, pc === undefined ? undefined : Number.parseInt(pc, 16))?.tag
}
