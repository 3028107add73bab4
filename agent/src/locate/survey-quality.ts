import type { RoomId, SiteMap, SurveyTrust, TagId } from '@biotrakr/shared'

import { type Evidence, logLikelihood } from './emission.ts'
import { fitSurvey, type SurveyWindow } from './fit.ts'
import { emptyHeard, hear } from './heard.ts'
import { listenTo, modelOf, type RoomModel } from './model.ts'
import { add, at } from './numbers.ts'
import type { HeardSecond } from './survey-enough.ts'

/** One stop of a survey: an unbroken stay at one marked place of a room. */
export interface SurveyedPlace {
  /** Unique in the survey. */
  readonly id: string
  readonly room: RoomId
  /** For people: "bed head". */
  readonly name: string
  readonly seconds: readonly HeardSecond[]
  /** Metres, where it was written down. */
  readonly at?: readonly [x: number, y: number]
}

export interface RoomQuality {
  readonly room: RoomId
  readonly places: number
  readonly seconds: number
  /** Probability that is given to this room after ten seconds at a place in it, 0-1, mean; null without any survey. */
  readonly sure: number | null
  /** Share of single seconds in it that sound most like it, 0-1. */
  readonly secondsRight: number
  /** Share of the probability given to this room that is given rightly, 0-1, every surveyed room weighing the same. */
  readonly precision: number
  readonly byPlace: readonly { readonly name: string; readonly sure: number }[]
  /** The rooms it is taken for, worst first, at most two: probability, and share of its places where it is noticeable. */
  readonly takenFor: readonly { readonly room: RoomId; readonly share: number; readonly inPlaces: number }[]
}

export interface SurveyQuality {
  /** Rooms of the map, in its order. */
  readonly rooms: readonly RoomQuality[]
  /** Mean probability by [true room][believed room], both in the order of `rooms`; rows of unsurveyed rooms are 0. */
  readonly confusion: readonly (readonly number[])[]
  /** Mean over the rooms surveyed; null without a survey. */
  readonly sure: number | null
  readonly secondsRight: number | null
  /** The same with fewer places in each room: what another place brings. */
  readonly curve: readonly { readonly places: number; readonly sure: number; readonly secondsRight: number }[]
}

const FOLDS = 4
/** The only place of a room is cut into pieces of this length. */
const PIECE_MS = 15_000
/** Places per room at which the learning curve is measured. */
const CURVE = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20] as const
/** Held-out seconds that the learning curve is measured with: more rooms would take minutes and say the same. */
const CURVE_SECONDS = 3000
const SURVEY_TAG = 'survey' as TagId
/** Seconds at one place that are judged together: as long as a person waits for an answer. */
const STAY_SECONDS = 10
const NOTICEABLE = 0.1
/** The survey tag's own power is known well. */
const OFFSET = { db: 0, variance: 0.49 }

/**
 * How well rooms are told apart, each place judged by a model made without it: seconds of one place resemble each other
 * far more than those of another day do. Ten seconds are judged together, as the engine does of a thing at rest: single
 * seconds call nearly every room weak and follow its later answers less closely.
 * @param places those of rooms that the map lacks are passed over
 * @param trust as the fit of all places learned it
 */
export function measureQuality(
  map: SiteMap,
  places: readonly SurveyedPlace[],
  { trust }: { readonly trust: SurveyTrust },
): SurveyQuality {
  const numbers = new Map(map.rooms.map(({ id }, k) => [id, k]))
  const pieces = piecesOf(places.filter(({ room, seconds }) => numbers.has(room) && seconds.length > 0))
  const judged = judgeHeldOut({ map, trust, numbers }, pieces)
  const confusion = map.rooms.map((_, k) => believed(judged, k, map.rooms.length))
  const rooms = map.rooms.map(({ id }, k) => roomQuality(id, { k, judged, confusion, map }))
  const surveyed = rooms.filter(({ sure }) => sure !== null)
  const mean = (key: 'sure' | 'secondsRight'): number | null =>
    surveyed.length === 0 ? null : meanOf(surveyed.map((room) => room[key] ?? 0))
  const curve = curveOf({ map, trust, numbers }, pieces)
  return { rooms, confusion, sure: mean('sure'), secondsRight: mean('secondsRight'), curve }
}

/** Windows as the fit takes them: a session for each place, so that each counts as a visit of its own. */
export function windowsOf(places: readonly SurveyedPlace[]): SurveyWindow[] {
  return places.flatMap(({ id, room, seconds, at: point }) =>
    seconds.map(({ atMs, sightings }) => ({ session: id, room, atMs, sightings, ...(point && { at: point }) })),
  )
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, own) => sum + own, 0) / Math.max(1, values.length)

interface Piece extends SurveyedPlace {
  readonly fold: number
}

function piecesOf(places: readonly SurveyedPlace[]): Piece[] {
  const byRoom = new Map<RoomId, SurveyedPlace[]>()
  for (const place of places) byRoom.set(place.room, [...(byRoom.get(place.room) ?? []), place])
  return [...byRoom.values()].flatMap((own) => {
    const [only] = own
    if (own.length > 1 || !only) return own.map((place, n) => ({ ...place, fold: n % FOLDS }))
    const startMs = only.seconds[0]?.atMs ?? 0
    return cutInPieces(only, startMs)
  })
}

function cutInPieces(place: SurveyedPlace, startMs: number): Piece[] {
  const pieces = new Map<number, HeardSecond[]>()
  for (const second of place.seconds) {
    const piece = Math.floor((second.atMs - startMs) / PIECE_MS)
    pieces.set(piece, [...(pieces.get(piece) ?? []), second])
  }
  return [...pieces].map(([piece, seconds]) => ({
    ...place,
    id: `${place.id} ${piece}`,
    seconds,
    fold: piece % FOLDS,
  }))
}

interface Judged {
  readonly place: Piece
  /** Number of its room. */
  readonly truth: number
  /** Share of its seconds whose likeliest room is its own. */
  readonly secondsRight: number
  /** Probability of each room after ten seconds, mean over the place. */
  readonly belief: Float64Array
}

interface Basis {
  readonly map: SiteMap
  readonly trust: SurveyTrust
  readonly numbers: ReadonlyMap<RoomId, number>
}

interface Held {
  /** Places of each room that the model knows at most; all when absent. */
  readonly known?: number
  /** Judges every n-th place only. */
  readonly stride?: number
}

function judgeHeldOut({ map, trust, numbers }: Basis, pieces: readonly Piece[], options: Held = {}): Judged[] {
  const { known = Number.POSITIVE_INFINITY, stride = 1 } = options
  const judged: Judged[] = []
  for (let fold = 0; fold < FOLDS; fold++) {
    const held = pieces.filter((piece, n) => piece.fold === fold && n % stride === 0)
    const rest = firstOfEachRoom(
      pieces.filter((piece) => piece.fold !== fold),
      known,
    )
    if (held.length === 0 || rest.length === 0) continue
    const model = modelOf({ ...map, survey: fitSurvey(map, windowsOf(rest), { trust }) })
    for (const place of held) {
      const truth = numbers.get(place.room) ?? 0
      judged.push({ place, truth, ...judgePiece(model, place, { truth }) })
    }
  }
  return judged
}

function firstOfEachRoom(pieces: readonly Piece[], most: number): Piece[] {
  const taken = new Map<RoomId, number>()
  return pieces.filter(({ room }) => {
    const before = taken.get(room) ?? 0
    taken.set(room, before + 1)
    return before < most
  })
}

function judgePiece(
  model: RoomModel,
  { seconds }: Piece,
  { truth }: { readonly truth: number },
): Pick<Judged, 'secondsRight' | 'belief'> {
  const rooms = model.layout.rooms.length
  const masked = new Uint8Array(model.layout.receivers.length)
  listenTo(model, masked)
  const heard = emptyHeard()
  const { length: receivers } = model.layout.receivers
  const evidence: Evidence = { heard, offset: OFFSET, receivers, heardWeight: model.trust.heard }
  const [sum, log, belief] = [new Float64Array(rooms), new Float64Array(rooms), new Float64Array(rooms)]
  let right = 0
  seconds.forEach(({ sightings, atMs }, n) => {
    hear(heard, { tag: SURVEY_TAG, medium: 'BLE', atMs, sightings }, { model, masked })
    for (let k = 0; k < rooms; k++) {
      log[k] = logLikelihood(model, k, evidence)
      add(sum, k, at(log, k))
    }
    if (topOf(log) === truth) right += 1
    const isStayOver = (n + 1) % STAY_SECONDS === 0 || n === seconds.length - 1
    if (!isStayOver) return
    addBelief(belief, sum, { power: model.trust.stay, weight: ((n % STAY_SECONDS) + 1) / seconds.length })
    sum.fill(0)
  })
  return { secondsRight: right / seconds.length, belief }
}

interface Weighing {
  /** How far ten seconds at one place may be trusted. */
  readonly power: number
  readonly weight: number
}

function addBelief(belief: Float64Array, log: Float64Array, { power, weight }: Weighing): void {
  const top = at(log, topOf(log))
  let total = 0
  for (let k = 0; k < log.length; k++) total += Math.exp(power * (at(log, k) - top))
  for (let k = 0; k < log.length; k++) add(belief, k, (weight * Math.exp(power * (at(log, k) - top))) / total)
}

function topOf(log: Float64Array): number {
  let top = 0
  for (let k = 1; k < log.length; k++) if (at(log, k) > at(log, top)) top = k
  return top
}

function believed(judged: readonly Judged[], truth: number, rooms: number): number[] {
  const own = judged.filter((one) => one.truth === truth)
  return Array.from({ length: rooms }, (_, k) => meanOf(own.map(({ belief }) => at(belief, k))))
}

interface Counted {
  readonly k: number
  readonly judged: readonly Judged[]
  readonly confusion: readonly (readonly number[])[]
  readonly map: SiteMap
}

function roomQuality(room: RoomId, { k, judged, confusion, map }: Counted): RoomQuality {
  const own = judged.filter(({ truth }) => truth === k)
  const row = confusion[k] ?? []
  const given = confusion.reduce((sum, other) => sum + (other[k] ?? 0), 0)
  const takenFor = map.rooms.flatMap(({ id }, j) => {
    const share = row[j] ?? 0
    if (j === k || own.length === 0) return []
    return [{ room: id, share, inPlaces: own.filter(({ belief }) => at(belief, j) >= NOTICEABLE).length / own.length }]
  })
  return {
    room,
    places: own.length,
    seconds: own.reduce((sum, { place }) => sum + place.seconds.length, 0),
    sure: own.length === 0 ? null : (row[k] ?? 0),
    secondsRight: meanOf(own.map(({ secondsRight }) => secondsRight)),
    precision: given === 0 ? 0 : (row[k] ?? 0) / given,
    byPlace: own.map(({ place, belief }) => ({ name: place.name, sure: at(belief, k) })),
    takenFor: takenFor.sort((a, b) => b.share - a.share).slice(0, 2),
  }
}

function curveOf(basis: Basis, pieces: readonly Piece[]): SurveyQuality['curve'] {
  const perRoom = new Map<RoomId, number>()
  for (const { room } of pieces) perRoom.set(room, (perRoom.get(room) ?? 0) + 1)
  const most = Math.max(0, ...perRoom.values())
  const total = pieces.reduce((sum, { seconds }) => sum + seconds.length, 0)
  const stride = Math.max(1, Math.ceil(total / CURVE_SECONDS))
  return CURVE.flatMap((places) => {
    // A quarter of the places is always held out.
    if (places > Math.ceil((most * (FOLDS - 1)) / FOLDS)) return []
    const judged = judgeHeldOut(basis, pieces, { known: places, stride })
    const rooms = [...new Set(judged.map(({ truth }) => truth))]
    const over = (share: (one: Judged) => number): number =>
      meanOf(rooms.map((k) => meanOf(judged.filter(({ truth }) => truth === k).map(share))))
    const sure = over(({ belief, truth }) => at(belief, truth))
    return [{ places, sure, secondsRight: over(({ secondsRight }) => secondsRight) }]
  })
}
