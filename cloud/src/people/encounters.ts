import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { endAssignments } from './consents.ts'
import { conflict, instant, notFound, parseInput, uuid } from './input.ts'
import type { Vault } from './keyring.ts'
import { readPatients } from './patients.ts'
import { inWords } from './refusals.ts'
import { needPurpose } from './scope.ts'

const code = z.string().min(1).max(64)
/** Room and bed by their codes; both or neither. */
const place = { room: code.optional(), bed: code.optional() }
const bothOrNeither = (value: { room?: string | undefined; bed?: string | undefined }) =>
  (value.room === undefined) === (value.bed === undefined)
const BOTH = { error: '`room` and `bed` belong together', path: ['bed'] }

const admissionSchema = z
  .strictObject({
    patientId: uuid,
    facility: code,
    ...place,
    /** Now when absent. */
    at: instant.optional(),
  })
  .refine(bothOrNeither, BOTH)

const transferSchema = z.strictObject({ id: uuid, room: code, bed: code, at: instant.optional() })
const dischargeSchema = z.strictObject({ id: uuid, at: instant.optional() })

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, NOT_ALLOWED, or CONFLICT: the patient is in already, the bed is taken */
export async function admit(client: ClientBase, input: unknown): Promise<{ id: string }> {
  const { patientId, facility, room, bed, at } = parseInput(admissionSchema, input)
  const orgId = await needPurpose(client)
  await refuseFuture(client, at)
  const facilityId = await facilityOf(client, facility)
  const { rowCount } = await client.query(
    'select from care.patient where org_id = (select iam.current_org()) and id = $1 and erased_at is null',
    [patientId],
  )
  if (rowCount === 0) throw notFound('patient')
  const id = randomUUID()
  await inWords(() =>
    client.query(
      `insert into care.encounter (id, org_id, facility_id, patient_id, admitted_at)
       values ($1, $2, $3, $4, coalesce($5, now()))`,
      [id, orgId, facilityId, patientId, at ?? null],
    ),
  )
  if (room !== undefined && bed !== undefined) await layIn(client, { id, facilityId, room, bed, at })
  return { id }
}

/** Ends the stay in one bed and begins the next. @throws BioTrakrError INPUT_INVALID, NOT_FOUND, NOT_ALLOWED, CONFLICT */
export async function transfer(client: ClientBase, input: unknown): Promise<void> {
  const { id, room, bed, at } = parseInput(transferSchema, input)
  await needPurpose(client)
  await refuseFuture(client, at)
  const { facilityId } = await openEncounter(client, id)
  await endBedStay(client, id, at)
  await layIn(client, { id, facilityId, room, bed, at })
}

/** Ends the encounter, the stay in the bed, and the wearing of tags. @throws BioTrakrError as `transfer` */
export async function discharge(client: ClientBase, input: unknown): Promise<void> {
  const { id, at } = parseInput(dischargeSchema, input)
  await needPurpose(client)
  await refuseFuture(client, at)
  const { patientId, admittedAt } = await openEncounter(client, id)
  if (at !== undefined && Date.parse(at) <= admittedAt.getTime()) throw tooEarly()
  await endBedStay(client, id, at)
  await client.query(
    `update care.encounter set discharged_at = coalesce($2, now())
     where org_id = (select iam.current_org()) and id = $1`,
    [id, at ?? null],
  )
  await endAssignments(client, patientId, { at: at ?? null, reason: 'discharged' })
}

/** For what was entered in error: it counts no more, and stays readable. @throws BioTrakrError NOT_FOUND, NOT_ALLOWED */
export async function voidEncounter(client: ClientBase, id: string): Promise<void> {
  await needPurpose(client)
  const { rowCount } = await client.query(
    `update care.encounter set voided_at = now()
     where org_id = (select iam.current_org()) and id = $1 and voided_at is null`,
    [parseInput(uuid, id)],
  )
  if (rowCount === 0) throw notFound('encounter')
  await client.query(
    `update care.bed_stay set voided_at = now()
     where org_id = (select iam.current_org()) and encounter_id = $1 and voided_at is null`,
    [id],
  )
}

/** Somebody who is in the house now. */
export interface Inpatient {
  readonly encounterId: string
  readonly patientId: string
  readonly label: string | null
  readonly facility: string
  readonly admittedAt: Date
  readonly room: string | null
  readonly bed: string | null
  /** When this bed was taken. */
  readonly since: Date | null
}

const MAX_INPATIENTS = 2_000

const inpatientQuery = z.strictObject({ facility: code })

/** Who is in, by room and bed. Each of them is an entry of the audit chain. @throws BioTrakrError NOT_FOUND, NOT_ALLOWED */
export async function listInpatients(client: ClientBase, vault: Vault, query: unknown): Promise<Inpatient[]> {
  const { facility } = parseInput(inpatientQuery, query)
  await needPurpose(client)
  const facilityId = await facilityOf(client, facility)
  const { rows } = await client.query<Omit<Inpatient, 'label'>>(
    `select e.id as "encounterId", e.patient_id as "patientId", f.code as facility, e.admitted_at as "admittedAt",
       r.code as room, b.code as bed, s.from_t as since
     from care.encounter e
     join site.facility f on f.org_id = e.org_id and f.id = e.facility_id
     left join care.bed_stay s on s.org_id = e.org_id and s.encounter_id = e.id and s.to_t is null and s.voided_at is null
     left join site.bed b on b.org_id = s.org_id and b.id = s.bed_id
     left join site.room r on r.org_id = b.org_id and r.id = b.room_id
     where e.org_id = (select iam.current_org()) and e.facility_id = $1 and e.discharged_at is null
       and e.voided_at is null
     order by r.code, b.code, e.id limit $2`,
    [facilityId, MAX_INPATIENTS],
  )
  const patients = await readPatients(
    client,
    vault,
    rows.map(({ patientId }) => patientId),
  )
  const labels = new Map(patients.map(({ id, label }) => [id, label]))
  return rows.map((row) => ({ ...row, label: labels.get(row.patientId) ?? null }))
}

/** @returns the id of the encounter of a patient who is in */
export async function currentEncounter(client: ClientBase, patientId: string): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(
    `select id from care.encounter where org_id = (select iam.current_org()) and patient_id = $1
       and discharged_at is null and voided_at is null`,
    [patientId],
  )
  return rows[0]?.id
}

/** @throws BioTrakrError NOT_FOUND */
export async function facilityOf(client: ClientBase, facility: string): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    'select id from site.facility where org_id = (select iam.current_org()) and code = $1',
    [facility],
  )
  if (rows[0]) return rows[0].id
  throw notFound('facility')
}

interface OpenEncounter {
  readonly facilityId: number
  readonly patientId: string
  readonly admittedAt: Date
}

async function openEncounter(client: ClientBase, id: string): Promise<OpenEncounter> {
  const { rows } = await client.query<OpenEncounter & { ended: boolean }>(
    `select facility_id as "facilityId", patient_id as "patientId", admitted_at as "admittedAt",
       discharged_at is not null as ended
     from care.encounter where org_id = (select iam.current_org()) and id = $1 and voided_at is null for update`,
    [id],
  )
  const [encounter] = rows
  if (!encounter) throw notFound('encounter')
  if (encounter.ended)
    throw conflict('That patient was discharged already', 'Admit again, or void what was entered in error.')
  return encounter
}

interface Bed {
  readonly id: string
  readonly facilityId: number
  readonly room: string
  readonly bed: string
  readonly at: string | undefined
}

async function layIn(client: ClientBase, { id, facilityId, room, bed, at }: Bed): Promise<void> {
  const { rows } = await client.query<{ id: number; state: string }>(
    `select b.id, b.state from site.bed b join site.room r on r.org_id = b.org_id and r.id = b.room_id
     where b.org_id = (select iam.current_org()) and r.facility_id = $1 and r.code = $2 and b.code = $3`,
    [facilityId, room, bed],
  )
  const found = rows[0]
  if (!found) throw notFound('bed')
  if (found.state === 'closed') throw conflict('That bed is closed', 'Take another one, or open it.')
  const { rowCount } = await inWords(() =>
    client.query(
      `insert into care.bed_stay (id, org_id, facility_id, encounter_id, bed_id, from_t)
       select $1, e.org_id, e.facility_id, e.id, $3, coalesce($4, now()) from care.encounter e
       where e.org_id = (select iam.current_org()) and e.id = $2 and e.admitted_at <= coalesce($4, now())`,
      [randomUUID(), id, found.id, at ?? null],
    ),
  )
  if (rowCount === 0) throw tooEarly()
}

async function endBedStay(client: ClientBase, encounterId: string, at: string | undefined): Promise<void> {
  const { rows } = await client.query<{ id: string; early: boolean }>(
    `select id, from_t >= coalesce($2, now()) as early from care.bed_stay
     where org_id = (select iam.current_org()) and encounter_id = $1 and to_t is null and voided_at is null`,
    [encounterId, at ?? null],
  )
  const stay = rows[0]
  if (!stay) return
  if (stay.early) throw tooEarly()
  await client.query(
    'update care.bed_stay set to_t = coalesce($2, now()) where org_id = (select iam.current_org()) and id = $1',
    [stay.id, at ?? null],
  )
}

/** A clock that is a little ahead is no reason to refuse. */
const AHEAD = '5 minutes'

async function refuseFuture(client: ClientBase, at: string | undefined): Promise<void> {
  if (at === undefined) return
  const { rows } = await client.query<{ future: boolean }>(
    `select $1::timestamptz > now() + interval '${AHEAD}' as future`,
    [at],
  )
  if (rows[0]?.future) throw conflict('That time is in the future', 'Enter it when it has happened.')
}

function tooEarly() {
  return conflict('That time is not after what was entered before it', 'Correct the time, or void what is wrong.')
}
