import type { ReceiverId, RoomId, TagId } from '@biotrakr/shared'

import { type Belief, confidenceOf } from './belief.ts'
import { logLikelihood } from './emission.ts'
import type { Engine, Track } from './engine.ts'
import { reasonsFor } from './explain-words.ts'
import { emptyHeard, type Heard, hear } from './heard.ts'
import type { Located, LocateState } from './locate.ts'
import { CELL, type RoomModel } from './model.ts'
import { add, at, indexAt } from './numbers.ts'

/** One of the likeliest rooms. */
interface LikelyRoom {
  /** Null = outside. */
  readonly room: RoomId | null
  /** Probability, 0-1, as confidence is reported. */
  readonly probability: number
  /** The same by the fast filter, which trusts every second: where the tag would be if it were walking. */
  readonly fast: number
  /** What the newest second says of this room against the first, nats. */
  readonly nats: number
}

/** What one receiver adds. Each list has one entry for each of the likeliest rooms, in their order. */
interface ReceiverEvidence {
  readonly receiver: ReceiverId
  /** Power heard in the newest second, dBm; null = not heard, or presence only. */
  readonly heardDbm: number | null
  /** Readings in that second; 0 = not heard. */
  readonly count: number
  readonly expectedDbm: readonly number[]
  /** Probability that the receiver hears one advert from there. */
  readonly heardShare: readonly number[]
  /** What it says of each room against the first, nats: below 0 against it. */
  readonly nats: readonly number[]
}

/** A receiver that nothing is concluded from, and the rooms whose answers suffer. */
export interface MaskedReceiver {
  readonly receiver: ReceiverId
  /** `silent`: tags near it are not heard; `down`: its link or heartbeat is gone. */
  readonly why: 'silent' | 'down'
  /** Rooms that have no other receiver. */
  readonly rooms: readonly RoomId[]
}

/** Why a tag is said to be where it is said to be. */
export interface Explanation extends Omit<Located, 'evidence'> {
  readonly rooms: readonly LikelyRoom[]
  readonly evidence: readonly ReceiverEvidence[]
  readonly masked: readonly MaskedReceiver[]
  /** What the rooms get beside the receivers above: how the tag's own power and typical places in rooms fit, nats. */
  readonly otherNats: readonly number[]
  /** How much stronger than the survey's tag it is thought to be, dB, and how surely. */
  readonly offsetDb: number
  readonly offsetSpreadDb: number
  /** Probability that it rests, 0-1. */
  readonly resting: number
  /** The newest change of the likeliest room. */
  readonly changed: { readonly from: RoomId | null; readonly atMs: number } | null
  /** In plain words: why it changed, or why it did not; what is missing. */
  readonly why: readonly string[]
}

const ROOMS_TOLD = 3
/** A receiver that heard nothing is told of when that says so much. */
const TELLING_NATS = 0.05
const MOST_RECEIVERS = 64
/** Those that heard it are told of before all others. */
const HEARD_FIRST = 100

/** @returns undefined for a tag that was not heard since the start, or that was forgotten since */
export function explainTag(state: LocateState, tag: TagId): Explanation | undefined {
  const track = state.tracks.get(tag)
  const last = track?.last
  if (!track || !state.engine || !last) return undefined
  const { evidence: _, ...located } = last.located
  const { rooms, evidence, masked, offsetDb, resting } = evident(state, track, {
    most: MOST_RECEIVERS,
    tell: toldInFull,
  })
  const parts = {
    ...located,
    rooms,
    evidence,
    masked,
    otherNats: rooms.map(({ nats }, n) => nats - evidence.reduce((sum, one) => sum + (one.nats[n] ?? 0), 0)),
    offsetDb,
    offsetSpreadDb: Math.sqrt(track.offset.variance),
    resting,
    changed: last.changedMs === undefined ? null : { from: last.changedFrom, atMs: last.changedMs },
  }
  return { ...parts, why: reasonsFor(parts, { how: track.how, isTorn: track.names.isTorn }) }
}

type Short = Pick<ReceiverEvidence, 'receiver' | 'heardDbm' | 'nats'>

/** What of an explanation is kept with a record: it is made at every change of room, so no more than that. */
export type Evident = EvidentOf<Short>

interface EvidentOf<Told> extends Pick<Explanation, 'rooms' | 'masked' | 'offsetDb' | 'resting'> {
  readonly evidence: readonly Told[]
}

/** @param most receivers told of */
export function evidenceFor(state: LocateState, track: Track, most: number): Evident {
  return evident(state, track, { most, tell: toldShortly })
}

interface Telling<Told> {
  /** Receivers told of. */
  readonly most: number
  readonly tell: (model: RoomModel, track: Track, telling: Witness) => Told
}

function evident<Told>(state: LocateState, track: Track, telling: Telling<Told>): EvidentOf<Told> {
  const { engine } = state
  const likely = engine ? likelyRooms(engine, track) : []
  const rooms = likely.map(({ number }) => number)
  const heard = engine && heardLast(engine, track)
  const newest = heard && { rooms, heard }
  const totals = engine && newest ? totalsOf(engine, track, newest) : []
  const first = totals[0] ?? 0
  return {
    rooms: likely.map(({ number: _, ...own }, n) => ({ ...own, nats: (totals[n] ?? 0) - first })),
    evidence: engine && newest ? receiverEvidence(engine, track, { ...newest, ...telling }) : [],
    masked: maskedReceivers(state),
    offsetDb: track.offset.db,
    resting: track.motion.rest,
  }
}

/** Receivers left out of everything, by the map's order. */
export function maskedReceivers({ engine }: LocateState): MaskedReceiver[] {
  if (!engine) return []
  const found: MaskedReceiver[] = []
  for (let i = 0; i < engine.watch.masked.length; i++) {
    if (engine.watch.masked[i] === 1) found.push(maskedReceiver(engine, i))
  }
  return found
}

function maskedReceiver({ model, watch }: Engine, i: number): MaskedReceiver {
  const { layout } = model
  const room = indexAt(layout.receiverRoom, i)
  const others = layout.receivers.some((_, j) => indexAt(layout.receiverRoom, j) === room && watch.masked[j] !== 1)
  const name = room < 0 || others ? undefined : layout.rooms[room]
  return {
    receiver: layout.receivers[i] as ReceiverId,
    why: watch.down[i] === 1 ? 'down' : 'silent',
    rooms: name === undefined ? [] : [name],
  }
}

type Numbered = Omit<LikelyRoom, 'nats'> & { readonly number: number }

function likelyRooms({ model }: Engine, { belief, motion, how }: Track): Numbered[] {
  const sure = how ? 1 : Math.max(motion.rest, Math.max(0, 1 - model.trust.error / 0.1))
  const order = Array.from({ length: belief.count }, (_, b) => b)
  order.sort((a, b) => at(belief.answer, b) - at(belief.answer, a) || a - b)
  return order.slice(0, ROOMS_TOLD).map((b) => {
    const number = indexAt(belief.rooms, b)
    const probability = confidenceOf(belief satisfies Belief, b, 0.5 + 0.4 * sure)
    return { number, room: model.layout.rooms[number] ?? null, probability, fast: at(belief.fast, b) }
  })
}

/** @returns undefined when nothing in the newest second says anything */
function heardLast({ model, watch }: Engine, { last }: Track): Heard | undefined {
  if (!last) return undefined
  const heard = emptyHeard()
  hear(heard, last.window, { model, masked: watch.masked })
  return heard.trusted > 0 ? heard : undefined
}

interface Newest {
  /** Numbers of the likeliest rooms. */
  readonly rooms: readonly number[]
  readonly heard: Heard
}

/** Log-likelihoods of the newest second. */
function totalsOf({ model }: Engine, { offset }: Track, { rooms, heard }: Newest): number[] {
  const parts = { heard, offset, receivers: model.layout.receivers.length, heardWeight: model.trust.heard }
  return rooms.map((room) => logLikelihood(model, room, parts))
}

/** A receiver that says something of the likeliest rooms. */
interface Witness extends Newest {
  readonly i: number
  /** Place among the receivers heard, -1 = not heard. */
  readonly n: number
}

function receiverEvidence<Told>(engine: Engine, track: Track, telling: Newest & Telling<Told>): Told[] {
  const { model, watch } = engine
  const { layout, useful } = model
  const { heard, rooms, most, tell } = telling
  const first = emptyRanking(most)
  const logs = new Float64Array(rooms.length)
  const heardAs = placesOf(heard, layout.receivers.length)
  const told = { n: -1, i: -1, offsetDb: track.offset.db }
  for (let i = 0; i < layout.receivers.length; i++) {
    if (useful[i] !== 1 || watch.masked[i] === 1 || layout.medium[i] !== heard.medium) continue
    told.i = i
    told.n = indexAt(heardAs, i)
    weigh(logs, model, { newest: telling, told })
    const spread = spreadOf(logs)
    if (told.n < 0 && spread < TELLING_NATS) continue
    rank(first, i, spread + (told.n < 0 ? 0 : HEARD_FIRST))
  }
  return Array.from(first.items.subarray(0, first.count), (i) =>
    tell(model, track, { rooms, heard, i, n: indexAt(heardAs, i) }),
  )
}

function spreadOf(logs: Float64Array): number {
  let most = 0
  for (let r = 1; r < logs.length; r++) most = Math.max(most, Math.abs(at(logs, r) - at(logs, 0)))
  return most
}

/** By receiver, its place among those heard, -1 = not heard; of two the first. */
function placesOf({ receivers, trusted }: Heard, size: number): Int32Array {
  const places = new Int32Array(size).fill(-1)
  for (let n = trusted - 1; n >= 0; n--) places[indexAt(receivers, n)] = n
  return places
}

/** The heaviest of many, heaviest first, equals in the order in which they came. */
interface Ranking {
  readonly items: Int32Array
  readonly weights: Float64Array
  count: number
}

function emptyRanking(size: number): Ranking {
  return { items: new Int32Array(size), weights: new Float64Array(size), count: 0 }
}

function rank(ranking: Ranking, item: number, weight: number): void {
  const { items, weights } = ranking
  let place = ranking.count
  if (place < items.length) ranking.count += 1
  else if (at(weights, place - 1) >= weight) return
  else place -= 1
  for (; place > 0 && at(weights, place - 1) < weight; place--) {
    items[place] = indexAt(items, place - 1)
    weights[place] = at(weights, place - 1)
  }
  items[place] = item
  weights[place] = weight
}

function toldShortly(model: RoomModel, { offset }: Track, witness: Witness): Short {
  const { i, n, rooms, heard } = witness
  const logs = new Float64Array(rooms.length)
  weigh(logs, model, { newest: witness, told: { n, i, offsetDb: offset.db } })
  const first = at(logs, 0)
  for (let r = 0; r < logs.length; r++) add(logs, r, -first)
  const receiver = model.layout.receivers[i] as ReceiverId
  return { receiver, heardDbm: n < 0 ? null : at(heard.dbm, n), nats: [...logs] }
}

function toldInFull(model: RoomModel, track: Track, witness: Witness): ReceiverEvidence {
  const { i, n, rooms } = witness
  const { receiver, heardDbm, nats } = toldShortly(model, track, witness)
  const sighting = track.last?.window.sightings.find((own) => own.receiver === receiver)
  const ofCells = (part: number): number[] => rooms.map((room) => at(model.rooms.cells, cellAt(model, room, i) + part))
  return {
    receiver,
    heardDbm,
    count: n < 0 ? 0 : (sighting?.count ?? 0),
    expectedDbm: ofCells(CELL.mean),
    heardShare: ofCells(CELL.logMissed).map((logMissed) => -Math.expm1(logMissed)),
    nats,
  }
}

function cellAt({ layout }: RoomModel, room: number, i: number): number {
  return (room * layout.receivers.length + i) * CELL.size
}

interface Weighing {
  readonly newest: Newest
  readonly told: { readonly n: number; readonly i: number; readonly offsetDb: number }
}

/** What hearing the tag, or missing it, says of each room, nats. */
function weigh(logs: Float64Array, model: RoomModel, { newest, told }: Weighing): void {
  const { rooms, heard } = newest
  const { n, i, offsetDb } = told
  const { cells } = model.rooms
  const weight = model.trust.heard
  for (let r = 0; r < logs.length; r++) {
    const base = cellAt(model, rooms[r] as number, i)
    const missed = heard.rounds * at(cells, base + CELL.logMissed)
    if (n < 0) logs[r] = weight * missed
    else {
      const distance = at(heard.dbm, n) - offsetDb - at(cells, base + CELL.mean)
      const presence = weight * Math.log(-Math.expm1(missed))
      logs[r] =
        presence - 0.5 * distance * distance * at(cells, base + CELL.precision) - at(cells, base + CELL.halfLogVariance)
    }
  }
}
