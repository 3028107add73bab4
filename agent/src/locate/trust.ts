import type { SurveyTrust } from '@biotrakr/shared'

import { cellsOf } from './cells.ts'
import { type Heard, mediumOf } from './heard.ts'
import { createJudge, roomsBySpots } from './held-out.ts'
import type { Layout } from './layout.ts'
import { buildModel, listenTo, type RoomModel, UNSURVEYED } from './model.ts'
import { at } from './numbers.ts'
import { spotsOf } from './spots.ts'
import { type LabelledTick, sumsOf } from './sums.ts'

/** What one held-out second says of each room, for every weight of heard and not heard that is tried. */
interface Judged {
  readonly tick: LabelledTick
  /** Log-likelihood by room as a whole and by typical places, [choice of HEARD][room]. */
  readonly whole: readonly Float64Array[]
  readonly spots: readonly Float64Array[]
  readonly weight: number
}

const FOLDS = 4
/** A room with one visit only is cut into pieces of this length. */
const PIECE_MS = 15_000
const HEARD = [0.15, 0.5, 1] as const
const SPOTS = [0, 0.25, 0.5, 0.75, 1] as const
/** Typical places need so many visits to a room. */
const VISITS_FOR_SPOTS = 6
/** A richer choice must lower the loss by this share. */
const WORTH = 0.97
const STAY_TICKS = 10
const LEAST_STAY_TICKS = 6
const FEWEST_STAYS = 8
const POWER = { least: Math.exp(-3.7), most: Math.exp(0.6), steps: 24 }
const FAR_BEHIND = -60
/** One visit to a room cannot judge itself. */
const SINGLE_VISIT = { second: 0.7, stay: 0.1, error: 0.25 }
/** The survey tag's own power is known well. */
const OFFSET = { db: 0, variance: 0.49 }

/**
 * What a survey says of its own worth: how far one second and ten seconds at one place may be trusted, whether typical
 * places help, and how often one second is wrong. Each visit is judged by a model made without it, as seconds of one
 * visit resemble each other far more than seconds of another day do.
 */
export function learnTrust(layout: Layout, ticks: readonly LabelledTick[]): SurveyTrust {
  const folds = foldsOf(layout, ticks)
  const visits = medianVisits(layout, ticks)
  const judged = judgeFolds(layout, { ticks, folds, withSpots: visits >= VISITS_FOR_SPOTS })
  if (judged.length === 0) return UNSURVEYED
  const choice = choose(judged, visits >= VISITS_FOR_SPOTS ? SPOTS : [0])
  const seconds = judged.map((own) => ({ room: own.tick.room, weight: own.weight, log: blended(own, choice) }))
  const second = bestPower(seconds)
  const stays = staysOf(judged, choice)
  const stay = stays.length < FEWEST_STAYS ? UNSURVEYED.stay : bestPower(stays).power
  const error = seconds.filter(({ room, log }) => topOf(log) !== room).length / seconds.length
  const single = visits < 2
  return {
    second: single ? Math.min(SINGLE_VISIT.second, second.power) : second.power,
    stay: single ? Math.min(SINGLE_VISIT.stay, stay) : stay,
    spots: choice.spots,
    heard: HEARD[choice.heard] ?? HEARD[0],
    error: single ? Math.max(SINGLE_VISIT.error, error) : error,
  }
}

/** Fold of each tick: the number of its visit within its room, or of its piece of the only visit. */
function foldsOf(layout: Layout, ticks: readonly LabelledTick[]): Int32Array {
  const visits = visitsByRoom(layout, ticks)
  const firstMs = new Map<number, number>()
  return Int32Array.from(ticks, ({ visit, room, atMs }) => {
    const own = visits[room] ?? []
    if (own.length > 1) return own.indexOf(visit) % FOLDS
    const startMs = firstMs.get(room) ?? atMs
    firstMs.set(room, startMs)
    return Math.floor((atMs - startMs) / PIECE_MS) % FOLDS
  })
}

function visitsByRoom({ rooms }: Layout, ticks: readonly LabelledTick[]): number[][] {
  const visits: number[][] = rooms.map(() => [])
  for (const { visit, room } of ticks) {
    const own = visits[room]
    if (own && own.at(-1) !== visit) own.push(visit)
  }
  return visits
}

function medianVisits(layout: Layout, ticks: readonly LabelledTick[]): number {
  const counts = visitsByRoom(layout, ticks).flatMap(({ length }) => (length > 0 ? [length] : []))
  return counts.sort((a, b) => a - b)[counts.length >> 1] ?? 0
}

interface Held {
  readonly ticks: readonly LabelledTick[]
  readonly folds: Int32Array
  readonly withSpots: boolean
}

function judgeFolds(layout: Layout, { ticks, folds, withSpots }: Held): Judged[] {
  const perRoom = new Map<number, number>()
  for (const { room } of ticks) perRoom.set(room, (perRoom.get(room) ?? 0) + 1)
  const judged: Judged[] = []
  for (let fold = 0; fold < FOLDS; fold++) {
    const known = ticks.filter((_, t) => folds[t] !== fold)
    const held = ticks.filter((_, t) => folds[t] === fold)
    if (known.length === 0 || held.length === 0) continue
    const judge = judgeBy(modelWithout(layout, known, withSpots), withSpots)
    for (const tick of held) {
      const weight = 1 / Math.sqrt(perRoom.get(tick.room) ?? 1)
      judged.push({ tick, weight, ...judge(tick) })
    }
  }
  return judged
}

function modelWithout(layout: Layout, ticks: readonly LabelledTick[], withSpots: boolean): RoomModel {
  const sums = sumsOf(layout, ticks)
  const spots = withSpots ? spotsOf(ticks, cellsOf(layout, sums).mean, layout.receivers.length) : []
  const model = buildModel({ layout, sums, spots, trust: { ...UNSURVEYED, spots: 1 } })
  listenTo(model, new Uint8Array(layout.receivers.length))
  return model
}

/** Judges by a model in which the tick is not. */
function judgeBy(model: RoomModel, withSpots: boolean): (tick: LabelledTick) => Pick<Judged, 'whole' | 'spots'> {
  const known = { receivers: model.layout.receivers.length, offset: OFFSET }
  const byRoom = createJudge(model.rooms, known)
  const bySpot = createJudge(model.spots, known)
  return (tick) => {
    const heard = heardOf(model.layout, tick)
    // Outside is not among what a survey can tell of.
    const whole = byRoom.rows(heard, HEARD).map((rows) => rows.subarray(0, model.layout.rooms.length))
    if (!withSpots) return { whole, spots: whole }
    const spots = bySpot.rows(heard, HEARD)
    return { whole, spots: whole.map((own, w) => roomsBySpots(model, spots[w] ?? own, own)) }
  }
}

function heardOf(layout: Layout, { heard, dbm, counts, rounds }: LabelledTick): Heard {
  return {
    receivers: heard,
    dbm,
    counts,
    rounds,
    trusted: heard.length,
    all: heard.length,
    strongestDbm: dbm.reduce((most, own) => Math.max(most, own), Number.NEGATIVE_INFINITY),
    medium: mediumOf(layout, heard),
  }
}

interface Choice {
  /** Index into HEARD. */
  readonly heard: number
  readonly spots: number
}

function choose(judged: readonly Judged[], spotWeights: readonly number[]): Choice {
  let best: Choice = { heard: 0, spots: 0 }
  let loss = Number.POSITIVE_INFINITY
  for (const spots of spotWeights) {
    for (let heard = 0; heard < HEARD.length; heard++) {
      const choice = { heard, spots }
      const own = bestPower(
        judged.map((one) => ({ room: one.tick.room, weight: one.weight, log: blended(one, choice) })),
      ).loss
      if (own >= WORTH * loss) continue
      best = choice
      loss = own
    }
  }
  return best
}

function blended({ whole, spots }: Judged, choice: Choice): Float64Array {
  const [own, typical] = [whole[choice.heard], spots[choice.heard]]
  if (!own || !typical) return new Float64Array(0)
  return own.map((log, k) => (1 - choice.spots) * log + choice.spots * at(typical, k))
}

interface Scored {
  readonly room: number
  readonly weight: number
  readonly log: Float64Array
}

/** Sums of up to ten seconds of one visit. */
function staysOf(judged: readonly Judged[], choice: Choice): Scored[] {
  const stays: Scored[] = []
  let open: { visit: number; count: number; scored: Scored } | undefined
  const close = (): void => {
    if (open && open.count >= LEAST_STAY_TICKS) stays.push(open.scored)
    open = undefined
  }
  for (const own of judged) {
    if (open && (open.visit !== own.tick.visit || open.count >= STAY_TICKS)) close()
    const log = blended(own, choice)
    if (!open) open = { visit: own.tick.visit, count: 1, scored: { room: own.tick.room, weight: own.weight, log } }
    else {
      open.count += 1
      for (let k = 0; k < log.length; k++) open.scored.log[k] = at(open.scored.log, k) + at(log, k)
    }
  }
  close()
  return stays
}

/** The power to which likelihoods are raised so that the probabilities are the truest: least log loss. */
function bestPower(scored: readonly Scored[]): { readonly power: number; readonly loss: number } {
  let best = { power: POWER.most, loss: Number.POSITIVE_INFINITY }
  for (let step = 0; step <= POWER.steps; step++) {
    const power = POWER.least * (POWER.most / POWER.least) ** (step / POWER.steps)
    let loss = 0
    for (const own of scored) loss += own.weight * logLoss(own, power)
    if (loss < best.loss) best = { power, loss }
  }
  return best
}

function logLoss({ room, log }: Scored, power: number): number {
  const top = at(log, topOf(log))
  let sum = 0
  for (let k = 0; k < log.length; k++) {
    const behind = power * (at(log, k) - top)
    // What is farther behind moves no sum of doubles that is 1 or more.
    if (!(behind < FAR_BEHIND)) sum += Math.exp(behind)
  }
  return Math.log(sum) - power * (at(log, room) - top)
}

function topOf(log: Float64Array): number {
  let top = 0
  for (let k = 1; k < log.length; k++) if (at(log, k) > at(log, top)) top = k
  return top
}
