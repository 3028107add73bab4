import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { currency, day, facility, limit, money } from './service-input.ts'
import { COST_KINDS } from './service-lists.ts'
import {
  getRow,
  insertForAsset,
  listOfAsset,
  listRows,
  type Row,
  refuseUnknownAsset,
  type Target,
} from './service-rows.ts'
import { ensureCurrency } from './work-order-book.ts'

const COST: Target = {
  table: 'asset.cost_entry',
  noun: 'cost entry',
  rules: { cost_entry_org_id_asset_id_currency_fkey: 'The amounts of this asset are in another currency' },
}

const entry = z.strictObject({
  /** A credit takes away. What was written in error is taken back by one. */
  kind: z.enum(COST_KINDS),
  on_date: day,
  amount: money,
  currency,
  note: text(500).nullish(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT for another currency than the asset's */
export async function addCost(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const columns = checkInput(entry, body)
  await refuseUnknownAsset(client, asset)
  await ensureCurrency(client, asset, columns.currency)
  return insertForAsset(client, COST, { asset, columns: { id: randomUUID(), ...columns } })
}

const TCO: Target = { table: 'asset.tco', noun: 'asset with amounts', key: 'asset_id' }
const costQuery = z.strictObject({ from: day.optional(), to: day.optional() })
const tcoQuery = z.strictObject({ facility: facility.optional(), currency, limit })

/** The most expensive first, of one currency. @throws BioTrakrError INPUT_INVALID */
export function listCostOfOwnership(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(tcoQuery, query)
  return listRows(client, {
    from: 'asset.tco t',
    where: [
      ['t.currency = $', wish.currency],
      ['t.facility_id = $', wish.facility],
    ],
    order: 't.total desc, t.asset_tag',
    limit: wish.limit,
  })
}

export const costFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/costs',
    permission: 'finance.edit',
    creates: true,
    run: (client, input) => addCost(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/costs',
    permission: 'finance.read',
    run: (client, input) => {
      const { from, to } = checkInput(costQuery, input.query)
      return listOfAsset(client, 'asset.cost_entry', {
        asset: param(input),
        where: [
          ['t.on_date >= $', from],
          ['t.on_date <= $', to],
        ],
        order: 't.on_date, t.id',
      })
    },
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/cost-of-ownership',
    permission: 'finance.read',
    run: (client, input) => getRow(client, TCO, param(input)),
  },
  {
    method: 'GET',
    path: '/api/v1/cost-of-ownership',
    permission: 'finance.read',
    run: async (client, { query }) => ({ items: await listCostOfOwnership(client, query) }),
  },
]
