import type { ReceiverId, RoomId, SiteMap } from '@biotrakr/shared'

import type { RoomQuality, SurveyedPlace, SurveyQuality } from './survey-quality.ts'

export type Grade = 'red' | 'amber' | 'green' | 'unsurveyed'

type CauseCode =
  | 'not_surveyed'
  | 'not_heard'
  | 'few_places'
  | 'places_differ'
  | 'rooms_alike'
  | 'no_receiver'
  | 'receiver_elsewhere'
  | 'unclear'

/** What is likely wrong with a room, and what to do. */
export interface RoomVerdictLine {
  readonly room: RoomId
  readonly grade: Grade
  readonly code: CauseCode | 'fine'
  readonly cause: string
  readonly next: string
}

/** Mean power of a room at a receiver, dBm, and in which share of the room's seconds it was heard. */
export interface CellView {
  readonly room: RoomId
  readonly receiver: ReceiverId
  readonly dbm: number
  readonly heard: number
}

/** Probability of the right room after ten seconds, below which a room is red, and amber. */
const RED = 0.6
const AMBER = 0.8
const FEW_PLACES = 4
/** Places this far apart in it says that the room is not one place. */
const PLACES_APART = 0.5
/** Two rooms that take each other's place in so many of their places cannot be told apart by more survey. */
const MOST_PLACES = 0.75
/** A confusion counts from this probability on. */
const OFTEN = 0.08
/** A receiver that is this much louder in another room than in its own hangs there, or is named wrong, dB. */
const ELSEWHERE_DB = 8
const HEARD_SHARE = 0.5
const NEVER_HEARD_DBM = -100

export function gradeOf(sure: number | null): Grade {
  if (sure === null) return 'unsurveyed'
  if (sure < RED) return 'red'
  return sure < AMBER ? 'amber' : 'green'
}

/** What every receiver made of every room, in the order of the map; pairs that were never heard are left out. */
export function cellViews(map: SiteMap, places: readonly SurveyedPlace[]): CellView[] {
  return map.rooms.flatMap(({ id: room }) => {
    const seconds = places.filter((place) => place.room === room).flatMap((place) => place.seconds)
    return map.receivers.flatMap(({ id: receiver }) => {
      const heard = seconds.flatMap(
        ({ sightings }) => sightings.find((own) => own.receiver === receiver)?.rssiDbm ?? [],
      )
      if (heard.length === 0) return []
      const dbm = heard.reduce((sum, own) => sum + own, 0) / heard.length
      return [{ room, receiver, dbm, heard: heard.length / seconds.length }]
    })
  })
}

interface Misplaced {
  readonly receiver: ReceiverId
  /** Its room by the map, the room in which it hears best, and how much better, dB. */
  readonly by: RoomId
  readonly loudest: RoomId
  readonly db: number
}

/** Receivers that hear another room far better than their own: swapped names are the commonest mistake of all. */
export function findMisplaced(map: SiteMap, cells: readonly CellView[]): Misplaced[] {
  return map.receivers.flatMap(({ id: receiver, room: by }) => {
    const own = cells.filter((cell) => cell.receiver === receiver)
    const [loudest] = own.filter(({ heard }) => heard > HEARD_SHARE).sort((a, b) => b.dbm - a.dbm)
    // A room that was not surveyed says nothing of its receivers.
    if (by === undefined || !loudest || loudest.room === by || !cells.some(({ room }) => room === by)) return []
    const here = own.find(({ room }) => room === by)?.dbm ?? NEVER_HEARD_DBM
    const db = loudest.dbm - here
    return db >= ELSEWHERE_DB ? [{ receiver, by, loudest: loudest.room, db }] : []
  })
}

/** Rooms with what is wrong with them, the weakest first; those that are fine come last. */
export function findCauses(map: SiteMap, quality: SurveyQuality, cells: readonly CellView[]): RoomVerdictLine[] {
  const weakness = ({ sure }: RoomQuality): number => sure ?? -1
  const sorted = [...quality.rooms].sort((a, b) => weakness(a) - weakness(b))
  return sorted.map((room) => ({
    room: room.room,
    grade: gradeOf(room.sure),
    ...causeOf({ map, quality, cells }, room),
  }))
}

interface Case {
  readonly map: SiteMap
  readonly quality: SurveyQuality
  readonly cells: readonly CellView[]
}

type Cause = Pick<RoomVerdictLine, 'code' | 'cause' | 'next'>

function causeOf(about: Case, room: RoomQuality): Cause {
  if (room.sure === null) {
    return {
      code: 'not_surveyed',
      cause: 'it was not surveyed: its answers rest on the map alone',
      next: `Run: biotrakr calibrate survey --room ${room.room}`,
    }
  }
  if (gradeOf(room.sure) === 'green') return { code: 'fine', cause: '', next: '' }
  return (
    notHeard(about, room) ??
    receiverElsewhere(about, room) ??
    alike(about, room) ??
    fewPlaces(room) ??
    withoutReceiver(about, room) ??
    placesDiffer(room) ?? {
      code: 'unclear',
      cause: `it is taken for ${roomList(room)} now and then`,
      next: 'Survey more places; if that does not help, hang another receiver in it.',
    }
  )
}

const roomList = ({ takenFor }: RoomQuality): string => takenFor.map(({ room }) => room).join(' and ')

const receiversIn = (map: SiteMap, room: RoomId): ReceiverId[] =>
  map.receivers.flatMap((receiver) => (receiver.room === room ? [receiver.id] : []))

function notHeard({ cells }: Case, { room }: RoomQuality): Cause | undefined {
  const often = cells.filter((cell) => cell.room === room && cell.heard > HEARD_SHARE)
  if (often.length > 0) return undefined
  return {
    code: 'not_heard',
    cause: 'no receiver hears a tag in it in half of the seconds',
    next: `Hang a receiver in ${room}, or move the nearest one closer.`,
  }
}

function receiverElsewhere({ map, cells }: Case, { room }: RoomQuality): Cause | undefined {
  const found = findMisplaced(map, cells).find(
    ({ by, receiver }) => by === room && receiversIn(map, room).includes(receiver),
  )
  if (!found) return undefined
  const { receiver, db, loudest } = found
  return {
    code: 'receiver_elsewhere',
    cause: `the map says that ${receiver} hangs here, but it is ${Math.round(db)} dB louder in ${loudest}`,
    next: `Check where ${receiver} hangs, correct its room on the site map, and run: biotrakr calibrate fit`,
  }
}

function alike({ map, quality }: Case, room: RoomQuality): Cause | undefined {
  const rival = room.takenFor.find(({ share, inPlaces }) => share >= OFTEN && inPlaces >= MOST_PLACES)
  if (!rival || room.places < FEW_PLACES) return undefined
  const mutual = quality.rooms
    .find((other) => other.room === rival.room)
    ?.takenFor.some((back) => back.room === room.room && back.share >= OFTEN)
  const own = receiversIn(map, room.room).length
  const both = mutual ? `${room.room} and ${rival.room} are taken for each other` : `it is taken for ${rival.room}`
  if (own > 0) {
    return {
      code: 'rooms_alike',
      cause: `${both} wherever the tag stood: they sound alike`,
      next: `Hang another receiver in ${room.room} or ${rival.room}, away from the wall between them.`,
    }
  }
  return {
    code: 'no_receiver',
    cause: `${both}: ${room.room} has no receiver of its own`,
    next: `Hang a receiver in ${room.room}; more survey will not help.`,
  }
}

function withoutReceiver({ map }: Case, room: RoomQuality): Cause | undefined {
  const isPlaced = map.receivers.some((receiver) => receiver.room !== undefined)
  if (!isPlaced || receiversIn(map, room.room).length > 0) return undefined
  return {
    code: 'no_receiver',
    cause: `it has no receiver of its own and is taken for ${roomList(room)}`,
    next: `Hang a receiver in ${room.room}; more survey helps less.`,
  }
}

function fewPlaces({ room, places }: RoomQuality): Cause | undefined {
  if (places >= FEW_PLACES) return undefined
  return {
    code: 'few_places',
    cause: `only ${places} ${places === 1 ? 'place was' : 'places were'} surveyed`,
    next: `Run: biotrakr calibrate survey --room ${room}, then fit --add`,
  }
}

function placesDiffer({ room, byPlace }: RoomQuality): Cause | undefined {
  const sorted = [...byPlace].sort((a, b) => a.sure - b.sure)
  const [worst, best] = [sorted[0], sorted.at(-1)]
  if (!worst || !best || best.sure - worst.sure < PLACES_APART) return undefined
  return {
    code: 'places_differ',
    cause: `its places sound different: "${worst.name}" is right in ${percent(worst.sure)}, "${best.name}" in ${percent(best.sure)}`,
    next: `Survey more places near "${worst.name}": biotrakr calibrate survey --room ${room}, then fit --add`,
  }
}

const percent = (share: number): string => `${Math.round(100 * share)} %`
