import {
  BioTrakrError,
  type Reading,
  type ReceiverId,
  type RoomId,
  type SiteMap,
  type TagId,
  type Telemetry,
} from '@biotrakr/shared'

import { fork, normal, type Stream, uniform } from './chance.ts'
import { BEDROOMS, cornersOf, passages, roomAt, roomName } from './floor-plan.ts'
import { createMovement, type Leg, type Movement, pointOn } from './movement.ts'
import { type WardOptions, type WardSettings, wardSettings } from './options.ts'
import { placeDbm, placeReceivers, type RadioReceiver, receive } from './radio.ts'
import { surveyTagDb } from './survey.ts'
import { telemetryOf } from './telemetry.ts'

export interface Truth {
  readonly room: RoomId
  /** Metres from the south-west corner of the ward. */
  readonly x: number
  readonly y: number
  readonly moving: boolean
  /** Since when it stays, or walks, without a break; wall milliseconds. */
  readonly sinceMs: number
}

/** A simulated ward with known truth. A pure function of its options: no clock, and memory that does not grow. */
export interface Ward {
  readonly siteMap: SiteMap
  readonly tags: readonly TagId[]
  /**
   * Where a tag is at a time, forwards and backwards alike. Constant time.
   * @throws BioTrakrError NOT_FOUND for a tag that is not of this ward
   */
  truthAt(tag: TagId, atMs: number): Truth
  /**
   * What all receivers report in [fromMs, toMs), in time order; nothing before the ward's start. However a stretch of
   * time is cut, the parts joined give the same readings. The result grows with the interval asked for.
   */
  readingsBetween(fromMs: number, toMs: number): Reading[]
}

interface SimTag {
  readonly id: TagId
  readonly stream: Stream
  readonly movement: Movement
  readonly powerDb: number
  readonly intervalMs: number
  readonly firstMs: number
  /** Memo: power at each receiver during the stay in which the tag was last asked about. */
  rest: { readonly leg: number; readonly dbm: readonly number[] } | undefined
}

interface SimReceiver extends RadioReceiver {
  readonly id: ReceiverId
  readonly dead: boolean
}

const INTERVAL_SPREAD = 0.02
const JITTER = 0.1

/**
 * The synthetic ward: 8 rooms and a corridor of two zones, a Bluetooth receiver in each, and tags that stay and walk.
 * Made for tests and for showing the product without hardware; its figures rank methods, they promise nothing of a
 * real building.
 * @throws BioTrakrError USAGE when an option is out of range
 */
export function createWard(options: WardOptions): Ward {
  const settings = wardSettings(options)
  const seed = fork(0, settings.seed)
  const receivers = placeReceivers(fork(seed, 1)).map((radio, index) => ({
    ...radio,
    id: `rx-${roomName(radio.room)}` as ReceiverId,
    dead: settings.deadReceivers.includes(index),
  }))
  const tags = Array.from({ length: settings.tags }, (_, index) =>
    createTag(fork(fork(seed, 2), index), index, settings),
  )
  const byId = new Map(tags.map((tag) => [tag.id, tag]))
  return {
    siteMap: mapOf(receivers),
    tags: tags.map((tag) => tag.id),
    truthAt(id, atMs) {
      const tag = byId.get(id)
      if (tag) return truthOn(tag.movement.legAt(atMs), atMs)
      throw new BioTrakrError('this tag is not of the simulated ward', {
        code: 'NOT_FOUND',
        next: 'Ask for one of its `tags`.',
      })
    },
    readingsBetween(fromMs, toMs) {
      const since = Math.max(fromMs, settings.startMs)
      const readings: Reading[] = []
      for (const tag of tags) appendReadings(readings, tag, { receivers, settings, fromMs: since, toMs })
      return readings.sort((a, b) => a.atMs - b.atMs)
    },
  }
}

function createTag(stream: Stream, index: number, settings: WardSettings): SimTag {
  const { startMs, stayMs, advertMs, tagPowerSpreadDb, tagsAgainstSurveyDb } = settings
  return {
    id: tagId(fork(stream, 1), index),
    stream,
    movement: createMovement(fork(stream, 2), { startMs, stayMs }),
    powerDb:
      tagsAgainstSurveyDb === undefined
        ? tagPowerSpreadDb * normal(stream, 0)
        : surveyTagDb(settings) + tagsAgainstSurveyDb,
    intervalMs: advertMs * (1 + INTERVAL_SPREAD * (2 * uniform(stream, 2) - 1)),
    firstMs: startMs + advertMs * uniform(stream, 3),
    rest: undefined,
  }
}

/** A random static address: its two topmost bits are 1 (Bluetooth Core 5.4, vol 6, part B, 1.3.2.1). Unique by index. */
function tagId(stream: Stream, index: number): TagId {
  const digits = (value: number, count: number): string => value.toString(16).padStart(count, '0')
  const first = 0xc0 | (fork(stream, 0) & 0x3f)
  return `ble:${digits(first, 2)}${digits(fork(stream, 1) & 0xffffff, 6)}${digits(index, 4)}` as TagId
}

function mapOf(receivers: readonly SimReceiver[]): SiteMap {
  const id = (room: number): RoomId => roomName(room) as RoomId
  return {
    version: 1,
    rooms: receivers.map(({ room }) => ({ id: id(room), transit: room >= BEDROOMS, polygon: cornersOf(room) })),
    receivers: receivers.map((receiver) => ({
      id: receiver.id,
      medium: 'BLE',
      room: id(receiver.room),
      at: [...receiver.at],
    })),
    adjacency: passages().map(([a, b]) => [id(a), id(b)]),
  }
}

export function truthOn(leg: Leg, atMs: number): Truth {
  const point = pointOn(leg, atMs)
  const moving = atMs < leg.arriveMs
  return {
    room: roomName(roomAt(point)) as RoomId,
    x: point.x,
    y: point.y,
    moving,
    sinceMs: moving ? leg.departMs : leg.arriveMs,
  }
}

interface Listening {
  readonly receivers: readonly SimReceiver[]
  readonly settings: WardSettings
  readonly fromMs: number
  readonly toMs: number
}

function appendReadings(into: Reading[], tag: SimTag, { receivers, settings, fromMs, toMs }: Listening): void {
  const jitter = fork(tag.stream, 3)
  const first = Math.max(0, Math.floor((fromMs - tag.firstMs) / tag.intervalMs) - 1)
  for (let advert = first; tag.firstMs + advert * tag.intervalMs < toMs; advert++) {
    const late = JITTER * uniform(jitter, advert)
    const atMs = Math.floor(tag.firstMs + (advert + late) * tag.intervalMs)
    if (atMs < fromMs || atMs >= toMs) continue
    const leg = tag.movement.legAt(atMs)
    const telemetry = telemetryAt(tag, leg, { advert, atMs, settings })
    const dbm = powerAt(tag, leg, { atMs, receivers, settings })
    receivers.forEach((receiver, i) => {
      if (receiver.dead) return
      const rssiDbm = receive(fork(tag.stream, 100 + i), advert, dbm[i] ?? Number.NEGATIVE_INFINITY)
      if (rssiDbm === undefined) return
      const base = { tag: tag.id, receiver: receiver.id, rssiDbm, atMs, medium: 'BLE' as const }
      into.push(telemetry ? { ...base, telemetry } : base)
    })
  }
}

interface Advert {
  readonly advert: number
  readonly atMs: number
  readonly settings: WardSettings
}

function telemetryAt(tag: SimTag, leg: Leg, { advert, atMs, settings }: Advert): Telemetry | undefined {
  const stillMs = settings.motionBit ? Math.max(0, atMs - leg.arriveMs) : undefined
  return telemetryOf(fork(tag.stream, 4), { advert, atMs, startMs: settings.startMs, stillMs })
}

interface Place {
  readonly atMs: number
  readonly receivers: readonly SimReceiver[]
  readonly settings: WardSettings
}

function powerAt(tag: SimTag, leg: Leg, { atMs, receivers, settings }: Place): readonly number[] {
  const resting = atMs >= leg.arriveMs
  if (resting && tag.rest?.leg === leg.index) return tag.rest.dbm
  const point = pointOn(leg, atMs)
  const dbm = receivers.map((receiver) => tag.powerDb + placeDbm(receiver, point, settings.wallLossDb))
  if (resting) tag.rest = { leg: leg.index, dbm }
  return dbm
}
