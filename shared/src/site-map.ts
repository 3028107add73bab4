import { z } from 'zod'

import { isReceiverId, isRoomId, type ReceiverId, type RoomId } from './ids.ts'

/**
 * What the locate stage knows of the building: rooms, which of them touch, and where the receivers hang. The centre
 * publishes it with a version; every fix names the version it was computed with.
 */
const roomId = z.custom<RoomId>(
  (value) => typeof value === 'string' && isRoomId(value),
  'must be a name of 1-64 characters',
)
const receiverId = z.custom<ReceiverId>(
  (value) => typeof value === 'string' && isReceiverId(value),
  'must be a name of 1-64 characters',
)
const metres = z.number().min(-10_000).max(10_000)

const roomSchema = z.strictObject({
  id: roomId,
  /** Corridor, lift lobby, door zone: passed through rather than stayed in. */
  transit: z.boolean().default(false),
})

const receiverSchema = z.strictObject({
  id: receiverId,
  medium: z.enum(['RFID', 'BLE']),
  /** Room in which the receiver stands; absent when nobody wrote it down. */
  room: roomId.optional(),
  /** Place in metres from the map's origin: x, y on the floor, z above it. */
  at: z.tuple([metres, metres, metres]).optional(),
})

const shapeSchema = z.strictObject({
  version: z.int().min(1).max(2_147_483_647),
  rooms: z.array(roomSchema).min(1).max(10_000),
  receivers: z.array(receiverSchema).max(10_000),
  /** Pairs of rooms between which a thing can pass. Empty = not known. */
  adjacency: z
    .array(z.tuple([roomId, roomId]))
    .max(100_000)
    .default([]),
})

/** Also checks, once every value has the right form, that names are unique and that everything named exists. */
export const siteMapSchema = shapeSchema.superRefine((map, context) => {
  const rooms = new Set<string>()
  map.rooms.forEach((room, i) => {
    if (rooms.has(room.id)) report(context, ['rooms', i, 'id'], `room "${room.id}" is named twice`)
    rooms.add(room.id)
  })
  const receivers = new Set<string>()
  map.receivers.forEach((receiver, i) => {
    if (receivers.has(receiver.id)) report(context, ['receivers', i, 'id'], `receiver "${receiver.id}" is named twice`)
    receivers.add(receiver.id)
    if (receiver.room !== undefined && !rooms.has(receiver.room)) {
      report(context, ['receivers', i, 'room'], `room "${receiver.room}" is not in rooms`)
    }
  })
  map.adjacency.forEach((pair, i) => {
    for (const [end, room] of pair.entries()) {
      if (!rooms.has(room)) report(context, ['adjacency', i, end], `room "${room}" is not in rooms`)
    }
  })
})

function report(context: z.RefinementCtx, path: (string | number)[], message: string): void {
  context.addIssue({ code: 'custom', path, message })
}

export type SiteMap = z.infer<typeof siteMapSchema>
export type MapReceiver = SiteMap['receivers'][number]
