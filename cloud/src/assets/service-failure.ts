import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, rowVersion, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { facility, limit, moment } from './service-input.ts'
import { DETECTIONS, FAILURE_SEVERITIES } from './service-lists.ts'
import {
  changeRow,
  conflict,
  getRow,
  insertForAsset,
  listOfAsset,
  listRows,
  type Row,
  type Target,
} from './service-rows.ts'
import { openWork } from './work-order-book.ts'

const FAILURE: Target = {
  table: 'asset.failure',
  noun: 'failure',
  rules: { failure_check: 'It cannot be resolved before it happened' },
}

const report = z.strictObject({
  at: moment.optional(),
  detected_by: z.enum(DETECTIONS).default('user'),
  /** What went wrong, in a few words that are the same each time. */
  mode: text(200),
  severity: z.enum(FAILURE_SEVERITIES),
  patient_involved: z.boolean().default(false),
  /** Also opens corrective work, from now on down where it is more than minor. */
  open_work_order: z.boolean().default(false),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND */
export async function reportFailure(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const { open_work_order, at = new Date().toISOString(), ...fields } = checkInput(report, body)
  const id = randomUUID()
  const work = open_work_order
    ? await openWork(client, {
        asset,
        kind: 'corrective',
        origin: 'failure',
        originRef: id,
        title: fields.mode,
        priority: ({ minor: 'normal', major: 'high', critical: 'urgent' } as const)[fields.severity],
        columns: fields.severity === 'minor' ? {} : { down_from: at },
      })
    : undefined
  return insertForAsset(client, FAILURE, { asset, columns: { id, at, ...fields, work_order_id: work?.id } })
}

const resolution = z.strictObject({ row_version: rowVersion, resolved_at: moment.optional() })

/** For one without a work order, or before that is finished. @throws BioTrakrError NOT_FOUND, CONFLICT, ROW_VERSION */
export async function resolveFailure(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, resolved_at = new Date().toISOString() } = checkInput(resolution, body)
  const { resolved_at: before } = await getRow(client, FAILURE, id)
  if (before !== null) throw conflict('This failure is resolved already')
  return changeRow(client, FAILURE, { id, rowVersion, columns: { resolved_at }, yours: body })
}

const reliabilityQuery = z.strictObject({ facility: facility.optional(), limit })

/** Assets that fail, the most often first, with mean times between failures and to repair. */
function listReliability(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(reliabilityQuery, query)
  return listRows(client, {
    from: 'asset.reliability t',
    where: [
      ['t.failures > $', 0],
      ['t.facility_id = $', wish.facility],
    ],
    order: 't.failures desc, t.asset_tag',
    limit: wish.limit,
  })
}

export const failureFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/failures',
    permission: 'work.create',
    creates: true,
    run: (client, input) => reportFailure(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/failures',
    permission: 'work.read',
    run: (client, input) => listOfAsset(client, 'asset.failure', { asset: param(input), order: 't.at desc' }),
  },
  {
    method: 'POST',
    path: '/api/v1/failures/:id/resolve',
    permission: 'work.close',
    run: (client, input) => resolveFailure(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/reliability',
    permission: 'work.read',
    run: (client, input) => getReliability(client, param(input)),
  },
  {
    method: 'GET',
    path: '/api/v1/reliability',
    permission: 'work.read',
    run: async (client, { query }) => ({ items: await listReliability(client, query) }),
  },
]

/** @throws BioTrakrError NOT_FOUND */
function getReliability(client: ClientBase, asset: string): Promise<Row> {
  return getRow(client, { table: 'asset.reliability', noun: 'asset', key: 'asset_id' }, asset)
}
