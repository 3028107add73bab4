import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'

import type { Cell } from './cell-types.ts'
import { type Row, textIn } from './column.ts'
import { type FindingCode, type Findings, mask } from './findings.ts'
import type { ImportMode } from './lists.ts'
import { findNamed, type Lookup, readLookup } from './lookups.ts'
import {
  joinKey,
  type Named,
  type Planned,
  type RegistryColumn,
  type RegistryKind,
  type Standing,
} from './registry-kind.ts'

interface PlanOptions {
  readonly kind: RegistryKind
  readonly mode: ImportMode
  readonly findings: Findings
}

export interface Plan {
  readonly rows: readonly Planned[]
  /** Rows that are there already and stay as they are. */
  readonly skipped: number
}

const MAX_DEPTH = 16

/** What is to be written, everything that rows name looked up. Changes nothing but the findings. */
export async function planRows(client: ClientBase, rows: readonly Row[], options: PlanOptions): Promise<Plan> {
  const { kind, mode, findings } = options
  const standing = await readStanding(client, kind)
  const lookups = await readLookups(client, kind)
  const seen = new Map<string, number>()
  const planned: Planned[] = []
  let skipped = 0
  for (const row of rows) {
    if (findings.rows.has(row.row)) continue
    const key = keyOf(kind, row)
    const before = standing.get(key)
    const first = seen.get(key)
    const complain = complainer(kind, findings)
    if (first !== undefined) {
      complain(row, { column: kind.key.at(-1) ?? '', code: 'DUPLICATE_IN_FILE', message: `is in row ${first} already` })
      continue
    }
    seen.set(key, row.row)
    if (before && mode === 'skip-existing') {
      skipped += 1
      continue
    }
    checkStanding(row, before, { kind, mode, complain })
    kind.check?.(row, complain, before)
    const columns = columnsOf(row, { kind, lookups, complain })
    if (!findings.rows.has(row.row)) planned.push(withId({ row, key, before, columns }, kind))
  }
  checkParents(planned, { kind, standing, findings })
  return { rows: planned, skipped }
}

export async function readStanding(client: ClientBase, kind: RegistryKind): Promise<Map<string, Standing>> {
  const { rows } = await client.query<Standing>(kind.existing)
  return new Map(rows.map((row) => [row.key, row]))
}

async function readLookups(client: ClientBase, kind: RegistryKind): Promise<ReadonlyMap<Named, Lookup>> {
  const lookups = new Map<Named, Lookup>()
  for (const { names } of kind.columns) {
    if (names && !lookups.has(names.what)) lookups.set(names.what, await readLookup(client, names.what))
  }
  return lookups
}

function keyOf({ key }: RegistryKind, { values }: Row): string {
  return joinKey(key.map((name) => keyText(values[name] ?? '')))
}

function keyText(value: Cell): string {
  return value instanceof Date ? value.toISOString() : String(value)
}

type Complain = Parameters<NonNullable<RegistryKind['check']>>[1]

function complainer({ columns }: RegistryKind, findings: Findings): Complain {
  return (row, { column, code, message }) => {
    const value = row.values[column]
    const said = value === null || value === undefined ? '' : keyText(value)
    const isPersonal = columns.find(({ name }) => name === column)?.personal
    findings.add({ row: row.row, column, code, message, value: isPersonal ? mask(said) : said })
  }
}

interface StandingCheck {
  readonly kind: RegistryKind
  readonly mode: ImportMode
  readonly complain: Complain
}

function checkStanding(row: Row, before: Standing | undefined, { kind, mode, complain }: StandingCheck): void {
  if (before && mode === 'insert') {
    const message = 'is there already; --mode upsert changes it, --mode skip-existing leaves it'
    complain(row, { column: kind.key.at(-1) ?? '', code: 'EXISTS', message })
  }
  const read = row.values['row_version']
  if (typeof read !== 'number') return
  if (before && before.row_version !== read) {
    const message = `somebody else changed it meanwhile: its version is ${before.row_version}`
    complain(row, { column: 'row_version', code: 'ROW_VERSION', message })
  }
}

interface ColumnsIn {
  readonly kind: RegistryKind
  readonly lookups: ReadonlyMap<Named, Lookup>
  readonly complain: Complain
}

function columnsOf(row: Row, { kind, lookups, complain }: ColumnsIn): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const facility = textIn(row, 'facility')
  for (const column of kind.columns.filter((each) => each.db !== '' && !each.isParent)) {
    const value = row.values[column.name]
    if (value === undefined) continue
    const { names } = column
    // A facility that is not there leaves its rooms and departments unknown as well.
    if (names?.isOfFacility && value !== null && found['facility_id'] === undefined) continue
    if (!names || value === null) {
      found[dbName(column)] = value
      continue
    }
    const lookup = lookups.get(names.what) ?? new Map<string, string | number>()
    const id = findNamed(lookup, String(value), names.isOfFacility ? facility : undefined)
    if (id === undefined) complain(row, unknownName(column.name, names, facility))
    else found[dbName(column)] = id
  }
  return found
}

function unknownName(column: string, { what, isOfFacility }: NonNullable<RegistryColumn['names']>, facility = '') {
  const article = what === 'asset' ? 'an' : 'a'
  const where = isOfFacility ? ` in facility ${facility}` : ''
  return { column, code: 'UNKNOWN_REF' as const, message: `must name ${article} ${what} that is there${where}` }
}

export function dbName({ db, name }: Pick<RegistryColumn, 'db' | 'name'>): string {
  return db ?? name
}

function withId(planned: Planned, { makesIds }: RegistryKind): Planned {
  if (planned.before || !makesIds) return planned
  return { ...planned, columns: { id: randomUUID(), ...planned.columns } }
}

export function parentKey(kind: RegistryKind, row: Row): string | null | undefined {
  const column = kind.columns.find(({ isParent }) => isParent)
  const value = column && row.values[column.name]
  if (value === undefined || value === null) return value
  return joinKey([...kind.key.slice(0, -1).map((name) => keyText(row.values[name] ?? '')), String(value)])
}

interface ParentCheck {
  readonly kind: RegistryKind
  readonly standing: ReadonlyMap<string, Standing>
  readonly findings: Findings
}

/** Everything above a row, as it will be: there, not the row itself, and not too far up. */
function checkParents(planned: Planned[], { kind, standing, findings }: ParentCheck): void {
  const column = kind.columns.find(({ isParent }) => isParent)?.name
  if (column === undefined) return
  const complain = complainer(kind, findings)
  const above = new Map<string, string | null>([...standing].map(([key, { parent }]) => [key, parent]))
  for (const { key, row } of planned) {
    const parent = parentKey(kind, row)
    above.set(key, parent === undefined ? (above.get(key) ?? null) : parent)
  }
  for (const { key, row } of planned) {
    const problem = wrongParent(key, above)
    if (problem) complain(row, { column, ...problem })
  }
  planned.splice(0, planned.length, ...planned.filter(({ row }) => !findings.rows.has(row.row)))
}

function wrongParent(
  key: string,
  above: ReadonlyMap<string, string | null>,
): { readonly code: FindingCode; readonly message: string } | undefined {
  const path = [key]
  let parent = above.get(key)
  if (typeof parent === 'string' && !above.has(parent)) {
    return { code: 'UNKNOWN_REF', message: 'must be there, or in the same file' }
  }
  while (typeof parent === 'string') {
    path.push(parent)
    if (parent === key) return { code: 'CYCLE', message: `would lie below itself: ${path.map(lastPart).join(' < ')}` }
    if (path.length > MAX_DEPTH) return { code: 'CYCLE', message: `would lie more than ${MAX_DEPTH} levels deep` }
    parent = above.get(parent)
  }
  return undefined
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('\n') + 1)
}
