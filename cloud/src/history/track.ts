import type { ClientBase } from 'pg'
import { z } from 'zod'

import { findAsset } from './assignments.ts'
import { instant, invalid, parseInput } from './input.ts'

const DAY_MS = 86_400_000
const MAX_DAYS = 31
const MAX_FIXES = 100_000

const trackSchema = z.strictObject({ asset: z.string().min(1).max(100), from: instant, to: instant })

/** Every fix of an asset in a window as columns of equal length, in the order of time. */
export interface AssetTrack {
  /** Unix ms, UTC. */
  readonly at: readonly number[]
  /** Places in `rooms`; -1 = unknown. */
  readonly room: readonly number[]
  /** Per mille, 0-1000. */
  readonly confidence: readonly number[]
  readonly rooms: readonly { readonly facility: string; readonly code: string; readonly name: string }[]
  /** There are more: `at` begins later than was asked for. */
  readonly isCut: boolean
}

/**
 * Four weeks of a tag that is recorded every minute are 40,000 fixes. As rows, a driver spends four times as long on making
 * objects and dates of them as the database does on finding them, so they come as three texts.
 */
const TRACK = `
  select count(*)::integer as fixes, string_agg(((extract(epoch from h.t) * 1000)::bigint)::text, ',') as at,
    string_agg(coalesce(h.room_id, 0)::text, ',') as room, string_agg(h.confidence::text, ',') as confidence
  from rtls.asset_history($1, $2, $3, $4) h`

/**
 * For maps and charts of where an asset was.
 * @param wish asset, and a window of at most 31 days
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function assetTrack(client: ClientBase, wish: unknown): Promise<AssetTrack> {
  const { asset, from, to } = parseInput(trackSchema, wish)
  if (to <= from) throw invalid([{ pointer: '/to', code: 'order', detail: 'must be after `from`' }])
  if (to.getTime() - from.getTime() > MAX_DAYS * DAY_MS) {
    throw invalid([{ pointer: '/from', code: 'too_long', detail: `must be at most ${MAX_DAYS} days before \`to\`` }])
  }
  const id = await findAsset(client, asset)
  const { rows } = await client.query<{ fixes: number; at: string; room: string; confidence: string }>({
    name: 'asset-track',
    text: TRACK,
    values: [id, from, to, MAX_FIXES],
  })
  const { fixes = 0, at = '', room = '', confidence = '' } = rows[0] ?? {}
  if (fixes === 0) return { at: [], room: [], confidence: [], rooms: [], isCut: false }
  const roomIds = numbers(room)
  const named = await nameRooms(client, [...new Set(roomIds)])
  const places = new Map(named.map(({ id: roomId }, i) => [roomId, i]))
  return {
    at: numbers(at),
    room: roomIds.map((roomId) => places.get(roomId) ?? -1),
    confidence: numbers(confidence),
    rooms: named.map(({ facility, code, name }) => ({ facility, code, name })),
    isCut: fixes === MAX_FIXES,
  }
}

/** The function gives the newest first. */
function numbers(list: string): number[] {
  return list.split(',').map(Number).reverse()
}

interface NamedRoom {
  readonly id: number
  readonly facility: string
  readonly code: string
  readonly name: string
}

async function nameRooms(client: ClientBase, ids: readonly number[]): Promise<NamedRoom[]> {
  const { rows } = await client.query<NamedRoom>({
    name: 'track-rooms',
    text: `select r.id, f.code as facility, r.code, r.name from site.room r join site.facility f on f.id = r.facility_id
      where r.id = any ($1) order by f.code, r.code`,
    values: [ids],
  })
  return rows
}
