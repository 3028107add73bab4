export type CsvVerdict =
  | { readonly ok: true; readonly fields: readonly string[] }
  | { readonly ok: false; readonly why: string }

/**
 * Fields of one line of CSV (RFC 4180, without line ends inside quotes). A row never reaches beyond its line, so that
 * a quote somebody forgot costs that row and not everything up to the next quote in the file.
 */
export function csvFields(line: string): CsvVerdict {
  if (!line.includes('"')) return { ok: true, fields: line.split(',') }
  const fields: string[] = []
  let from = 0
  while (from <= line.length) {
    const quoted = line[from] === '"'
    const end = quoted ? closingQuote(line, from + 1) : beforeComma(line, from)
    if (end < 0) return { ok: false, why: 'a quote is not closed' }
    const next = quoted ? end + 1 : end
    if (next < line.length && line[next] !== ',') return { ok: false, why: 'text follows a closing quote' }
    fields.push(quoted ? line.slice(from + 1, end).replaceAll('""', '"') : line.slice(from, end))
    from = next + 1
  }
  return { ok: true, fields }
}

function beforeComma(line: string, from: number): number {
  const comma = line.indexOf(',', from)
  return comma < 0 ? line.length : comma
}

/** @returns where the quoted text ends, -1 when it does not; a doubled quote stands for one and does not end it */
function closingQuote(line: string, from: number): number {
  let at = line.indexOf('"', from)
  while (at >= 0 && line[at + 1] === '"') at = line.indexOf('"', at + 2)
  return at
}
