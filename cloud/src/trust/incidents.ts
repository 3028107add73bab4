import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, notFound } from './input.ts'
import { INCIDENT_KINDS, type IncidentKind } from './lists.ts'

export interface Incident {
  readonly id: number
  readonly kind: IncidentKind
  readonly summary: string
  readonly discoveredAt: Date
  /** How many people it concerns, where that is known. */
  readonly persons: number | null
  readonly reportedAt: Date | null
  readonly closedAt: Date | null
  /** Until when the authority must hear of it: 72 hours from its discovery (GDPR, article 33). */
  readonly reportBy: Date
}

interface IncidentNote {
  readonly at: Date
  readonly actor: string
  readonly note: string
}

const REPORT_HOURS = 72
const INCIDENT = `id, kind, summary, discovered_at as "discoveredAt", persons, reported_at as "reportedAt",
  closed_at as "closedAt", discovered_at + interval '${REPORT_HOURS} hours' as "reportBy"`

const openSchema = z.strictObject({
  kind: z.enum(INCIDENT_KINDS),
  summary: z.string().trim().min(1).max(4_000),
  discoveredAtMs: z.int(),
  persons: z.int().min(0).max(100_000_000).optional(),
})
const noteSchema = z.string().trim().min(1).max(4_000)

interface Now {
  readonly nowMs: number
}

/** Those that are open first, then the newest. */
export async function listIncidents(client: ClientBase): Promise<readonly Incident[]> {
  const { rows } = await client.query<Incident>(
    `select ${INCIDENT} from audit.incident where org_id = iam.current_org()
     order by closed_at desc nulls first, discovered_at desc, id desc`,
  )
  return rows
}

/** @throws BioTrakrError NOT_FOUND */
export async function showIncident(
  client: ClientBase,
  id: number,
): Promise<Incident & { readonly notes: readonly IncidentNote[] }> {
  const { rows } = await client.query<Incident>(
    `select ${INCIDENT} from audit.incident where org_id = iam.current_org() and id = $1`,
    [id],
  )
  if (!rows[0]) throw unknownIncident(id)
  const notes = await client.query<IncidentNote>(
    `select at, actor, note from audit.incident_note where org_id = iam.current_org() and incident_id = $1 order by id`,
    [id],
  )
  return { ...rows[0], notes: notes.rows }
}

/** @throws BioTrakrError INPUT_INVALID, also for one that is discovered in the future */
export async function openIncident(client: ClientBase, input: unknown, { nowMs }: Now): Promise<Incident> {
  const past = openSchema.refine(({ discoveredAtMs }) => discoveredAtMs <= nowMs, {
    path: ['discoveredAtMs'],
    message: 'must not lie in the future',
  })
  const { kind, summary, discoveredAtMs, persons } = checkInput(past, input)
  const { rows } = await client.query<Incident>(
    `insert into audit.incident (org_id, kind, summary, discovered_at, persons)
     values (iam.current_org(), $1, $2, $3, $4) returning ${INCIDENT}`,
    [kind, summary, new Date(discoveredAtMs), persons ?? null],
  )
  return rows[0] as Incident
}

interface NoteOptions extends Now {
  /** The authority was told of it now. */
  readonly reported?: boolean
  readonly persons?: number | undefined
}

/** Adds what was found out or done. @throws BioTrakrError INPUT_INVALID, NOT_FOUND, also for one that is closed */
export async function noteIncident(
  client: ClientBase,
  id: number,
  { note, nowMs, reported = false, persons }: NoteOptions & { readonly note: string },
): Promise<void> {
  const text = checkInput(noteSchema, note)
  const { rowCount } = await client.query(
    `update audit.incident set reported_at = case when $2 then coalesce(reported_at, greatest($3, discovered_at))
       else reported_at end, persons = coalesce($4, persons)
     where org_id = iam.current_org() and id = $1 and closed_at is null`,
    [id, reported, new Date(nowMs), persons ?? null],
  )
  if (!rowCount) throw unknownIncident(id)
  await addNote(client, id, { text, nowMs })
}

/** @throws BioTrakrError INPUT_INVALID, NOT_FOUND, also for one that is closed */
export async function closeIncident(
  client: ClientBase,
  id: number,
  { note, nowMs }: Now & { readonly note: string },
): Promise<void> {
  const text = checkInput(noteSchema, note)
  const { rowCount } = await client.query(
    `update audit.incident set closed_at = greatest($2, discovered_at, reported_at)
     where org_id = iam.current_org() and id = $1 and closed_at is null`,
    [id, new Date(nowMs)],
  )
  if (!rowCount) throw unknownIncident(id)
  await addNote(client, id, { text, nowMs })
}

async function addNote(
  client: ClientBase,
  id: number,
  { text, nowMs }: Now & { readonly text: string },
): Promise<void> {
  await client.query(
    `insert into audit.incident_note (org_id, incident_id, at, actor, note)
     values (iam.current_org(), $1, $2, current_setting('app.actor'), $3)`,
    [id, new Date(nowMs), text],
  )
}

function unknownIncident(id: number) {
  return notFound(`incident ${id} that is open`, 'See `biotrakr-cloud incident list`.')
}
