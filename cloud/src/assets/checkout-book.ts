import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, rowVersion, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { facility, limit, moment } from './service-input.ts'
import { changeRow, conflict, getRow, insertForAsset, listRows, type Row, type Target } from './service-rows.ts'

const CHECKOUT: Target = {
  table: 'asset.checkout',
  noun: 'check-out',
  rules: {
    checkout_open: 'This asset is checked out already',
    checkout_check: 'due_at must lie after it goes out',
    checkout_check1: 'in_at must not lie before it went out',
  },
}

const lending = z.strictObject({
  /** A person or a place of work, as those who lend it call them. */
  holder: text(200),
  out_at: moment.optional(),
  due_at: moment.nullish(),
  note: text(500).nullish(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT while somebody has it */
export function checkOut(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const columns = checkInput(lending, body)
  return insertForAsset(client, CHECKOUT, { asset, columns: { id: randomUUID(), ...columns } })
}

const giving = z.strictObject({ row_version: rowVersion, in_at: moment.optional(), note: text(500).optional() })

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION */
export async function checkIn(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, in_at = new Date().toISOString(), note } = checkInput(giving, body)
  const { in_at: before } = await getRow(client, CHECKOUT, id)
  if (before !== null) throw conflict('It was given back already')
  return changeRow(client, CHECKOUT, { id, rowVersion, columns: { in_at, note }, yours: body })
}

const listing = z.strictObject({
  asset: z.uuid().optional(),
  facility: facility.optional(),
  holder: text(200).optional(),
  /** Only those that somebody has now. */
  open: z.stringbool().default(true),
  /** Only those due before this moment. */
  due_before: moment.optional(),
  limit,
})

/** What is out, the first due first. @throws BioTrakrError INPUT_INVALID */
export function listCheckouts(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(listing, query)
  return listRows(client, {
    from: 'asset.checkout t join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null',
    where: [
      ['$ and t.in_at is null', wish.open || undefined],
      ['t.asset_id = $', wish.asset],
      ['t.facility_id = $', wish.facility],
      ['t.holder = $', wish.holder],
      ['t.due_at < $', wish.due_before],
    ],
    order: 't.due_at nulls last, t.out_at desc',
    limit: wish.limit,
  })
}

export const checkoutFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/check-out',
    permission: 'asset.edit',
    creates: true,
    run: (client, input) => checkOut(client, param(input), input.body),
  },
  {
    method: 'POST',
    path: '/api/v1/checkouts/:id/check-in',
    permission: 'asset.edit',
    run: (client, input) => checkIn(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/checkouts',
    permission: 'asset.read',
    run: async (client, { query }) => ({ items: await listCheckouts(client, query) }),
  },
]
