import { type Expected, expectByPlan } from './expected.ts'
import { type Layout, relation } from './layout.ts'
import { add, at, clamp } from './numbers.ts'
import type { Sums } from './sums.ts'

/**
 * How every room sounds at every receiver: mean and variance of the power, and how often an advert is heard at all.
 * What the survey did not see is filled in from the map, by how receiver and room stand to each other.
 */
export interface Cells {
  readonly mean: Float64Array
  readonly variance: Float64Array
  /** Probability that the receiver hears one advert. */
  readonly heard: Float64Array
  /** Noise of a receiver while tag and room stay the same, dB^2. */
  readonly noise: Float64Array
  /** Probability that a receiver hears one advert from anywhere. */
  readonly heardAnywhere: Float64Array
}

/** Typical power in dBm and heard rate by relation: in the room, next door, elsewhere. */
const TYPICAL = [
  { dbm: -62, heard: 0.8 },
  { dbm: -76, heard: 0.5 },
  { dbm: -86, heard: 0.3 },
] as const
const TYPICAL_WEIGHT = 3
/** A room counts towards the typical values from this many adverts on. */
const ENOUGH_ROUNDS = 5
const NEVER_HEARD_DBM = -95
/** A cell's mean is drawn to this by two ticks when relations are compared: a weak signal is heard only at its best. */
const CENSORED = { dbm: -92, ticks: 2 }
const ELSEWHERE_LEAD_DB = 6
const PRIOR_TICKS = { mapped: 6, unmapped: 1 }
/** A visit counts for at most this many ticks: seconds at one place repeat the same error. */
const TICKS_PER_VISIT = 8
const UNMAPPED_DBM = -84
const DEFAULT_VARIANCE = 49
const DEFAULT_NOISE = 20
const LEAST_VARIANCE = 9
const POOLED_SHARE = 0.8
/** Beyond what the survey saw, dB^2. */
const SURPLUS = 4

/** @throws never; without any survey the cells are the map's prior */
export function cellsOf(layout: Layout, sums: Sums): Cells {
  const plan = expectByPlan(layout, sums.places)
  const prior = priorOf(layout, sums, plan)
  const pooled = pooledVariance(layout, sums)
  const size = layout.rooms.length * layout.receivers.length
  const cells: Cells = {
    mean: new Float64Array(size),
    variance: new Float64Array(size),
    heard: new Float64Array(size),
    noise: noiseOf(sums),
    heardAnywhere: prior.anywhere,
  }
  for (let k = 0; k < layout.rooms.length; k++) {
    for (let i = 0; i < layout.receivers.length; i++)
      fillCell(cells, { layout, sums, prior, pooled, plan, covered: coverage(sums, k) }, { k, i })
  }
  return cells
}

interface Basis {
  readonly layout: Layout
  readonly sums: Sums
  readonly prior: Prior
  readonly pooled: Float64Array
  readonly plan: Expected | undefined
  /** Share of the room's visits of which the place is known. */
  readonly covered: number
}

function coverage({ places, visits }: Sums, k: number): number {
  const known = places.reduce((count, { room }) => count + Number(room === k), 0)
  return Math.min(1, known / Math.max(1, at(visits, k)))
}

function fillCell(cells: Cells, basis: Basis, { k, i }: { k: number; i: number }): void {
  const { layout, sums, prior, pooled } = basis
  const cell = k * layout.receivers.length + i
  const n = at(sums.ticks, cell)
  const perVisit = n / (TICKS_PER_VISIT * Math.max(1, at(sums.visits, k)))
  const strength = layout.placed ? PRIOR_TICKS.mapped * Math.max(1, perVisit) : PRIOR_TICKS.unmapped
  const mean = (at(sums.sum, cell) + strength * prior.dbm(k, i)) / (n + strength)
  const about = Math.max(0, at(sums.squares, cell) - 2 * mean * at(sums.sum, cell) + n * mean * mean)
  const own = (about + 40 * at(pooled, i)) / (n + 40)
  const blurred = Math.max(LEAST_VARIANCE, (1 - POOLED_SHARE) * own + POOLED_SHARE * at(pooled, i))
  cells.mean[cell] = mean
  cells.variance[cell] = blurred + SURPLUS + (layout.placed ? 80 / (1 + n / 3) : 0)
  if (basis.plan) drawToPlan(cells, basis.plan, { cell, covered: basis.covered, pooled: at(pooled, i), receiver: i })
  cells.heard[cell] = clamp((at(sums.counted, cell) + 6 * prior.heard(k, i)) / (at(sums.rounds, k) + 6), 0.02, 0.98)
}

interface Drawing {
  readonly cell: number
  readonly receiver: number
  readonly covered: number
  readonly pooled: number
}

/**
 * Four stops are too few for the mean of a room: where the plan is drawn and the stops are on it, it knows better what
 * lies between them. Where it is not known at which places a room was surveyed, the plan is a prior like any other.
 */
function drawToPlan(cells: Cells, plan: Expected, { cell, receiver, covered, pooled }: Drawing): void {
  const expected = at(plan.mean, cell)
  if (Number.isNaN(expected)) return
  const between = at(cells.noise, receiver) + at(plan.spread, cell)
  const variance = (Math.max(LEAST_VARIANCE, pooled) + between) / 2 + SURPLUS
  cells.mean[cell] = (1 - covered) * at(cells.mean, cell) + covered * expected
  cells.variance[cell] =
    (1 - covered) * Math.min(at(cells.variance, cell), variance + at(plan.spread, cell)) + covered * variance
}

interface Prior {
  dbm(room: number, receiver: number): number
  heard(room: number, receiver: number): number
  readonly anywhere: Float64Array
}

function priorOf(layout: Layout, sums: Sums, plan: Expected | undefined): Prior {
  const { means, seen } = receiverMeans(layout, sums)
  const anywhere = anywhereOf(layout, sums)
  const surveyed = sums.rounds.some((rounds) => rounds > 0)
  if (!layout.placed) {
    return {
      dbm: (_, i) => Math.min(at(seen, i) > 0 ? at(means, i) : UNMAPPED_DBM, UNMAPPED_DBM),
      heard: (_, i) => at(anywhere, i),
      anywhere,
    }
  }
  const typical = typicalOf(layout, sums)
  return {
    dbm(k, i) {
      const how = relation(layout, k, i)
      if (how > 0 && layout.exact[i] === true) return NEVER_HEARD_DBM
      const planned = plan ? at(plan.mean, k * layout.receivers.length + i) : Number.NaN
      if (!Number.isNaN(planned)) return planned
      if (how < 2 || at(seen, i) === 0) return at(typical.dbm, how)
      return Math.min(at(means, i), at(typical.dbm, 2) + ELSEWHERE_LEAD_DB)
    },
    heard(k, i) {
      const how = relation(layout, k, i)
      if (how > 0 && layout.exact[i] === true) return 0
      const rate = at(typical.heard, how)
      return surveyed ? (rate + at(anywhere, i)) / 2 : rate
    },
    anywhere,
  }
}

function receiverMeans({ rooms, receivers }: Layout, sums: Sums): { means: Float64Array; seen: Float64Array } {
  const means = new Float64Array(receivers.length)
  const seen = new Float64Array(receivers.length)
  for (let cell = 0; cell < rooms.length * receivers.length; cell++) {
    add(means, cell % receivers.length, at(sums.sum, cell))
    add(seen, cell % receivers.length, at(sums.ticks, cell))
  }
  return { means: means.map((sum, i) => sum / Math.max(1, at(seen, i))), seen }
}

function anywhereOf({ rooms, receivers }: Layout, sums: Sums): Float64Array {
  const rounds = sums.rounds.reduce((sum, own) => sum + own, 0)
  const counted = new Float64Array(receivers.length)
  for (let cell = 0; cell < rooms.length * receivers.length; cell++) {
    add(counted, cell % receivers.length, at(sums.counted, cell))
  }
  return counted.map((own) => (own + 0.2) / (rounds + 2))
}

/** Mean power and heard rate of each relation over the surveyed rooms, drawn to the typical values. */
function typicalOf(layout: Layout, sums: Sums): { dbm: Float64Array; heard: Float64Array } {
  const dbm = Float64Array.from(TYPICAL, (typical) => TYPICAL_WEIGHT * typical.dbm)
  const heard = Float64Array.from(TYPICAL, (typical) => TYPICAL_WEIGHT * typical.heard)
  const cells = new Float64Array(TYPICAL.length).fill(TYPICAL_WEIGHT)
  const receivers = layout.receivers.length
  for (let k = 0; k < layout.rooms.length; k++) {
    const rounds = at(sums.rounds, k)
    if (rounds < ENOUGH_ROUNDS) continue
    for (let i = 0; i < receivers; i++) {
      const cell = k * receivers + i
      const how = relation(layout, k, i)
      const mean = (at(sums.sum, cell) + CENSORED.ticks * CENSORED.dbm) / (at(sums.ticks, cell) + CENSORED.ticks)
      add(dbm, how, at(sums.ticks, cell) === 0 ? NEVER_HEARD_DBM : Math.max(NEVER_HEARD_DBM, mean))
      add(heard, how, Math.min(1, at(sums.counted, cell) / rounds))
      add(cells, how, 1)
    }
  }
  return { dbm: dbm.map((sum, c) => sum / at(cells, c)), heard: heard.map((sum, c) => sum / at(cells, c)) }
}

/** Variance inside rooms per receiver, drawn to that of all receivers. */
function pooledVariance({ rooms, receivers }: Layout, sums: Sums): Float64Array {
  const squares = new Float64Array(receivers.length)
  const freedom = new Float64Array(receivers.length)
  for (let cell = 0; cell < rooms.length * receivers.length; cell++) {
    const n = at(sums.ticks, cell)
    if (n < 2) continue
    add(squares, cell % receivers.length, Math.max(0, at(sums.squares, cell) - at(sums.sum, cell) ** 2 / n))
    add(freedom, cell % receivers.length, n - 1)
  }
  return drawnToAll(squares, freedom, { weight: 30, fallback: DEFAULT_VARIANCE })
}

function noiseOf({ noiseSquares, noiseFreedom }: Sums): Float64Array {
  const noise = drawnToAll(noiseSquares, noiseFreedom, { weight: 20, fallback: DEFAULT_NOISE })
  return noise.map((own) => Math.max(LEAST_VARIANCE, own))
}

interface Drawn {
  readonly weight: number
  /** Where there are no data at all. */
  readonly fallback: number
}

function drawnToAll(squares: Float64Array, freedom: Float64Array, { weight, fallback }: Drawn): Float64Array {
  const sum = (array: Float64Array): number => array.reduce((total, own) => total + own, 0)
  const all = sum(freedom) > 0 ? sum(squares) / sum(freedom) : fallback
  return squares.map((own, i) => (own + weight * all) / (at(freedom, i) + weight))
}
