import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, invalidInput, rowVersion, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { day, facility, limit } from './service-input.ts'
import { TRANSFER_STATES } from './service-lists.ts'
import {
  changeRow,
  conflict,
  getRow,
  insertOwn,
  listRows,
  type Row,
  refuseUnknownAsset,
  type Target,
} from './service-rows.ts'

const TRANSFER: Target = {
  table: 'asset.transfer',
  noun: 'transfer',
  rules: {
    transfer_open: 'This asset is being transferred already',
    transfer_check: 'This asset is at home there already',
    transfer_check1: 'Only a loan is due back',
  },
}

const wish = z.strictObject({
  /** Its id, or its code for who sees that facility. */
  to_facility: z.union([z.int().min(1).max(2_147_483_647), text(64)]),
  kind: z.enum(['move', 'loan']).default('move'),
  reason: text(500).nullish(),
  due_back_on: day.nullish(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT while it is on another transfer */
export async function requestTransfer(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const { to_facility, ...columns } = checkInput(wish, body)
  await refuseUnknownAsset(client, asset)
  const to = typeof to_facility === 'number' ? to_facility : await facilityOf(client, to_facility)
  return insertTransfer(client, asset, { ...columns, to_facility: to })
}

async function facilityOf(client: ClientBase, code: string): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    'select id from site.facility where org_id = (select iam.current_org()) and code = $1',
    [code],
  )
  if (rows[0]) return rows[0].id
  throw invalidInput([{ pointer: '/to_facility', code: 'reference', detail: `there is no facility "${code}"` }])
}

async function insertTransfer(client: ClientBase, asset: string, columns: Row): Promise<Row> {
  const { rows } = await client.query<{ facility_id: number; asset_tag: string; name: string }>(
    `select facility_id, asset_tag, name from asset.asset where org_id = (select iam.current_org()) and id = $1`,
    [asset],
  )
  const home = rows[0]
  return insertOwn(client, TRANSFER, {
    id: randomUUID(),
    asset_id: asset,
    asset_label: `${home?.asset_tag} ${home?.name}`,
    from_facility: home?.facility_id,
    ...columns,
  })
}

interface Step {
  readonly from: readonly (typeof TRANSFER_STATES)[number][]
  readonly to: (typeof TRANSFER_STATES)[number]
  /** Which facility's people do it. */
  readonly side: 'from_facility' | 'to_facility' | 'either'
  /** Column that keeps when it was done. */
  readonly at?: 'approved_at' | 'left_at' | 'received_at'
}

/** The database moves the asset with it: in transit it says so, received it is at home at the other facility. */
const STEPS = {
  approve: { from: ['requested'], to: 'approved', side: 'from_facility', at: 'approved_at' },
  reject: { from: ['requested'], to: 'rejected', side: 'from_facility' },
  send: { from: ['approved'], to: 'in_transit', side: 'from_facility', at: 'left_at' },
  receive: { from: ['in_transit'], to: 'received', side: 'to_facility', at: 'received_at' },
  cancel: { from: ['requested', 'approved', 'in_transit'], to: 'cancelled', side: 'either' },
} as const satisfies Readonly<Record<string, Step>>

export type TransferStep = keyof typeof STEPS
export const TRANSFER_STEPS = Object.keys(STEPS) as readonly TransferStep[]

const settling = z.strictObject({ row_version: rowVersion })

/**
 * Moves a transfer on.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION; NOT_ALLOWED for the people of the other facility; CONFLICT
 * for a way that its state does not have
 */
export async function stepTransfer(
  client: ClientBase,
  step: TransferStep,
  { id, body }: { readonly id: string; readonly body: unknown },
): Promise<Row> {
  const { row_version: version } = checkInput(settling, body)
  const { from, to, side, at }: Step = STEPS[step]
  const transfer = await getRow(client, TRANSFER, id)
  if (side !== 'either') await refuseOtherSide(client, transfer[side], step)
  if (!from.some((state) => state === transfer['state'])) {
    throw conflict(`One cannot ${step} a transfer that is ${String(transfer['state'])}`)
  }
  const columns = { state: to, ...(at && { [at]: new Date().toISOString() }) }
  return changeRow(client, TRANSFER, { id, rowVersion: version, columns, yours: body })
}

async function refuseOtherSide(client: ClientBase, facilityId: unknown, step: TransferStep): Promise<void> {
  const { rows } = await client.query<{ reached: boolean }>(
    'select iam.sees_all_facilities() or $1 = any (iam.current_facilities()) as reached',
    [facilityId],
  )
  if (rows[0]?.reached) return
  throw new BioTrakrError(`Only the other facility of this transfer can ${step} it`, {
    code: 'NOT_ALLOWED',
    next: 'Ask somebody there.',
  })
}

/** Asks for a loan to be brought back to where it came from. @throws BioTrakrError NOT_FOUND, CONFLICT, ROW_VERSION */
export async function returnLoan(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: version } = checkInput(settling, body)
  const loan = await getRow(client, TRANSFER, id)
  if (loan['kind'] !== 'loan' || loan['state'] !== 'received') throw conflict('Only a loan that was received goes back')
  if (loan['returned_by'] !== null) throw conflict('This loan is on its way back already')
  await refuseOtherSide(client, loan['to_facility'], 'send')
  const asset = String(loan['asset_id'])
  await refuseUnknownAsset(client, asset)
  const back = await insertTransfer(client, asset, { to_facility: loan['from_facility'], kind: 'return' })
  const columns = { returned_by: back['id'] }
  await changeRow(client, TRANSFER, { id, rowVersion: version, columns, yours: body })
  return back
}

/** @throws BioTrakrError NOT_FOUND */
export function getTransfer(client: ClientBase, id: string): Promise<Row> {
  return getRow(client, TRANSFER, id)
}

const listing = z.strictObject({
  state: z.enum(TRANSFER_STATES).optional(),
  asset: z.uuid().optional(),
  from: facility.optional(),
  to: facility.optional(),
  /** Loans due back on this day or earlier, and nobody has sent them. */
  back_until: day.optional(),
  limit,
})

/** The newest first; those of both facilities. @throws BioTrakrError INPUT_INVALID */
export function listTransfers(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const filter = checkInput(listing, query)
  return listRows(client, {
    from: 'asset.transfer t',
    where: [
      ['t.state = $', filter.state],
      ['t.asset_id = $', filter.asset],
      ['t.from_facility = $', filter.from],
      ['t.to_facility = $', filter.to],
      ["t.due_back_on <= $ and t.state = 'received' and t.returned_by is null", filter.back_until],
    ],
    order: 't.created_at desc, t.id',
    limit: filter.limit,
  })
}

const PATH = '/api/v1/transfers'

export const transferFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/transfers',
    permission: 'asset.edit',
    creates: true,
    run: (client, input) => requestTransfer(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: PATH,
    permission: 'asset.read',
    run: async (client, { query }) => ({ items: await listTransfers(client, query) }),
  },
  {
    method: 'GET',
    path: `${PATH}/:id`,
    permission: 'asset.read',
    run: (client, input) => getTransfer(client, param(input)),
  },
  ...TRANSFER_STEPS.map(
    (step): Flow => ({
      method: 'POST',
      path: `${PATH}/:id/${step}`,
      permission: 'asset.edit',
      run: (client, input) => stepTransfer(client, step, { id: param(input), body: input.body }),
    }),
  ),
  {
    method: 'POST',
    path: `${PATH}/:id/return`,
    permission: 'asset.edit',
    creates: true,
    run: (client, input) => returnLoan(client, param(input), input.body),
  },
]
