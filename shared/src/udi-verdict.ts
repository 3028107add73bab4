/** A unique device identifier, taken apart. */
export interface ParsedUdi {
  readonly ok: true
  readonly issuer: 'gs1' | 'hibcc' | 'iccbba'
  /** What names the model and its packaging; a GTIN always with 14 digits. */
  readonly di: string
  /** What names the one device or lot, as it was written; empty when there is none. */
  readonly pi: string
  readonly lot?: string
  readonly serial?: string
  /** Last day of use, ISO 8601. */
  readonly expiresOn?: string
  /** ISO 8601. */
  readonly madeOn?: string
}

interface RefusedUdi {
  readonly ok: false
  readonly code: 'EMPTY' | 'TOO_LONG' | 'UNKNOWN_FORMAT' | 'CHECK_DIGIT' | 'DATE' | 'NO_DEVICE' | 'CONTENT' | 'REPEATED'
  /** What is wrong, as the end of a sentence that begins with the text. */
  readonly reason: string
}

export type UdiVerdict = ParsedUdi | RefusedUdi

export type UdiParts = { -readonly [Part in 'di' | 'lot' | 'serial' | 'expiresOn' | 'madeOn']?: string }

export function refuseUdi(code: RefusedUdi['code'], reason: string): RefusedUdi {
  return { ok: false, code, reason }
}

/** Sets a part that may stand only once. @returns a refusal when it cannot be */
export function setPart(parts: UdiParts, name: keyof UdiParts, value: string | undefined): RefusedUdi | undefined {
  if (value === undefined) return refuseUdi('DATE', 'a date in it does not exist')
  if (value === '') return refuseUdi('CONTENT', 'a part of it is empty')
  if (parts[name] !== undefined && parts[name] !== value) return refuseUdi('REPEATED', 'a part stands in it twice')
  parts[name] = value
  return undefined
}

/**
 * The full year of two digits: within 50 years ahead and 49 back, as GS1 General Specifications 7.12 has it; the other
 * agencies say nothing else.
 */
export function fullYear(twoDigits: number, year: number): number {
  const difference = twoDigits - (year % 100)
  const century = Math.floor(year / 100) * 100
  if (difference >= 51) return century - 100 + twoDigits
  if (difference <= -50) return century + 100 + twoDigits
  return century + twoDigits
}

/** @param day 0 = the last of the month. @returns undefined for a day that there is not */
export function isoDay(year: number, month: number, day: number): string | undefined {
  if (month < 1 || month > 12) return undefined
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate()
  if (day > last) return undefined
  const pad = (value: number, width: number) => String(value).padStart(width, '0')
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day === 0 ? last : day, 2)}`
}

/** @param day of the year, from 1. @returns undefined for a day that there is not */
export function isoOrdinal(year: number, day: number): string | undefined {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (day < 1 || day > (isLeap ? 366 : 365)) return undefined
  return new Date(Date.UTC(year, 0, day)).toISOString().slice(0, 10)
}
