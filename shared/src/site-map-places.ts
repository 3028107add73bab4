import { z } from 'zod'

import { isName, isReceiverId, isRoomId, type ReceiverId, type RoomId, type TagId } from './ids.ts'
import { isSimplePolygon } from './polygon.ts'
import { isTagId } from './tag-identity.ts'

/** What a site map says beyond names: where rooms lie, what joins them, and what in them is known for certain. */

export const roomId = z.custom<RoomId>(
  (value) => typeof value === 'string' && isRoomId(value),
  'must be a name of 1-64 characters',
)
export const receiverId = z.custom<ReceiverId>(
  (value) => typeof value === 'string' && isReceiverId(value),
  'must be a name of 1-64 characters',
)
export const metres = z.number().min(-10_000).max(10_000)

const name = z.string().refine(isName, 'must be a name of 1-64 characters')
const tagId = z.custom<TagId>(
  (value) => typeof value === 'string' && isTagId(value),
  'is not a canonical tag identity such as ble:c30000123456',
)
const floorPoint = z.tuple([metres, metres])
const twoRooms = z.tuple([roomId, roomId])

/** What else may be known of a room. */
export const roomPlaceShape = {
  /** Storey; rooms that say none are all on one. Coordinates count per floor. */
  floor: name.optional(),
  /** Corners in order, metres from the map's origin, the first one not again at the end. */
  polygon: z.array(floorPoint).min(3).max(64).optional(),
  /**
   * What transmitters that reach this room alone say of themselves (infrared, LF exciter), as tags pass it on:
   * `kontakt-17:0c01` for the bytes 0c 01 of field 17 hex of a Kontakt.io telemetry packet.
   */
  marks: z.array(name).max(64).optional(),
}

const portalSchema = z.strictObject({
  id: name,
  /** Antennas in the order in which something passes them that goes from the first room to the second. */
  antennas: z.array(receiverId).min(1).max(8),
  /** Rooms on both sides. Without them, or with one antenna, the portal tells no direction. */
  between: twoRooms.optional(),
})

/** Parts of a site map that are all optional: a map without them is as valid as ever. */
export const placesShape = {
  /** Doors between rooms; they count as adjacency. */
  doors: z
    .array(z.strictObject({ between: twoRooms, at: floorPoint.optional() }))
    .max(100_000)
    .optional(),
  /** Doorways with RFID antennas. */
  portals: z.array(portalSchema).max(10_000).optional(),
  /** Rooms that belong together: a ward, a clean side, a store. A room may be in several. */
  zones: z
    .array(z.strictObject({ id: name, rooms: z.array(roomId).min(1).max(10_000) }))
    .max(10_000)
    .optional(),
  /** Tags that never leave their place: what is heard of them tells how far the site has drifted from its survey. */
  references: z
    .array(z.strictObject({ tag: tagId, room: roomId, at: floorPoint.optional() }))
    .max(10_000)
    .optional(),
}

const shape = z.strictObject({ rooms: z.array(z.strictObject({ id: roomId, ...roomPlaceShape })), ...placesShape })

interface Known {
  readonly rooms: ReadonlySet<string>
  readonly receivers: ReadonlySet<string>
}

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** Names that lead nowhere, stand twice or mean two things, and polygons that are none. */
export function checkPlaces(map: z.infer<typeof shape>, known: Known): Problem[] {
  return [...roomProblems(map), ...portalProblems(map, known), ...namedRooms(map, known), ...repeated(map)]
}

type Places = z.infer<typeof shape>

function roomProblems({ rooms }: Places): Problem[] {
  const owners = new Map<string, string>()
  return rooms.flatMap(({ id, polygon, marks = [] }, i) => {
    const problems: Problem[] = []
    if (polygon && !isSimplePolygon(polygon)) {
      problems.push({ path: ['rooms', i, 'polygon'], message: 'must hold an area, and its edges must not cross' })
    }
    marks.forEach((mark, n) => {
      const owner = owners.get(mark)
      if (owner !== undefined) {
        problems.push({ path: ['rooms', i, 'marks', n], message: `mark "${mark}" is that of room "${owner}"` })
      }
      owners.set(mark, id)
    })
    return problems
  })
}

function portalProblems({ portals = [] }: Places, { receivers }: Known): Problem[] {
  const owners = new Map<string, string>()
  return portals.flatMap(({ id, antennas }, i) =>
    antennas.flatMap((antenna, n): Problem[] => {
      const path = ['portals', i, 'antennas', n]
      const owner = owners.get(antenna)
      owners.set(antenna, id)
      if (!receivers.has(antenna)) return [{ path, message: `receiver "${antenna}" is not in receivers` }]
      return owner === undefined ? [] : [{ path, message: `antenna "${antenna}" is in portal "${owner}" already` }]
    }),
  )
}

function namedRooms({ doors = [], portals = [], zones = [], references = [] }: Places, { rooms }: Known): Problem[] {
  const named: { readonly path: readonly (string | number)[]; readonly room: string }[] = [
    ...doors.flatMap(({ between }, i) => between.map((room, end) => ({ path: ['doors', i, 'between', end], room }))),
    ...portals.flatMap(({ between = [] }, i) =>
      [...between].map((room, end) => ({ path: ['portals', i, 'between', end], room })),
    ),
    ...zones.flatMap((zone, i) => zone.rooms.map((room, n) => ({ path: ['zones', i, 'rooms', n], room }))),
    ...references.map(({ room }, i) => ({ path: ['references', i, 'room'], room })),
  ]
  return named.flatMap(({ path, room }) =>
    rooms.has(room) ? [] : [{ path, message: `room "${room}" is not in rooms` }],
  )
}

function repeated({ portals = [], zones = [], references = [] }: Places): Problem[] {
  const lists = [
    { path: 'portals', key: 'id', names: portals.map(({ id }) => id) },
    { path: 'zones', key: 'id', names: zones.map(({ id }) => id) },
    { path: 'references', key: 'tag', names: references.map(({ tag }) => tag as string) },
  ]
  return lists.flatMap(({ path, key, names }) => {
    const seen = new Set<string>()
    return names.flatMap((own, i) => {
      if (seen.has(own)) return [{ path: [path, i, key], message: `"${own}" is named twice` }]
      seen.add(own)
      return []
    })
  })
}
