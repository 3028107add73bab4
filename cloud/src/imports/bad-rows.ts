import { cellOf, cellText } from './csv-read.ts'
import type { Findings } from './findings.ts'

interface BadRows {
  readonly findings: Findings
  readonly header: readonly string[]
  readonly cells: ReadonlyMap<number, readonly string[]>
}

/** The rows that are wrong as they stood in the file, with their reasons, to be mended and imported again. */
export function badRowsFile({ findings, header, cells }: BadRows): string {
  const reasons = new Map<number, string[]>()
  for (const { row, column, code, message } of findings.list) {
    reasons.set(row, [...(reasons.get(row) ?? []), `${column === '' ? '' : `${column}: `}${code} ${message}`])
  }
  const lines = [...findings.rows]
    .sort((a, b) => a - b)
    .map((row) => [...(cells.get(row) ?? header.map(() => '')), reasons.get(row)?.join('; ') ?? 'is wrong'])
  const all = [[...header, 'errors'], ...lines]
  return all.map((line) => `${line.map((cell) => cellOf(cellText(cell))).join(',')}\r\n`).join('')
}
