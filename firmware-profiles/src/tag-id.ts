import { isPersonalTag, numberTag, type TagId, tagIdFromEpc } from '@biotrakr/shared'

import type { TagReport } from './driver.ts'

/** How many tags are remembered; with more at once the oldest give way. */
const REMEMBERED = 4_096

interface Named {
  readonly pc: string | undefined
  readonly band: TagReport['band'] | undefined
  readonly tag: TagId | undefined
}

/**
 * Names by number: readers report the same tags many times a second, and looking one up takes a tenth of the time of making
 * its name again. What is found here makes no difference but in time.
 */
const NAMES = new Map<string, Named>()

/** Identity of the tag that a report is about: UHF tags by what their EPC says, LF and HF tags by their number. */
export function tagIdOfReport({ epc, pc, band }: TagReport): TagId | undefined {
  const known = NAMES.get(epc)
  if (known !== undefined && known.pc === pc && known.band === band) return known.tag
  const tag = band === undefined ? tagIdOfEpc(epc, pc) : numberTag(band, epc)
  // A person's number is not remembered: nobody but the site decides who is.
  if (tag !== undefined && isPersonalTag(tag)) return tag
  if (known === undefined && NAMES.size >= REMEMBERED) forgetOldest()
  NAMES.set(epc, { pc, band, tag })
  return tag
}

function tagIdOfEpc(epc: string, pc: string | undefined): TagId | undefined {
  return tagIdFromEpc(epc, pc === undefined ? undefined : Number.parseInt(pc, 16))?.tag
}

function forgetOldest(): void {
  for (const oldest of NAMES.keys()) {
    NAMES.delete(oldest)
    return
  }
}
