import type { TagReport } from '@biotrakr/firmware-profiles'
import {
  BioTrakrError,
  encodeEpc,
  type ReceiverId,
  type RoomId,
  type SiteMap,
  type TagId,
  tagIdFromEpc,
} from '@biotrakr/shared'

import { fork } from './chance.ts'
import { doorOf, type Point, roomAt, roomName } from './floor-plan.ts'
import { createMovement, type Movement, pointOn } from './movement.ts'
import { type Truth, truthOn } from './ward.ts'

interface ThingsOptions {
  /** Same seed, same things and same ways. */
  readonly seed: number
  /** Wall milliseconds at which their story begins. */
  readonly startMs: number
  /** How many, 1-1000; default 4. */
  readonly count?: number
  /** How long one stays at a place on average, ms; default 60,000. */
  readonly stayMs?: number
}

/** A simulated reader of the ward: which receiver each antenna is, by its number from 1. */
export interface WardReader {
  readonly name: 'portal' | 'bedside'
  readonly antennas: Readonly<Record<number, ReceiverId>>
  /** What its antennas can read at a time, with the power they receive on average. */
  fieldAt(atMs: number): readonly TagReport[]
}

/**
 * Beds with a passive UHF tag and nothing else, so that no thing of the ward is there twice. They are pushed to and fro
 * between the room with the bedside reader and the one behind the portal.
 */
export interface WardThings {
  readonly tags: readonly TagId[]
  /** For the ward's site map. */
  readonly receivers: SiteMap['receivers']
  /** The doorway with two antennas, for the site map as well. */
  readonly portals: NonNullable<SiteMap['portals']>
  readonly readers: readonly WardReader[]
  /** @throws BioTrakrError NOT_FOUND for a tag that is none of these */
  truthAt(tag: TagId, atMs: number): Truth
  /** Whether any antenna can read the tag: a passive tag is mute anywhere else. */
  isReadAt(tag: TagId, atMs: number): boolean
}

interface Thing {
  readonly tag: TagId
  readonly epc: string
  readonly movement: Movement
}

interface Antenna {
  readonly receiver: ReceiverId
  readonly number: number
  readonly room: number
  readonly at: Point
  readonly reachMetres: number
  /** Its power is set so low that it reads through no wall. */
  readonly exact?: boolean
}

const BEDSIDE_ROOM = 0
const PORTAL_ROOM = 7
/** Stands for the GS1 company prefix of the ward's owner: the one that GS1's own examples use. */
const COMPANY = '0614141'
const FIRST_SERIAL = 10_001
const HEIGHT_METRES = 2
/** A passive tag's answer at one metre, and how fast it fades: forth and back, so twice as fast as a beacon's. */
const DBM_AT_ONE_METRE = -46
const DB_PER_DECADE = 40
const NEAREST_METRES = 0.5

/** The portal's antennas look away from each other, one into the room and one into the corridor. */
function placeAntennas(): { readonly portal: readonly Antenna[]; readonly bedside: readonly Antenna[] } {
  const door = doorOf(PORTAL_ROOM)
  const corridor = roomAt({ x: door.x, y: door.y - 1 })
  const at = { x: 1, y: 2 }
  const antenna = (
    number: number,
    room: number,
    place: Omit<Antenna, 'receiver' | 'number' | 'room'>,
    name: string,
  ) => ({
    receiver: `${name}/${number}` as ReceiverId,
    number,
    room,
    ...place,
  })
  const portal = `portal-${roomName(PORTAL_ROOM)}`
  return {
    portal: [
      antenna(1, PORTAL_ROOM, { at: door, reachMetres: 2 }, portal),
      antenna(2, corridor, { at: door, reachMetres: 2 }, portal),
    ],
    bedside: [antenna(1, BEDSIDE_ROOM, { at, reachMetres: 4, exact: true }, `bedside-${roomName(BEDSIDE_ROOM)}`)],
  }
}

/** @throws BioTrakrError USAGE when an option is out of range */
export function createWardThings({ seed, startMs, count = 4, stayMs = 60_000 }: ThingsOptions): WardThings {
  const things = Array.from({ length: checkedCount(count) }, (_, index) =>
    createThing({ seed, startMs, stayMs }, index),
  )
  const byTag = new Map(things.map((thing) => [thing.tag, thing]))
  const { portal, bedside } = placeAntennas()
  const antennas = [...portal, ...bedside]
  const pointAt = ({ movement }: Thing, atMs: number): Point => pointOn(movement.legAt(atMs), atMs)
  const known = (tag: TagId): Thing => {
    const thing = byTag.get(tag)
    if (thing) return thing
    throw new BioTrakrError('this tag is on no thing of the simulated ward', {
      code: 'NOT_FOUND',
      next: 'Ask for one of its `tags`.',
    })
  }
  const readerOf = (name: WardReader['name'], own: readonly Antenna[]): WardReader => ({
    name,
    antennas: Object.fromEntries(own.map(({ number, receiver }) => [number, receiver])),
    fieldAt: (atMs) =>
      things.flatMap((thing) => {
        const point = pointAt(thing, atMs)
        const hearing = own.filter((antenna) => reaches(antenna, point))
        return hearing.map((antenna) => reportOf(thing, antenna, point))
      }),
  })
  return {
    tags: things.map(({ tag }) => tag),
    receivers: antennas.map(({ receiver, room, at, exact }) => ({
      id: receiver,
      medium: 'RFID',
      room: roomName(room) as RoomId,
      at: [at.x, at.y, HEIGHT_METRES],
      ...(exact && { exact }),
    })),
    portals: [portalOf(portal)],
    readers: [readerOf('portal', portal), readerOf('bedside', bedside)],
    truthAt: (tag, atMs) => truthOn(known(tag).movement.legAt(atMs), atMs),
    isReadAt(tag, atMs) {
      const point = pointAt(known(tag), atMs)
      return antennas.some((antenna) => reaches(antenna, point))
    },
  }
}

function portalOf(antennas: readonly Antenna[]): NonNullable<SiteMap['portals']>[number] {
  const [first, second] = antennas.map(({ room }) => roomName(room) as RoomId)
  return {
    id: `portal-${roomName(PORTAL_ROOM)}`,
    antennas: antennas.map(({ receiver }) => receiver),
    ...(first !== undefined && second !== undefined && { between: [first, second] }),
  }
}

function checkedCount(count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= 1000) return count
  throw new BioTrakrError('count must be a whole number from 1 to 1000', {
    code: 'USAGE',
    next: 'Correct this option.',
  })
}

/** A GIAI, as GS1 has it for assets: urn:epc:id:giai:0614141.10001 and so on. */
function createThing({ seed, startMs, stayMs }: Required<Omit<ThingsOptions, 'count'>>, index: number): Thing {
  const encoded = encodeEpc(`urn:epc:id:giai:${COMPANY}.${FIRST_SERIAL + index}`, { scheme: 'GIAI-96' })
  const named = encoded.ok ? tagIdFromEpc(encoded.hex) : undefined
  if (!encoded.ok || named === undefined) throw new Error('unreachable: a GIAI of digits can be encoded')
  const rooms = [BEDSIDE_ROOM, PORTAL_ROOM]
  // Half of them begin at either end.
  const route = index % 2 === 0 ? rooms : rooms.toReversed()
  const movement = createMovement(fork(fork(fork(0, seed), 3), index), { startMs, stayMs, route })
  return { tag: named.tag, epc: encoded.hex.toUpperCase(), movement }
}

/** Walls and door frames screen: an antenna reads what is near it on its own side. */
function reaches({ room, at, reachMetres }: Antenna, point: Point): boolean {
  return roomAt(point) === room && Math.hypot(point.x - at.x, point.y - at.y) <= reachMetres
}

function reportOf({ epc }: Thing, { number, at }: Antenna, point: Point): TagReport {
  const metres = Math.max(NEAREST_METRES, Math.hypot(point.x - at.x, point.y - at.y))
  const rssiDbm = Math.round(DBM_AT_ONE_METRE - DB_PER_DECADE * Math.log10(metres))
  return { epc, antenna: number, rssiDbm }
}
