import type { ClientBase } from 'pg'
import { z } from 'zod'

import { type Catalogue, type CatalogueItem, createCatalogue } from './asset-catalogue.ts'
import { hasChange, invalidInput, rowVersion, text, webAddress } from './asset-input.ts'
import { findAttributes } from './attribute-catalogue.ts'
import { type Attributes, attributePatch, checkAttributes } from './attribute-check.ts'
import { categoryId } from './category-catalogue.ts'

export interface Model extends CatalogueItem {
  /** Code of a vendor. */
  readonly manufacturer: string
  readonly model_no: string
  readonly name: string
  /** Code. */
  readonly category: string
  /** Device identifier of a Unique Device Identification. */
  readonly udi_di: string | null
  readonly manual_url: string | null
  /** What a new asset of this model begins with. */
  readonly attrs: Attributes
}

const own = {
  manufacturer: text(64),
  model_no: text(100),
  name: text(200),
  category: text(64),
  udi_di: text(64).nullish(),
  manual_url: webAddress.nullish(),
  attrs: attributePatch.optional(),
}

type Wish = { readonly [Key in keyof typeof own]?: z.infer<(typeof own)[Key]> | undefined }

export const models: Catalogue<Model> = createCatalogue({
  rows: {
    table: 'asset.model',
    noun: 'model',
    rules: { model_number: 'There is a model of this manufacturer with this number already' },
  },
  fields: `v.code as manufacturer, t.model_no, t.name, c.code as category, t.udi_di, t.manual_url, t.attrs`,
  joins: `join asset.vendor v on v.org_id = t.org_id and v.id = t.manufacturer_id
    join asset.category c on c.org_id = t.org_id and c.id = t.category_id`,
  key: 'model_no',
  create: z.strictObject(own),
  change: z
    .strictObject({ ...own, row_version: rowVersion })
    .partial()
    .required({ row_version: true })
    .refine(hasChange, 'names nothing to change'),
  columns: async (client, wish: Wish, id) => {
    const { manufacturer, category, name, model_no, udi_di, manual_url } = wish
    const manufacturer_id = manufacturer === undefined ? undefined : await vendorId(client, manufacturer)
    const category_id = category === undefined ? undefined : await categoryId(client, category, '/category')
    const attrs = await attributesOf(client, { id, category_id, patch: wish.attrs })
    return { manufacturer_id, category_id, name, model_no, udi_di, manual_url, attrs }
  },
  uses: [{ table: 'asset.asset', column: 'model_id', words: 'assets' }],
})

async function vendorId(client: ClientBase, code: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'select id from asset.vendor where org_id = (select iam.current_org()) and code = $1 and deleted_at is null',
    [code],
  )
  if (rows[0]) return rows[0].id
  throw invalidInput([{ pointer: '/manufacturer', code: 'reference', detail: `there is no vendor "${code}"` }])
}

interface ModelAttributes {
  readonly id: string
  readonly category_id: string | undefined
  readonly patch: Attributes | undefined
}

/** A model need not have every required attribute: its assets must. */
async function attributesOf(client: ClientBase, { id, category_id, patch }: ModelAttributes) {
  if (patch === undefined && category_id === undefined) return undefined
  const { rows } = await client.query<{ attrs: Attributes; category_id: string }>(
    'select attrs, category_id from asset.model where org_id = (select iam.current_org()) and id = $1',
    [id],
  )
  const category = category_id ?? rows[0]?.category_id
  if (category === undefined) return undefined
  const definitions = (await findAttributes(client, category)).map((each) => ({ ...each, required: false }))
  const hasMoved = category_id !== undefined && category_id !== rows[0]?.category_id
  return checkAttributes({ before: rows[0]?.attrs ?? {}, patch: patch ?? {}, definitions, checkAll: hasMoved })
}
