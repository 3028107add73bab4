import { parseGs1Udi } from './udi-gs1.ts'
import { parseHibccUdi } from './udi-hibcc.ts'
import { parseIccbbaUdi } from './udi-iccbba.ts'
import { refuseUdi, type UdiVerdict } from './udi-verdict.ts'

export type { ParsedUdi, UdiVerdict } from './udi-verdict.ts'

/** Longer than any UDI of the three agencies (FDA, "UDI formats by FDA-accredited issuing agency", 1.3). */
const MAX_LENGTH = 200

export interface UdiOptions {
  /** The year in which it is read, for dates that give two digits of theirs. */
  readonly year: number
}

/**
 * Reads a unique device identifier as a scanner or a person gives it: GS1 (element string with or without symbology
 * prefix and group separators, in brackets, or a bare GTIN), HIBCC (primary alone or with production data) and ICCBBA
 * (ISBT 128). Check digits are checked where the format has them. Never throws.
 */
export function parseUdi(text: string, { year }: UdiOptions): UdiVerdict {
  const trimmed = text.trim()
  if (trimmed.length === 0) return refuseUdi('EMPTY', 'there is nothing in it')
  if (trimmed.length > MAX_LENGTH) return refuseUdi('TOO_LONG', `it is longer than ${MAX_LENGTH} characters`)
  if (/^\*?\+/.test(trimmed)) return parseHibccUdi(trimmed, year)
  if (/^[=&]/.test(trimmed)) return parseIccbbaUdi(trimmed, year)
  return parseGs1Udi(trimmed, year)
}
