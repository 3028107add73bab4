import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { invalidInput } from './asset-input.ts'

/** A table whose rows have a version and are deleted softly. Names come from the code, never from a caller. */
export interface RowKind {
  readonly table: 'asset.asset' | 'asset.category' | 'asset.model' | 'asset.vendor' | 'asset.attribute_def'
  /** As a person calls one, for example `category`. */
  readonly noun: string
  /** What a unique index or a rule of the database refuses, by its name: field, code and words. */
  readonly rules: Readonly<Record<string, string>>
}

/** Columns with their values; the keys are names of columns that the code wrote down. */
type Columns = Readonly<Record<string, unknown>>

interface Version {
  readonly rowVersion: number
  /** What the caller wants, for the answer to one who comes too late. */
  readonly yours: unknown
  /** The row as it is now, in the form in which callers know it; undefined when it is not theirs. */
  readonly current: () => Promise<unknown>
}

const TENANT = 'org_id = (select iam.current_org())'

/** @throws BioTrakrError CONFLICT, INPUT_INVALID */
export async function insertRow(client: ClientBase, kind: RowKind, columns: Columns): Promise<void> {
  const entries = Object.entries(columns).filter(([, value]) => value !== undefined)
  const names = entries.map(([name]) => `, ${name}`).join('')
  const places = entries.map((_, i) => `, $${i + 1}`).join('')
  const sql = `insert into ${kind.table} (org_id${names}) values (iam.current_org()${places})`
  await run(client, kind, { sql, values: entries.map(([, value]) => value) })
}

/**
 * Changes a live row that still has the version that was read.
 * @throws BioTrakrError ROW_VERSION, NOT_FOUND, CONFLICT or INPUT_INVALID
 */
export async function updateRow(
  client: ClientBase,
  kind: RowKind,
  change: { readonly id: string; readonly columns: Columns; readonly isDeleted?: boolean } & Version,
): Promise<void> {
  const entries = Object.entries(change.columns).filter(([, value]) => value !== undefined)
  const sets = entries.map(([name], i) => `${name} = $${i + 3}`).join(', ')
  const alive = change.isDeleted ? 'is not null' : 'is null'
  const sql = `update ${kind.table} set ${sets} where ${TENANT} and id = $1 and row_version = $2 and deleted_at ${alive}`
  const values = [change.id, change.rowVersion, ...entries.map(([, value]) => value)]
  if ((await run(client, kind, { sql, values })) > 0) return
  const current = await change.current()
  if (current === undefined) throw unknownRow(kind)
  if ((await isDeleted(client, kind, change.id)) !== (change.isDeleted ?? false)) {
    throw new BioTrakrError(change.isDeleted ? `This ${kind.noun} is not deleted` : `This ${kind.noun} is deleted`, {
      code: 'CONFLICT',
      next: change.isDeleted ? 'There is nothing to restore.' : 'Restore it first.',
    })
  }
  throw new BioTrakrError(`This ${kind.noun} was changed by somebody else`, {
    code: 'ROW_VERSION',
    next: 'Look at what it is now and send the change again with its row_version.',
    details: { current, yours: change.yours },
  })
}

/** Takes a row out of everything but the record; its names can be given again. */
export function deleteRow(
  client: ClientBase,
  kind: RowKind,
  wish: { readonly id: string; readonly reason: string } & Version,
): Promise<void> {
  return updateRow(client, kind, { ...wish, columns: { delete_reason: wish.reason } })
}

/** @throws BioTrakrError CONFLICT when its name is in use meanwhile, or as updateRow */
export function restoreRow(client: ClientBase, kind: RowKind, wish: { readonly id: string } & Version): Promise<void> {
  return updateRow(client, kind, { ...wish, columns: { delete_reason: null }, isDeleted: true })
}

/** @throws BioTrakrError CONFLICT while live rows still name this one */
export async function refuseWhileUsed(
  client: ClientBase,
  id: string,
  uses: readonly { readonly table: RowKind['table']; readonly column: string; readonly words: string }[],
): Promise<void> {
  for (const { table, column, words } of uses) {
    const { rowCount } = await client.query(
      `select from ${table} where ${TENANT} and ${column} = $1 and deleted_at is null limit 1`,
      [id],
    )
    if (rowCount) {
      throw new BioTrakrError(`There are still ${words} of it`, {
        code: 'CONFLICT',
        next: 'Change or delete these first.',
      })
    }
  }
}

export function unknownRow({ noun }: Pick<RowKind, 'noun'>): BioTrakrError {
  return new BioTrakrError(`There is no such ${noun}`, { code: 'NOT_FOUND', next: `Look it up among the others.` })
}

async function isDeleted(client: ClientBase, { table }: RowKind, id: string): Promise<boolean> {
  const { rows } = await client.query<{ gone: boolean }>(
    `select deleted_at is not null as gone from ${table} where ${TENANT} and id = $1`,
    [id],
  )
  return rows[0]?.gone ?? false
}

interface Statement {
  readonly sql: string
  readonly values: readonly unknown[]
}

async function run(client: ClientBase, kind: RowKind, { sql, values }: Statement): Promise<number> {
  try {
    return (await client.query(sql, [...values])).rowCount ?? 0
  } catch (error) {
    throw plainError(error, kind)
  }
}

/** Rules that the database keeps, said in the words of the one who broke them. */
function plainError(error: unknown, { rules }: RowKind): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const constraint = 'constraint' in error ? String(error.constraint) : ''
  const words = rules[constraint]
  if ((error.code === '23505' || error.code === '23514') && words !== undefined) {
    return new BioTrakrError(words, { code: 'CONFLICT', next: 'Nothing was changed.', cause: error })
  }
  if (error.code === '23503') {
    return invalidInput([{ pointer: '', code: 'reference', detail: 'it names something that is not there' }])
  }
  return error
}
