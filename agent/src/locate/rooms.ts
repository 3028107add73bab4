import type { ReceiverId, RoomId, SiteMap } from '@biotrakr/shared'

import { type Signal, strengthAt } from './signal.ts'

/** What the rule asks of a site map, made once per map. */
export interface RoomIndex {
  readonly map: SiteMap
  readonly roomOf: ReadonlyMap<ReceiverId, RoomId>
  readonly transit: ReadonlySet<RoomId>
}

/** A checked site map names no room that it lacks (siteMapSchema), so every room found here exists. */
export function indexRooms(map: SiteMap): RoomIndex {
  return {
    map,
    roomOf: new Map(map.receivers.flatMap(({ id, room }) => (room === undefined ? [] : [[id, room] as const]))),
    transit: new Set(map.rooms.filter((room) => room.transit).map((room) => room.id)),
  }
}

/** A thing at rest is seldom in a corridor, although its receivers hear into all rooms. dB. */
const TRANSIT_HANDICAP_DB = 4

export interface Candidate {
  readonly room: RoomId
  readonly dbm: number
}

/** The rooms that hear a tag, strongest first; a room is as strong as its best receiver. */
export function rankRooms({ roomOf, transit }: RoomIndex, signal: Signal, moving: boolean): Candidate[] {
  const best = new Map<RoomId, number>()
  for (const receiver of signal.levels.keys()) {
    const room = roomOf.get(receiver)
    const heard = strengthAt(signal, receiver)
    if (room === undefined || heard === undefined) continue
    const dbm = transit.has(room) && !moving ? heard - TRANSIT_HANDICAP_DB : heard
    best.set(room, Math.max(best.get(room) ?? Number.NEGATIVE_INFINITY, dbm))
  }
  const ranked = [...best].map(([room, dbm]) => ({ room, dbm }))
  return ranked.sort((a, b) => b.dbm - a.dbm || (a.room < b.room ? -1 : 1))
}
