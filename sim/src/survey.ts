import type { Reading, ReceiverId, RoomId, TagId } from '@biotrakr/shared'

import { fork, normal, type Stream, uniform } from './chance.ts'
import { extentOf, type Point, ROOMS, roomName } from './floor-plan.ts'
import { type WardOptions, type WardSettings, wardSettings } from './options.ts'
import { placeDbm, placeReceivers, receive } from './radio.ts'

/** One stop of somebody who walks through the ward with a tag of their own. */
export interface SurveyStop {
  readonly room: RoomId
  /** Metres from the south-west corner of the ward. */
  readonly at: readonly [x: number, y: number]
  readonly readings: readonly Reading[]
}

export interface SurveyOptions {
  /** Stops in each room, default 4, and seconds at each, default 15. */
  readonly stops?: number
  readonly seconds?: number
  /** Rooms that are left out, by their index in the site map. */
  readonly without?: readonly number[]
}

const SURVEY_TAG = 'ble:c2ffffffffff' as TagId
const STRANGER_TAG = 'ble:c3ffffffffff' as TagId
/** Stops keep this off the walls, metres. */
const MARGIN = 0.4
/** A survey tag is set to a quick pace, whatever the ward's own tags do. */
const ADVERT_MS = 1000
/** Between two stops, milliseconds. */
const PAUSE_MS = 60_000

/** Walks through a ward before it opens, all receivers alive. The same options give the same survey. */
export function surveyWard(
  options: WardOptions,
  { stops = 4, seconds = 15, without = [] }: SurveyOptions = {},
): SurveyStop[] {
  const stream = fork(fork(0, options.seed), 3)
  const rooms = Array.from({ length: ROOMS }, (_, room) => room).filter((room) => !without.includes(room))
  return rooms.flatMap((room) =>
    Array.from({ length: stops }, (_, stop): SurveyStop => {
      const number = room * stops + stop
      const point = pointIn(room, fork(stream, number))
      const startMs = options.startMs - (ROOMS * stops - number) * (seconds * 1000 + PAUSE_MS)
      const readings = stay(options, { tag: SURVEY_TAG, stream, point, first: number * 1000, startMs, seconds })
      return { room: roomName(room) as RoomId, at: [point.x, point.y], readings }
    }),
  )
}

export function pointIn(room: number, stream: Stream): Point {
  const { from, to } = extentOf(room)
  return {
    x: from.x + MARGIN + (to.x - from.x - 2 * MARGIN) * uniform(stream, 0),
    y: from.y + MARGIN + (to.y - from.y - 2 * MARGIN) * uniform(stream, 1),
  }
}

export interface OutsideOptions {
  /** Metres beyond the western end wall. */
  readonly metres: number
  /** Loss of that wall, dB. */
  readonly wallDb: number
  readonly seconds: number
  /** Another tag for each number. */
  readonly tag: number
}

/** What the ward hears of a tag that rests outside, at the height of the corridor, from the ward's start on. */
export function readingsFromOutside(options: WardOptions, { metres, wallDb, seconds, tag }: OutsideOptions): Reading[] {
  const stream = fork(fork(fork(0, options.seed), 4), tag)
  const point = { x: -metres, y: 1 + 9 * uniform(stream, 0) }
  return stay(options, {
    tag: STRANGER_TAG,
    stream,
    point,
    first: 0,
    startMs: options.startMs,
    seconds,
    lossDb: wallDb,
  })
}

interface Stay {
  readonly tag: TagId
  readonly stream: Stream
  readonly point: Point
  /** Number of the first advert of this stay. */
  readonly first: number
  readonly startMs: number
  readonly seconds: number
  readonly lossDb?: number
}

function ownPowerDb(stream: Stream, spreadDb: number): number {
  return spreadDb * normal(fork(stream, 1), 0)
}

/** Transmit power of the tag that walks through a ward, against the usual one, dB. */
export function surveyTagDb({ seed, tagPowerSpreadDb }: WardSettings): number {
  return ownPowerDb(fork(fork(0, seed), 3), tagPowerSpreadDb)
}

function stay(options: WardOptions, { tag, stream, point, first, startMs, seconds, lossDb = 0 }: Stay): Reading[] {
  const { tagPowerSpreadDb, wallLossDb } = wardSettings(options)
  const powerDb = ownPowerDb(stream, tagPowerSpreadDb) - lossDb
  const receivers = placeReceivers(fork(fork(0, options.seed), 1))
  const readings: Reading[] = []
  for (let n = 0; n < seconds; n++) {
    const atMs = Math.floor(startMs + n * ADVERT_MS)
    receivers.forEach((receiver, i) => {
      const averageDbm = powerDb + placeDbm(receiver, point, wallLossDb)
      const rssiDbm = receive(fork(stream, 100 + i), first + n, averageDbm)
      if (rssiDbm === undefined) return
      readings.push({ tag, receiver: `rx-${roomName(receiver.room)}` as ReceiverId, rssiDbm, atMs, medium: 'BLE' })
    })
  }
  return readings
}
