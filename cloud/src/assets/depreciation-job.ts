import type { ClientBase } from 'pg'

import { type DepreciationBasis, depreciationSchedule } from './depreciation-schedule.ts'
import { type Flow, param } from './service-flow.ts'
import { forEachTenant } from './service-jobs.ts'
import { listOfAsset } from './service-rows.ts'

/** Assets whose lines are written in one statement: at most 1,200 lines each. */
const BATCH = 50

/**
 * Makes the depreciation lines anew of every asset whose finance says something else than when they were made.
 * @param client logged in as bt_jobs, in no transaction
 * @returns of how many assets
 */
export function rebuildDepreciation(client: ClientBase): Promise<number> {
  return forEachTenant(client, 'depreciation', async () => {
    await dropUnwanted(client)
    const { rows } = await client.query<Changed>(CHANGED)
    for (let at = 0; at < rows.length; at += BATCH) await rebuild(client, rows.slice(at, at + BATCH))
    return rows.length
  })
}

interface Changed {
  readonly asset_id: string
  readonly method: DepreciationBasis['method']
  readonly cost: string
  readonly salvage: string
  readonly life_months: number
  readonly in_service_on: string
  readonly declining_permille: number | null
}

const CHANGED = `
  select f.asset_id, f.depreciation_method as method, f.purchase_cost as cost, f.salvage, f.life_months,
    f.in_service_on::text, f.declining_permille
  from asset.asset_finance f
  join asset.asset a on a.org_id = f.org_id and a.id = f.asset_id
  left join asset.depreciation_basis b on b.org_id = f.org_id and b.asset_id = f.asset_id
  where f.org_id = (select iam.current_org()) and f.depreciation_method <> 'none' and a.deleted_at is null
    and (f.depreciation_method, f.purchase_cost, f.salvage, f.life_months, f.in_service_on, f.declining_permille)
      is distinct from (b.method, b.cost, b.salvage, b.life_months, b.in_service_on, b.declining_permille)
  order by f.asset_id`

/** Of assets that are no longer written off. */
async function dropUnwanted(client: ClientBase): Promise<void> {
  for (const table of ['depreciation_line', 'depreciation_basis']) {
    await client.query(
      `delete from asset.${table} t using asset.asset_finance f
       where t.org_id = (select iam.current_org()) and f.org_id = t.org_id and f.asset_id = t.asset_id
         and f.depreciation_method = 'none'`,
    )
  }
}

async function rebuild(client: ClientBase, changed: readonly Changed[]): Promise<void> {
  const lines = changed.flatMap((asset) =>
    depreciationSchedule({
      method: asset.method,
      cost: BigInt(asset.cost),
      salvage: BigInt(asset.salvage),
      lifeMonths: asset.life_months,
      inServiceOn: asset.in_service_on,
      decliningPermille: asset.declining_permille,
    }).map((line) => ({ asset: asset.asset_id, ...line })),
  )
  const assets = changed.map(({ asset_id }) => asset_id)
  await client.query(
    `delete from asset.depreciation_line where org_id = (select iam.current_org()) and asset_id = any ($1::uuid[])`,
    [assets],
  )
  await client.query(
    `insert into asset.depreciation_line (org_id, facility_id, asset_id, month, amount, accumulated, book_value)
     select f.org_id, f.facility_id, l.asset_id, l.month, l.amount, l.accumulated, l.book_value
     from unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[])
       as l (asset_id, month, amount, accumulated, book_value)
     join asset.asset_finance f on f.org_id = (select iam.current_org()) and f.asset_id = l.asset_id`,
    [
      lines.map(({ asset }) => asset),
      lines.map(({ month }) => month),
      lines.map(({ amount }) => amount),
      lines.map(({ accumulated }) => accumulated),
      lines.map(({ bookValue }) => bookValue),
    ],
  )
  await client.query(
    `insert into asset.depreciation_basis as b
       (org_id, facility_id, asset_id, method, cost, salvage, life_months, in_service_on, declining_permille)
     select org_id, facility_id, asset_id, depreciation_method, purchase_cost, salvage, life_months, in_service_on,
       declining_permille
     from asset.asset_finance where org_id = (select iam.current_org()) and asset_id = any ($1::uuid[])
     on conflict (org_id, asset_id) do update set method = excluded.method, cost = excluded.cost,
       salvage = excluded.salvage, life_months = excluded.life_months, in_service_on = excluded.in_service_on,
       declining_permille = excluded.declining_permille, built_at = now()`,
    [assets],
  )
}

export const depreciationFlows: readonly Flow[] = [
  {
    method: 'GET',
    path: '/api/v1/assets/:id/depreciation',
    permission: 'finance.read',
    run: async (client, input) => {
      const asset = param(input)
      const { items } = await listOfAsset(client, 'asset.depreciation_line', { asset, order: 't.month' })
      const { items: bases } = await listOfAsset(client, 'asset.depreciation_basis', { asset, order: 't.built_at' })
      return { basis: bases[0] ?? null, items }
    },
  },
]
