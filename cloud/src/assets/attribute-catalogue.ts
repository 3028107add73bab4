import type { ClientBase } from 'pg'
import { z } from 'zod'

import { type Catalogue, type CatalogueItem, createCatalogue } from './asset-catalogue.ts'
import { hasChange, rowVersion, text } from './asset-input.ts'
import { ATTRIBUTE_TYPES } from './asset-lists.ts'
import { type AttributeRule, attributeKey } from './attribute-check.ts'
import { categoryId } from './category-catalogue.ts'

export interface AttributeDefinition extends CatalogueItem, AttributeRule {
  readonly name: string
  /** Of a number, for example `kg` (UCUM where there is one). */
  readonly unit: string | null
  /** Code: for it and what lies below it; null = for every asset. */
  readonly category: string | null
}

const choices = z
  .array(text(200))
  .min(1)
  .max(200)
  .refine((values) => new Set(values).size === values.length, 'names a value twice')
  .optional()

const definition = z
  .strictObject({
    key: attributeKey,
    name: text(200),
    type: z.enum(ATTRIBUTE_TYPES),
    unit: text(40).optional(),
    required: z.boolean().default(false),
    choices,
    category: text(64).nullish(),
  })
  .refine(({ type, choices: values }) => (type === 'choice') === (values !== undefined), {
    path: ['choices'],
    message: 'belongs to the type choice, and only to it',
  })
  .refine(({ type, unit }) => unit === undefined || type === 'integer' || type === 'number', {
    path: ['unit'],
    message: 'belongs to numbers only',
  })

/** Key, type, unit and category stay: the values that are stored already mean what was said then. */
const change = z
  .strictObject({ row_version: rowVersion, name: text(200), required: z.boolean(), choices })
  .partial()
  .required({ row_version: true })
  .refine(hasChange, 'names nothing to change')

type Definition = z.infer<typeof definition>
type Wish = { readonly [Key in keyof Definition]?: Definition[Key] | undefined }

export const attributes: Catalogue<AttributeDefinition> = createCatalogue({
  rows: {
    table: 'asset.attribute_def',
    noun: 'attribute',
    rules: {
      attribute_def_key: 'There is an attribute with this key already',
      attribute_def_check1: 'Only an attribute of the type choice has choices',
    },
  },
  fields: 't.key, t.name, t.type, t.unit, t.required, t.choices, c.code as category',
  joins: 'left join asset.category c on c.org_id = t.org_id and c.id = t.category_id',
  key: 'key',
  create: definition,
  change,
  columns: async (client, { category, ...rest }: Wish) => ({
    key: rest.key,
    name: rest.name,
    type: rest.type,
    unit: rest.unit,
    required: rest.required,
    choices: rest.choices,
    ...(category && { category_id: await categoryId(client, category, '/category') }),
  }),
  uses: [],
})

/** The attributes that an asset of this category has. */
export async function findAttributes(client: ClientBase, category: string): Promise<readonly AttributeRule[]> {
  const { rows } = await client.query<AttributeRule>(
    `with recursive up as (
       select id, parent_id from asset.category where org_id = (select iam.current_org()) and id = $1
       union select c.id, c.parent_id from asset.category c join up on c.id = up.parent_id
         where c.org_id = (select iam.current_org())
     ) select key, type, required, choices from asset.attribute_def
       where org_id = (select iam.current_org()) and deleted_at is null
         and (category_id is null or category_id in (select id from up)) order by key`,
    [category],
  )
  return rows
}

/** Whatever attribute of this tenant has this key. */
export async function attributesByKey(client: ClientBase, keys: readonly string[]): Promise<readonly AttributeRule[]> {
  const { rows } = await client.query<AttributeRule>(
    `select key, type, required, choices from asset.attribute_def
     where org_id = (select iam.current_org()) and deleted_at is null and key = any ($1)`,
    [keys],
  )
  return rows
}
