import { BioTrakrError, isTagId, type TagId } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { notFound, parseInput, reason } from './input.ts'
import { TAG_KINDS, TAG_STATUSES } from './lists.ts'

const name = z.string().trim().min(1)
const identity = z.string().refine(isTagId, { error: 'must be the identity of a tag, such as ble:c30000123456' })

const listSchema = z.strictObject({
  status: z.enum(TAG_STATUSES).optional(),
  /** Only tags that nobody wears now. */
  free: z.union([z.boolean(), z.stringbool()]).optional(),
  after: z.string().max(160).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const registerSchema = z.strictObject({
  identity,
  kind: z.enum(TAG_KINDS).default('ble'),
  label: name.max(200).optional(),
  model: name.max(100).optional(),
  /** Code of the facility that it belongs to; none when it may be anywhere. */
  facility: name.max(64).optional(),
})

const retireSchema = z.strictObject({ identity, reason })

export interface ListedTag {
  readonly identity: TagId
  readonly kind: string
  readonly label: string | null
  readonly model: string | null
  readonly status: string
  readonly facility: string | null
  /** Percent, and when the tag said so. */
  readonly battery: number | null
  readonly batteryAt: Date | null
  /** When it was last placed. */
  readonly lastSeen: Date | null
  /** The asset that it places now. */
  readonly assetTag: string | null
  readonly rowVersion: number
}

const COLUMNS = `t.identity, t.kind, t.label, t.model, t.status, f.code as facility, t.battery_percent as battery,
  t.battery_at as "batteryAt", p.t as "lastSeen", a.asset_tag as "assetTag", t.row_version as "rowVersion"`
const SOURCE = `rtls.tag t
  left join site.facility f on f.org_id = t.org_id and f.id = t.facility_id
  left join rtls.position p on p.org_id = t.org_id and p.tag_id = t.id
  left join rtls.tag_assignment w on w.org_id = t.org_id and w.tag_id = t.id
    and w.from_t <= now() and (w.to_t is null or w.to_t > now())
  left join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id`

/** Tags in the order of their identities, within the caller's facilities. @throws BioTrakrError INPUT_INVALID */
export async function listTags(client: ClientBase, wish: unknown): Promise<ListedTag[]> {
  const { status, free, after, limit } = parseInput(listSchema, wish)
  const { rows } = await client.query<ListedTag>({
    name: 'history-tags',
    text: `select ${COLUMNS} from ${SOURCE}
      where t.identity > $1 and ($2::text is null or t.status = $2) and (not $3 or w.id is null)
      order by t.identity limit $4`,
    values: [after ?? '', status ?? null, free ?? false, limit],
  })
  return rows
}

/** @throws BioTrakrError NOT_FOUND */
export async function showTag(client: ClientBase, named: string): Promise<ListedTag> {
  const { rows } = await client.query<ListedTag>(`select ${COLUMNS} from ${SOURCE} where t.identity = $1`, [named])
  if (!rows[0]) throw notFound('tag', named)
  return rows[0]
}

/**
 * Makes a tag known, so that what is heard of it is kept.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND for a facility that is not there, CONFLICT for a tag that is
 */
export async function registerTag(client: ClientBase, input: unknown): Promise<ListedTag> {
  const { identity: tag, kind, label, model, facility } = parseInput(registerSchema, input)
  const facilityId = facility === undefined ? null : await findFacility(client, facility)
  const made = await client.query<{ id: number }>(
    `insert into rtls.tag (org_id, facility_id, identity, kind, label, model)
     values (iam.current_org(), $1, $2, $3, $4, $5) on conflict (org_id, identity) do nothing returning id`,
    [facilityId, tag, kind, label ?? null, model ?? null],
  )
  const id = made.rows[0]?.id
  if (id === undefined) {
    throw new BioTrakrError(`The tag ${tag} is registered already`, {
      code: 'CONFLICT',
      next: 'See it in the list of tags; a retired tag stays, so that its history keeps its name.',
    })
  }
  await note(client, 'register', { id, facilityId, facts: { identity: tag, kind, label, model } })
  return showTag(client, tag)
}

/**
 * Takes a tag out of use: it is taken off whoever wears it, and gateways are no longer told of it. Its history stays.
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function retireTag(client: ClientBase, input: unknown): Promise<ListedTag> {
  const { identity: tag, reason: why } = parseInput(retireSchema, input)
  const { id, facilityId } = await findTag(client, tag)
  await client.query(
    `update rtls.tag_assignment set to_t = now(), reason = $2
     where tag_id = $1 and from_t < now() and (to_t is null or to_t > now())`,
    [id, why],
  )
  await client.query(`update rtls.tag set status = 'retired' where id = $1`, [id])
  await note(client, 'retire', { id, facilityId, facts: { reason: why } })
  return showTag(client, tag)
}

export interface FoundTag {
  readonly id: number
  readonly facilityId: number | null
  readonly status: string
}

/** Locks the row: two people who put on the same tag wait for each other. @throws BioTrakrError NOT_FOUND */
export async function findTag(client: ClientBase, tag: string): Promise<FoundTag> {
  const { rows } = await client.query<FoundTag>(
    `select id, facility_id as "facilityId", status from rtls.tag where identity = $1 for update`,
    [tag],
  )
  if (!rows[0]) throw notFound('tag', tag)
  return rows[0]
}

async function findFacility(client: ClientBase, code: string): Promise<number> {
  const { rows } = await client.query<{ id: number }>('select id from site.facility where code = $1', [code])
  if (!rows[0]) throw notFound('facility', code)
  return rows[0].id
}

interface Noted {
  readonly id: number
  readonly facilityId: number | null
  readonly facts: object
}

async function note(client: ClientBase, action: string, { id, facilityId, facts }: Noted): Promise<void> {
  await client.query(`select audit.append('change', $1, 'rtls.tag', $2, $3, new => $4::jsonb)`, [
    action,
    String(id),
    facilityId,
    JSON.stringify(facts),
  ])
}
