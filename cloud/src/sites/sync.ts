import { Prisma } from '@biotrakr/cloud/prisma'

export type Values = Readonly<Record<string, unknown>>

interface Stored {
  readonly id: number
  readonly [column: string]: unknown
}

/** What every model of the generated client can do; their own types are too different for one function over all. */
export interface Table {
  findMany(query: { readonly where: Values }): PromiseLike<Stored[]>
  createManyAndReturn(query: { readonly data: readonly Values[] }): PromiseLike<Stored[]>
  update(query: { readonly where: { readonly id: number }; readonly data: Values }): PromiseLike<unknown>
}

export interface Tally {
  created: number
  updated: number
  unchanged: number
}

interface Entry {
  readonly key: string
  /** Columns to be as said; undefined ones are left as they are. */
  readonly values: Values
  /** Columns of a new row that the entry does not give. */
  readonly whenNew?: Values | undefined
}

interface Wish {
  /** Which stored rows there are to compare with. */
  readonly where: Values
  /** Columns of every new row. */
  readonly owner: Values
  readonly keyOf: (row: Values) => string
  readonly entries: readonly Entry[]
  readonly tally: Tally
}

/** Rows a statement. PostgreSQL takes 65,535 parameters. */
const CHUNK = 2_000

/**
 * Makes what is missing, writes what differs and counts either way; rows that no entry names stay.
 * @returns ids by key, of all rows there are then
 */
export async function sync(table: Table, { where, owner, keyOf, entries, tally }: Wish): Promise<Map<string, number>> {
  const rows = new Map((await table.findMany({ where })).map((row) => [keyOf(row), row]))
  const ids = new Map([...rows].map(([key, { id }]) => [key, id]))
  const fresh = entries.filter(({ key }) => !rows.has(key))
  for (const part of chunks(fresh)) {
    const data = part.map(({ values, whenNew }) => written({ ...owner, ...whenNew, ...given(values) }))
    for (const row of await table.createManyAndReturn({ data })) ids.set(keyOf(row), row.id)
    tally.created += part.length
  }
  for (const { key, values } of entries) {
    const row = rows.get(key)
    if (row) await update(table, row, { wanted: given(values), tally })
  }
  return ids
}

async function update(
  table: Table,
  row: Stored,
  { wanted, tally }: { readonly wanted: Values; readonly tally: Tally },
): Promise<void> {
  const changed = Object.fromEntries(Object.entries(wanted).filter(([column, value]) => !isSame(row[column], value)))
  if (Object.keys(changed).length === 0) {
    tally.unchanged += 1
    return
  }
  await table.update({ where: { id: row.id }, data: written(changed) })
  tally.updated += 1
}

function isSame(stored: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return stored === wanted
  return JSON.stringify(stored) === JSON.stringify(wanted)
}

/** The client tells the null of the database from that of JSON. */
function written(values: Values): Values {
  return values['polygon'] === null ? { ...values, polygon: Prisma.DbNull } : values
}

/** Without the entries that were left out. */
function given(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

export function chunks<T>(list: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(list.length / CHUNK) }, (_, i) => list.slice(i * CHUNK, (i + 1) * CHUNK))
}
