import type { ClientBase } from 'pg'
import { z } from 'zod'

import { notFound, parseInput } from './input.ts'

const schema = z.strictObject({
  /** Code of a category of assets. */
  category: z.string().min(1).max(64),
  facility: z.string().min(1).max(64),
  room: z.string().min(1).max(64),
  limit: z.coerce.number().int().min(1).max(200).default(10),
})

export interface NearAsset {
  readonly assetId: string
  readonly assetTag: string
  readonly name: string
  readonly room: string
  /** Metres through the doors, where all of them say how far they are apart; a door that does not counts as 10. */
  readonly metres: number
  /** Doors on the way. */
  readonly doors: number
  readonly at: Date
}

interface Door {
  readonly a: number
  readonly b: number
  readonly metres: number | null
}

/** Ways to go for a door whose length nobody measured. */
const USUAL_M = 10

/**
 * Assets of a category that are in a room now, nearest first by the doors between the rooms of the facility. Ones that no
 * known way leads to are left out.
 * @throws BioTrakrError INPUT_INVALID or NOT_FOUND
 */
export async function nearestAssets(client: ClientBase, wish: unknown): Promise<NearAsset[]> {
  const { category, facility, room, limit } = parseInput(schema, wish)
  const start = await client.query<{ id: number; facilityId: number }>(
    `select r.id, r.facility_id as "facilityId" from site.room r join site.facility f on f.id = r.facility_id
     where f.code = $1 and r.code = $2`,
    [facility, room],
  )
  const from = start.rows[0]
  if (!from) throw notFound('room', `${facility}/${room}`)
  const doors = await client.query<Door>(
    `select room_a as a, room_b as b, distance_m as metres from site.adjacency where facility_id = $1 and door <> 'closed'`,
    [from.facilityId],
  )
  const assets = await client.query<Omit<NearAsset, 'metres' | 'doors'> & { roomId: number }>(
    `select c.asset_id as "assetId", c.asset_tag as "assetTag", c.name, r.code as room, c.room_id as "roomId", c.t as at
     from asset.asset a join asset.category k on k.org_id = a.org_id and k.id = a.category_id
     join asset.asset_current c on c.org_id = a.org_id and c.asset_id = a.id
     join site.room r on r.org_id = c.org_id and r.id = c.room_id
     where k.code = $1 and c.facility_id = $2`,
    [category, from.facilityId],
  )
  const ways = shortestWays(from.id, doors.rows)
  return assets.rows
    .flatMap(({ roomId, ...asset }) => {
      const way = ways.get(roomId)
      return way ? { ...asset, ...way } : []
    })
    .sort((a, b) => a.metres - b.metres || a.doors - b.doors || a.assetTag.localeCompare(b.assetTag))
    .slice(0, limit)
}

interface Way {
  readonly metres: number
  readonly doors: number
}

/** Dijkstra's way over the doors; a facility has some hundred rooms, so a plain search for the next one is enough. */
export function shortestWays(from: number, doors: readonly Door[]): ReadonlyMap<number, Way> {
  const next = new Map<number, Door[]>()
  for (const door of doors) {
    next.set(door.a, [...(next.get(door.a) ?? []), door])
    next.set(door.b, [...(next.get(door.b) ?? []), { a: door.b, b: door.a, metres: door.metres }])
  }
  const settled = new Map<number, Way>()
  const open = new Map<number, Way>([[from, { metres: 0, doors: 0 }]])
  while (open.size > 0) {
    const [room, way] = [...open].reduce((least, entry) => (entry[1].metres < least[1].metres ? entry : least))
    open.delete(room)
    settled.set(room, way)
    for (const door of next.get(room) ?? []) {
      const metres = way.metres + (door.metres ?? USUAL_M)
      const known = open.get(door.b)
      if (settled.has(door.b) || (known && known.metres <= metres)) continue
      open.set(door.b, { metres, doors: way.doors + 1 })
    }
  }
  return settled
}
