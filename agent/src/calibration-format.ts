import { createHash } from 'node:crypto'

import {
  isReceiverId,
  isRoomId,
  isTagId,
  type ReceiverId,
  type RoomId,
  surveySchema,
  type TagId,
} from '@biotrakr/shared'
import { z } from 'zod'

import type { SurveyedPlace } from './locate/survey-quality.ts'

/**
 * A calibration as it lies on disk and travels between gateways: what was heard at every place, and what was made of
 * it. The readings stay, so that one room can be surveyed anew, and a better fit made of an old survey.
 */
export const FORMAT = 'biotrakr-calibration-1'

export const roomName = z.custom<RoomId>((value) => typeof value === 'string' && isRoomId(value), 'must be a room')
const receiverName = z.custom<ReceiverId>(
  (value) => typeof value === 'string' && isReceiverId(value),
  'must be a receiver',
)
export const tagName = z.custom<TagId>((value) => typeof value === 'string' && isTagId(value), 'must be a tag identity')
const metres = z.number().min(-10_000).max(10_000)
export const time = z.int().min(0).max(8.64e15)
export const words = z.string().max(256)

/** Receiver, median power in dBm, readings. */
const sightingTuple = z.tuple([receiverName, z.number().gt(-128).lt(0), z.int().min(1).max(100_000)])
/** Wall milliseconds, and who heard the tag. */
export const secondTuple = z.tuple([time, z.array(sightingTuple).max(64)])
export type SecondTuple = z.infer<typeof secondTuple>

const placeSchema = z.strictObject({
  id: words,
  room: roomName,
  name: words,
  at: z.tuple([metres, metres]).optional(),
  seconds: z.array(secondTuple).max(100_000),
})

export const calibrationSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** Counts up in one folder. */
  version: z.int().min(1).max(1_000_000),
  /** SHA-256 of places and survey: the same content has the same hash on every gateway. */
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'),
  /** The version it was made from. */
  parent: z.int().min(1).nullable(),
  atMs: time,
  /** Who made it, and why. */
  by: words,
  note: words,
  /** Version of the site map it was fitted with. */
  mapVersion: z.int().min(1),
  places: z.array(placeSchema).max(100_000),
  survey: surveySchema,
})

export type Calibration = z.infer<typeof calibrationSchema>
export type StoredPlace = Calibration['places'][number]

export function hashOf({ places, survey }: Pick<Calibration, 'places' | 'survey'>): string {
  return createHash('sha256').update(JSON.stringify({ places, survey }, sortedKeys)).digest('hex')
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function secondOf({ atMs, sightings }: SurveyedPlace['seconds'][number]): SecondTuple {
  return [
    atMs,
    sightings.flatMap(({ receiver, rssiDbm, count }): SecondTuple[1] =>
      rssiDbm === undefined ? [] : [[receiver, rssiDbm, count]],
    ),
  ]
}

export function storedPlace({ id, room, name, seconds, at }: SurveyedPlace): StoredPlace {
  return { id, room, name, ...(at && { at: [at[0], at[1]] }), seconds: seconds.map(secondOf) }
}

export function placeFrom({ id, room, name, seconds, at }: StoredPlace): SurveyedPlace {
  return { id, room, name, seconds: seconds.map(heardFrom), ...(at && { at }) }
}

export function heardFrom([atMs, heard]: SecondTuple): SurveyedPlace['seconds'][number] {
  return { atMs, sightings: heard.map(([receiver, rssiDbm, count]) => ({ receiver, rssiDbm, count })) }
}
