import { z } from 'zod'

import { hasChange, longText, rowVersion, text, webAddress } from './asset-input.ts'
import {
  ASSET_STATUSES,
  CONDITIONS,
  CRITICALITIES,
  HYGIENE_STATES,
  MOBILITIES,
  OWNERSHIPS,
  RETIRED_STATUSES,
  USE_STATES,
} from './asset-lists.ts'
import { type Attributes, attributePatch } from './attribute-check.ts'

/** Retiring is a matter of its own, with a reason. */
const inUse = z.enum(ASSET_STATUSES).exclude(RETIRED_STATUSES)

/** Fields that are columns of the same name. */
const plain = {
  asset_tag: text(64),
  name: text(200),
  description: longText(4_000).nullish(),
  manufacturer: text(200).nullish(),
  model_name: text(200).nullish(),
  model_no: text(100).nullish(),
  serial_no: text(100).nullish(),
  lot_no: text(100).nullish(),
  firmware_version: text(100).nullish(),
  software_version: text(100).nullish(),
  manufactured_on: z.iso.date('must be a date such as 2026-03-31').nullish(),
  barcode: text(200).nullish(),
  qr_code: text(500).nullish(),
  giai: z
    .string()
    .regex(
      /^[0-9]{4}[!-"%-?A-Z_a-z]{0,26}$/,
      'must be a GS1 identifier: 4 digits or more, then up to 30 characters in all',
    )
    .nullish(),
  status: inUse.optional(),
  condition: z.enum(CONDITIONS).optional(),
  criticality: z.enum(CRITICALITIES).optional(),
  ownership: z.enum(OWNERSHIPS).optional(),
  mobility: z.enum(MOBILITIES).optional(),
  use_state: z.enum(USE_STATES).optional(),
  hygiene_state: z.enum(HYGIENE_STATES).optional(),
  is_accessory: z.boolean().optional(),
  is_tracked: z.boolean().optional(),
  quantity: z.int().min(1).max(1_000_000).optional(),
  photo_url: webAddress.nullish(),
  notes: longText(4_000).nullish(),
}

/** Fields that name something else: places and categories by code, assets and models by id. */
const references = {
  facility: text(64),
  department: text(64).nullish(),
  using_department: text(64).nullish(),
  home_room: text(64).nullish(),
  category: text(64),
  model_id: z.uuid().nullish(),
  parent_id: z.uuid().nullish(),
}

const own = { ...plain, ...references, attrs: attributePatch.optional() }

/** A model brings its category, its maker's name and its attributes. */
export const newAsset = z
  .strictObject({ ...own, category: references.category.optional() })
  .refine(({ category, model_id }) => category !== undefined || model_id, {
    path: ['category'],
    message: 'is needed where no model is named',
  })

export const assetChange = z
  .strictObject({ ...own, row_version: rowVersion })
  .partial()
  .required({ row_version: true })
  .refine(hasChange, 'names nothing to change')

export const retirement = z.strictObject({
  row_version: rowVersion,
  reason: text(500),
  status: z.enum(RETIRED_STATUSES).default('retired'),
})

type Own = { readonly [Key in keyof typeof own]?: z.infer<(typeof own)[Key]> | undefined }
export type AssetWish = Own

export const PLAIN_COLUMNS = Object.keys(plain) as readonly (keyof typeof plain)[]

/** What a list and a search show of an asset. */
export interface AssetItem {
  readonly id: string
  readonly asset_tag: string
  readonly name: string
  /** Codes. */
  readonly facility: string
  readonly department: string | null
  readonly category: string
  readonly manufacturer: string | null
  readonly model_name: string | null
  readonly serial_no: string | null
  readonly status: (typeof ASSET_STATUSES)[number]
  readonly condition: (typeof CONDITIONS)[number]
  readonly criticality: (typeof CRITICALITIES)[number]
  readonly row_version: number
  readonly updated_at: Date
  readonly deleted_at: Date | null
}

/** All that is known of one asset. */
export interface Asset extends AssetItem {
  readonly description: string | null
  readonly using_department: string | null
  readonly home_room: string | null
  readonly model_id: string | null
  readonly model_no: string | null
  readonly parent_id: string | null
  /** Tag of the asset that it belongs to. */
  readonly parent: string | null
  readonly lot_no: string | null
  readonly firmware_version: string | null
  readonly software_version: string | null
  /** Year-month-day. */
  readonly manufactured_on: string | null
  readonly barcode: string | null
  readonly qr_code: string | null
  readonly giai: string | null
  readonly ownership: (typeof OWNERSHIPS)[number]
  readonly mobility: (typeof MOBILITIES)[number]
  readonly use_state: (typeof USE_STATES)[number]
  readonly use_state_since: Date | null
  readonly hygiene_state: (typeof HYGIENE_STATES)[number]
  readonly hygiene_since: Date | null
  readonly out_of_service_since: Date | null
  readonly missing_since: Date | null
  readonly retired_at: Date | null
  readonly retire_reason: string | null
  /** When and by whom it was last seen with own eyes. */
  readonly last_confirmed_at: Date | null
  readonly last_confirmed_by: string | null
  readonly is_accessory: boolean
  readonly is_tracked: boolean
  readonly quantity: number
  readonly photo_url: string | null
  readonly notes: string | null
  readonly attrs: Attributes
  readonly created_at: Date
  readonly created_by: string | null
  readonly updated_by: string | null
  readonly deleted_by: string | null
  readonly delete_reason: string | null
}

export const ITEM_FIELDS = `a.id, a.asset_tag, a.name, f.code as facility, d.code as department, c.code as category,
  a.manufacturer, a.model_name, a.serial_no, a.status, a.condition, a.criticality, a.row_version, a.updated_at, a.deleted_at`

export const ITEM_JOINS = `join site.facility f on f.org_id = a.org_id and f.id = a.facility_id
  join asset.category c on c.org_id = a.org_id and c.id = a.category_id
  left join site.department d on d.org_id = a.org_id and d.id = a.department_id`
