import { randomUUID } from 'node:crypto'

import { parseUdi } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, longText, rowVersion, text } from './asset-input.ts'
import { matchRecall } from './recall-match.ts'
import { type Flow, param } from './service-flow.ts'
import { changeOf, day, facility, limit } from './service-input.ts'
import { MATCH_STATES, RECALL_CLASSES, RECALL_STATES } from './service-lists.ts'
import {
  changeRow,
  conflict,
  getRow,
  insertOwn,
  listRows,
  type Row,
  staleRow,
  type Target,
  unknown,
} from './service-rows.ts'
import { openWork } from './work-order-book.ts'

const RECALL: Target = {
  table: 'asset.recall',
  noun: 'recall',
  rules: {
    recall_org_id_authority_number_key: 'There is a recall of this authority with this number already',
    recall_check: 'A recall names UDI-DIs or a manufacturer',
  },
}

const code = text(64)
const serialRule = z
  .strictObject({
    from: code.optional(),
    to: code.optional(),
    prefixes: z.array(code).max(200).optional(),
    list: z.array(code).max(1_000).optional(),
  })
  .refine((rule) => Object.keys(rule).length > 0, 'must name a range, prefixes or a list')

function withWholeGtins(identifiers: readonly string[]): string[] {
  const read = identifiers.flatMap((each) => {
    const udi = parseUdi(each, { year: new Date().getUTCFullYear() })
    return udi.ok ? [each, udi.di] : [each]
  })
  return [...new Set(read)]
}

const fields = {
  number: text(100),
  /** Who announced it, for example FDA. */
  authority: text(200),
  class: z.enum(RECALL_CLASSES),
  title: text(200),
  manufacturer: text(200).nullable(),
  /** As labels have them; a GTIN also stands with its 14 digits. */
  udi_dis: z.array(code).max(500).transform(withWholeGtins),
  model_nos: z.array(text(100)).max(1_000),
  lot_from: code.nullable(),
  lot_to: code.nullable(),
  serial_rule: serialRule.nullable(),
  /** What is to be done. */
  action: longText(4000),
  issued_on: day,
}
const creation = z.strictObject({
  ...fields,
  manufacturer: fields.manufacturer.optional(),
  udi_dis: fields.udi_dis.default([]),
  model_nos: fields.model_nos.default([]),
  lot_from: fields.lot_from.optional(),
  lot_to: fields.lot_to.optional(),
  serial_rule: fields.serial_rule.optional(),
})
const change = changeOf(fields)

/** Registers a recall and looks at once for what it concerns. @throws BioTrakrError INPUT_INVALID, CONFLICT */
export async function createRecall(client: ClientBase, body: unknown): Promise<Row> {
  const id = randomUUID()
  await insertOwn(client, RECALL, { id, ...checkInput(creation, body) })
  await matchRecall(client, id)
  return getRecall(client, id)
}

/** Changes a recall and looks anew for what it concerns. @throws BioTrakrError as createRecall; NOT_FOUND, ROW_VERSION */
export async function changeRecall(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: version, ...columns } = checkInput(change, body)
  await changeRow(client, RECALL, { id, rowVersion: version, columns, yours: body })
  await matchRecall(client, id)
  return getRecall(client, id)
}

const listing = z.strictObject({ state: z.enum(RECALL_STATES).optional(), limit })

/** The newest first. @throws BioTrakrError INPUT_INVALID */
export function listRecalls(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(listing, query)
  return listRows(client, {
    from: 'asset.recall t',
    where: [['t.state = $', wish.state]],
    order: 't.issued_on desc, t.number',
    limit: wish.limit,
  })
}

/** By its number, or its id where two authorities gave the same. @throws BioTrakrError NOT_FOUND */
export async function findRecall(client: ClientBase, name: string): Promise<Row & { readonly id: string }> {
  const found = await listRows(client, {
    from: 'asset.recall t',
    where: [['$ in (t.number, t.id::text)', name]],
    order: 't.issued_on desc',
    limit: 2,
  })
  const [recall] = found
  if (!recall) throw unknown('recall')
  if (found.length > 1) throw conflict('There is more than one recall with this number', 'Name it by its id.')
  return { ...recall, id: String(recall['id']) }
}

/** With the number of its assets by state. @throws BioTrakrError NOT_FOUND */
export async function getRecall(client: ClientBase, id: string): Promise<Row> {
  const recall = await getRow(client, RECALL, id)
  const { rows } = await client.query<{ state: string; n: number }>(
    `select state, count(*)::integer as n from asset.recall_match
     where org_id = (select iam.current_org()) and recall_id = $1 group by state`,
    [id],
  )
  return { ...recall, assets: Object.fromEntries(rows.map(({ state, n }) => [state, n])) }
}

const matchQuery = z.strictObject({ state: z.enum(MATCH_STATES).optional(), facility: facility.optional(), limit })

/** What a recall concerns, with the asset's tag and name. @throws BioTrakrError INPUT_INVALID, NOT_FOUND */
export async function listRecallAssets(client: ClientBase, id: string, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(matchQuery, query)
  await getRow(client, RECALL, id)
  return listRows(client, {
    from: `(select m.*, a.asset_tag, a.name, a.serial_no, a.lot_no from asset.recall_match m
      join asset.asset a on a.org_id = m.org_id and a.id = m.asset_id and a.deleted_at is null) t`,
    where: [
      ['t.recall_id = $', id],
      ['t.state = $', wish.state],
      ['t.facility_id = $', wish.facility],
    ],
    order: 't.asset_tag',
    limit: wish.limit,
  })
}

/** What can become of a match. What is fixed, removed or cleared can be looked at again. */
const WAYS: Readonly<Record<(typeof MATCH_STATES)[number], readonly string[]>> = {
  suspect: ['confirmed', 'cleared'],
  confirmed: ['fixed', 'removed', 'cleared'],
  cleared: ['suspect'],
  fixed: ['suspect'],
  removed: ['suspect'],
}

const decision = z.strictObject({
  row_version: rowVersion,
  state: z.enum(MATCH_STATES),
  note: longText(4000).nullish(),
})

/**
 * Decides about one asset of a recall. One that is confirmed gets a work order, urgent for class I; finishing that makes it
 * fixed.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT, ROW_VERSION
 */
export async function decideRecall(
  client: ClientBase,
  { id, asset, body }: { readonly id: string; readonly asset: string; readonly body: unknown },
): Promise<Row> {
  const wish = checkInput(decision, body)
  const recall = await getRow(client, RECALL, id)
  const before = await findMatch(client, id, asset)
  const state = before['state'] as (typeof MATCH_STATES)[number]
  if (!WAYS[state].includes(wish.state)) throw conflict(`An asset that is ${state} cannot become ${wish.state}`)
  const work = wish.state === 'confirmed' ? await openRecallWork(client, recall, asset) : before['work_order_id']
  const { rows } = await client.query<{ row: Row }>(
    `update asset.recall_match t set state = $4, note = coalesce($5, note), work_order_id = $6, decided_at = now()
     where t.org_id = (select iam.current_org()) and t.recall_id = $1 and t.asset_id = $2 and t.row_version = $3
     returning to_jsonb(t) - 'org_id' as row`,
    [id, asset, wish.row_version, wish.state, wish.note, work],
  )
  if (!rows[0]) throw staleRow({ noun: 'asset of a recall' }, before, body)
  return rows[0].row
}

async function findMatch(client: ClientBase, id: string, asset: string): Promise<Row> {
  const isId = z.uuid().safeParse(asset).success
  const [match] = isId
    ? await listRows(client, {
        from: 'asset.recall_match t',
        where: [
          ['t.recall_id = $', id],
          ['t.asset_id = $', asset],
        ],
        order: 't.asset_id',
        limit: 1,
      })
    : []
  if (!match) throw unknown('asset of this recall')
  return match
}

async function openRecallWork(client: ClientBase, recall: Row, asset: string): Promise<string> {
  const priority = ({ I: 'urgent', II: 'high' } as const)[String(recall['class']) as 'I'] ?? 'normal'
  const { id } = await openWork(client, {
    asset,
    kind: 'recall',
    origin: 'recall',
    originRef: String(recall['id']),
    title: `Recall ${String(recall['number'])}`,
    priority,
    columns: { detail: recall['action'] },
  })
  return id
}

const settling = z.strictObject({ row_version: rowVersion })

/** @throws BioTrakrError NOT_FOUND, ROW_VERSION, or CONFLICT while assets are not settled */
export async function closeRecall(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: version } = checkInput(settling, body)
  const { assets, state } = await getRecall(client, id)
  if (state === 'closed') throw conflict('This recall is closed already')
  const { suspect = 0, confirmed = 0 } = assets as { readonly suspect?: number; readonly confirmed?: number }
  if (suspect + confirmed > 0) throw conflict(`${suspect + confirmed} assets of this recall are not settled yet`)
  return changeRow(client, RECALL, { id, rowVersion: version, columns: { state: 'closed' }, yours: body })
}

/** Opens a closed recall and looks anew for what it concerns. @throws BioTrakrError NOT_FOUND, ROW_VERSION, CONFLICT */
export async function reopenRecall(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: version } = checkInput(settling, body)
  if ((await getRecall(client, id))['state'] !== 'closed') throw conflict('This recall is not closed')
  await changeRow(client, RECALL, { id, rowVersion: version, columns: { state: 'new' }, yours: body })
  await matchRecall(client, id)
  return getRecall(client, id)
}

const PATH = '/api/v1/recalls'

export const recallFlows: readonly Flow[] = [
  {
    method: 'GET',
    path: PATH,
    permission: 'compliance.read',
    run: async (client, { query }) => ({ items: await listRecalls(client, query) }),
  },
  {
    method: 'POST',
    path: PATH,
    permission: 'recall.manage',
    creates: true,
    run: (client, { body }) => createRecall(client, body),
  },
  {
    method: 'GET',
    path: `${PATH}/:id`,
    permission: 'compliance.read',
    run: (client, input) => getRecall(client, param(input)),
  },
  {
    method: 'PATCH',
    path: `${PATH}/:id`,
    permission: 'recall.manage',
    run: (client, input) => changeRecall(client, param(input), input.body),
  },
  {
    method: 'POST',
    path: `${PATH}/:id/match`,
    permission: 'recall.manage',
    run: (client, input) => matchRecall(client, param(input)),
  },
  {
    method: 'POST',
    path: `${PATH}/:id/close`,
    permission: 'recall.manage',
    run: (client, input) => closeRecall(client, param(input), input.body),
  },
  {
    method: 'POST',
    path: `${PATH}/:id/reopen`,
    permission: 'recall.manage',
    run: (client, input) => reopenRecall(client, param(input), input.body),
  },
  {
    method: 'GET',
    path: `${PATH}/:id/assets`,
    permission: 'compliance.read',
    run: async (client, input) => ({ items: await listRecallAssets(client, param(input), input.query) }),
  },
  {
    method: 'POST',
    path: `${PATH}/:id/assets/:asset`,
    permission: 'recall.manage',
    run: (client, input) => decideRecall(client, { id: param(input), asset: param(input, 'asset'), body: input.body }),
  },
]
