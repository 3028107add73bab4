import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, longText, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { changeOf, currency, day, limit, money } from './service-input.ts'
import { CONTRACT_KINDS } from './service-lists.ts'
import { changeRow, insertOwn, listRows, type Row, type Target } from './service-rows.ts'

const CONTRACT: Target = {
  table: 'asset.contract',
  noun: 'contract',
  rules: {
    contract_check: 'to_on must not lie before from_on',
    contract_org_id_vendor_id_number_key: 'This vendor has a contract with this number already',
  },
}

const fields = {
  vendor_id: z.uuid(),
  kind: z.enum(CONTRACT_KINDS),
  number: text(100),
  from_on: day,
  to_on: day,
  /** Minor units a year. */
  cost_year: money,
  currency,
  terms: longText(4000).nullable(),
  /** Days before its end by which it must be cancelled. */
  notice_days: z.int().min(0).max(3660),
}
const creation = z.strictObject({
  ...fields,
  terms: fields.terms.optional(),
  notice_days: fields.notice_days.default(0),
})
const change = changeOf(fields)

/** @throws BioTrakrError INPUT_INVALID, CONFLICT */
export function createContract(client: ClientBase, body: unknown): Promise<Row> {
  return insertOwn(client, CONTRACT, { id: randomUUID(), ...checkInput(creation, body) })
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION */
export function changeContract(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, ...columns } = checkInput(change, body)
  return changeRow(client, CONTRACT, { id, rowVersion, columns, yours: body })
}

const listing = z.strictObject({
  /** Those whose notice ends on this day or earlier. */
  notice_until: day.optional(),
  vendor: z.uuid().optional(),
  limit,
})

/** The one that ends first comes first. @throws BioTrakrError INPUT_INVALID */
export function listContracts(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(listing, query)
  return listRows(client, {
    from: 'asset.contract t',
    where: [
      ['t.to_on - t.notice_days <= $', wish.notice_until],
      ['t.vendor_id = $', wish.vendor],
    ],
    order: 't.to_on, t.number',
    limit: wish.limit,
  })
}

export const contractFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/contracts',
    permission: 'finance.edit',
    creates: true,
    run: (client, { body }) => createContract(client, body),
  },
  {
    method: 'PATCH',
    path: '/api/v1/contracts/:id',
    permission: 'finance.edit',
    run: (client, input) => changeContract(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/contracts',
    permission: 'finance.read',
    run: async (client, { query }) => ({ items: await listContracts(client, query) }),
  },
]
