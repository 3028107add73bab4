import type { ClientBase } from 'pg'
import { z } from 'zod'

import { type Catalogue, type CatalogueItem, createCatalogue } from './asset-catalogue.ts'
import { hasChange, invalidInput, rowVersion, text } from './asset-input.ts'

export interface Category extends CatalogueItem {
  readonly code: string
  readonly name: string
  /** Code of the category above; null at the top. */
  readonly parent: string | null
  /** Global Medical Device Nomenclature, five digits. */
  readonly gmdn_code: string | null
  /** Days between two maintenances that a new asset is proposed. */
  readonly default_pm_days: number | null
  /** Months that a new asset is expected to live. */
  readonly default_life_months: number | null
}

const own = {
  code: text(64),
  name: text(200),
  parent: text(64).nullish(),
  gmdn_code: z
    .string()
    .regex(/^[0-9]{5}$/, 'must be five digits')
    .nullish(),
  default_pm_days: z.int().min(1).max(3660).nullish(),
  default_life_months: z.int().min(1).max(1200).nullish(),
}

export const categories: Catalogue<Category> = createCatalogue({
  rows: {
    table: 'asset.category',
    noun: 'category',
    rules: {
      category_code: 'There is a category with this code already',
      category_cycle: 'A category cannot lie below itself, nor more than 16 levels deep',
    },
  },
  fields: 't.code, t.name, p.code as parent, t.gmdn_code, t.default_pm_days, t.default_life_months',
  joins: 'left join asset.category p on p.org_id = t.org_id and p.id = t.parent_id',
  key: 'code',
  create: z.strictObject(own),
  change: z
    .strictObject({ ...own, row_version: rowVersion })
    .partial()
    .required({ row_version: true })
    .refine(hasChange, 'names nothing to change'),
  columns: async (client, { code, name, parent, gmdn_code, default_pm_days, default_life_months }) => ({
    code,
    name,
    gmdn_code,
    default_pm_days,
    default_life_months,
    parent_id: parent && (await categoryId(client, parent, '/parent')),
    ...(parent === null && { parent_id: null }),
  }),
  uses: [
    { table: 'asset.category', column: 'parent_id', words: 'categories below' },
    { table: 'asset.model', column: 'category_id', words: 'models' },
    { table: 'asset.attribute_def', column: 'category_id', words: 'attributes' },
    { table: 'asset.asset', column: 'category_id', words: 'assets' },
  ],
})

/** @throws BioTrakrError INPUT_INVALID when no live category has this code */
export async function categoryId(client: ClientBase, code: string, pointer: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'select id from asset.category where org_id = (select iam.current_org()) and code = $1 and deleted_at is null',
    [code],
  )
  if (rows[0]) return rows[0].id
  throw invalidInput([{ pointer, code: 'reference', detail: `there is no category "${code}"` }])
}

/** A category and all below it; empty when there is none of this code. */
export async function categoryTree(client: ClientBase, code: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `with recursive down as (
       select id from asset.category where org_id = (select iam.current_org()) and code = $1 and deleted_at is null
       union select c.id from asset.category c join down on c.parent_id = down.id
         where c.org_id = (select iam.current_org()) and c.deleted_at is null
     ) select id from down`,
    [code],
  )
  return rows.map(({ id }) => id)
}
