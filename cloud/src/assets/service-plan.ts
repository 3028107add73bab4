import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { changeOf, day, limit } from './service-input.ts'
import { changeRow, getRow, insertOwn, listRows, type Row, type Target } from './service-rows.ts'

const PLAN: Target = {
  table: 'asset.maintenance_plan',
  noun: 'maintenance plan',
  rules: {
    maintenance_plan_check: 'A plan needs every_days or every_hours',
    maintenance_plan_org_id_name_key: 'There is a plan of this name already',
  },
}

const fields = {
  name: text(200),
  category_id: z.uuid(),
  every_days: z.int().min(1).max(3660).nullable(),
  /** Operating hours. */
  every_hours: z.int().min(1).max(1_000_000).nullable(),
  checklist: z.array(text(200)).max(100),
  duration_min: z.int().min(1).max(10_080),
}
const creation = z.strictObject({
  ...fields,
  every_days: fields.every_days.optional(),
  every_hours: fields.every_hours.optional(),
  checklist: fields.checklist.default([]),
  duration_min: fields.duration_min.default(60),
})
const change = changeOf(fields)

/** @throws BioTrakrError INPUT_INVALID, CONFLICT */
export function createPlan(client: ClientBase, body: unknown): Promise<Row> {
  return insertOwn(client, PLAN, { id: randomUUID(), ...checkInput(creation, body) })
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION */
export function changePlan(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, ...columns } = checkInput(change, body)
  return changeRow(client, PLAN, { id, rowVersion, columns, yours: body })
}

const application = z.strictObject({ first_on: day })

/**
 * Puts a plan on the live assets of its category that have none yet, due first on a day.
 * @returns how many they were
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND
 */
export async function applyPlan(client: ClientBase, id: string, body: unknown): Promise<{ readonly assets: number }> {
  const { first_on } = checkInput(application, body)
  const plan = await getRow(client, PLAN, id)
  const first = plan['every_days'] === null ? null : first_on
  const { rowCount } = await client.query(
    `insert into asset.asset_service as s (org_id, asset_id, facility_id, pm_plan_id, next_pm_on)
     select org_id, id, facility_id, $1, $3 from asset.asset
     where org_id = (select iam.current_org()) and category_id = $2 and deleted_at is null
       and status not in ('retired', 'disposed')
     on conflict (org_id, asset_id) do update set pm_plan_id = excluded.pm_plan_id,
       next_pm_on = coalesce(s.next_pm_on, excluded.next_pm_on) where s.pm_plan_id is null`,
    [id, plan['category_id'], first],
  )
  return { assets: rowCount ?? 0 }
}

const listing = z.strictObject({ limit })

export const planFlows: readonly Flow[] = [
  {
    method: 'GET',
    path: '/api/v1/maintenance-plans',
    permission: 'work.read',
    run: async (client, { query }) => ({
      items: await listRows(client, {
        from: 'asset.maintenance_plan t',
        order: 't.name',
        limit: checkInput(listing, query).limit,
      }),
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/maintenance-plans',
    permission: 'asset.edit',
    creates: true,
    run: (client, { body }) => createPlan(client, body),
  },
  {
    method: 'PATCH',
    path: '/api/v1/maintenance-plans/:id',
    permission: 'asset.edit',
    run: (client, input) => changePlan(client, param(input), input.body),
  },
  {
    method: 'POST',
    path: '/api/v1/maintenance-plans/:id/apply',
    permission: 'asset.edit',
    run: (client, input) => applyPlan(client, param(input), input.body),
  },
]
