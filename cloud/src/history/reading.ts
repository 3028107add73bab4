import { METHOD, REASON } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { findAsset } from './assignments.ts'
import { instant, invalid, notFound, parseInput } from './input.ts'

const DAY_MS = 86_400_000
const MAX_ROWS = 50_000
/** Longest window of one question. */
const MAX_DAYS = 400
const asset = z.string().min(1).max(100)

const windowSchema = z.strictObject({
  asset,
  from: instant,
  to: instant,
  limit: z.coerce.number().int().min(1).max(MAX_ROWS).default(1_000),
})
const whereAtSchema = z.strictObject({ facility: z.string().min(1).max(64), at: instant })

interface NamedPlace {
  readonly code: string
  readonly name: string
}

/** Where an asset is as far as the database knows. */
export interface AssetPlace {
  readonly assetId: string
  readonly assetTag: string
  readonly name: string
  /** Identity of the tag that places it; null when it wears none. */
  readonly tag: string | null
  /** Null until the tag was placed for the first time. */
  readonly facility: NamedPlace | null
  readonly room: NamedPlace | null
  readonly lastRoom: NamedPlace | null
  readonly at: Date | null
  readonly since: Date | null
  readonly method: string | null
  readonly reason: string | null
  /** Per mille, 0-1000. */
  readonly confidence: number | null
  /** Metres. */
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
  readonly minutesUnseen: number | null
}

export interface AssetFix {
  readonly at: Date
  readonly tag: string
  readonly facility: string
  /** Code; null = unknown, `reason` then says why. */
  readonly room: string | null
  readonly method: string
  readonly reason: string
  readonly confidence: number
  readonly x: number | null
  readonly y: number | null
  readonly accuracy: number | null
}

export interface AssetStay {
  readonly from: Date
  readonly to: Date
  readonly tag: string
  readonly facility: string
  readonly room: string | null
  /** The rest of a stay that was cut at midnight or by a change of tag. */
  readonly continued: boolean
}

export interface PlacedThen {
  readonly tag: string
  readonly assetId: string | null
  readonly assetTag: string | null
  readonly room: string | null
  readonly at: Date
  readonly method: string
  readonly reason: string
  readonly confidence: number
}

/** @throws BioTrakrError NOT_FOUND */
export async function assetLocation(client: ClientBase, named: string): Promise<AssetPlace> {
  const id = await findAsset(client, named)
  const { rows } = await client.query<AssetPlace & CodedPlace>({
    name: 'asset-location',
    text: `select c.asset_id as "assetId", c.asset_tag as "assetTag", c.name, c.tag, ${placeColumn('f', 'facility')},
        ${placeColumn('r', 'room')}, ${placeColumn('l', 'lastRoom')}, c.t as at, c.since, c.method, c.reason, c.confidence, c.x, c.y,
        c.accuracy, c.minutes_unseen as "minutesUnseen"
      from asset.asset_current c
      left join site.facility f on f.org_id = c.org_id and f.id = c.facility_id
      left join site.room r on r.org_id = c.org_id and r.id = c.room_id
      left join site.room l on l.org_id = c.org_id and l.id = c.last_room_id
      where c.asset_id = $1`,
    values: [id],
  })
  if (!rows[0]) throw notFound('asset', named)
  return withNames(rows[0])
}

/**
 * What was heard of an asset, newest first, by the tags it wore then.
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function assetHistory(client: ClientBase, wish: unknown): Promise<AssetFix[]> {
  const { asset: named, from, to, limit } = parseWindow(wish)
  const id = await findAsset(client, named)
  const { rows } = await client.query<AssetFix & CodedPlace>({
    name: 'asset-history',
    text: `select h.t as at, g.identity as tag, f.code as facility, r.code as room, h.method, h.reason, h.confidence, h.x,
        h.y, h.accuracy
      from rtls.asset_history($1, $2, $3, $4) h
      join rtls.tag g on g.id = h.tag_id
      left join site.facility f on f.id = h.facility_id
      left join site.room r on r.id = h.room_id
      order by h.t desc`,
    values: [id, from, to, limit],
  })
  return rows.map(withNames)
}

/** In which rooms an asset was and for how long, in the order of time. @throws as `assetHistory` */
export async function assetStays(client: ClientBase, wish: unknown): Promise<AssetStay[]> {
  const { asset: named, from, to, limit } = parseWindow(wish)
  const id = await findAsset(client, named)
  const { rows } = await client.query<AssetStay>({
    name: 'asset-stays',
    text: `select s.t as "from", s.leave_t as "to", g.identity as tag, f.code as facility, r.code as room, s.continued
      from rtls.asset_stay_history s
      join rtls.tag g on g.id = s.tag_id
      left join site.facility f on f.id = s.facility_id
      left join site.room r on r.id = s.room_id
      where s.asset_id = $1 and s.t > $2::timestamptz - interval '26 hours' and s.t < $3 and s.leave_t >= $2
      order by s.t, s.leave_t limit $4`,
    values: [id, from, to, limit],
  })
  return rows
}

/**
 * Where everything of a facility was at a time: of each tag that no person wore the newest fix of the week before.
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function whereAt(client: ClientBase, wish: unknown): Promise<PlacedThen[]> {
  const { facility, at } = parseInput(whereAtSchema, wish)
  const found = await client.query<{ id: number }>('select id from site.facility where code = $1', [facility])
  if (!found.rows[0]) throw notFound('facility', facility)
  const { rows } = await client.query<PlacedThen & CodedPlace>({
    name: 'where-at',
    text: `select g.identity as tag, h.asset_id as "assetId", a.asset_tag as "assetTag", r.code as room, h.t as at, h.method,
        h.reason, h.confidence
      from rtls.where_at($1, $2) h
      join rtls.tag g on g.id = h.tag_id
      left join asset.asset a on a.id = h.asset_id
      left join site.room r on r.id = h.room_id
      order by g.identity`,
    values: [found.rows[0].id, at],
  })
  return rows.map(withNames)
}

function parseWindow(wish: unknown): z.output<typeof windowSchema> {
  const window = parseInput(windowSchema, wish)
  const { from, to } = window
  if (to <= from) throw invalid([{ pointer: '/to', code: 'order', detail: 'must be after `from`' }])
  if (to.getTime() - from.getTime() <= MAX_DAYS * DAY_MS) return window
  throw invalid([{ pointer: '/from', code: 'too_long', detail: `must be at most ${MAX_DAYS} days before \`to\`` }])
}

/** A code and a name as one column. */
function placeColumn(alias: string, column: string): string {
  return `case when ${alias}.id is not null then json_build_object('code', ${alias}.code, 'name', ${alias}.name) end as "${column}"`
}

/** Numbers of the wire, as the columns hold them. */
interface CodedPlace {
  readonly method: number | string | null
  readonly reason: number | string | null
}

function withNames<Row extends CodedPlace>(row: Row): Row {
  return { ...row, method: nameOf(METHOD, row.method), reason: nameOf(REASON, row.reason) }
}

function nameOf(codes: Readonly<Record<string, number>>, code: number | string | null): string | null {
  return Object.keys(codes).find((name) => codes[name] === code) ?? null
}
