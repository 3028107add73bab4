import { BioTrakrError, type Reading, type ReceiverId, type RoomId, type SiteMap, type TagId } from '@biotrakr/shared'

import { fork, normal, type Stream } from './chance.ts'
import { BEDROOMS, extentOf, ROOMS, roomName } from './floor-plan.ts'
import { type WardOptions, wardSettings } from './options.ts'
import { placeDbm, placeReceivers, type RadioReceiver, receive } from './radio.ts'
import { pointIn } from './survey.ts'
import { createWard } from './ward.ts'

interface WalkOptions extends WardOptions {
  /** Receivers that hang; all when absent. */
  readonly receivers?: ReadonlySet<ReceiverId>
  /** Pairs of rooms, side by side, with a curtain between them instead of a wall. */
  readonly curtains?: readonly (readonly [RoomId, RoomId])[]
}

/** Somebody who carries a tag through the ward and stops where they are asked to. */
export interface SurveyWalk {
  readonly siteMap: SiteMap
  /** The tag in their hand. */
  readonly tag: TagId
  /** Holds the tag close to a receiver, so that it is the loudest of all. */
  holdToReceiver(): void
  /**
   * Goes to place `number` of a room, another for each number.
   * @throws BioTrakrError NOT_FOUND for a room that the ward lacks
   */
  goTo(room: RoomId, number: number): void
  /** What the receivers report in [fromMs, toMs), of this tag and of the ward's own, in time order. */
  readingsBetween(fromMs: number, toMs: number): Reading[]
}

const SURVEY_TAG = 'ble:c2ffffffffff' as TagId
/** A survey tag is set to a quick pace. */
const ADVERT_MS = 1000
const TOUCHING_DBM = -32
const NAMES = Array.from({ length: ROOMS }, (_, room) => roomName(room))

/**
 * The simulated ward as a place to survey: the same walls, receivers and shadows as `createWard` has for the seed.
 * @throws BioTrakrError USAGE when an option is out of range, or a curtain is not between two rooms of one row
 */
export function createSurveyWalk({ receivers: hanging, curtains = [], ...options }: WalkOptions): SurveyWalk {
  const { startMs, wallLossDb, tagPowerSpreadDb, seed } = wardSettings(options)
  const stream = fork(fork(0, seed), 5)
  const ward = createWard(options)
  const open = new Set(curtains.map(openSide))
  const receivers = placeReceivers(fork(fork(0, seed), 1)).flatMap((radio) => {
    const id = receiverName(radio)
    return hanging === undefined || hanging.has(id) ? [{ ...radio, id }] : []
  })
  const powerDb = tagPowerSpreadDb * normal(fork(stream, 1), 0)
  let dbm = receivers.map(() => Number.NEGATIVE_INFINITY)
  const lossOf = (from: number, to: number): number => (open.has(sideBetween(from, to)) ? 0 : wallLossDb)
  return {
    siteMap: { ...ward.siteMap, receivers: ward.siteMap.receivers.filter(({ id }) => hanging?.has(id) ?? true) },
    tag: SURVEY_TAG,
    holdToReceiver() {
      dbm = receivers.map((_, i) => (i === 0 ? TOUCHING_DBM : Number.NEGATIVE_INFINITY))
    },
    goTo(name, number) {
      const room = NAMES.indexOf(name)
      if (room < 0) {
        const next = `Its rooms are ${NAMES.join(', ')}.`
        throw new BioTrakrError(`the simulated ward has no room ${name}`, { code: 'NOT_FOUND', next })
      }
      const point = pointIn(room, fork(fork(stream, 2), room * 1000 + number))
      dbm = receivers.map((receiver) => powerDb + placeDbm(receiver, point, lossOf(room, receiver.room)))
    },
    readingsBetween(fromMs, toMs) {
      const others = ward.readingsBetween(fromMs, toMs).filter(({ receiver }) => hanging?.has(receiver) ?? true)
      return [...others, ...ownReadings({ receivers, dbm, stream, startMs }, { fromMs, toMs })].sort(
        (a, b) => a.atMs - b.atMs,
      )
    },
  }
}

interface Speaking {
  readonly receivers: readonly (RadioReceiver & { readonly id: ReceiverId })[]
  /** Average power at each of them. */
  readonly dbm: readonly number[]
  readonly stream: Stream
  readonly startMs: number
}

function ownReadings(
  { receivers, dbm, stream, startMs }: Speaking,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Reading[] {
  const readings: Reading[] = []
  const first = Math.max(0, Math.ceil((fromMs - startMs) / ADVERT_MS))
  for (let advert = first; startMs + advert * ADVERT_MS < toMs; advert++) {
    receivers.forEach(({ id, room }, i) => {
      const rssiDbm = receive(fork(stream, 100 + room), advert, dbm[i] ?? Number.NEGATIVE_INFINITY)
      if (rssiDbm === undefined) return
      readings.push({ tag: SURVEY_TAG, receiver: id, rssiDbm, atMs: startMs + advert * ADVERT_MS, medium: 'BLE' })
    })
  }
  return readings
}

function receiverName({ room }: RadioReceiver): ReceiverId {
  return `rx-${roomName(room)}` as ReceiverId
}

const sideBetween = (a: number, b: number): string => `${Math.min(a, b)} ${Math.max(a, b)}`

function openSide([one, other]: readonly [RoomId, RoomId]): string {
  const [a, b] = [NAMES.indexOf(one), NAMES.indexOf(other)]
  if (a >= 0 && b >= 0 && a < BEDROOMS && b < BEDROOMS && areSideBySide(a, b)) return sideBetween(a, b)
  const next = 'Name two that share a wall, such as 107 and 108.'
  throw new BioTrakrError(`there is no wall between ${one} and ${other}`, { code: 'USAGE', next })
}

function areSideBySide(a: number, b: number): boolean {
  const [one, other] = [extentOf(a), extentOf(b)]
  return one.from.y === other.from.y && (one.to.x === other.from.x || other.to.x === one.from.x)
}
