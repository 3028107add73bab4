import type { TagReport } from './driver.ts'
import type { TagNumber } from './number-memory.ts'

/**
 * A report that still knows where its number is remembered, so that its tag's name need not be looked up by the number. To
 * all others, and when copied, it is no more than its members.
 */
export class Report implements TagReport {
  declare epc: string
  declare band?: NonNullable<TagReport['band']>
  declare pc?: string
  declare rssiDbm?: number
  declare rssiRaw?: number
  declare antenna?: number
  declare phaseDeg?: number
  declare freqKHz?: number
  declare readerTimeMs?: number
  declare tagCrc?: string
  readonly #number: TagNumber | undefined

  constructor(epc: string, number: TagNumber | undefined) {
    this.epc = epc
    this.#number = number
  }

  /** The remembered number of any report; undefined where there is none. */
  static numberOf(report: TagReport): TagNumber | undefined {
    return #number in report ? report.#number : undefined
  }
}
