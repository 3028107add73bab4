import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import { type Editable, type Fields, type InputProblem, parseChange, parseCreation, wrongInput } from './site-input.ts'
import { readOne, type SiteLists } from './site-lists.ts'

const TABLES: Readonly<Record<Editable, string>> = {
  rooms: 'site.room',
  departments: 'site.department',
  beds: 'site.bed',
  zones: 'site.zone',
}

/** Fields that name another row by its code: the column that holds its id, and the table it is in. */
const REFERENCES: Readonly<Record<string, { readonly column: string; readonly table: string }>> = {
  floor: { column: 'floor_id', table: 'site.floor' },
  department: { column: 'department_id', table: 'site.department' },
  parent: { column: 'parent_id', table: 'site.department' },
  room: { column: 'room_id', table: 'site.room' },
}
const UNIQUE_VIOLATION = '23505'

interface Target {
  readonly facilityId: number
  readonly id: number
}

/**
 * Changes what the input names of one row.
 * @param client within a scope that may write
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or ROW_VERSION where somebody else was first, with both states
 */
export async function changeOne<What extends Editable>(
  client: ClientBase,
  what: What,
  { target, input }: { readonly target: Target; readonly input: unknown },
): Promise<SiteLists[What]> {
  const { row_version: version, ...fields } = parseChange(what, input)
  const { columns, rooms } = await resolve(client, fields, target)
  const names = Object.keys(columns)
  // Also without any column: the row's version says that its rooms changed.
  const set = ['row_version = row_version', ...names.map((name, i) => `${name} = $${i + 4}`)].join(', ')
  const changed = await client.query(
    `update ${TABLES[what]} set ${set} where id = $1 and facility_id = $2 and row_version = $3`,
    [target.id, target.facilityId, version, ...Object.values(columns)],
  )
  if (changed.rowCount !== 1) throw await refusal(client, what, { target, input })
  if (rooms) await putRooms(client, target, rooms)
  return found(await readOne(client, what, target))
}

/**
 * @param client within a scope that may write
 * @throws BioTrakrError INPUT_INVALID, or CONFLICT where the code is taken
 */
export async function createOne<What extends Exclude<Editable, 'rooms'>>(
  client: ClientBase,
  what: What,
  { facilityId, input }: { readonly facilityId: number; readonly input: unknown },
): Promise<SiteLists[What]> {
  const fields = parseCreation(what, input)
  const { columns, rooms } = await resolve(client, fields, { facilityId })
  const names = Object.keys(columns)
  const places = names.map((_, i) => `$${i + 2}`)
  const { rows } = await client
    .query<{ id: number }>(
      `insert into ${TABLES[what]} (org_id, facility_id, ${names.join(', ')})
       values (iam.current_org(), $1, ${places.join(', ')}) returning id`,
      [facilityId, ...Object.values(columns)],
    )
    .catch((cause: unknown) => {
      if (!(cause instanceof Error && 'code' in cause && cause.code === UNIQUE_VIOLATION)) throw cause
      throw new BioTrakrError(`"${String(fields['code'])}" is there already`, {
        code: 'CONFLICT',
        next: 'Choose another code, or change the one that is there.',
        cause,
      })
    })
  const target = { facilityId, id: rows[0]?.id ?? 0 }
  if (rooms) await putRooms(client, target, rooms)
  return found(await readOne(client, what, target))
}

interface Resolved {
  readonly columns: Fields
  /** Ids of all rooms of a zone, where they were given. */
  readonly rooms: readonly number[] | undefined
}

/** From codes to ids. @throws BioTrakrError INPUT_INVALID, naming every code that leads nowhere */
async function resolve(
  client: ClientBase,
  { rooms: codes, ...fields }: Fields,
  { facilityId, id }: { readonly facilityId: number; readonly id?: number | undefined },
): Promise<Resolved> {
  const problems: InputProblem[] = []
  const columns: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const reference = REFERENCES[field]
    if (!reference) {
      columns[field] = Array.isArray(value) ? JSON.stringify(value) : value
      continue
    }
    const row = value === null ? null : await idOf(client, reference.table, { facilityId, code: String(value) })
    if (row === undefined) problems.push(unknown(`/${field}`, value))
    columns[reference.column] = row
  }
  const isLoop = await wouldLoop(client, { facilityId, id }, columns['parent_id'])
  if (isLoop) problems.push({ pointer: '/parent', code: 'cycle', detail: 'is this department or below it' })
  const rooms = Array.isArray(codes) ? await roomsOf(client, { facilityId, codes, problems }) : undefined
  if (problems.length > 0) throw wrongInput(problems)
  return { columns, rooms }
}

async function idOf(
  client: ClientBase,
  table: string,
  { facilityId, code }: { readonly facilityId: number; readonly code: string },
): Promise<number | undefined> {
  const sql = `select id from ${table} where facility_id = $1 and code = $2`
  const { rows } = await client.query<{ id: number }>(sql, [facilityId, code])
  return rows[0]?.id
}

function unknown(pointer: string, value: unknown): InputProblem {
  return { pointer, code: 'UNKNOWN_REF', detail: `there is no "${String(value)}" in this facility` }
}

async function roomsOf(
  client: ClientBase,
  wish: { readonly facilityId: number; readonly codes: readonly string[]; readonly problems: InputProblem[] },
): Promise<number[]> {
  const { facilityId, codes, problems } = wish
  const { rows } = await client.query<{ id: number; code: string }>(
    'select id, code from site.room where facility_id = $1 and code = any ($2)',
    [facilityId, codes],
  )
  const ids = new Map(rows.map((row) => [row.code, row.id]))
  codes.forEach((each, i) => {
    if (!ids.has(each)) problems.push(unknown(`/rooms/${i}`, each))
  })
  return [...ids.values()]
}

/** Whether a department would be above itself. */
async function wouldLoop(
  client: ClientBase,
  { facilityId, id }: { readonly facilityId: number; readonly id: number | undefined },
  parent: unknown,
): Promise<boolean> {
  if (id === undefined || typeof parent !== 'number') return false
  // Two changes at once could close a loop that neither of them sees.
  await client.query('select from site.facility where id = $1 for no key update', [facilityId])
  const { rowCount } = await client.query(
    `with recursive above as (
       select id, parent_id from site.department where id = $2
       union select d.id, d.parent_id from site.department d join above a on d.id = a.parent_id)
     select from above where id = $1`,
    [id, parent],
  )
  return rowCount !== 0
}

async function putRooms(client: ClientBase, { id, facilityId }: Target, rooms: readonly number[]): Promise<void> {
  await client.query('delete from site.zone_room where zone_id = $1 and room_id <> all ($2)', [id, rooms])
  await client.query(
    `insert into site.zone_room (org_id, facility_id, zone_id, room_id)
     select iam.current_org(), $2, $1, room from unnest($3::integer[]) as room on conflict do nothing`,
    [id, facilityId, rooms],
  )
}

async function refusal(
  client: ClientBase,
  what: Editable,
  { target, input }: { readonly target: Target; readonly input: unknown },
): Promise<BioTrakrError> {
  const current = found(await readOne(client, what, target))
  return new BioTrakrError('Somebody else changed it meanwhile', {
    code: 'ROW_VERSION',
    next: 'Compare `current` with `yours`, then send the change again with the new row_version.',
    details: { current, yours: input },
  })
}

/** @throws BioTrakrError NOT_FOUND */
export function found<T>(row: T | undefined): T {
  if (row !== undefined) return row
  throw new BioTrakrError('There is no such thing in this facility', {
    code: 'NOT_FOUND',
    next: 'Check the number in the address.',
  })
}
