import { z } from 'zod'

import { type Catalogue, type CatalogueItem, createCatalogue } from './asset-catalogue.ts'
import { hasChange, rowVersion, text, webAddress } from './asset-input.ts'
import { VENDOR_KINDS } from './asset-lists.ts'

export interface Vendor extends CatalogueItem {
  readonly code: string
  readonly name: string
  readonly kind: (typeof VENDOR_KINDS)[number]
  readonly web: string | null
  /** Of the company, not of a person. */
  readonly support_email: string | null
  readonly support_phone: string | null
}

const own = {
  code: text(64),
  name: text(200),
  kind: z.enum(VENDOR_KINDS),
  web: webAddress.nullish(),
  support_email: z.email().max(254).nullish(),
  support_phone: text(40)
    .refine((value) => /^\+?[0-9 ()/.-]{3,}$/.test(value), 'must be a telephone number')
    .nullish(),
}

export const vendors: Catalogue<Vendor> = createCatalogue({
  rows: {
    table: 'asset.vendor',
    noun: 'vendor',
    rules: { vendor_code: 'There is a vendor with this code already' },
  },
  fields: 't.code, t.name, t.kind, t.web, t.support_email, t.support_phone',
  key: 'code',
  create: z.strictObject(own),
  change: z
    .strictObject({ ...own, row_version: rowVersion })
    .partial()
    .required({ row_version: true })
    .refine(hasChange, 'names nothing to change'),
  columns: async (_client, { code, name, kind, web, support_email, support_phone }) => ({
    code,
    name,
    kind,
    web,
    support_email,
    support_phone,
  }),
  uses: [{ table: 'asset.model', column: 'manufacturer_id', words: 'models' }],
})
