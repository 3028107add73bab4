import type { FindingCode } from './findings.ts'

export type Cell = string | number | boolean | Date | readonly unknown[] | null

type CellVerdict = { readonly ok: true; readonly value: Cell } | { readonly ok: false; readonly code: FindingCode }

/** How a cell is read that is not empty. */
export interface CellType {
  /** What is expected, after "must be". */
  readonly words: string
  read(text: string, context: ReadContext): CellVerdict
}

export interface ReadContext {
  /** Wall milliseconds of a local time without a zone; undefined where no zone was given, so it must be in the value. */
  readonly localMs?: ((local: string) => number | undefined) | undefined
}

const good = (value: Cell): CellVerdict => ({ ok: true, value })
const wrong = (code: FindingCode): CellVerdict => ({ ok: false, code })

export function text(max: number, isLong = false): CellType {
  const forbidden = isLong ? /[^\P{Cc}\n\r\t]|\p{Cs}/u : /[\p{Cc}\p{Cs}]/u
  return {
    words: `a text of at most ${max} characters${isLong ? '' : ' without control characters'}`,
    read: (cell) => (cell.length > max ? wrong('TOO_LONG') : forbidden.test(cell) ? wrong('FORMAT') : good(cell)),
  }
}

export function pattern(expression: RegExp, words: string): CellType {
  return { words, read: (cell) => (expression.test(cell) ? good(cell) : wrong('FORMAT')) }
}

export function matching(check: (cell: string) => boolean, words: string): CellType {
  return { words, read: (cell) => (check(cell) ? good(cell) : wrong('FORMAT')) }
}

export function oneOf(list: readonly string[]): CellType {
  return {
    words: `one of ${list.join(', ')}`,
    read: (cell) => (list.includes(cell) ? good(cell) : wrong('FORMAT')),
  }
}

export function integer(min: number, max: number): CellType {
  return {
    words: `a whole number from ${min} to ${max}`,
    read: (cell) => {
      if (!/^-?\d{1,15}$/.test(cell)) return wrong('FORMAT')
      const value = Number(cell)
      return value < min || value > max ? wrong('RANGE') : good(value)
    },
  }
}

/** With a point; a comma would be a thousand in one country and a tenth in the next. */
export function decimal(min: number, max: number): CellType {
  return {
    words: `a number with a decimal point from ${min} to ${max}`,
    read: (cell) => {
      if (!/^-?\d{1,12}(?:\.\d{1,12})?$/.test(cell)) return wrong('FORMAT')
      const value = Number(cell)
      return value < min || value > max ? wrong('RANGE') : good(value)
    },
  }
}

export const truth: CellType = {
  words: 'true or false',
  read: (cell) => {
    const lower = cell.toLowerCase()
    if (lower === 'true' || lower === 'yes') return good(true)
    return lower === 'false' || lower === 'no' ? good(false) : wrong('FORMAT')
  },
}

export const date: CellType = {
  words: 'a date such as 2026-03-31 (ISO 8601)',
  read: (cell) => {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(cell)) return wrong('FORMAT')
    const ms = Date.parse(`${cell}T00:00:00Z`)
    const isThere = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(cell)
    return isThere ? good(cell) : wrong('RANGE')
  },
}

const INSTANT = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$/

/**
 * Wall milliseconds of a time in ISO 8601.
 * @returns NaN for what is none, and for one without a zone where none was given
 */
export function instantMs(cell: string, { localMs }: ReadContext): number {
  const match = INSTANT.exec(cell)
  if (match === null) return Number.NaN
  const day = Number(cell.slice(8, 10))
  // Date.parse takes the 31st of every month for the next one's first.
  if (
    day > 28 &&
    new Date(Date.UTC(Number(cell.slice(0, 4)), Number(cell.slice(5, 7)) - 1, day)).getUTCDate() !== day
  ) {
    return Number.NaN
  }
  const plain = cell.replace(' ', 'T').replace(',', '.')
  if (match[1] !== undefined) return Date.parse(plain.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return localMs?.(plain) ?? Number.NaN
}

export const instant: CellType = {
  words: 'a time with its zone, such as 2026-03-01T08:00:00Z (or name the zone of all with --zone)',
  read: (cell, context) => {
    const ms = instantMs(cell, context)
    return Number.isNaN(ms) ? wrong('FORMAT') : good(new Date(ms))
  },
}

export function json(check: (value: unknown) => boolean, words: string): CellType {
  return {
    words,
    read: (cell) => {
      try {
        const value: unknown = JSON.parse(cell)
        return Array.isArray(value) && check(value) ? good(value) : wrong('FORMAT')
      } catch {
        return wrong('FORMAT')
      }
    },
  }
}
