import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, longText, rowVersion, text } from './asset-input.ts'
import { type Flow, param } from './service-flow.ts'
import { day, facility, limit } from './service-input.ts'
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

const CERTIFICATION: Target = {
  table: 'asset.certification',
  noun: 'certification',
  rules: { certification_check: 'valid_until must not lie before issued_on' },
}

const issue = z.strictObject({
  /** What it certifies; of each kind the one that lasts longest counts. */
  kind: text(100),
  number: text(100).nullish(),
  issuer: text(200),
  issued_on: day,
  valid_until: day,
  note: longText(4000).nullish(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND */
export function addCertification(client: ClientBase, asset: string, body: unknown): Promise<Row> {
  const columns = checkInput(issue, body)
  return insertForAsset(client, CERTIFICATION, { asset, columns: { id: randomUUID(), ...columns } })
}

const revocation = z.strictObject({ row_version: rowVersion, note: longText(4000) })

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION */
export async function revokeCertification(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, note } = checkInput(revocation, body)
  const { state } = await getRow(client, CERTIFICATION, id)
  if (state === 'revoked') throw conflict('This certification is revoked already')
  return changeRow(client, CERTIFICATION, { id, rowVersion, columns: { state: 'revoked', note }, yours: body })
}

const dueQuery = z.strictObject({
  /** This day and all before it: overdue ones too. */
  until: day,
  what: z.enum(['certificate', 'inspection', 'calibration', 'maintenance', 'warranty', 'contract']).optional(),
  facility: facility.optional(),
  limit,
})

/** Certificates, inspections, calibrations, maintenance, warranties and contracts in one list, the earliest first. */
export function listDue(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(dueQuery, query)
  return listRows(client, {
    from: 'asset.compliance_due t',
    where: [
      ['t.due_on <= $', wish.until],
      ['t.what = $', wish.what],
      ['t.facility_id = $', wish.facility],
    ],
    order: 't.due_on, t.what, t.asset_tag, t.detail',
    limit: wish.limit,
  })
}

export const certificationFlows: readonly Flow[] = [
  {
    method: 'POST',
    path: '/api/v1/assets/:id/certifications',
    permission: 'compliance.edit',
    creates: true,
    run: (client, input) => addCertification(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/assets/:id/certifications',
    permission: 'compliance.read',
    run: (client, input) =>
      listOfAsset(client, 'asset.certification', { asset: param(input), order: 't.kind, t.valid_until desc' }),
  },
  {
    method: 'POST',
    path: '/api/v1/certifications/:id/revoke',
    permission: 'compliance.edit',
    run: (client, input) => revokeCertification(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: '/api/v1/compliance/due',
    permission: 'compliance.read',
    run: async (client, { query }) => ({ items: await listDue(client, query) }),
  },
]
