import type { ClientBase } from 'pg'

import { cellOf } from './csv-read.ts'
import { REGISTRY_KINDS, type RegistryName } from './registry-import.ts'
import { USER_COLUMNS, USERS_EXPORT } from './users.ts'

/** Rows of one reading. */
const PAGE = 5_000

/** Every line of a file in the form that the import takes, each with its line end. */
export async function* exportRows(client: ClientBase, kind: RegistryName): AsyncGenerator<string> {
  const keys = kind === 'assets' ? await attributeKeys(client) : []
  const { sql, names } = kind === 'users' ? users : sourceOf(kind)
  yield `${[...names, ...keys.map((key) => `attr.${key}`)].join(',')}\r\n`
  await client.query(`declare export_rows no scroll cursor for ${sql}`)
  for (;;) {
    const { rows } = await client.query<unknown[]>({ text: `fetch ${PAGE} from export_rows`, rowMode: 'array' })
    if (rows.length === 0) break
    yield rows.map((row) => `${cellsOf(row, names.length, keys).join(',')}\r\n`).join('')
  }
  await client.query('close export_rows')
}

const users = { sql: USERS_EXPORT, names: USER_COLUMNS.map(({ name }) => name) }

function sourceOf(kind: Exclude<RegistryName, 'users'>) {
  const { exported, order, columns } = REGISTRY_KINDS[kind]
  return { sql: `${exported} order by ${order}`, names: columns.map(({ name }) => name) }
}

async function attributeKeys(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(
    `select distinct k as key from asset.asset a, jsonb_object_keys(a.attrs) as k where a.deleted_at is null
     order by 1`,
  )
  return rows.map(({ key }) => key).sort()
}

/** Further fields come as one document behind all columns. */
function cellsOf(row: readonly unknown[], columns: number, keys: readonly string[]): string[] {
  const attrs = (row[columns] ?? {}) as Readonly<Record<string, unknown>>
  return [...row.slice(0, columns), ...keys.map((key) => attrs[key])].map((value) => cellOf(textOf(value)))
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)
}
