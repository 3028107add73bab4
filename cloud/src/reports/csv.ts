import type { ReportResult } from './run-report.ts'

type Cell = ReportResult['rows'][number][string]

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/

/** As text: times in UTC, nothing for null. */
export function textOf(value: Cell | undefined): string {
  if (value === null || value === undefined) return ''
  return value instanceof Date ? value.toISOString() : String(value)
}

/** RFC 4180 with a header, in UTF-8. A text that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csvOf({ columns, rows }: ReportResult): string {
  const lines = [columns.join(','), ...rows.map((row) => columns.map((column) => cellOf(row[column])).join(','))]
  return lines.map((line) => `${line}\r\n`).join('')
}

function cellOf(value: Cell | undefined): string {
  const text = textOf(value)
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
