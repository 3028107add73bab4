import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { invalidInput } from './asset-input.ts'

/** A row as callers know it: columns by name, days and moments as text (ISO 8601), amounts as numbers. */
export type Row = Readonly<Record<string, unknown>>

/** Names come from the code, never from a caller. */
export interface Target {
  readonly table: `asset.${string}`
  /** As a person calls one, for example `work order`. */
  readonly noun: string
  /** Column of the identity; `id` unless told. */
  readonly key?: 'asset_id'
  /** What a rule of the database refuses, by the name of the rule. */
  readonly rules?: Readonly<Record<string, string>>
}

type Columns = Readonly<Record<string, unknown>>

/** The tenant, named also where row security would do it: scheduled work sees all of them. */
const TENANT = 'org_id = (select iam.current_org())'
const SHOWN = `to_jsonb(t) - 'org_id' as row`

const isId = (id: string) => z.uuid().safeParse(id).success

/** @throws BioTrakrError CONFLICT, INPUT_INVALID */
export async function insertOwn(client: ClientBase, target: Target, columns: Columns): Promise<Row> {
  const { names, places, values } = written(columns, 1)
  const sql = `insert into ${target.table} as t (org_id${names}) values (iam.current_org()${places}) returning ${SHOWN}`
  const [row] = await run(client, target, { sql, values })
  return row ?? {}
}

/**
 * Adds a row of a live asset, with the asset's facility.
 * @throws BioTrakrError NOT_FOUND for an asset that is deleted, foreign or out of reach; CONFLICT, INPUT_INVALID
 */
export async function insertForAsset(
  client: ClientBase,
  target: Target,
  { asset, columns }: { readonly asset: string; readonly columns: Columns },
): Promise<Row> {
  if (!isId(asset)) throw unknown('asset')
  const { names, places, values } = written(columns, 2)
  const sql = `insert into ${target.table} as t (org_id, asset_id, facility_id${names})
    select org_id, id, facility_id${places} from asset.asset where ${TENANT} and id = $1 and deleted_at is null
    returning ${SHOWN}`
  const [row] = await run(client, target, { sql, values: [asset, ...values] })
  if (!row) throw unknown('asset')
  return row
}

interface Change {
  readonly id: string
  readonly rowVersion: number
  readonly columns: Columns
  /** What the caller wants, for the answer to one who comes too late. */
  readonly yours: unknown
}

/**
 * Changes a row that still has the version that was read.
 * @throws BioTrakrError ROW_VERSION, NOT_FOUND, CONFLICT or INPUT_INVALID
 */
export async function changeRow(client: ClientBase, target: Target, change: Change): Promise<Row> {
  const current = await getRow(client, target, change.id)
  const entries = Object.entries(change.columns).filter(([, value]) => value !== undefined)
  const sets = entries.map(([name], i) => `${name} = $${i + 3}`)
  const sql = `update ${target.table} t set ${sets.join(', ')}
    where t.${TENANT} and t.${target.key ?? 'id'} = $1 and t.row_version = $2 returning ${SHOWN}`
  const values = [change.id, change.rowVersion, ...entries.map(([, value]) => value)]
  const [row] = await run(client, target, { sql, values })
  if (row) return row
  throw staleRow(target, current, change.yours)
}

export function staleRow({ noun }: Pick<Target, 'noun'>, current: unknown, yours: unknown): BioTrakrError {
  return new BioTrakrError(`This ${noun} was changed by somebody else`, {
    code: 'ROW_VERSION',
    next: 'Look at what it is now and send the change again with its row_version.',
    details: { current, yours },
  })
}

export async function findRow(client: ClientBase, target: Target, id: string): Promise<Row | undefined> {
  const sql = `select ${SHOWN} from ${target.table} t where t.${TENANT} and t.${target.key ?? 'id'} = $1`
  return isId(id) ? (await run(client, target, { sql, values: [id] }))[0] : undefined
}

/** @throws BioTrakrError NOT_FOUND */
export async function getRow(client: ClientBase, target: Target, id: string): Promise<Row> {
  const row = await findRow(client, target, id)
  if (!row) throw unknown(target.noun)
  return row
}

/**
 * Rows of a query.
 * @param from what follows `from`; the table or view of the rows is called `t`, and the tenant's condition follows
 */
export async function listRows(
  client: ClientBase,
  { from, where = [], order, limit }: ListWish,
): Promise<readonly Row[]> {
  const given = where.filter(([, value]) => value !== undefined)
  const conditions = given.map(([condition], i) => ` and (${condition.replaceAll('$', `$${i + 1}`)})`).join('')
  const sql = `select ${SHOWN} from ${from} where t.${TENANT}${conditions} order by ${order} limit ${limit}`
  const { rows } = await client.query<{ row: Row }>(
    sql,
    given.map(([, value]) => value),
  )
  return rows.map(({ row }) => row)
}

/**
 * What belongs to a live asset, at most 1,000 rows.
 * @throws BioTrakrError NOT_FOUND
 */
export async function listOfAsset(
  client: ClientBase,
  table: Target['table'],
  { asset, order, where = [] }: { readonly asset: string } & Pick<ListWish, 'order' | 'where'>,
): Promise<{ readonly items: readonly Row[] }> {
  await refuseUnknownAsset(client, asset)
  const own = [['t.asset_id = $', asset], ...where] as const
  return { items: await listRows(client, { from: `${table} t`, where: own, order, limit: 1_000 }) }
}

/** @throws BioTrakrError NOT_FOUND for one that is deleted, foreign or out of reach */
export async function refuseUnknownAsset(client: ClientBase, asset: string): Promise<void> {
  const sql = `select from asset.asset where ${TENANT} and id = $1 and deleted_at is null`
  if (!isId(asset) || (await client.query(sql, [asset])).rowCount === 0) throw unknown('asset')
}

interface ListWish {
  readonly from: string
  /** Conditions, each with its one value as `$`; left out where the value is undefined. */
  readonly where?: readonly (readonly [condition: string, value: unknown])[]
  readonly order: string
  readonly limit: number
}

function written(columns: Columns, first: number) {
  const entries = Object.entries(columns).filter(([, value]) => value !== undefined)
  return {
    names: entries.map(([name]) => `, ${name}`).join(''),
    places: entries.map((_, i) => `, $${i + first}`).join(''),
    values: entries.map(([, value]) => value),
  }
}

interface Statement {
  readonly sql: string
  readonly values: readonly unknown[]
}

async function run(client: ClientBase, target: Target, { sql, values }: Statement): Promise<readonly Row[]> {
  try {
    const { rows } = await client.query<{ row: Row }>(sql, [...values])
    return rows.map(({ row }) => row)
  } catch (error) {
    throw plainError(error, target)
  }
}

/** Rules that the database keeps, said in the words of the one who broke them. */
function plainError(error: unknown, { table, noun, rules = {} }: Target): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const constraint = 'constraint' in error ? String(error.constraint) : ''
  const words = rules[constraint]
  if (error.code === '23505') return conflict(words ?? `There is such a ${noun} already`)
  if (error.code === '23514') {
    return invalidInput([{ pointer: '', code: 'rule', detail: words ?? `breaks the rule ${constraint}` }])
  }
  if (error.code !== '23503') return error
  if (!('table' in error) || `asset.${String(error.table)}` !== table) {
    return conflict(words ?? 'Something else depends on what this would change')
  }
  if (words) return conflict(words)
  const column = /_org_id_(.+)_fkey\d*$/.exec(constraint)?.[1] ?? ''
  return invalidInput([{ pointer: `/${column}`, code: 'reference', detail: 'there is no such thing' }])
}

export function conflict(message: string, next = 'Look at what is there; nothing was changed.'): BioTrakrError {
  return new BioTrakrError(message, { code: 'CONFLICT', next })
}

export function unknown(noun: string): BioTrakrError {
  return new BioTrakrError(`There is no such ${noun}`, { code: 'NOT_FOUND', next: 'Look it up among the others.' })
}
