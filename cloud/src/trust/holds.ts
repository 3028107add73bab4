import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, notFound } from './input.ts'
import { DATA_CLASSES, type DataClass } from './lists.ts'

/** While it lasts, nothing of the class, or of any, is deleted by age. */
export interface LegalHold {
  readonly id: number
  readonly dataClass: DataClass | null
  readonly reason: string
  readonly from: Date
  readonly to: Date | null
}

const holdSchema = z.strictObject({
  dataClass: z.enum(DATA_CLASSES).optional(),
  reason: z.string().trim().min(1).max(500),
})

interface Now {
  readonly nowMs: number
}

const HOLD = 'id, data_class as "dataClass", reason, from_t as "from", to_t as "to"'

/** Those that last first. */
export async function listHolds(client: ClientBase): Promise<readonly LegalHold[]> {
  const { rows } = await client.query<LegalHold>(
    `select ${HOLD} from audit.legal_hold where org_id = iam.current_org() order by to_t desc nulls first, id`,
  )
  return rows
}

/** @throws BioTrakrError INPUT_INVALID */
export async function setHold(client: ClientBase, input: unknown, { nowMs }: Now): Promise<LegalHold> {
  const { dataClass, reason } = checkInput(holdSchema, input)
  const { rows } = await client.query<LegalHold>(
    `insert into audit.legal_hold (org_id, data_class, reason, from_t) values (iam.current_org(), $1, $2, $3)
     returning ${HOLD}`,
    [dataClass ?? null, reason, new Date(nowMs)],
  )
  return rows[0] as LegalHold
}

/** @throws BioTrakrError NOT_FOUND, also for one that was lifted */
export async function liftHold(client: ClientBase, id: number, { nowMs }: Now): Promise<void> {
  const { rowCount } = await client.query(
    'update audit.legal_hold set to_t = $2 where org_id = iam.current_org() and id = $1 and to_t is null',
    [id, new Date(nowMs)],
  )
  if (!rowCount) throw notFound(`legal hold ${id} that lasts`, 'See `biotrakr-cloud hold list`.')
}
