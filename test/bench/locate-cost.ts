import { bleTag, type ReceiverId, type RoomId, type SiteMap, type TagId, type TagWindow } from '@biotrakr/shared'

import { fitSurvey, type SurveyWindow } from '../../agent/src/locate/fit.ts'
import { emptyState, locate } from '../../agent/src/locate/locate.ts'
import { type Figure, median } from './figure.ts'

/** Receivers that hear each window: a dense site. */
const HEARD = 30
const TAGS = 50
const WINDOWS = 20_000
const ROOM_M = 5
const WALL_DB = 4
/** What a survey of typical wards teaches; learning it for 500 rooms is not what is measured here. */
const TRUST = { second: 0.6, stay: 0.12, spots: 0, heard: 0.15, error: 0.2 }

/** Rooms in a square, each with so many receivers that 30 are within earshot, and a survey of four places a room. */
interface Site {
  readonly map: SiteMap
  windowAt(tag: TagId, room: number, spot: number): TagWindow
}

function siteOf(rooms: number): Site {
  const side = Math.ceil(Math.sqrt(rooms))
  const perRoom = Math.max(1, Math.ceil(HEARD / rooms))
  const idOf = (k: number) => `room-${k}` as RoomId
  const placeOf = (k: number) => ({ x: (k % side) * ROOM_M, y: Math.floor(k / side) * ROOM_M })
  const receivers = Array.from({ length: rooms * perRoom }, (_, i) => ({
    id: `rx-${i}` as ReceiverId,
    medium: 'BLE' as const,
    room: idOf(Math.floor(i / perRoom)),
  }))
  const adjacency = Array.from({ length: rooms }, (_, k): [RoomId, RoomId][] => [
    ...(k % side < side - 1 && k + 1 < rooms ? [[idOf(k), idOf(k + 1)] as [RoomId, RoomId]] : []),
    ...(k + side < rooms ? [[idOf(k), idOf(k + side)] as [RoomId, RoomId]] : []),
  ]).flat()
  const plain: SiteMap = {
    version: 1,
    rooms: Array.from({ length: rooms }, (_, k) => ({ id: idOf(k), transit: k === 0 })),
    receivers,
    adjacency,
  }
  const windowAt = (tag: TagId, room: number, spot: number): TagWindow => {
    const from = placeOf(room)
    const sightings = receivers
      .map(({ id }, i) => {
        const to = placeOf(Math.floor(i / perRoom))
        const metres = 1 + Math.hypot(from.x - to.x + (spot % 4) * 0.7, from.y - to.y - (spot % 3) * 0.8)
        const walls = (Math.abs(from.x - to.x) + Math.abs(from.y - to.y)) / ROOM_M
        const dbm = -48 - 24 * Math.log10(metres) - WALL_DB * walls - ((i * 7 + spot * 5) % 9)
        return { receiver: id, rssiDbm: Math.round(dbm), count: 1 }
      })
      .sort((a, b) => b.rssiDbm - a.rssiDbm)
      .slice(0, HEARD)
      .sort((a, b) => (a.receiver < b.receiver ? -1 : 1))
    return { tag, atMs: 0, medium: 'BLE', sightings }
  }
  const survey: SurveyWindow[] = Array.from({ length: rooms * 4 }, (_, n) => {
    const { sightings } = windowAt(bleTag('c3:00:00:00:00:01') as TagId, n >> 2, n & 3)
    return [0, 1].map((second) => ({
      session: `s${n}`,
      room: idOf(n >> 2),
      atMs: n * 10_000 + second * 1000,
      sightings,
    }))
  }).flat()
  return { map: { ...plain, survey: fitSurvey(plain, survey, { trust: TRUST }) }, windowAt }
}

/** Processor time of one answer, microseconds, with all that an answer carries; and what it leaves for the collector. */
function costOf(rooms: number): { readonly micros: number; readonly bytes: number } {
  const { map, windowAt } = siteOf(rooms)
  const tags = Array.from(
    { length: TAGS },
    (_, n) => bleTag(`c3:00:00:00:01:${n.toString(16).padStart(2, '0')}`) as TagId,
  )
  const windows = Array.from({ length: TAGS * 8 }, (_, n) => windowAt(tags[n % TAGS]!, (n * 13) % rooms, n))
  let state = emptyState()
  let atMs = 1_700_000_000_000
  const costs: number[] = []
  let bytes = 0
  for (let run = 0; run < 6; run++) {
    globalThis.gc?.()
    const heapBefore = process.memoryUsage().heapUsed
    const before = process.cpuUsage()
    for (let n = 0; n < WINDOWS; n++) {
      const tag = n % TAGS
      if (tag === 0) atMs += 1000
      // A tag stays for a hundred seconds in one room.
      const window = windows[tag + TAGS * (Math.floor(n / TAGS / 100) % 8)]!
      state = locate(map, state, { ...window, atMs }).state
      if (n === 1999 && run === 5) bytes = (process.memoryUsage().heapUsed - heapBefore) / 2000
    }
    const { user, system } = process.cpuUsage(before)
    if (run > 1) costs.push((user + system) / WINDOWS)
  }
  return { micros: median(costs), bytes }
}

export function benchLocateCost(): Figure[] {
  const group = 'locate, 30 heard'
  return [10, 100, 500].flatMap((rooms) => {
    const { micros, bytes } = costOf(rooms)
    const most = rooms === 500 ? 20 : 10
    return [
      { group, name: `one answer, ${rooms} rooms`, value: micros, unit: 'us CPU', goal: { atMost: most } },
      { group, name: `heap per answer, ${rooms} rooms`, value: bytes, unit: 'B' },
    ]
  })
}
