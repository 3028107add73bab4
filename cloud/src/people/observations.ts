import type { ClientBase } from 'pg'
import { z } from 'zod'

import { instant, notFound, parseInput, uuid } from './input.ts'
import { needPurpose } from './scope.ts'

const querySchema = z.strictObject({
  patientId: uuid,
  from: instant,
  to: instant,
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
})

/** One value of a patient, coded for other systems: LOINC says what it is, UCUM in which unit. */
export interface VitalSign {
  readonly at: Date
  readonly loinc: string
  readonly display: string
  readonly value: number
  readonly ucum: string
}

/**
 * What tags measured at the body of a patient who agreed to it, newest first. An entry of the audit chain.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, NOT_ALLOWED without a purpose
 */
export async function readVitalSigns(client: ClientBase, query: unknown): Promise<VitalSign[]> {
  const { patientId, from, to, limit } = parseInput(querySchema, query)
  await needPurpose(client)
  const patients = await client.query(
    'select from care.patient where org_id = (select iam.current_org()) and id = $1',
    [patientId],
  )
  if (patients.rowCount === 0) throw notFound('patient')
  const { rows } = await client.query<VitalSign>(
    'select t as at, loinc, display, value, ucum from care.vital_signs($1, $2, $3, $4)',
    [patientId, from, to, limit],
  )
  return rows
}

/** Where the tag of a person was last heard. */
export interface Whereabouts {
  readonly tag: string
  readonly facility: string
  readonly room: string | null
  readonly roomName: string | null
  readonly at: Date
  /** How long the tag has been there. */
  readonly since: Date
  /** 0 to 1. */
  readonly confidence: number
}

/**
 * Where a patient or somebody of the staff is as far as is known. An entry of the audit chain.
 * @throws BioTrakrError INPUT_INVALID, NOT_ALLOWED without a purpose, or NOT_FOUND: no such person, or no tag that was heard
 */
export async function locatePerson(client: ClientBase, personId: string): Promise<Whereabouts> {
  await needPurpose(client)
  const { rows } = await client.query<Whereabouts>(
    `select tag, facility, room, room_name as "roomName", t as at, since, confidence / 1000.0::double precision as confidence
     from care.where_is($1)`,
    [parseInput(uuid, personId)],
  )
  if (rows[0]) return rows[0]
  throw notFound('person whose tag has been heard')
}

const staysQuery = querySchema.omit({ patientId: true }).extend({ personId: uuid })

/** A stretch of time in one place. */
export interface PersonStay {
  readonly tag: string
  readonly facility: string
  /** Null where the room was not known. */
  readonly room: string | null
  readonly from: Date
  readonly to: Date
}

/**
 * Where a patient or somebody of the staff was while wearing a tag, newest first. An entry of the audit chain.
 * @throws BioTrakrError INPUT_INVALID, NOT_ALLOWED without a purpose
 */
export async function readStays(client: ClientBase, query: unknown): Promise<PersonStay[]> {
  const { personId, from, to, limit } = parseInput(staysQuery, query)
  await needPurpose(client)
  const { rows } = await client.query<PersonStay>(
    'select tag, facility, room, t as "from", leave_t as "to" from care.stays_of($1, $2, $3, $4)',
    [personId, from, to, limit],
  )
  return rows
}
