import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { conflict, notFound, pageSchema, parseInput, personText, uuid } from './input.ts'
import { makePersonKey, openPersonKey, type Vault } from './keyring.ts'
import { STAFF_GROUPS } from './lists.ts'
import type { Changed } from './patients.ts'
import {
  findByNumber,
  type Identifiers,
  openValues,
  personKeyContext,
  type SealedRow,
  sealName,
  sealNumber,
} from './person-values.ts'
import { inWords } from './refusals.ts'
import { needPurpose } from './scope.ts'

type StaffGroup = (typeof STAFF_GROUPS)[number]

/** Somebody of the staff, with opened values; an erased one has none. */
export interface StaffMember extends Identifiers {
  readonly id: string
  readonly group: StaffGroup
  readonly leftAt: Date | null
  readonly erasedAt: Date | null
  readonly createdAt: Date
  readonly rowVersion: number
}

const TABLE = 'care.staff'

const name = personText(200)
const number = personText(64).nullable()
const group = z.enum(STAFF_GROUPS)

const createSchema = z.strictObject({ group, name, number: number.default(null) })
const changeSchema = z.strictObject({
  id: uuid,
  rowVersion: z.int().min(1),
  group: group.optional(),
  name: name.optional(),
  number: number.optional(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_ALLOWED without a purpose, CONFLICT for a number in use */
export async function createStaff(client: ClientBase, vault: Vault, input: unknown): Promise<{ id: string }> {
  const values = parseInput(createSchema, input)
  const orgId = await needPurpose(client)
  await refuseTakenNumber(client, vault, { number: values.number })
  const id = randomUUID()
  const row = { table: TABLE, id, key: await makePersonKey(client, vault), orgId } as const
  const sealed = await sealNumber(client, vault, { row, number: values.number })
  await inWords(() =>
    client.query(
      `insert into care.staff (id, org_id, person_key_id, staff_group, name_env, number_env, number_index, index_key_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        id,
        orgId,
        row.key.id,
        values.group,
        sealName(row, values.name),
        sealed.numberEnv,
        sealed.numberIndex,
        sealed.indexKeyId,
      ],
    ),
  )
  return { id }
}

interface StaffRow extends SealedRow {
  readonly staff_group: StaffGroup
  readonly left_at: Date | null
  readonly erased_at: Date | null
  readonly created_at: Date
  readonly row_version: number
}

/** Opens staff, each of which is an entry of the audit chain. @throws BioTrakrError NOT_ALLOWED, KEY_INVALID */
async function readStaff(client: ClientBase, vault: Vault, ids: readonly string[]): Promise<StaffMember[]> {
  const context = await personKeyContext(client, vault)
  const { rows } = await client.query<StaffRow>('select * from care.read_staff($1)', [ids])
  return rows.map((row) => ({
    id: row.id,
    group: row.staff_group,
    ...openValues(TABLE, row, context),
    leftAt: row.left_at,
    erasedAt: row.erased_at,
    createdAt: row.created_at,
    rowVersion: row.row_version,
  }))
}

/** @throws BioTrakrError NOT_FOUND, NOT_ALLOWED, KEY_INVALID */
export async function readStaffMember(client: ClientBase, vault: Vault, id: string): Promise<StaffMember> {
  const [member] = await readStaff(client, vault, [parseInput(uuid, id)])
  if (member) return member
  throw notFound('member of staff')
}

/** Staff who were not erased, by id. @param query `limit` and `after`, the last id of the page before */
export async function listStaff(client: ClientBase, vault: Vault, query: unknown): Promise<StaffMember[]> {
  const page = parseInput(pageSchema, query)
  await needPurpose(client)
  const { rows } = await client.query<{ id: string }>(
    `select id from care.staff where org_id = (select iam.current_org()) and erased_at is null
       and ($1::uuid is null or id > $1) order by id limit $2`,
    [page.after ?? null, page.limit],
  )
  return readStaff(
    client,
    vault,
    rows.map(({ id }) => id),
  )
}

const findSchema = z.strictObject({ number: z.string().min(1) })

/** By employee number. @returns the id; finding somebody is no reading yet */
export async function findStaff(client: ClientBase, vault: Vault, input: unknown): Promise<string | undefined> {
  return findByNumber(client, vault, { table: TABLE, number: parseInput(findSchema, input).number })
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND (also for an erased one), CONFLICT, NOT_ALLOWED */
export async function changeStaff(client: ClientBase, vault: Vault, input: unknown): Promise<Changed<StaffMember>> {
  const change = parseInput(changeSchema, input)
  const context = await personKeyContext(client, vault)
  const found = await client.query<StaffRow>('select * from care.read_staff($1)', [[change.id]])
  const before = found.rows[0]
  if (!before?.key_env) throw notFound('member of staff')
  const old = openValues(TABLE, before, context)
  if (change.number) await refuseTakenNumber(client, vault, { number: change.number, except: change.id })
  const key = openPersonKey(before.key_env, before.person_key_id, context)
  const row = { table: TABLE, id: change.id, key, orgId: context.orgId } as const
  const sealed = await sealNumber(client, vault, {
    row,
    number: change.number === undefined ? old.number : change.number,
  })
  const { rowCount } = await inWords(() =>
    client.query(
      `update care.staff set staff_group = $3, name_env = $4, number_env = $5, number_index = $6, index_key_id = $7
     where org_id = (select iam.current_org()) and id = $1 and row_version = $2`,
      [
        change.id,
        change.rowVersion,
        change.group ?? before.staff_group,
        change.name === undefined ? before.name_env : sealName(row, change.name),
        sealed.numberEnv,
        sealed.numberIndex,
        sealed.indexKeyId,
      ],
    ),
  )
  return { isStale: rowCount === 0, current: await readStaffMember(client, vault, change.id) }
}

interface NumberWish {
  readonly number: string | null
  readonly except?: string
}

async function refuseTakenNumber(client: ClientBase, vault: Vault, { number, except }: NumberWish): Promise<void> {
  if (number === null) return
  const holder = await findByNumber(client, vault, { table: TABLE, number })
  if (holder === undefined || holder === except) return
  throw conflict(
    `Another member of staff has that employee number (${holder})`,
    'Use that entry, or correct the number.',
  )
}
