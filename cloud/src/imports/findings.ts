import { BioTrakrError } from '@biotrakr/shared'

export type FindingCode =
  | 'MISSING'
  | 'FORMAT'
  | 'RANGE'
  | 'TOO_LONG'
  | 'UNKNOWN_REF'
  | 'DUPLICATE_IN_FILE'
  | 'EXISTS'
  | 'CONFLICT'
  | 'ROW_VERSION'
  | 'CYCLE'

/** One thing that is wrong in a file. */
export interface Finding {
  /** As a table program numbers them: the header is row 1. */
  readonly row: number
  readonly column: string
  readonly code: FindingCode
  /** What was expected. */
  readonly message: string
  /** What stands there; masked where it names a person. */
  readonly value: string
}

/** So many are kept; beyond it they are only counted. */
const MAX_FINDINGS = 1_000

/** What is wrong in a file so far, with a bound. */
export class Findings {
  readonly list: Finding[] = []
  /** Rows with at least one. */
  readonly rows = new Set<number>()

  add(finding: Finding): void {
    this.rows.add(finding.row)
    if (this.list.length < MAX_FINDINGS) this.list.push({ ...finding, value: finding.value.slice(0, 200) })
  }

  /** For a transaction that may be begun again. */
  copy(): Findings {
    const copy = new Findings()
    copy.list.push(...this.list)
    for (const row of this.rows) copy.rows.add(row)
    return copy
  }
}

/** Enough to find the cell again, too little to know the person. */
export function mask(value: string): string {
  return value === '' ? '' : `${value.slice(0, 1)}***`
}

/** @throws never; made for `throw` */
export function wrongFile(file: string, message: string, next: string): BioTrakrError {
  return new BioTrakrError(`${file}: ${message}`, { code: 'INPUT_INVALID', next })
}

export function wrongRows(file: string, findings: Findings): BioTrakrError {
  const { list, rows } = findings
  const shown = list.slice(0, 20).map(wordsOf)
  const more = list.length > shown.length ? `\n  and more: --errors FILE writes them, --json shows ${list.length}` : ''
  const count = rows.size === 1 ? 'One row is' : `${rows.size} rows are`
  return new BioTrakrError(`${file}: ${count} not as they must be\n  ${shown.join('\n  ')}${more}`, {
    code: 'INPUT_INVALID',
    next: 'Mend these rows and import the file again, or leave them out with --partial; nothing was changed.',
    details: { errors: list, rows: rows.size },
  })
}

function wordsOf({ row, column, code, message, value }: Finding): string {
  const where = column === '' ? `row ${row}` : `row ${row}, ${column}`
  return `${where}: ${code} ${message}${value === '' ? '' : ` (is "${value}")`}`
}
