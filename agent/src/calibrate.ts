import type { RoomId, SiteMap } from '@biotrakr/shared'

import { type Calibration, placeFrom, storedPlace } from './calibration-format.ts'
import type { CalibrationStore } from './calibration-store.ts'
import { fitSurvey } from './locate/fit.ts'
import { type CellView, cellViews, findCauses, findMisplaced, type RoomVerdictLine } from './locate/survey-causes.ts'
import { measureQuality, type SurveyedPlace, type SurveyQuality, windowsOf } from './locate/survey-quality.ts'

/** What the command line knows of a calibration; this file alone ties survey, fit, versions and judgement together. */
export type { Calibration } from './calibration-format.ts'
export { type CalibrationStore, openCalibrations, readCalibration, writeCalibration } from './calibration-store.ts'
export { type LintFinding, lintSiteMap } from './locate/lint.ts'
export { gradeOf } from './locate/survey-causes.ts'
export { type HeardSecond, judgePlace, judgeRoom, type PlaceVerdict, type RoomVerdict } from './locate/survey-enough.ts'
export type { SurveyedPlace } from './locate/survey-quality.ts'

export interface FitRequest {
  readonly map: SiteMap
  readonly store: CalibrationStore
  /** Places walked since the last version. */
  readonly walked: readonly SurveyedPlace[]
  /** Keeps the earlier places of a room that was walked again; otherwise the new ones take their place. */
  readonly add: boolean
  readonly by: string
  readonly note: string
  /** Wall milliseconds. */
  readonly atMs: number
}

export interface Fitted {
  readonly calibration: Calibration
  /** Rooms whose places are new, are as before, or have none. */
  readonly renewed: readonly RoomId[]
  readonly kept: readonly RoomId[]
  readonly without: readonly RoomId[]
  /** Rooms of the survey that the map no longer has: their places are kept for another map, and not used. */
  readonly foreign: readonly string[]
}

/**
 * Makes a new version from the one that counts and from what was walked since. The rule: a room that was walked again
 * loses its earlier places, unless they are to be added to; every other room keeps its own.
 */
export function fitCalibration({ map, store, walked, add, by, note, atMs }: FitRequest): Fitted {
  const before = store.current()
  const fresh = walked.filter(({ seconds }) => seconds.length > 0)
  const renewed = new Set(fresh.map(({ room }) => room))
  const earlier = (before?.places ?? []).map(placeFrom).filter(({ room }) => add || !renewed.has(room))
  const places = uniquelyNamed([...earlier, ...fresh])
  const calibration = store.add({
    places: places.map(storedPlace),
    survey: fitSurvey(map, windowsOf(places)),
    mapVersion: map.version,
    parent: before?.version ?? null,
    by,
    note,
    atMs,
  })
  const surveyed = new Set(places.map(({ room }) => room))
  const known = new Set(map.rooms.map(({ id }) => id))
  const rooms = map.rooms.map(({ id }) => id)
  return {
    calibration,
    renewed: rooms.filter((room) => renewed.has(room)),
    kept: rooms.filter((room) => surveyed.has(room) && !renewed.has(room)),
    without: rooms.filter((room) => !surveyed.has(room)),
    foreign: [...surveyed].filter((room) => !known.has(room)),
  }
}

/** Ids count up in each journal, so places of two journals may share one. */
function uniquelyNamed(places: readonly SurveyedPlace[]): SurveyedPlace[] {
  const taken = new Set<string>()
  return places.map((place) => {
    let id = place.id
    for (let n = 2; taken.has(id); n++) id = `${place.id} (${n})`
    taken.add(id)
    return { ...place, id }
  })
}

export interface CalibrationReport {
  readonly version: number
  readonly hash: string
  readonly atMs: number
  readonly by: string
  readonly note: string
  readonly mapVersion: number
  readonly places: number
  readonly seconds: number
  readonly quality: SurveyQuality
  /** Mean power of every room at every receiver that heard it. */
  readonly cells: readonly CellView[]
  /** Weakest room first. */
  readonly verdicts: readonly RoomVerdictLine[]
  /** What holds for the survey as a whole: one tag heard by nobody, a map that has changed since, and so on. */
  readonly remarks: readonly string[]
}

/** How good a calibration is, by what it says itself: every place is judged by a model made without it. */
export function reportOn(map: SiteMap, calibration: Calibration): CalibrationReport {
  const { version, hash, atMs, by, note, mapVersion, survey } = calibration
  const places = calibration.places.map(placeFrom)
  const quality = measureQuality(map, places, { trust: survey.trust })
  const cells = cellViews(map, places)
  return {
    version,
    hash,
    atMs,
    by,
    note,
    mapVersion,
    places: places.length,
    seconds: places.reduce((sum, { seconds }) => sum + seconds.length, 0),
    quality,
    cells,
    verdicts: findCauses(map, quality, cells),
    remarks: remarksOn(map, { calibration, places, cells }),
  }
}

interface Surveyed {
  readonly calibration: Calibration
  readonly places: readonly SurveyedPlace[]
  readonly cells: readonly CellView[]
}

function remarksOn(map: SiteMap, { calibration, places, cells }: Surveyed): string[] {
  const remarks: string[] = []
  if (places.length === 0) remarks.push('nothing was surveyed: rooms are found from the site map alone')
  if (calibration.mapVersion !== map.version) {
    remarks.push(
      `the site map has version ${map.version}, this was fitted with ${calibration.mapVersion}: run biotrakr calibrate fit`,
    )
  }
  const heard = new Set(places.flatMap(({ seconds }) => seconds.flatMap((one) => one.sightings.map((s) => s.receiver))))
  const deaf = map.receivers.filter(({ id }) => !heard.has(id)).map(({ id }) => id)
  if (places.length > 0 && deaf.length > 0) {
    remarks.push(
      `never heard in the survey: ${deaf.join(', ')}; check that each is switched on and named as on the map`,
    )
  }
  for (const { receiver, by, loudest, db } of findMisplaced(map, cells)) {
    const louder = `${Math.round(db)} dB louder in ${loudest}`
    remarks.push(`by the map ${receiver} hangs in ${by}, but it is ${louder}: is it swapped with another?`)
  }
  const known = new Set(map.receivers.map(({ id }) => id))
  const strangers = [...heard].filter((receiver) => !known.has(receiver)).sort()
  if (strangers.length > 0) remarks.push(`not on the site map, so of no use: ${strangers.join(', ')}`)
  const rooms = new Set(map.rooms.map(({ id }) => id))
  const foreign = [...new Set(places.map(({ room }) => room))].filter((room) => !rooms.has(room))
  if (foreign.length > 0) remarks.push(`surveyed, but not on the site map: ${foreign.join(', ')}`)
  return remarks
}

export interface CalibrationDiff {
  readonly from: number
  readonly to: number
  readonly isSame: boolean
  readonly rooms: readonly {
    readonly room: RoomId
    readonly places: readonly [before: number, after: number]
    readonly sure: readonly [before: number | null, after: number | null]
  }[]
  /** Rooms and receivers whose mean power changed by at least 3 dB, the largest first. */
  readonly moved: readonly (Pick<CellView, 'room' | 'receiver'> & { readonly db: number })[]
}

const MOVED_DB = 3

/** What changed between two versions: places, quality, and what the receivers make of the rooms. */
export function compareCalibrations(
  map: SiteMap,
  before: Calibration,
  { after }: { after: Calibration },
): CalibrationDiff {
  const [a, b] = [reportOn(map, before), reportOn(map, after)]
  const rooms = map.rooms.flatMap(({ id: room }, k) => {
    const [old, now] = [a.quality.rooms[k], b.quality.rooms[k]]
    const places = [countIn(before, room), countIn(after, room)] as const
    if (places[0] === places[1] && old?.sure === now?.sure) return []
    return [{ room, places, sure: [old?.sure ?? null, now?.sure ?? null] as const }]
  })
  const moved = b.cells.flatMap(({ room, receiver, dbm }) => {
    const old = a.cells.find((cell) => cell.room === room && cell.receiver === receiver)
    return old && Math.abs(dbm - old.dbm) >= MOVED_DB ? [{ room, receiver, db: dbm - old.dbm }] : []
  })
  return {
    from: before.version,
    to: after.version,
    isSame: before.hash === after.hash,
    rooms,
    moved: moved.sort((x, y) => Math.abs(y.db) - Math.abs(x.db)),
  }
}

function countIn({ places }: Calibration, room: RoomId): number {
  return places.filter((place) => place.room === room).length
}
