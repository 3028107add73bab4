import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, invalidInput } from './asset-input.ts'
import { financeFields } from './finance-fields.ts'
import { regulatoryFields, udiColumns } from './regulatory-fields.ts'
import { serviceFields } from './service-fields.ts'
import { type Flow, param } from './service-flow.ts'
import { changeRow, findRow, getRow, insertForAsset, type Row, staleRow, type Target } from './service-rows.ts'

interface Section {
  readonly target: Target & { readonly key: 'asset_id' }
  readonly change: z.ZodType<Readonly<Record<string, unknown>> & { readonly row_version: number }>
}

/** Version 0 for a section that nobody has written yet. */
const changeOfSection = (fields: z.core.$ZodLooseShape): Section['change'] =>
  z
    .strictObject({ ...z.strictObject(fields).partial().shape, row_version: z.int().min(0) })
    .refine((value) => Object.keys(value).length > 1, 'names nothing to change')

const SECTIONS = {
  regulatory: {
    target: { table: 'asset.asset_regulatory', noun: 'regulatory section', key: 'asset_id' },
    change: changeOfSection(regulatoryFields),
  },
  service: {
    target: {
      table: 'asset.asset_service',
      noun: 'service section',
      key: 'asset_id',
      rules: { asset_service_check: 'warranty_until must not lie before warranty_from' },
    },
    change: changeOfSection(serviceFields),
  },
  finance: {
    target: {
      table: 'asset.asset_finance',
      noun: 'finance section',
      key: 'asset_id',
      rules: {
        asset_finance_check: 'lease_until must not lie before lease_from',
        asset_finance_check1: 'salvage must not be more than purchase_cost',
        asset_finance_check2: 'depreciation needs purchase_cost, in_service_on and life_months',
        asset_finance_check3: 'declining_balance needs declining_permille',
        cost_entry_org_id_asset_id_currency_fkey: 'There are amounts in the other currency already',
        work_line_org_id_asset_id_currency_fkey: 'There are amounts in the other currency already',
      },
    },
    change: changeOfSection(financeFields),
  },
} as const satisfies Readonly<Record<string, Section>>

/**
 * Changes fields of one section of an asset, and nothing that is not named.
 * @param body the fields, and `row_version`: that of the section, 0 while it was never written
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, CONFLICT
 */
export async function changeSection(
  client: ClientBase,
  name: keyof typeof SECTIONS,
  { asset, body }: { readonly asset: string; readonly body: unknown },
): Promise<Row> {
  const { target, change }: Section = SECTIONS[name]
  const { row_version, udi, ...fields } = checkInput(change, body)
  const read = udiColumns(udi as string | null | undefined, new Date().getUTCFullYear())
  const columns = { ...fields, ...read }
  await getFullAsset(client, asset)
  if (row_version > 0) return changeRow(client, target, { id: asset, rowVersion: row_version, columns, yours: body })
  const existing = await findRow(client, target, asset)
  if (existing) throw staleRow(target, existing, body)
  if (name === 'finance' && fields['currency'] === undefined) {
    throw invalidInput([{ pointer: '/currency', code: 'required', detail: 'is needed before any amount' }])
  }
  return insertForAsset(client, target, { asset, columns })
}

/** Everything about an asset but its money. @throws BioTrakrError NOT_FOUND */
export function getFullAsset(client: ClientBase, asset: string): Promise<Row> {
  return getRow(client, { table: 'asset.asset_full', noun: 'asset' }, asset)
}

/** An asset's money. @throws BioTrakrError NOT_FOUND */
export function getAssetMoney(client: ClientBase, asset: string): Promise<Row> {
  return getRow(client, { table: 'asset.asset_money', noun: 'asset' }, asset)
}

const changeFlow = (name: keyof typeof SECTIONS, permission: string): Flow => ({
  method: 'PATCH',
  path: `/api/v1/assets/:id/${name}`,
  permission,
  run: (client, input) => changeSection(client, name, { asset: param(input), body: input.body }),
})

export const sectionFlows: readonly Flow[] = [
  {
    method: 'GET',
    path: '/api/v1/assets/:id/full',
    permission: 'asset.read',
    run: (client, input) => getFullAsset(client, param(input)),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/finance',
    permission: 'finance.read',
    run: (client, input) => getAssetMoney(client, param(input)),
  },
  changeFlow('regulatory', 'compliance.edit'),
  changeFlow('service', 'asset.edit'),
  changeFlow('finance', 'finance.edit'),
]
