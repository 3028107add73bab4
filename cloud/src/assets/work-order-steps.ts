import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, invalidInput, longText, rowVersion, text } from './asset-input.ts'
import { moment } from './service-input.ts'
import { changeRow, conflict, getRow, type Row } from './service-rows.ts'
import { WORK_ORDER } from './work-order-book.ts'
import { canStep, WORK_STEPS, type WorkStep } from './work-order-states.ts'

const move = z.strictObject({
  row_version: rowVersion,
  assigned_to: text(200).optional(),
  /** What was done; why, for a cancellation. */
  action: longText(4000).optional(),
  cause_code: text(64).optional(),
  down_to: moment.optional(),
  /** When it was done; now, unless told. */
  done_at: moment.optional(),
})
type Move = z.infer<typeof move>

/**
 * Moves a work order on. What is finished moves the asset's next maintenance or calibration, ends its failures and
 * settles its recall.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, or CONFLICT for a way that its state does not have
 */
export async function stepWorkOrder(
  client: ClientBase,
  step: WorkStep,
  { id, body }: { readonly id: string; readonly body: unknown },
): Promise<Row> {
  const wish = checkInput(move, body)
  const order = await getRow(client, WORK_ORDER, id)
  if (!canStep(step, order['state'])) {
    throw conflict(`A work order that is ${String(order['state'])} cannot ${step}`, 'See its state and go from there.')
  }
  checkWish(step, wish, order)
  const columns = { ...shared(wish), ...datesOf(step, wish, order), state: WORK_STEPS[step].to }
  const row = await changeRow(client, WORK_ORDER, { id, rowVersion: wish.row_version, columns, yours: body })
  if (step === 'finish') await settle(client, row)
  return row
}

const shared = ({ assigned_to, action, cause_code, down_to }: Move) => ({ assigned_to, action, cause_code, down_to })

function checkWish(step: WorkStep, wish: Move, order: Row): void {
  const needs = (pointer: string, detail: string) => invalidInput([{ pointer, code: 'required', detail }])
  if (step === 'assign' && !wish.assigned_to && !order['vendor_id']) throw needs('/assigned_to', 'says who does it')
  if (step !== 'finish' && step !== 'cancel') return
  if (!wish.action && !order['action']) throw needs('/action', 'says what was done, or why not')
  const items = order['checklist'] as readonly { readonly text: string; readonly done: boolean }[]
  const left = items.filter(({ done }) => !done).map(({ text: line }) => line)
  if (step === 'finish' && left.length > 0) {
    throw conflict(`Not ticked yet: ${left.join('; ')}`, 'Tick them in the checklist, then finish.')
  }
}

function datesOf(step: WorkStep, wish: Move, order: Row): Row {
  const now = new Date().toISOString()
  if (step === 'start') return { started_at: order['started_at'] ?? now }
  if (step === 'verify') return { verified_at: now }
  if (step === 'reopen') return { done_at: null }
  if (step === 'unassign') return { assigned_to: null }
  if (step !== 'finish') return {}
  const doneAt = wish.done_at ?? now
  const isDown = order['down_from'] && !order['down_to'] && !wish.down_to
  return isDown ? { done_at: doneAt, down_to: doneAt } : { done_at: doneAt }
}

async function settle(client: ClientBase, { id, asset_id, kind, done_at }: Row): Promise<void> {
  await client.query(
    `update asset.failure set resolved_at = greatest(at, $2)
     where org_id = (select iam.current_org()) and work_order_id = $1 and resolved_at is null`,
    [id, done_at],
  )
  const next = NEXT[String(kind)]
  if (next) await client.query(next, [kind === 'recall' ? id : asset_id, done_at])
}

/** The day of something that was done, as the facility's clocks had it. */
const DAY = `($2::timestamptz at time zone (select f.time_zone from site.facility f
  where f.org_id = t.org_id and f.id = t.facility_id))::date`

/** What follows from work of a kind that is done. */
const NEXT: Readonly<Record<string, string>> = {
  preventive: `update asset.asset_service t set last_pm_on = ${DAY}, last_pm_minutes = t.operating_minutes,
      next_pm_on = ${DAY} + coalesce(t.pm_days, (select p.every_days from asset.maintenance_plan p
        where p.org_id = t.org_id and p.id = t.pm_plan_id))
    where t.org_id = (select iam.current_org()) and t.asset_id = $1`,
  calibration: `update asset.asset_regulatory t set last_calibrated_on = ${DAY},
      next_calibration_on = ${DAY} + t.calibration_days
    where t.org_id = (select iam.current_org()) and t.asset_id = $1`,
  recall: `update asset.recall_match t set state = 'fixed', decided_at = $2
    where t.org_id = (select iam.current_org()) and t.work_order_id = $1 and t.state = 'confirmed'`,
}
