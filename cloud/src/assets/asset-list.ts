import type { ClientBase } from 'pg'
import { z } from 'zod'

import { type AssetItem, ITEM_FIELDS, ITEM_JOINS } from './asset-fields.ts'
import { checkInput, invalidInput, listQuery, type Page, pageOf, readCursor, text } from './asset-input.ts'
import { ASSET_STATUSES } from './asset-lists.ts'
import { categoryTree } from './category-catalogue.ts'

export const assetFilter = z.strictObject({
  facility: text(64).optional(),
  department: text(64).optional(),
  /** With all categories below it. */
  category: text(64).optional(),
  status: z.enum(ASSET_STATUSES).optional(),
})

const query = z.strictObject({ ...listQuery.shape, ...assetFilter.shape })

/** Ids of what a filter names. */
export interface FilterIds {
  readonly facility?: number
  readonly department?: number
  readonly categories?: readonly string[]
  readonly status?: string
}

/**
 * Assets of the facilities that the caller may see, by asset tag.
 * @throws BioTrakrError INPUT_INVALID
 */
export async function listAssets(client: ClientBase, input: unknown): Promise<Page<AssetItem>> {
  const { limit, cursor, deleted, ...filter } = checkInput(query, input)
  const after = readCursor(cursor)
  const { facility, department, categories, status } = await filterIds(client, filter)
  const values: unknown[] = []
  const place = (value: unknown) => `$${values.push(value)}`
  const conditions = [
    'a.org_id = (select iam.current_org())',
    `a.deleted_at is ${deleted ? 'not null' : 'null'}`,
    ...(facility === undefined ? [] : [`a.facility_id = ${place(facility)}`]),
    ...(department === undefined ? [] : [`a.department_id = ${place(department)}`]),
    ...(categories === undefined ? [] : [`a.category_id = any (${place(categories)}::uuid[])`]),
    ...(status === undefined ? [] : [`a.status = ${place(status)}`]),
    ...(after === undefined ? [] : [`(a.asset_tag, a.id) > (${place(after[0])}, ${place(after[1])}::uuid)`]),
  ]
  const { rows } = await client.query<AssetItem>(
    `select ${ITEM_FIELDS} from asset.asset a ${ITEM_JOINS} where ${conditions.join(' and ')}
     order by a.asset_tag, a.id limit ${place(limit + 1)}`,
    values,
  )
  return pageOf(rows, limit, ({ asset_tag, id }) => [asset_tag, id])
}

/**
 * Looks up the codes of a filter. A department is looked for in the facility that is named, or in the only one that has
 * such a department.
 * @throws BioTrakrError INPUT_INVALID for a code that the caller knows nothing by
 */
export async function filterIds(client: ClientBase, filter: z.infer<typeof assetFilter>): Promise<FilterIds> {
  const { facility, department, category, status } = filter
  const { rows } = await client.query<{ facility: number | null; department: number | null; departments: number }>(
    `with home as (
       select (select id from site.facility where org_id = (select iam.current_org()) and code = $1) as id
     ), wards as (
       select d.id from site.department d, home
         where d.org_id = (select iam.current_org()) and d.code = $2 and ($1::text is null or d.facility_id = home.id)
     )
     select home.id as facility, (select min(id) from wards) as department,
       (select count(*)::integer from wards) as departments from home`,
    [facility, department],
  )
  const found = rows[0]
  const categories = category === undefined ? undefined : await categoryTree(client, category)
  const problems = [
    ...(facility !== undefined && !found?.facility ? [unknown('facility', facility)] : []),
    ...(department !== undefined && !found?.department ? [unknown('department', department)] : []),
    ...(categories?.length === 0 ? [unknown('category', category)] : []),
  ]
  if (department !== undefined && (found?.departments ?? 0) > 1) {
    problems.push({
      pointer: '/facility',
      code: 'required',
      detail: `several have a department "${department}"; name one`,
    })
  }
  if (problems.length > 0) throw invalidInput(problems)
  return {
    ...(facility !== undefined && found?.facility && { facility: found.facility }),
    ...(department !== undefined && found?.department && { department: found.department }),
    ...(categories && { categories }),
    ...(status && { status }),
  }
}

function unknown(field: string, code: string | undefined) {
  return { pointer: `/${field}`, code: 'reference', detail: `there is no "${code}"` }
}
