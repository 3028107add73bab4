import { z } from 'zod'

import { checkPlaces, metres, placesShape, receiverId, roomId, roomPlaceShape } from './site-map-places.ts'

/**
 * What the locate stage knows of the building: rooms, which of them touch, and where the receivers hang. The centre
 * publishes it with a version; every fix names the version it was computed with.
 */
const roomSchema = z.strictObject({
  id: roomId,
  /** Corridor, lift lobby, door zone: passed through rather than stayed in. */
  transit: z.boolean().default(false),
  /** A way leads out of the building from here; what is not said is true of transit rooms. */
  exit: z.boolean().optional(),
  ...roomPlaceShape,
})

const receiverSchema = z.strictObject({
  id: receiverId,
  medium: z.enum(['RFID', 'BLE']),
  /** Room in which the receiver stands; absent when nobody wrote it down. */
  room: roomId.optional(),
  /** Place in metres from the map's origin: x, y on the floor, z above it. */
  at: z.tuple([metres, metres, metres]).optional(),
  /** Hears only what is in its room (bed-side HF reader, dock, infrared): one reading settles the room. */
  exact: z.boolean().optional(),
})

const count = z.number().min(0).max(1e9)
const power = z.number().min(-1e12).max(1e12)

/** How often one receiver heard the survey tag at one place or in one room, and sums of the power in dBm. */
const heardShape = {
  receiver: receiverId,
  ticks: count,
  sum: power,
  squares: power,
  /** Readings, those inside one second counted less (locate stage, `effectiveCount`). */
  counted: count,
}

/**
 * What is kept of a survey: sums, not readings. They outlive an edit of the map, as everything that depends on the map
 * is computed from them when it is read; names that the map has lost are passed over.
 */
export const surveySchema = z.strictObject({
  rooms: z.array(z.strictObject({ room: roomId, rounds: count, visits: count, seconds: count })).max(10_000),
  cells: z.array(z.strictObject({ room: roomId, ...heardShape })).max(500_000),
  /** Squares about the mean of a few seconds at one place, dB^2, and their degrees of freedom. */
  noise: z.array(z.strictObject({ receiver: receiverId, squares: count, freedom: count })).max(10_000),
  /** Room changes that the survey walked: from, to, how often. */
  changes: z.array(z.tuple([roomId, roomId, count])).max(100_000),
  /** Typical places inside rooms; only where they help. */
  spots: z
    .array(
      z.strictObject({
        room: roomId,
        ticks: count,
        rounds: count,
        heard: z.array(z.strictObject(heardShape)).max(1000),
      }),
    )
    .max(100_000),
  /** Surveyed points with known coordinates, metres: mean power at each receiver. */
  points: z
    .array(
      z.strictObject({
        room: roomId,
        at: z.tuple([metres, metres]),
        heard: z.array(z.strictObject({ receiver: receiverId, dbm: z.number().min(-128).max(0) })).max(1000),
      }),
    )
    .max(10_000),
  /** What the survey says of its own worth, found by leaving out one visit after the other. */
  trust: z.strictObject({
    /** Power to which the likelihood of one second is raised, and that of ten seconds at one place. */
    second: z.number().min(0.001).max(10),
    stay: z.number().min(0.001).max(10),
    /** Weight of the typical places against the room as a whole. */
    spots: z.number().min(0).max(1),
    /** Weight of heard and not heard against power. */
    heard: z.number().min(0).max(1),
    /** Share of seconds whose likeliest room is wrong. */
    error: z.number().min(0).max(1),
  }),
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
  ...placesShape,
  survey: surveySchema.optional(),
})

/** Rooms times receivers that one agent can keep in memory (80 MB of numbers). */
const MAX_CELLS = 2_000_000

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
  if (map.rooms.length * map.receivers.length > MAX_CELLS) {
    report(context, ['rooms'], `rooms times receivers must be at most ${MAX_CELLS}: give each gateway its own part`)
  }
  map.adjacency.forEach((pair, i) => {
    for (const [end, room] of pair.entries()) {
      if (!rooms.has(room)) report(context, ['adjacency', i, end], `room "${room}" is not in rooms`)
    }
  })
  for (const { path, message } of checkPlaces(map, { rooms, receivers })) report(context, [...path], message)
})

function report(context: z.RefinementCtx, path: (string | number)[], message: string): void {
  context.addIssue({ code: 'custom', path, message })
}

export type SiteMap = z.infer<typeof siteMapSchema>
export type MapReceiver = SiteMap['receivers'][number]
export type Survey = z.infer<typeof surveySchema>
export type SurveyTrust = Survey['trust']
