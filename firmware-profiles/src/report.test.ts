import { describe, expect, it } from 'vitest'

import { hexOf } from './hex.ts'
import { tagNumber } from './number-memory.ts'
import { Report } from './report.ts'
import { tagIdOfReport } from './tag-id.ts'
import { tagMemory } from './tag-memory.ts'

const PLAIN = Uint8Array.of(0xe0, 0x04, 0x01, 0x00, 0x12, 0x34, 0x56, 0x78)
/** GSRN-96 of GS1's own example company 0614141: the number of a patient. */
const PERSON = Uint8Array.of(0x2d, 0x74, 0x25, 0x7b, 0xf4, 0x49, 0x96, 0x02, 0xd2, 0x00, 0x00, 0x00)

function reportOf(bytes: Uint8Array, band?: 'lf' | 'hf'): Report {
  const report = new Report(hexOf(bytes), tagNumber(bytes, 0, bytes.length))
  if (band !== undefined) report.band = band
  return report
}

describe('a report whose number is remembered', () => {
  it('is to all others no more than its members', () => {
    expect({ ...reportOf(PLAIN, 'hf') }).toEqual({ epc: 'E004010012345678', band: 'hf' })
    expect(JSON.parse(JSON.stringify(reportOf(PLAIN)))).toEqual({ epc: 'E004010012345678' })
  })

  it('names the tag as a copy does, whatever the same number was called before', () => {
    for (const band of ['hf', 'lf', 'hf', undefined, 'lf'] as const) {
      const report = reportOf(PLAIN, band)
      expect(tagIdOfReport(report)).toBe(`${band ?? 'epc'}:e004010012345678`)
      expect(tagIdOfReport({ ...report })).toBe(tagIdOfReport(report))
    }
  })

  it("does not remember a person's name", () => {
    expect(tagIdOfReport(reportOf(PERSON))).toMatch(/gsrn/)
    const { misses } = tagMemory.names
    expect(tagIdOfReport(reportOf(PERSON))).toMatch(/gsrn/)
    expect(tagMemory.names.misses).toBe(misses + 1)
  })

  it('forgets a name with its number', () => {
    const before = { ...tagMemory.names }
    for (let n = 0; n < 20_000; n++) {
      const bytes = Uint8Array.of(0xe5, n >> 8, n & 0xff, 1)
      expect(tagIdOfReport(reportOf(bytes, 'hf'))).toBe(`hf:${hexOf(bytes).toLowerCase()}`)
    }
    expect(tagMemory.names.misses - before.misses).toBe(20_000)
    expect(tagMemory.names.evictions - before.evictions).toBeGreaterThanOrEqual(20_000 - 4_096)
  })
})
