import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, longText, rowVersion, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { day } from './service-input.ts'
import { INSPECTION_RESULTS } from './service-lists.ts'
import { changeRow, conflict, getRow, insertForAsset, listOfAsset, type Row, type Target } from './service-rows.ts'
import { openWork } from './work-order-book.ts'

const INSPECTION: Target = {
  table: 'asset.inspection',
  noun: 'inspection',
  rules: { inspection_check1: 'next_on must lie after done_on' },
}

const plan = z.strictObject({ kind: text(100), due_on: day })

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND */
export function planInspection(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const columns = checkInput(plan, body)
  return insertForAsset(client, INSPECTION, { asset, columns: { id: randomUUID(), ...columns } })
}

const outcome = z.strictObject({
  row_version: rowVersion,
  done_on: day,
  inspector: text(200),
  result: z.enum(INSPECTION_RESULTS),
  findings: longText(4000).nullish(),
  measurements: z.record(text(100), z.union([z.number(), z.string().max(200), z.boolean()])).default({}),
  /** Plans the next one for this day. */
  next_on: day.nullish(),
})

/**
 * What an inspection found. The next one is planned with it; one that failed opens corrective work.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, or CONFLICT when it was recorded already
 */
export async function recordInspection(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, measurements, ...fields } = checkInput(outcome, body)
  const before = await getRow(client, INSPECTION, id)
  if (before['result'] !== null) throw conflict('The result of this inspection was recorded already')
  const asset = String(before['asset_id'])
  const kind = String(before['kind'])
  const work =
    fields.result === 'fail'
      ? await openWork(client, {
          asset,
          kind: 'corrective',
          origin: 'inspection',
          originRef: id,
          title: `Failed inspection: ${kind}`,
          priority: 'high',
          columns: { detail: fields.findings },
        })
      : undefined
  const columns = { ...fields, measurements: JSON.stringify(measurements), work_order_id: work?.id }
  const row = await changeRow(client, INSPECTION, { id, rowVersion, columns, yours: body })
  if (fields.next_on) await planInspection(client, asset, { kind, due_on: fields.next_on })
  return row
}

export const inspectionFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/inspections',
    permission: 'compliance.edit',
    creates: true,
    run: (client, input) => planInspection(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/inspections',
    permission: 'compliance.read',
    run: (client, input) =>
      listOfAsset(client, 'asset.inspection', { asset: param(input), order: 't.due_on desc, t.kind' }),
  },
  {
    method: 'POST',
    path: '/api/v1/inspections/:id/record',
    permission: 'compliance.edit',
    run: (client, input) => recordInspection(client, param(input), input.body),
  },
]
