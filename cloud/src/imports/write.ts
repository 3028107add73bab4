import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { dbName, parentKey, readStanding } from './plan.ts'
import type { Planned, RegistryColumn, RegistryKind } from './registry-kind.ts'

/** Rows of one statement. */
const CHUNK = 1_000

interface Written {
  readonly inserted: number
  readonly updated: number
  /** Were so already. */
  readonly unchanged: number
}

interface WriteOptions {
  readonly kind: RegistryKind
  /** Names of the file's columns. */
  readonly said: ReadonlySet<string>
  readonly onProgress?: ((done: number) => void) | undefined
}

/**
 * Writes planned rows by statements of a thousand; triggers of the tables keep the audit chain.
 * @throws BioTrakrError CONFLICT for what only the database saw
 */
export async function writeRows(
  client: ClientBase,
  planned: readonly Planned[],
  options: WriteOptions,
): Promise<Written> {
  const { kind, said, onProgress } = options
  const columns = kind.columns.filter(
    (column) => column.db !== '' && !column.isParent && (said.has(column.name) || column.fallback !== undefined),
  )
  const news = planned.filter(({ before }) => before === undefined)
  const olds = planned.filter(({ before }) => before !== undefined)
  let done = 0
  let updated = 0
  for (const part of chunks(news)) {
    await guarded(() => client.query(insertSql(kind, columns), [JSON.stringify(part.map(asJson))]))
    if (kind.note) await client.query(kind.note, [part.map(({ key }) => key)])
    done += part.length
    onProgress?.(done)
  }
  const changed = columns.filter(({ name }) => said.has(name) && !kind.key.includes(name))
  for (const part of chunks(changed.length > 0 || kind.takesAttrs ? olds : [])) {
    const result = await guarded(() => client.query(updateSql(kind, changed), [JSON.stringify(part.map(asJson))]))
    updated += result.rowCount ?? 0
    done += part.length
    onProgress?.(done)
  }
  updated += await writeParents(client, planned, kind)
  updated = Math.min(updated, olds.length)
  return { inserted: news.length, updated, unchanged: olds.length - updated }
}

function asJson({ before, columns }: Planned): object {
  return before ? { ...columns, id: before.id } : columns
}

/** Only what the file says and what the table needs. */
function insertSql({ table, makesIds, takesAttrs }: RegistryKind, columns: readonly RegistryColumn[]): string {
  const own = [...(makesIds ? [{ name: 'id', sql: 'uuid' } as const] : []), ...columns]
  const extra = takesAttrs ? ', attrs' : ''
  const names = own.map((column) => dbName(column)).join(', ')
  const values = own.map((column) =>
    'fallback' in column && column.fallback
      ? `coalesce(x.${dbName(column)}, ${column.fallback})`
      : `x.${dbName(column)}`,
  )
  const extraValue = takesAttrs ? `, coalesce(x.attrs, '{}')` : ''
  return `insert into ${table} (org_id, ${names}${extra})
    select iam.current_org(), ${values.join(', ')}${extraValue} from ${recordset(own, takesAttrs)}`
}

/** What is empty where the table takes nothing empty stays as it is; what is the same is not touched. */
function updateSql({ table, makesIds, takesAttrs }: RegistryKind, columns: readonly RegistryColumn[]): string {
  const id = { name: 'id', sql: makesIds ? 'uuid' : 'integer' } as const
  const value = (column: RegistryColumn) =>
    column.fallback ? `coalesce(x.${dbName(column)}, t.${dbName(column)})` : `x.${dbName(column)}`
  const pairs = columns.map((column) => [dbName(column), value(column)] as const)
  if (takesAttrs) pairs.push(['attrs', 'coalesce(x.attrs, t.attrs)'])
  return `update ${table} t set ${pairs.map(([name, said]) => `${name} = ${said}`).join(', ')}
    from ${recordset([id, ...columns], takesAttrs)}
    where t.org_id = iam.current_org() and t.id = x.id
      and (${pairs.map(([name]) => `t.${name}`).join(', ')}, 0) is distinct from (${pairs.map(([, said]) => said).join(', ')}, 0)`
}

function recordset(columns: readonly Pick<RegistryColumn, 'name' | 'db' | 'sql'>[], takesAttrs = false): string {
  const types = columns.map((column) => `${column.db ?? column.name} ${column.sql}`)
  return `jsonb_to_recordset($1) as x (${[...types, ...(takesAttrs ? ['attrs jsonb'] : [])].join(', ')})`
}

/** After all rows are there, for a parent may stand behind its child in the file. @returns rows that have another now */
async function writeParents(client: ClientBase, planned: readonly Planned[], kind: RegistryKind): Promise<number> {
  const column = kind.columns.find(({ isParent }) => isParent)
  if (!column || planned.every(({ row }) => !row.values[column.name] && row.values[column.name] !== null)) return 0
  const standing = await readStanding(client, kind)
  const idOf = (key: string | null | undefined) => (typeof key === 'string' ? (standing.get(key)?.id ?? null) : null)
  const pairs = planned.flatMap(({ key, row }) => {
    const parent = parentKey(kind, row)
    const now = standing.get(key)
    if (parent === undefined || now === undefined || now.parent === parent) return []
    return [{ id: now.id, parent: idOf(parent) }]
  })
  const type = kind.makesIds ? 'uuid' : 'integer'
  for (const part of chunks(pairs)) {
    await guarded(() =>
      client.query(
        `update ${kind.table} t set parent_id = x.parent from jsonb_to_recordset($1) as x (id ${type}, parent ${type})
         where t.org_id = iam.current_org() and t.id = x.id`,
        [JSON.stringify(part)],
      ),
    )
  }
  const fresh = new Set(planned.filter(({ before }) => before === undefined).map(({ key }) => standing.get(key)?.id))
  return pairs.filter(({ id }) => !fresh.has(id)).length
}

function* chunks<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += CHUNK) yield list.slice(at, at + CHUNK)
}

const REFUSALS: Readonly<Record<string, string>> = {
  '23505': 'something of the same name is there already',
  '23P01': 'a tag or an asset is taken at that time, perhaps by what you may not see',
  '23503': 'something that a row names is not there any more',
  '23514': 'a row is not as the database wants it',
}

/** What the check cannot see: rows that row security hides, and changes of the same moment. */
async function guarded<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const words = error instanceof Error && 'code' in error ? REFUSALS[String(error.code)] : undefined
    if (words === undefined) throw error
    const detail = error instanceof Error && 'constraint' in error ? ` (${String(error.constraint)})` : ''
    throw new BioTrakrError(`The database refused the rows: ${words}${detail}`, {
      code: 'CONFLICT',
      next: 'Check the file again with --dry-run; nothing was changed.',
      cause: error,
    })
  }
}
