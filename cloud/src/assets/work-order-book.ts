import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, longText, text } from './asset-input.ts'
import { changeOf, currency, day, facility, limit, moment, money } from './service-input.ts'
import { PRIORITIES, WORK_KINDS, WORK_LINE_KINDS, type WORK_ORIGINS, WORK_STATES } from './service-lists.ts'
import {
  changeRow,
  conflict,
  getRow,
  insertForAsset,
  insertOwn,
  listRows,
  type Row,
  type Target,
  unknown,
} from './service-rows.ts'

export const WORK_ORDER: Target = {
  table: 'asset.work_order',
  noun: 'work order',
  rules: {
    work_order_preventive: 'There is an open preventive work order of this asset for this day already',
    work_order_check: 'down_to must not lie before down_from',
    work_order_check1: 'preventive work needs the day on which it is due',
  },
}

const opening = z.strictObject({
  asset_id: z.uuid(),
  kind: z.enum(WORK_KINDS),
  title: text(200),
  detail: longText(4000).nullish(),
  priority: z.enum(PRIORITIES).default('normal'),
  due_on: day.nullish(),
  vendor_id: z.uuid().nullish(),
  down_from: moment.nullish(),
  checklist: z.array(text(200)).max(100).default([]),
  /** Kept back until somebody releases it. */
  draft: z.boolean().default(false),
})

interface NewWork {
  readonly asset: string
  readonly kind: (typeof WORK_KINDS)[number]
  readonly origin: (typeof WORK_ORIGINS)[number]
  readonly originRef?: string
  readonly title: string
  readonly priority: (typeof PRIORITIES)[number]
  readonly checklist?: readonly string[]
  /** Other columns. */
  readonly columns?: Readonly<Record<string, unknown>>
}

/** Opens work that something else led to. @throws BioTrakrError NOT_FOUND, CONFLICT */
export async function openWork(client: ClientBase, work: NewWork): Promise<Row & { readonly id: string }> {
  const { asset, kind, origin, originRef, title, priority, checklist = [], columns } = work
  const id = randomUUID()
  const row = await insertForAsset(client, WORK_ORDER, {
    asset,
    columns: {
      id,
      number: await nextNumber(client),
      kind,
      origin,
      origin_ref: originRef,
      title,
      priority,
      state: 'open',
      checklist: JSON.stringify(checklist.map((line) => ({ text: line, done: false }))),
      ...columns,
    },
  })
  return { ...row, id }
}

/** The tenant's next one; whoever takes one at the same time waits. */
async function nextNumber(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ last: number }>(
    `insert into asset.work_order_number as n (org_id, last) values (iam.current_org(), 1)
     on conflict (org_id) do update set last = n.last + 1 returning last`,
  )
  return rows[0]?.last ?? 1
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT */
export function createWorkOrder(client: ClientBase, input: unknown): Promise<Row> {
  const { asset_id, kind, title, priority, checklist, draft, ...columns } = checkInput(opening, input)
  const state = draft ? { state: 'draft' } : {}
  const work = { asset: asset_id, kind, origin: 'manual', title, priority, checklist } as const
  return openWork(client, { ...work, columns: { ...columns, ...state } })
}

const listing = z.strictObject({
  state: z.enum(WORK_STATES).optional(),
  /** Those that somebody still has to do something about. */
  open: z.stringbool().default(false),
  asset: z.uuid().optional(),
  facility: facility.optional(),
  kind: z.enum(WORK_KINDS).optional(),
  assigned_to: text(200).optional(),
  /** Due on this day or earlier. */
  due: day.optional(),
  limit,
})

/** The most urgent first, then by day. Work on deleted assets is left out. @throws BioTrakrError INPUT_INVALID */
export function listWorkOrders(client: ClientBase, query: unknown): Promise<readonly Row[]> {
  const wish = checkInput(listing, query)
  return listRows(client, {
    from: 'asset.work_order t join asset.asset a on a.org_id = t.org_id and a.id = t.asset_id and a.deleted_at is null',
    where: [
      ['t.state = $', wish.state],
      ["$ and t.state not in ('done', 'verified', 'cancelled')", wish.open || undefined],
      ['t.asset_id = $', wish.asset],
      ['t.facility_id = $', wish.facility],
      ['t.kind = $', wish.kind],
      ['t.assigned_to = $', wish.assigned_to],
      ['t.due_on <= $', wish.due],
    ],
    order: `array_position('{urgent,high,normal,low}', t.priority), t.due_on nulls last, t.number`,
    limit: wish.limit,
  })
}

/** With its lines. @throws BioTrakrError NOT_FOUND */
export async function getWorkOrder(client: ClientBase, id: string): Promise<Row> {
  const order = await getRow(client, WORK_ORDER, id)
  const lines = await listRows(client, {
    from: 'asset.work_line t',
    where: [['t.work_order_id = $', id]],
    order: 't.created_at, t.id',
    limit: 1_000,
  })
  return { ...order, lines }
}

/** By number as people say it. @throws BioTrakrError NOT_FOUND */
export async function findWorkOrder(client: ClientBase, number: number): Promise<Row> {
  const [order] = await listRows(client, {
    from: 'asset.work_order t',
    where: [['t.number = $', number]],
    order: 't.number',
    limit: 1,
  })
  if (!order) throw unknown('work order')
  return order
}

const checklistItem = z.strictObject({ text: text(200), done: z.boolean() })
const change = changeOf({
  title: text(200),
  detail: longText(4000).nullable(),
  priority: z.enum(PRIORITIES),
  due_on: day.nullable(),
  vendor_id: z.uuid().nullable(),
  down_from: moment.nullable(),
  down_to: moment.nullable(),
  cause_code: text(64).nullable(),
  action: longText(4000).nullable(),
  checklist: z.array(checklistItem).max(100),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, or CONFLICT once it is verified or cancelled */
export async function changeWorkOrder(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const { row_version: rowVersion, checklist, ...fields } = checkInput(change, body)
  const { state } = await getRow(client, WORK_ORDER, id)
  if (state === 'verified' || state === 'cancelled') throw conflict(`This work order is ${state} and stays as it is`)
  const columns = { ...fields, checklist: checklist && JSON.stringify(checklist) }
  return changeRow(client, WORK_ORDER, { id, rowVersion, columns, yours: body })
}

const line = z.strictObject({
  kind: z.enum(WORK_LINE_KINDS),
  text: text(200),
  /** Thousandths; less than nothing takes back what was written in error. */
  quantity_milli: z
    .int()
    .min(-1_000_000_000)
    .max(1_000_000_000)
    .refine((value) => value !== 0, 'must not be 0'),
  unit_cost: money.max(1_000_000_000_000),
  currency,
  minutes: z.int().min(0).max(100_000).nullish(),
})

const WORK_LINE: Target = {
  table: 'asset.work_line',
  noun: 'line',
  rules: { work_line_org_id_asset_id_currency_fkey: 'The amounts of this asset are in another currency' },
}

/** Labour, a part or another cost. @throws BioTrakrError INPUT_INVALID, NOT_FOUND, CONFLICT */
export async function addWorkLine(client: ClientBase, id: string, body: unknown): Promise<Row> {
  const wish = checkInput(line, body)
  const { asset_id, facility_id, state } = await getRow(client, WORK_ORDER, id)
  if (state === 'verified' || state === 'cancelled') throw conflict(`This work order is ${String(state)}`)
  await ensureCurrency(client, String(asset_id), wish.currency)
  return insertOwn(client, WORK_LINE, { id: randomUUID(), work_order_id: id, asset_id, facility_id, ...wish })
}

/** The first amount of an asset says in which currency the others are. */
export async function ensureCurrency(client: ClientBase, asset: string, code: string): Promise<void> {
  await client.query(
    `insert into asset.asset_finance (org_id, asset_id, facility_id, currency)
     select org_id, id, facility_id, $2 from asset.asset
     where org_id = (select iam.current_org()) and id = $1 and deleted_at is null
       and not exists (select from asset.asset_finance f where f.org_id = asset.org_id and f.asset_id = asset.id)
     on conflict do nothing`,
    [asset, code],
  )
}
