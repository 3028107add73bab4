import type { ClientBase } from 'pg'

import type { AssetWish } from './asset-fields.ts'
import { type InputProblem, invalidInput } from './asset-input.ts'
import type { Attributes } from './attribute-check.ts'

/** Where an asset belongs now; of a new one nothing is known. */
export interface Standing {
  readonly facility_id: number
  readonly category_id: string
  readonly attrs: Attributes
}

interface Found {
  readonly facility_id: number | null
  readonly department_id: number | null
  readonly using_department_id: number | null
  readonly home_room_id: number | null
  readonly category_id: string | null
  readonly parent_id: string | null
  readonly model_id: string | null
  readonly model_category_id: string | null
  readonly manufacturer: string | null
  readonly model_name: string | null
  readonly model_no: string | null
  readonly model_attrs: Attributes | null
}

/** Ids of what an asset names, in columns; undefined stays as it is. */
interface References {
  readonly columns: Readonly<Record<string, unknown>>
  readonly categoryId: string
  /** What its model says of it, of a model that was just named. */
  readonly model: { readonly texts: Readonly<Record<string, unknown>>; readonly attrs: Attributes } | undefined
}

const FIND = `
  with home as (
    select coalesce((select id from site.facility where org_id = (select iam.current_org()) and code = $1), $2::integer) as id
  )
  select home.id as facility_id,
    (select id from site.department where org_id = (select iam.current_org()) and facility_id = home.id and code = $3)
      as department_id,
    (select id from site.department where org_id = (select iam.current_org()) and facility_id = home.id and code = $4)
      as using_department_id,
    (select id from site.room where org_id = (select iam.current_org()) and facility_id = home.id and code = $5)
      as home_room_id,
    (select id from asset.category where org_id = (select iam.current_org()) and code = $6 and deleted_at is null)
      as category_id,
    (select id from asset.asset where org_id = (select iam.current_org()) and id = $7 and deleted_at is null) as parent_id,
    m.id as model_id, m.category_id as model_category_id, v.name as manufacturer, m.name as model_name, m.model_no,
    m.attrs as model_attrs
  from home left join asset.model m on m.org_id = (select iam.current_org()) and m.id = $8 and m.deleted_at is null
    left join asset.vendor v on v.org_id = m.org_id and v.id = m.manufacturer_id`

/**
 * Looks up what a wish names, within what the caller may see. An asset that moves to another facility leaves the
 * departments and the room of the old one behind unless new ones are named.
 * @throws BioTrakrError INPUT_INVALID that names everything that is not there
 */
export async function findReferences(client: ClientBase, wish: AssetWish, before?: Standing): Promise<References> {
  const { facility, department, using_department, home_room, category, parent_id, model_id } = wish
  const { rows } = await client.query<Found>(FIND, [
    facility,
    facility === undefined ? before?.facility_id : null,
    department,
    using_department,
    home_room,
    category,
    parent_id,
    model_id,
  ])
  const found = rows[0]
  if (found === undefined) throw new TypeError('a select without a condition always has a row')
  refuseUnknown(wish, found)
  const hasMoved = before !== undefined && found.facility_id !== before.facility_id
  const place = <T>(name: unknown, id: T) => (name !== undefined ? id : hasMoved ? null : undefined)
  const categoryId = found.category_id ?? before?.category_id ?? found.model_category_id ?? ''
  const { manufacturer, model_name, model_no } = found
  return {
    columns: {
      facility_id: facility === undefined ? undefined : found.facility_id,
      department_id: place(department, found.department_id),
      using_department_id: place(using_department, found.using_department_id),
      home_room_id: place(home_room, found.home_room_id),
      category_id: categoryId === before?.category_id ? undefined : categoryId,
      parent_id: parent_id === undefined ? undefined : found.parent_id,
      model_id: model_id === undefined ? undefined : found.model_id,
    },
    categoryId,
    model: found.model_id
      ? { texts: { manufacturer, model_name, model_no }, attrs: found.model_attrs ?? {} }
      : undefined,
  }
}

const NAMED = [
  ['facility', 'facility_id'],
  ['department', 'department_id'],
  ['using_department', 'using_department_id'],
  ['home_room', 'home_room_id'],
  ['category', 'category_id'],
  ['parent_id', 'parent_id'],
  ['model_id', 'model_id'],
] as const

function refuseUnknown(wish: AssetWish, found: Found): void {
  const problems = NAMED.flatMap(([field, column]): InputProblem[] => {
    const name = wish[field]
    if (name === undefined || name === null || found[column] !== null) return []
    // A facility that is not there leaves its rooms and departments unknown as well.
    if (found.facility_id === null && field !== 'facility' && PLACES.has(field)) return []
    return [{ pointer: `/${field}`, code: 'reference', detail: `there is no "${name}"` }]
  })
  if (problems.length > 0) throw invalidInput(problems)
}

const PLACES: ReadonlySet<string> = new Set(['department', 'using_department', 'home_room'])
