import { randomInt, randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { conflict, notFound, pageSchema, parseInput, personText, uuid } from './input.ts'
import { makePersonKey, openPersonKey, type Vault } from './keyring.ts'
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

/** A patient with opened values; an erased one has none. */
export interface Patient extends Identifiers {
  readonly id: string
  /** The pseudonym that screens show. */
  readonly label: string | null
  readonly erasedAt: Date | null
  readonly createdAt: Date
  readonly rowVersion: number
}

const TABLE = 'care.patient'

const label = personText(64)
const name = personText(200).nullable()
const number = personText(64).nullable()

const createSchema = z.strictObject({
  /** Made when it is absent. */
  label: label.optional(),
  name: name.default(null),
  number: number.default(null),
})

const changeSchema = z.strictObject({
  id: uuid,
  rowVersion: z.int().min(1),
  label: label.optional(),
  name: name.optional(),
  number: number.optional(),
})

/** @throws BioTrakrError INPUT_INVALID, NOT_ALLOWED without a purpose, CONFLICT for a label or number in use */
export async function createPatient(
  client: ClientBase,
  vault: Vault,
  input: unknown,
): Promise<{ id: string; label: string }> {
  const values = parseInput(createSchema, input)
  const orgId = await needPurpose(client)
  await refuseTakenNumber(client, vault, { number: values.number })
  const chosen = values.label ?? (await freeLabel(client))
  await refuseTakenLabel(client, chosen)
  const id = randomUUID()
  const row = { table: TABLE, id, key: await makePersonKey(client, vault), orgId } as const
  const sealed = await sealNumber(client, vault, { row, number: values.number })
  await inWords(() =>
    client.query(
      `insert into care.patient (id, org_id, person_key_id, label, name_env, number_env, number_index, index_key_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        id,
        orgId,
        row.key.id,
        chosen,
        values.name === null ? null : sealName(row, values.name),
        sealed.numberEnv,
        sealed.numberIndex,
        sealed.indexKeyId,
      ],
    ),
  )
  return { id, label: chosen }
}

interface PatientRow extends SealedRow {
  readonly label: string | null
  readonly erased_at: Date | null
  readonly created_at: Date
  readonly row_version: number
}

/** Opens patients, each of which is an entry of the audit chain. @throws BioTrakrError NOT_ALLOWED, KEY_INVALID */
export async function readPatients(client: ClientBase, vault: Vault, ids: readonly string[]): Promise<Patient[]> {
  const context = await personKeyContext(client, vault)
  const { rows } = await client.query<PatientRow>('select * from care.read_patients($1)', [ids])
  return rows.map((row) => ({
    id: row.id,
    label: row.label,
    ...openValues(TABLE, row, context),
    erasedAt: row.erased_at,
    createdAt: row.created_at,
    rowVersion: row.row_version,
  }))
}

/** @throws BioTrakrError NOT_FOUND, NOT_ALLOWED, KEY_INVALID */
export async function readPatient(client: ClientBase, vault: Vault, id: string): Promise<Patient> {
  const [patient] = await readPatients(client, vault, [parseInput(uuid, id)])
  if (patient) return patient
  throw notFound('patient')
}

/** Patients who were not erased, by id. @param query `limit` and `after`, the last id of the page before */
export async function listPatients(client: ClientBase, vault: Vault, query: unknown): Promise<Patient[]> {
  const page = parseInput(pageSchema, query)
  await needPurpose(client)
  const { rows } = await client.query<{ id: string }>(
    `select id from care.patient where org_id = (select iam.current_org()) and erased_at is null
       and ($1::uuid is null or id > $1) order by id limit $2`,
    [page.after ?? null, page.limit],
  )
  return readPatients(
    client,
    vault,
    rows.map(({ id }) => id),
  )
}

const findSchema = z.union(
  [z.strictObject({ number: z.string().min(1) }), z.strictObject({ label: z.string().min(1) })],
  {
    error: 'give either `number` or `label`',
  },
)

/** By label or number. @returns the id; finding somebody is no reading yet */
export async function findPatient(client: ClientBase, vault: Vault, input: unknown): Promise<string | undefined> {
  const wanted = parseInput(findSchema, input)
  if ('number' in wanted) return findByNumber(client, vault, { table: TABLE, number: wanted.number })
  await needPurpose(client)
  const { rows } = await client.query<{ id: string }>(
    'select id from care.patient where org_id = (select iam.current_org()) and label = $1',
    [wanted.label],
  )
  return rows[0]?.id
}

/**
 * `isStale` is an answer, not an error: `current` was opened for it, and an error would take the entry of that reading
 * back with the transaction.
 */
export interface Changed<Person> {
  /** Somebody else changed it meanwhile, and nothing was written. */
  readonly isStale: boolean
  readonly current: Person
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND (also for an erased one), CONFLICT, NOT_ALLOWED */
export async function changePatient(client: ClientBase, vault: Vault, input: unknown): Promise<Changed<Patient>> {
  const change = parseInput(changeSchema, input)
  const context = await personKeyContext(client, vault)
  const found = await client.query<PatientRow>('select * from care.read_patients($1)', [[change.id]])
  const before = found.rows[0]
  if (!before?.key_env) throw notFound('patient')
  const old = openValues(TABLE, before, context)
  if (change.number) await refuseTakenNumber(client, vault, { number: change.number, except: change.id })
  if (change.label && change.label !== before.label) await refuseTakenLabel(client, change.label)
  const key = openPersonKey(before.key_env, before.person_key_id, context)
  const row = { table: TABLE, id: change.id, key, orgId: context.orgId } as const
  const next = { ...old, ...(change.name !== undefined && { name: change.name }) }
  const sealed = await sealNumber(client, vault, {
    row,
    number: change.number === undefined ? old.number : change.number,
  })
  const { rowCount } = await inWords(() =>
    client.query(
      `update care.patient set label = $3, name_env = $4, number_env = $5, number_index = $6, index_key_id = $7
     where org_id = (select iam.current_org()) and id = $1 and row_version = $2`,
      [
        change.id,
        change.rowVersion,
        change.label ?? before.label,
        next.name === null ? null : sealName(row, next.name),
        sealed.numberEnv,
        sealed.numberIndex,
        sealed.indexKeyId,
      ],
    ),
  )
  return { isStale: rowCount === 0, current: await readPatient(client, vault, change.id) }
}

/** A pseudonym that says nothing of the person, short enough to be read aloud. */
async function freeLabel(client: ClientBase): Promise<string> {
  for (;;) {
    const label = `P-${String(randomInt(1_000_000)).padStart(6, '0')}`
    const { rowCount } = await client.query(
      'select from care.patient where org_id = (select iam.current_org()) and label = $1',
      [label],
    )
    if (rowCount === 0) return label
  }
}

async function refuseTakenLabel(client: ClientBase, label: string): Promise<void> {
  const { rowCount } = await client.query(
    'select from care.patient where org_id = (select iam.current_org()) and label = $1',
    [label],
  )
  if (rowCount) throw conflict('Another patient has that label', 'Take another one, or leave it out.')
}

interface NumberWish {
  readonly number: string | null
  readonly except?: string
}

async function refuseTakenNumber(client: ClientBase, vault: Vault, { number, except }: NumberWish): Promise<void> {
  if (number === null) return
  const holder = await findByNumber(client, vault, { table: TABLE, number })
  if (holder === undefined || holder === except) return
  throw conflict(`Another patient has that record number (${holder})`, 'Use that patient, or correct the number.')
}
