import type { Cell, ReadContext } from './cell-types.ts'
import type { Column, Row } from './column.ts'
import { type CsvLimits, cellText, openCsv, readCsv } from './csv-read.ts'
import { type Findings, mask } from './findings.ts'
import { mapHeader } from './header.ts'

const REGISTRY_LIMITS: CsvLimits = { maxRows: 200_000, maxBytes: 100 * 1_048_576 }

interface ReadOptions extends ReadContext {
  readonly columns: readonly Column[]
  readonly takesAttrs: boolean
  readonly names: ReadonlyMap<string, string>
  /** What every row has in a column that the file does not have. */
  readonly given: Readonly<Record<string, string>>
  readonly findings: Findings
  readonly onProgress?: ((share: { readonly bytes: number; readonly of: number }) => void) | undefined
}

interface ReadFile {
  readonly name: string
  readonly sha256: Buffer
  /** Every row, also those with findings: these are left out later. */
  readonly rows: readonly Row[]
  /** For the file of bad rows. */
  readonly header: readonly string[]
  readonly cells: ReadonlyMap<number, readonly string[]>
  /** Names of the columns that say something. */
  readonly said: ReadonlySet<string>
}

/** Reads a file of a registry and every cell of it. @throws BioTrakrError INPUT_INVALID for what is wrong with the whole */
export async function readRows(path: string, options: ReadOptions): Promise<ReadFile> {
  const { columns, takesAttrs, names, given, findings, onProgress } = options
  const file = openCsv(path, REGISTRY_LIMITS)
  const wanted = columns.map((column) => (column.name in given ? { ...column, required: false } : column))
  const mapping = mapHeader(file.header, { file: file.name, columns: wanted, takesAttrs, names })
  const defaults = columns.filter(({ name }) => name in given && !mapping.columns.some((m) => m.column.name === name))
  const rows: Row[] = []
  const kept = new Map<number, readonly string[]>()
  const onBytes = (bytes: number) => onProgress?.({ bytes, of: file.bytes })
  const lines = readCsv(path, file, { ...REGISTRY_LIMITS, onBytes })
  let next = await lines.next()
  for (; !next.done; next = await lines.next()) {
    const { row, cells } = next.value
    const values: Record<string, Cell> = {}
    const put = (column: Column, raw: string) => {
      values[column.name] = readCell(row, column, { raw, findings, context: options })
    }
    for (const { column, at } of mapping.columns) put(column, cells[at] ?? '')
    for (const column of defaults) put(column, given[column.name] ?? '')
    const attrs = Object.fromEntries(mapping.attrs.map(({ key, at }) => [key, cellText(cells[at] ?? '')]))
    rows.push({ row, values, attrs })
    kept.set(row, cells)
  }
  const said = new Set([...mapping.columns.map(({ column }) => column.name), ...defaults.map(({ name }) => name)])
  return { name: file.name, sha256: next.value.sha256, rows, header: file.header, cells: kept, said }
}

interface CellIn {
  readonly raw: string
  readonly findings: Findings
  readonly context: ReadContext
}

function readCell(row: number, column: Column, { raw, findings, context }: CellIn): Cell {
  const cell = cellText(raw)
  if (cell === '') {
    if (column.required) {
      findings.add({ row, column: column.name, code: 'MISSING', message: `must be ${column.type.words}`, value: '' })
    }
    return null
  }
  const verdict = column.type.read(cell, context)
  if (verdict.ok) return verdict.value
  const value = column.personal ? mask(cell) : cell
  findings.add({ row, column: column.name, code: verdict.code, message: `must be ${column.type.words}`, value })
  return null
}
