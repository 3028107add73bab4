import type { ClientBase } from 'pg'

import { conflict, notFound, parseInput, personText, uuid } from './input.ts'
import type { PersonTable } from './person-values.ts'
import { currentOrg, needPurpose } from './scope.ts'

/** Days after the last encounter's end, or after leaving, until a person is erased. */
const KEEP_DAYS = 30
const ROUND_DAYS = 400
const BATCH = 500

const HELD = `exists (select from audit.legal_hold h where h.org_id = (select iam.current_org()) and h.data_class is null
  and h.from_t <= now() and coalesce(h.to_t, 'infinity') > now())`

interface Request {
  readonly table: PersonTable
  readonly id: string
  /** For the audit chain; names nobody. */
  readonly reason: unknown
}

/**
 * Destroys the key of a person, and with it every name and number in every copy of the rows that is not a backup. Tags
 * are taken off; what they were heard doing stays as the history of a tag.
 * @throws BioTrakrError INPUT_INVALID, NOT_ALLOWED, NOT_FOUND, or CONFLICT: a legal hold, or a patient who is in the house
 */
export async function erasePerson(client: ClientBase, { table, id, reason }: Request): Promise<void> {
  await needPurpose(client)
  const why = parseInput(personText(500), reason)
  const { rows } = await client.query<{ held: boolean; here: boolean }>(
    `select ${HELD} as held, exists (select from care.encounter e where e.org_id = p.org_id and e.patient_id = p.id
       and e.discharged_at is null and e.voided_at is null) as here
     from ${table} p where org_id = (select iam.current_org()) and id = $1 and erased_at is null`,
    [parseInput(uuid, id)],
  )
  const person = rows[0]
  if (!person) throw notFound(table === 'care.patient' ? 'patient' : 'member of staff')
  if (person.held) throw conflict('A legal hold keeps all data', 'End the hold first.')
  if (person.here) throw conflict('That patient is in the house', 'Discharge first.')
  await erase(client, { table, ids: [id], reason: why })
}

/** Somebody leaves: the tag comes off now, and the person is erased 30 days later. @throws BioTrakrError NOT_FOUND */
export async function leaveStaff(client: ClientBase, id: string): Promise<void> {
  await needPurpose(client)
  const { rowCount } = await client.query(
    `update care.staff set left_at = now()
     where org_id = (select iam.current_org()) and id = $1 and left_at is null and erased_at is null`,
    [parseInput(uuid, id)],
  )
  if (rowCount === 0) throw notFound('member of staff who has not left')
  await withdrawAll(client, 'care.staff', [id])
}

export interface PurgeReport {
  readonly patients: number
  readonly staff: number
  /** Encounters of erased patients, which were deleted. */
  readonly encounters: number
  /** Derived rounds older than 400 days. */
  readonly rounds: number
  /** A legal hold kept everything. */
  readonly held: boolean
}

/**
 * Erases whose time is over: patients 30 days after the last encounter ended (or, without any, after they were entered),
 * staff 30 days after leaving. At most 500 of each at a time. As bt_jobs, within the scope of one organisation.
 */
export async function purgePeople(client: ClientBase): Promise<PurgeReport> {
  const orgId = await currentOrg(client)
  const { rows } = await client.query<{ held: boolean }>(`select ${HELD} as held`)
  if (rows[0]?.held) return { patients: 0, staff: 0, encounters: 0, rounds: 0, held: true }
  const patients = await client.query<{ id: string }>(
    `select p.id from care.patient p where p.org_id = $1 and p.erased_at is null
       and p.created_at < now() - interval '${KEEP_DAYS} days'
       and not exists (select from care.encounter e where e.org_id = p.org_id and e.patient_id = p.id
         and e.voided_at is null and coalesce(e.discharged_at, 'infinity') > now() - interval '${KEEP_DAYS} days')
     order by p.id limit ${BATCH} for update`,
    [orgId],
  )
  const staff = await client.query<{ id: string }>(
    `select id from care.staff where org_id = $1 and erased_at is null
       and left_at < now() - interval '${KEEP_DAYS} days' order by id limit ${BATCH} for update`,
    [orgId],
  )
  const reason = `retention: ${KEEP_DAYS} days`
  await erase(client, { table: 'care.patient', ids: patients.rows.map(({ id }) => id), reason })
  await erase(client, { table: 'care.staff', ids: staff.rows.map(({ id }) => id), reason })
  const encounters = await deleteEncounters(client, orgId)
  const rounds = await client.query(
    `delete from care.round where org_id = $1 and due_at < now() - interval '${ROUND_DAYS} days'`,
    [orgId],
  )
  return {
    patients: patients.rows.length,
    staff: staff.rows.length,
    encounters,
    rounds: rounds.rowCount ?? 0,
    held: false,
  }
}

interface Erasure {
  readonly table: PersonTable
  readonly ids: readonly string[]
  readonly reason: string
}

async function erase(client: ClientBase, { table, ids, reason }: Erasure): Promise<void> {
  if (ids.length === 0) return
  await withdrawAll(client, table, ids)
  await client.query(
    `update care.person_key k set key_env = null, destroyed_at = now()
     from ${table} p where p.org_id = (select iam.current_org()) and p.id = any($1)
       and k.org_id = p.org_id and k.id = p.person_key_id`,
    [ids],
  )
  const label = table === 'care.patient' ? 'label = null, ' : ''
  await client.query(
    `update ${table} set ${label}name_env = null, number_env = null, number_index = null, index_key_id = null,
       erased_at = now()
     where org_id = (select iam.current_org()) and id = any($1)`,
    [ids],
  )
  await client.query(
    `select audit.append('security', 'erase', $1, id::text, new => jsonb_build_object('reason', $3::text))
     from unnest($2::uuid[]) as id`,
    [table, ids, reason],
  )
}

/** A trigger takes the tags off with the consent. */
async function withdrawAll(client: ClientBase, table: PersonTable, ids: readonly string[]): Promise<void> {
  const column = table === 'care.patient' ? 'patient_id' : 'staff_id'
  await client.query(
    `update care.consent set withdrawn_at = now()
     where org_id = (select iam.current_org()) and ${column} = any($1) and withdrawn_at is null`,
    [ids],
  )
}

async function deleteEncounters(client: ClientBase, orgId: number): Promise<number> {
  const erased = `select e.id from care.encounter e join care.patient p on p.org_id = e.org_id and p.id = e.patient_id
    where e.org_id = $1 and p.erased_at is not null`
  await client.query(`delete from care.bed_stay where org_id = $1 and encounter_id in (${erased})`, [orgId])
  const { rowCount } = await client.query(`delete from care.encounter where org_id = $1 and id in (${erased})`, [orgId])
  return rowCount ?? 0
}
