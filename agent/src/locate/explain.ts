import type { ReceiverId, RoomId, TagId } from '@biotrakr/shared'

import { type Belief, confidenceOf } from './belief.ts'
import { logLikelihood } from './emission.ts'
import type { Engine, Track } from './engine.ts'
import { reasonsFor } from './explain-words.ts'
import { emptyHeard, hear } from './heard.ts'
import type { Located, LocateState } from './locate.ts'
import { CELL } from './model.ts'
import { at, indexAt } from './numbers.ts'

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

/** @returns undefined for a tag that was not heard since the start, or that was forgotten since */
export function explainTag(state: LocateState, tag: TagId): Explanation | undefined {
  const track = state.tracks.get(tag)
  const { engine } = state
  const last = track?.last
  if (!track || !engine || !last) return undefined
  const rooms = likelyRooms(engine, track)
  const numbers = rooms.map(({ number }) => number)
  const totals = totalsOf(engine, track, numbers)
  const evidence = totals ? receiverEvidence(engine, track, numbers) : []
  const first = totals?.[0] ?? 0
  const nats = rooms.map((_, n) => (totals?.[n] ?? 0) - first)
  const likely = rooms.map(({ number: _, ...own }, n) => ({ ...own, nats: nats[n] ?? 0 }))
  const { evidence: _, ...located } = last.located
  const parts = {
    ...located,
    rooms: likely,
    evidence,
    masked: maskedReceivers(state),
    otherNats: nats.map((own, n) => own - evidence.reduce((sum, one) => sum + (one.nats[n] ?? 0), 0)),
    offsetDb: track.offset.db,
    offsetSpreadDb: Math.sqrt(track.offset.variance),
    resting: track.motion.rest,
    changed: last.changedMs === undefined ? null : { from: last.changedFrom, atMs: last.changedMs },
  }
  return { ...parts, why: reasonsFor(parts, { how: track.how, isTorn: track.names.isTorn }) }
}

/** Receivers left out of everything, by the map's order. */
export function maskedReceivers({ engine }: LocateState): MaskedReceiver[] {
  if (!engine) return []
  const { layout } = engine.model
  const { masked, down } = engine.watch
  return layout.receivers.flatMap((receiver, i): MaskedReceiver[] => {
    if (masked[i] !== 1) return []
    const room = indexAt(layout.receiverRoom, i)
    const others = layout.receivers.some((_, j) => indexAt(layout.receiverRoom, j) === room && masked[j] !== 1)
    const name = room < 0 || others ? undefined : layout.rooms[room]
    return [{ receiver, why: down[i] === 1 ? 'down' : 'silent', rooms: name === undefined ? [] : [name] }]
  })
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

/** Log-likelihoods of the newest second; undefined when nothing in it says anything. */
function totalsOf(engine: Engine, track: Track, rooms: readonly number[]): number[] | undefined {
  const { model, watch } = engine
  const heard = emptyHeard()
  if (!track.last) return undefined
  hear(heard, track.last.window, { model, masked: watch.masked })
  if (heard.trusted === 0) return undefined
  const receivers = model.layout.receivers.length
  const parts = { heard, offset: track.offset, receivers, heardWeight: model.trust.heard }
  return rooms.map((room) => logLikelihood(model, room, parts))
}

function receiverEvidence({ model, watch }: Engine, track: Track, rooms: readonly number[]): ReceiverEvidence[] {
  const heard = emptyHeard()
  if (!track.last) return []
  hear(heard, track.last.window, { model, masked: watch.masked })
  const { layout } = model
  const found = layout.receivers.flatMap((receiver, i): ReceiverEvidence[] => {
    if (model.useful[i] !== 1 || watch.masked[i] === 1 || layout.medium[i] !== heard.medium) return []
    const n = heard.receivers.subarray(0, heard.trusted).indexOf(i)
    const cells = rooms.map((room) => cellOf(model, room, i))
    const logs = cells.map((cell) => cellLog(cell, { n, heard, track, weight: model.trust.heard }))
    const nats = logs.map((own) => own - (logs[0] ?? 0))
    if (n < 0 && nats.every((own) => Math.abs(own) < TELLING_NATS)) return []
    return [
      {
        receiver,
        heardDbm: n < 0 ? null : at(heard.dbm, n),
        count: n < 0 ? 0 : (track.last?.window.sightings.find((own) => own.receiver === receiver)?.count ?? 0),
        expectedDbm: cells.map(({ mean }) => mean),
        heardShare: cells.map(({ logMissed }) => -Math.expm1(logMissed)),
        nats,
      },
    ]
  })
  const weightOf = ({ nats, count }: ReceiverEvidence): number =>
    Math.max(...nats.map(Math.abs)) + (count > 0 ? 100 : 0)
  return found.sort((a, b) => weightOf(b) - weightOf(a)).slice(0, MOST_RECEIVERS)
}

interface ExpectedCell {
  readonly mean: number
  readonly precision: number
  readonly halfLogVariance: number
  readonly logMissed: number
}

function cellOf({ rooms, layout }: Engine['model'], room: number, i: number): ExpectedCell {
  const base = (room * layout.receivers.length + i) * CELL.size
  return {
    mean: at(rooms.cells, base + CELL.mean),
    precision: at(rooms.cells, base + CELL.precision),
    halfLogVariance: at(rooms.cells, base + CELL.halfLogVariance),
    logMissed: at(rooms.cells, base + CELL.logMissed),
  }
}

interface Told {
  /** Place among the receivers heard, -1 = not heard. */
  readonly n: number
  readonly heard: ReturnType<typeof emptyHeard>
  readonly track: Track
  readonly weight: number
}

function cellLog(cell: ExpectedCell, { n, heard, track, weight }: Told): number {
  const missed = heard.rounds * cell.logMissed
  if (n < 0) return weight * missed
  const distance = at(heard.dbm, n) - track.offset.db - cell.mean
  return weight * Math.log(-Math.expm1(missed)) - 0.5 * distance * distance * cell.precision - cell.halfLogVariance
}
