/** One line of a file, with the number of the line in which it begins. */
export interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** @returns `trouble` with the line of a quote that is never closed or stands in the middle of a value */
export type CsvVerdict =
  | { readonly ok: true; readonly rows: readonly CsvRow[] }
  | { readonly ok: false; readonly line: number; readonly trouble: string }

/**
 * Reads RFC 4180: quotes, doubled quotes, line ends within quotes, any kind of line end; a byte order mark at the start is
 * left out. The separator is what the first line has more of, comma or semicolon. Empty lines are left out.
 */
export function parseCsv(text: string): CsvVerdict {
  const source = text.replace(/^\uFEFF/, '')
  const header = /^[^\r\n]*/.exec(source)?.[0] ?? ''
  const separator = header.split(';').length > header.split(',').length ? ';' : ','
  const rows: CsvRow[] = []
  let line = 1
  let at = 0
  while (at < source.length) {
    const row = readRow(source, at, separator)
    if ('trouble' in row) return { ok: false, line, trouble: row.trouble }
    if (row.cells.some((cell) => cell !== '')) rows.push({ line, cells: row.cells })
    line += source.slice(at, row.next).match(/\r\n|\r|\n/g)?.length ?? 0
    at = row.next
  }
  return { ok: true, rows }
}

type RowVerdict = { readonly cells: string[]; readonly next: number } | { readonly trouble: string }

function readRow(source: string, from: number, separator: string): RowVerdict {
  const cells: string[] = []
  let at = from
  for (;;) {
    const cell = readCell(source, at, separator)
    if ('trouble' in cell) return cell
    cells.push(cell.text.trim())
    if (source[cell.next] !== separator) return { cells, next: cell.next + lineEnd(source, cell.next) }
    at = cell.next + 1
  }
}

function readCell(source: string, at: number, separator: string): { text: string; next: number } | { trouble: string } {
  if (source[at] !== '"') {
    let end = at
    while (end < source.length && source[end] !== separator && source[end] !== '\r' && source[end] !== '\n') end += 1
    const text = source.slice(at, end)
    return text.includes('"') ? { trouble: 'a quote stands in the middle of a value' } : { text, next: end }
  }
  let end = source.indexOf('"', at + 1)
  while (end !== -1 && source[end + 1] === '"') end = source.indexOf('"', end + 2)
  if (end === -1) return { trouble: 'a quote is never closed' }
  const after = source[end + 1]
  if (after !== undefined && after !== separator && after !== '\r' && after !== '\n') {
    return { trouble: 'something stands after a closing quote' }
  }
  return { text: source.slice(at + 1, end).replaceAll('""', '"'), next: end + 1 }
}

function lineEnd(source: string, at: number): number {
  if (source.startsWith('\r\n', at)) return 2
  return at < source.length ? 1 : 0
}
