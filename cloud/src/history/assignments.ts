import { randomUUID } from 'node:crypto'

import { BioTrakrError, type Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { instant, invalid, notFound, parseInput, reason, uuid } from './input.ts'
import { OFF_STATUSES } from './lists.ts'
import { findTag } from './tags.ts'

/** Earlier than this is a correction of the past, which needs a reason. */
const PAST_MS = 5 * 60_000
const tag = z.string().min(1).max(160)
/** Id or asset tag, the number on the asset. */
const asset = z.string().min(1).max(100)

const assignSchema = z.strictObject({
  tag,
  asset,
  from: instant.optional(),
  to: instant.optional(),
  /** Of several tags of an asset, the one that places it. */
  primary: z.boolean().default(true),
  reason: reason.optional(),
})
const unassignSchema = z.strictObject({
  tag,
  at: instant.optional(),
  status: z.enum(OFF_STATUSES).optional(),
  reason: reason.optional(),
})
const swapSchema = z.strictObject({
  asset,
  /** The tag that is put on. */
  tag,
  at: instant.optional(),
  /** What becomes of the one that is taken off. */
  status: z.enum(OFF_STATUSES).optional(),
  reason: reason.optional(),
})
const correctSchema = z.strictObject({
  id: uuid,
  row_version: z.coerce.number().int().min(1),
  from: instant.optional(),
  /** null = still worn */
  to: instant.nullable().optional(),
  reason,
})
const removeSchema = z.strictObject({ id: uuid, row_version: z.coerce.number().int().min(1), reason })
const historySchema = z.union([z.strictObject({ tag }), z.strictObject({ asset })])

export interface Assignment {
  readonly id: string
  readonly tag: string
  readonly assetId: string | null
  /** Null when somebody other than an asset wears it. */
  readonly assetTag: string | null
  readonly from: Date
  readonly to: Date | null
  readonly primary: boolean
  readonly reason: string | null
  readonly rowVersion: number
}

/**
 * Puts a tag on an asset, from now on or for a time in the past.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT that names who wears the tag or what the asset wears
 */
export async function assignTag(client: ClientBase, input: unknown, clock: Clock) {
  const wish = parseInput(assignSchema, input)
  const from = wish.from ?? new Date(clock.wallMs())
  checkTimes({ from, to: wish.to ?? null, reason: wish.reason }, clock)
  const { id: tagId, status } = await findTag(client, wish.tag)
  if (status === 'retired') throw retired(wish.tag)
  const assetId = await findAsset(client, wish.asset)
  const range = { from, to: wish.to ?? null }
  return insert(client, { ...range, tagId, assetId, primary: wish.primary, reason: wish.reason ?? null })
}

/**
 * Takes a tag off.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND for a tag that is not there, CONFLICT for one that nobody wears
 */
export async function unassignTag(client: ClientBase, input: unknown, clock: Clock) {
  const wish = parseInput(unassignSchema, input)
  const at = wish.at ?? new Date(clock.wallMs())
  checkTimes({ from: at, to: null, reason: wish.reason }, clock)
  const { id } = await findTag(client, wish.tag)
  const worn = (await wornAt(client, { tagId: id, at })) ?? notWorn(`Nobody wears the tag ${wish.tag} at that time`)
  await close(client, worn, { at, reason: wish.reason })
  if (wish.status) await setStatus(client, id, wish.status)
  return readAssignment(client, worn.id)
}

/**
 * Takes the tag that places an asset off and puts another one on, at one moment and all or nothing.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, or CONFLICT for a tag in use or an asset that wears none
 */
export async function swapTag(client: ClientBase, input: unknown, clock: Clock) {
  const wish = parseInput(swapSchema, input)
  const at = wish.at ?? new Date(clock.wallMs())
  checkTimes({ from: at, to: null, reason: wish.reason }, clock)
  const { id: tagId, status } = await findTag(client, wish.tag)
  if (status === 'retired') throw retired(wish.tag)
  const assetId = await findAsset(client, wish.asset)
  const worn = (await wornAt(client, { assetId, at })) ?? notWorn(`The asset ${wish.asset} wears no tag at that time`)
  if (worn.tagId === tagId) notWorn(`The asset ${wish.asset} wears the tag ${wish.tag} already`)
  // Closed first: the ranges are compared at each statement.
  await close(client, worn, { at, reason: wish.reason })
  if (wish.status) await setStatus(client, worn.tagId, wish.status)
  return insert(client, { from: at, to: worn.to, tagId, assetId, primary: true, reason: wish.reason ?? null })
}

/**
 * Moves the borders of an assignment, also long after. Days of the asset are then made again by a job.
 * @throws BioTrakrError INPUT_INVALID, NOT_FOUND, ROW_VERSION, or CONFLICT that names the other wearer
 */
export async function correctAssignment(client: ClientBase, input: unknown, clock: Clock) {
  const { id, row_version: rowVersion, reason: why, ...borders } = parseInput(correctSchema, input)
  const current = await lockAssignment(client, id, rowVersion)
  const from = borders.from ?? current.from
  const to = borders.to === undefined ? current.to : borders.to
  checkTimes({ from, to, reason: why }, clock)
  const holder = await findHolder(client, { ...current, from, to, except: id })
  if (holder) throw taken(holder)
  await guarded(() =>
    client.query('update rtls.tag_assignment set from_t = $2, to_t = $3, reason = $4 where id = $1', [
      id,
      from,
      to,
      why,
    ]),
  )
  return readAssignment(client, id)
}

/** Takes back an assignment that never was. The audit chain keeps it. @throws as `correctAssignment` */
export async function removeAssignment(client: ClientBase, input: unknown): Promise<void> {
  const { id, row_version: rowVersion, reason: why } = parseInput(removeSchema, input)
  await lockAssignment(client, id, rowVersion)
  await client.query('update rtls.tag_assignment set reason = $2 where id = $1', [id, why])
  await client.query('delete from rtls.tag_assignment where id = $1', [id])
}

/** Who wore a tag, or what an asset wore, newest first. @throws BioTrakrError INPUT_INVALID or NOT_FOUND */
export async function listAssignments(client: ClientBase, of: unknown): Promise<Assignment[]> {
  const wish = parseInput(historySchema, of)
  const column = 'tag' in wish ? 'tag_id' : 'asset_id'
  const id = 'tag' in wish ? await tagIdOf(client, wish.tag) : await findAsset(client, wish.asset)
  const { rows } = await client.query<Assignment>(
    `select ${COLUMNS} from ${SOURCE} where w.${column} = $1 order by w.from_t desc limit 1000`,
    [id],
  )
  return rows
}

const COLUMNS = `w.id, t.identity as tag, w.asset_id as "assetId", a.asset_tag as "assetTag", w.from_t as "from",
  w.to_t as "to", w.is_primary as "primary", w.reason, w.row_version as "rowVersion"`
const SOURCE = `rtls.tag_assignment w join rtls.tag t on t.org_id = w.org_id and t.id = w.tag_id
  left join asset.asset a on a.org_id = w.org_id and a.id = w.asset_id`

interface Range {
  readonly from: Date
  readonly to: Date | null
}

function checkTimes({ from, to, reason: why }: Range & { readonly reason: string | undefined }, clock: Clock): void {
  const nowMs = clock.wallMs()
  const errors: { pointer: string; code: string; detail: string }[] = []
  if (to && to <= from) errors.push({ pointer: '/to', code: 'order', detail: 'must be after `from`' })
  if (from.getTime() > nowMs + PAST_MS) {
    errors.push({ pointer: '/from', code: 'future', detail: 'lies in the future; a tag is put on when it is put on' })
  }
  if (from.getTime() < nowMs - PAST_MS && why === undefined) {
    errors.push({ pointer: '/reason', code: 'required', detail: 'is needed for a change of the past' })
  }
  if (errors.length > 0) throw invalid(errors)
}

interface NewAssignment extends Range {
  readonly tagId: number
  readonly assetId: string
  readonly primary: boolean
  readonly reason: string | null
}

async function insert(client: ClientBase, row: NewAssignment): Promise<Assignment> {
  const holder = await findHolder(client, { ...row, except: null })
  if (holder) throw taken(holder)
  const id = randomUUID()
  await guarded(() =>
    client.query(
      `insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t, to_t, is_primary, reason)
       values ($1, iam.current_org(), $2, $3, $4, $5, $6, $7)`,
      [id, row.tagId, row.assetId, row.from, row.to, row.primary, row.reason],
    ),
  )
  return readAssignment(client, id)
}

interface Wanted extends Range {
  readonly tagId: number
  readonly assetId: string | null
  readonly primary: boolean
  readonly except: string | null
}

/** The first assignment in the way: the tag's, or the one that places the asset. */
async function findHolder(client: ClientBase, wanted: Wanted): Promise<Assignment | undefined> {
  const { rows } = await client.query<Assignment>(
    `select ${COLUMNS} from ${SOURCE}
     where (w.tag_id = $1 or w.asset_id = $2 and w.is_primary and $3) and w.id is distinct from $6
       and w.from_t < coalesce($5, 'infinity'::timestamptz) and coalesce(w.to_t, 'infinity') > $4
     order by w.tag_id = $1 desc, w.from_t limit 1`,
    [wanted.tagId, wanted.assetId, wanted.primary, wanted.from, wanted.to, wanted.except],
  )
  return rows[0]
}

function taken(holder: Assignment): BioTrakrError {
  const who = holder.assetTag === null ? 'somebody else' : `the asset ${holder.assetTag}`
  const until = holder.to === null ? 'and still is' : `until ${holder.to.toISOString()}`
  return new BioTrakrError(`The tag ${holder.tag} is on ${who} since ${holder.from.toISOString()} ${until}`, {
    code: 'CONFLICT',
    next: 'Take it off first, swap tags, or correct that assignment.',
    details: { holder },
  })
}

const EXCLUSION_VIOLATION = '23P01'

/** What row security hides, or somebody else wrote at the same moment, shows only as a refusal. */
async function guarded(write: () => Promise<unknown>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === EXCLUSION_VIOLATION)) throw error
    throw new BioTrakrError(
      'The tag or the asset is taken at that time, by what you may not see or by a change just now',
      {
        code: 'CONFLICT',
        next: 'Look again at the assignments of both; a tag that a person wears is taken off by those who may see people.',
        cause: error,
      },
    )
  }
}

interface Worn {
  readonly id: string
  readonly tagId: number
  readonly from: Date
  readonly to: Date | null
}

async function wornAt(
  client: ClientBase,
  { tagId = null, assetId = null, at }: { tagId?: number | null; assetId?: string | null; at: Date },
): Promise<Worn | undefined> {
  const { rows } = await client.query<Worn>(
    `select id, tag_id as "tagId", from_t as "from", to_t as "to" from rtls.tag_assignment
     where (tag_id = $1 or asset_id = $2 and is_primary) and from_t <= $3 and coalesce(to_t, 'infinity') > $3 for update`,
    [tagId, assetId, at],
  )
  return rows[0]
}

/** One that began at this very moment leaves nothing behind. */
async function close(client: ClientBase, worn: Worn, { at, reason: why }: { at: Date; reason: string | undefined }) {
  if (worn.from.getTime() === at.getTime()) {
    throw new BioTrakrError('It was put on at that very moment', {
      code: 'CONFLICT',
      next: 'Take a later time, or take the assignment back.',
    })
  }
  await client.query('update rtls.tag_assignment set to_t = $2, reason = coalesce($3, reason) where id = $1', [
    worn.id,
    at,
    why ?? null,
  ])
}

async function lockAssignment(client: ClientBase, id: string, rowVersion: number) {
  const { rows } = await client.query<Assignment & { tagId: number }>(
    `select ${COLUMNS}, w.tag_id as "tagId" from ${SOURCE} where w.id = $1 for update of w`,
    [id],
  )
  const current = rows[0]
  if (!current) throw notFound('assignment', id)
  if (current.rowVersion !== rowVersion) {
    throw new BioTrakrError('Somebody else changed this assignment meanwhile', {
      code: 'ROW_VERSION',
      next: 'Look at it as it is now and decide again.',
      details: { current, yours: { rowVersion } },
    })
  }
  return current
}

async function readAssignment(client: ClientBase, id: string): Promise<Assignment> {
  const { rows } = await client.query<Assignment>(`select ${COLUMNS} from ${SOURCE} where w.id = $1`, [id])
  if (!rows[0]) throw notFound('assignment', id)
  return rows[0]
}

async function setStatus(client: ClientBase, tagId: number, status: string): Promise<void> {
  await client.query('update rtls.tag set status = $2 where id = $1', [tagId, status])
}

async function tagIdOf(client: ClientBase, identity: string): Promise<number> {
  const { rows } = await client.query<{ id: number }>('select id from rtls.tag where identity = $1', [identity])
  if (!rows[0]) throw notFound('tag', identity)
  return rows[0].id
}

/** @param named its id or its asset tag. @throws BioTrakrError NOT_FOUND */
export async function findAsset(client: ClientBase, named: string): Promise<string> {
  const column = uuid.safeParse(named).success ? 'id' : 'asset_tag'
  const { rows } = await client.query<{ id: string }>(
    `select id from asset.asset where ${column} = $1 and deleted_at is null`,
    [named],
  )
  if (!rows[0]) throw notFound('asset', named)
  return rows[0].id
}

function notWorn(message: string): never {
  throw new BioTrakrError(message, { code: 'CONFLICT', next: 'See the history of its assignments.' })
}

function retired(identity: string): BioTrakrError {
  return new BioTrakrError(`The tag ${identity} is retired`, { code: 'CONFLICT', next: 'Take another tag.' })
}
