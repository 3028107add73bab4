import { randomUUID } from 'node:crypto'

import type { ClientBase } from 'pg'
import { z } from 'zod'

import { conflict, instant, notFound, parseInput, personText, uuid } from './input.ts'
import { CONSENT_BASES, CONSENT_SCOPES } from './lists.ts'
import { inWords } from './refusals.ts'
import { needPurpose } from './scope.ts'

const ONE_PERSON = { error: 'name either a patient or a member of staff' }
const person = { patientId: uuid.optional(), staffId: uuid.optional() }
const isOne = (value: { patientId?: string | undefined; staffId?: string | undefined }) =>
  (value.patientId === undefined) !== (value.staffId === undefined)

const consentSchema = z
  .strictObject({
    ...person,
    scope: z.enum(CONSENT_SCOPES),
    basis: z.enum(CONSENT_BASES),
    /** Where the signed paper or the works agreement is kept; needed for a contract. */
    documentRef: personText(200).optional(),
    /** Now when absent. */
    from: instant.optional(),
    /** Open when absent. */
    to: instant.optional(),
  })
  .refine(isOne, ONE_PERSON)
  .refine(({ basis, documentRef }) => basis !== 'contract' || documentRef !== undefined, {
    error: 'is needed for the basis contract',
    path: ['documentRef'],
  })
  .refine(({ from, to }) => !to || Date.parse(to) > (from ? Date.parse(from) : 0), {
    error: 'must be after `from`',
    path: ['to'],
  })

export interface Consent {
  readonly id: string
  readonly scope: (typeof CONSENT_SCOPES)[number]
  readonly basis: (typeof CONSENT_BASES)[number]
  readonly documentRef: string | null
  readonly from: Date
  readonly to: Date | null
  readonly withdrawnAt: Date | null
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND for the person (also an erased one), NOT_ALLOWED without a purpose */
export async function recordConsent(client: ClientBase, input: unknown): Promise<{ id: string }> {
  const consent = parseInput(consentSchema, input)
  const orgId = await needPurpose(client)
  await refuseUnknownPerson(client, consent)
  const id = randomUUID()
  await client.query(
    `insert into care.consent (id, org_id, patient_id, staff_id, scope, basis, document_ref, from_t, to_t)
     values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9)`,
    [
      id,
      orgId,
      consent.patientId ?? null,
      consent.staffId ?? null,
      consent.scope,
      consent.basis,
      consent.documentRef ?? null,
      consent.from ?? null,
      consent.to ?? null,
    ],
  )
  return { id }
}

/**
 * Takes a consent back, at once. Where none other allows it, the person's tag assignment ends with it.
 * @throws BioTrakrError NOT_FOUND, also for one that was withdrawn before
 */
export async function withdrawConsent(client: ClientBase, id: string): Promise<void> {
  await needPurpose(client)
  const { rowCount } = await client.query(
    `update care.consent set withdrawn_at = now()
     where org_id = (select iam.current_org()) and id = $1 and withdrawn_at is null`,
    [parseInput(uuid, id)],
  )
  if (rowCount === 0) throw notFound('consent that is in force')
}

/** All consents of a person, newest first. */
export async function listConsents(client: ClientBase, personId: string): Promise<Consent[]> {
  await needPurpose(client)
  const { rows } = await client.query<Consent>(
    `select id, scope, basis, document_ref as "documentRef", from_t as "from", to_t as "to",
       withdrawn_at as "withdrawnAt"
     from care.consent where org_id = (select iam.current_org()) and (patient_id = $1 or staff_id = $1)
     order by from_t desc, id`,
    [parseInput(uuid, personId)],
  )
  return rows
}

const assignmentSchema = z
  .strictObject({
    ...person,
    /** Identity of the tag, for example `ble:c30000000001`. */
    tag: z.string().min(1).max(160),
    /** Now when absent. */
    from: instant.optional(),
    /** The tag's thermometer lies on the patient's body. */
    measuresBody: z.boolean().default(false),
  })
  .refine(isOne, ONE_PERSON)
  .refine(({ measuresBody, staffId }) => !measuresBody || staffId === undefined, {
    error: 'is for patients only',
    path: ['measuresBody'],
  })

/**
 * Gives a person a tag, from a moment on. It ends with the consent that allows it.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, NOT_ALLOWED, or CONFLICT: no consent, or the tag or the person is taken
 */
export async function assignTag(client: ClientBase, input: unknown): Promise<{ id: string }> {
  const wish = parseInput(assignmentSchema, input)
  const orgId = await needPurpose(client)
  await refuseUnknownPerson(client, wish)
  const { rows } = await client.query<{ id: number; status: string }>(
    'select id, status from rtls.tag where org_id = (select iam.current_org()) and identity = $1',
    [wish.tag],
  )
  const tag = rows[0]
  if (!tag) throw notFound('tag')
  if (tag.status === 'retired' || tag.status === 'lost')
    throw conflict(`That tag is ${tag.status}`, 'Take another tag.')
  const id = randomUUID()
  await inWords(() =>
    client.query(
      `insert into rtls.tag_assignment (id, org_id, tag_id, patient_id, staff_id, from_t, measures_body)
       values ($1, $2, $3, $4, $5, coalesce($6, now()), $7)`,
      [id, orgId, tag.id, wish.patientId ?? null, wish.staffId ?? null, wish.from ?? null, wish.measuresBody],
    ),
  )
  return { id }
}

/** Takes the tags off a person, now. @throws BioTrakrError NOT_FOUND when the person wears none */
export async function removeTags(client: ClientBase, personId: string): Promise<void> {
  await needPurpose(client)
  if (!(await endAssignments(client, parseInput(uuid, personId), { at: null, reason: 'taken off' }))) {
    throw notFound('tag that this person wears')
  }
}

interface Ending {
  /** Now when null. */
  readonly at: string | null
  readonly reason: string
}

/** @returns whether there was anything to end */
export async function endAssignments(client: ClientBase, personId: string, { at, reason }: Ending): Promise<boolean> {
  const { rowCount } = await client.query(
    `update rtls.tag_assignment set to_t = coalesce($2, now()), reason = $3
     where org_id = (select iam.current_org()) and (patient_id = $1 or staff_id = $1)
       and from_t < coalesce($2, now()) and (to_t is null or to_t > coalesce($2, now()))`,
    [personId, at, reason],
  )
  return (rowCount ?? 0) > 0
}

async function refuseUnknownPerson(
  client: ClientBase,
  { patientId, staffId }: { readonly patientId?: string | undefined; readonly staffId?: string | undefined },
): Promise<void> {
  const table = patientId === undefined ? 'care.staff' : 'care.patient'
  const { rowCount } = await client.query(
    `select from ${table} where org_id = (select iam.current_org()) and id = $1 and erased_at is null`,
    [patientId ?? staffId],
  )
  if (rowCount === 0) throw notFound(patientId === undefined ? 'member of staff' : 'patient')
}
