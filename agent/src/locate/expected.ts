import type { FloorPoint } from '@biotrakr/shared'

import type { Layout } from './layout.ts'
import { at } from './numbers.ts'
import { isDrawn, type Way, waysFrom, wayTo } from './plan.ts'

/** Mean power of one surveyed place, per receiver; NaN = not heard there. */
export interface SurveyedPlace {
  readonly room: number
  readonly at: FloorPoint
  readonly dbm: Float64Array
}

/** What the plan of the floor lets expect of each [room * receivers + receiver]. */
export interface Expected {
  /** Mean power in the room, dBm; NaN = the plan says nothing. */
  readonly mean: Float64Array
  /** Variance between places of the room, and of what is not known of them, dB^2. */
  readonly spread: Float64Array
}

/** How power falls: `power` at one metre, less `slope` times ten logarithms of the metres, less `loss` for every wall. */
interface Law {
  power: number
  slope: number
  loss: number
  readonly gains: Float64Array
}

/**
 * Before anything is surveyed: the usual power of a beacon at one metre, and free space with light inner walls (multi-wall
 * model of COST 231, final report, 4.7). Variances say how much of it the survey may change.
 */
const USUAL = {
  power: { value: -59, variance: 36 },
  slope: { value: 2, variance: 0.1 },
  loss: { value: 3.4, variance: 2 },
  gain: { value: 0, variance: 9 },
} as const
/** What one place differs from the law by, dB^2: shadows of furniture and people, and little of the survey's own noise. */
const SHADOW = { variance: 16, metres: 1.2, room: 4, noise: 3 }
const OFF_LAW = SHADOW.variance + SHADOW.room
/** A place at which a receiver hears only its best readings says too little of the law. */
const CLEAR_DBM = -88
const UNHEARD_DBM = -95
const FAINTEST_DBM = -96
const ROUNDS = 20
/** Surveyed places of one room that are looked at together. */
const MAX_PLACES = 40

/** @returns undefined when the map draws no rooms, or places no receivers */
export function expectByPlan(layout: Layout, surveyed: readonly SurveyedPlace[]): Expected | undefined {
  const { plan, rooms, receivers } = layout
  if (!isDrawn(plan)) return undefined
  const law = learnLaw(layout, surveyed)
  const size = rooms.length * receivers.length
  const expected = { mean: new Float64Array(size).fill(Number.NaN), spread: new Float64Array(size) }
  for (let k = 0; k < rooms.length; k++) {
    const own = thinned(surveyed.filter(({ room }) => room === k))
    if ((plan.places[k] ?? []).length > 0) expectIn(expected, k, { layout, law, surveyed: own })
  }
  return expected
}

function thinned(surveyed: readonly SurveyedPlace[]): readonly SurveyedPlace[] {
  const every = Math.ceil(surveyed.length / MAX_PLACES)
  return surveyed.filter((_, p) => p % every === 0)
}

function byLaw(law: Law, receiver: number, { logMetres, walls }: Way): number {
  return law.power - law.slope * logMetres - law.loss * walls + at(law.gains, receiver)
}

interface Link extends Way {
  readonly receiver: number
  readonly dbm: number
}

/** Fits the law to the surveyed places, one number after the other, each drawn to what is usual. */
function learnLaw(layout: Layout, surveyed: readonly SurveyedPlace[]): Law {
  const law: Law = {
    power: USUAL.power.value,
    slope: USUAL.slope.value,
    loss: USUAL.loss.value,
    gains: new Float64Array(layout.receivers.length),
  }
  const links = surveyed.flatMap((place) =>
    layout.receivers.flatMap((_, receiver): Link[] => {
      const dbm = at(place.dbm, receiver)
      const way = dbm > CLEAR_DBM ? wayTo(layout.plan, receiver, place) : undefined
      return way ? [{ receiver, dbm, ...way }] : []
    }),
  )
  if (links.length === 0) return law
  for (let round = 0; round < ROUNDS; round++) {
    law.power = better(law, links, { now: law.power, usual: USUAL.power, lever: () => 1 })
    law.slope = better(law, links, { now: law.slope, usual: USUAL.slope, lever: ({ logMetres }) => -logMetres })
    law.loss = better(law, links, { now: law.loss, usual: USUAL.loss, lever: ({ walls }) => -walls })
    betterGains(law, links)
  }
  return law
}

interface Adjusting {
  readonly now: number
  readonly usual: { readonly value: number; readonly variance: number }
  /** By how much a link's power grows with the number. */
  lever(link: Link): number
}

function better(law: Law, links: readonly Link[], { now, usual, lever }: Adjusting): number {
  let precision = OFF_LAW / usual.variance
  let sum = precision * (usual.value - now)
  for (const link of links) {
    const own = lever(link)
    sum += own * (link.dbm - byLaw(law, link.receiver, link))
    precision += own * own
  }
  return now + sum / precision
}

function betterGains(law: Law, links: readonly Link[]): void {
  const sums = new Float64Array(law.gains.length)
  const counts = new Float64Array(law.gains.length)
  for (const link of links) {
    const { receiver } = link
    sums[receiver] = at(sums, receiver) + link.dbm - byLaw(law, receiver, link) + at(law.gains, receiver)
    counts[receiver] = at(counts, receiver) + 1
  }
  for (let i = 0; i < sums.length; i++) law.gains[i] = at(sums, i) / (at(counts, i) + OFF_LAW / USUAL.gain.variance)
}

interface Known {
  readonly layout: Layout
  readonly law: Law
  /** Places of this room. */
  readonly surveyed: readonly SurveyedPlace[]
}

/**
 * One room: what the law says at its even places, corrected by how the surveyed places near them differ from it
 * (simple kriging; Cressie, Statistics for Spatial Data, 3.4).
 */
function expectIn({ mean, spread }: Expected, room: number, known: Known): void {
  const { layout, law, surveyed } = known
  const ways = waysFrom(layout.plan, room)
  const weighed = weights(layout.plan.places[room] ?? [], surveyed)
  for (let i = 0; i < layout.receivers.length; i++) {
    if (ways.some((way) => way[i] === undefined)) continue
    const off = surveyed.map((place) => offLaw(place, i, known))
    let sum = 0
    let squares = 0
    let left = 0
    weighed.forEach((own, p) => {
      let value = byLaw(law, i, ways[p]?.[i] as Way)
      for (let s = 0; s < off.length; s++) value += at(own.weight, s) * (off[s] ?? 0)
      value = Math.max(FAINTEST_DBM, value)
      sum += value
      squares += value * value
      left += own.left
    })
    const middle = sum / weighed.length
    const cell = room * layout.receivers.length + i
    mean[cell] = middle
    spread[cell] = Math.max(0, squares / weighed.length - middle * middle) + left / weighed.length
  }
}

/** By how much a surveyed place differs from the law. Where nothing was heard it is at most at the floor. */
function offLaw(place: SurveyedPlace, receiver: number, { layout, law }: Known): number {
  const way = wayTo(layout.plan, receiver, place)
  if (!way) return 0
  const dbm = at(place.dbm, receiver)
  const lawful = byLaw(law, receiver, way)
  return Number.isNaN(dbm) ? Math.min(0, UNHEARD_DBM - lawful) : dbm - lawful
}

interface Weighed {
  /** Share of each surveyed place's difference that holds here. */
  readonly weight: Float64Array
  /** Variance that the surveyed places leave. */
  readonly left: number
}

function weights(places: readonly FloorPoint[], surveyed: readonly SurveyedPlace[]): Weighed[] {
  const alike = surveyed.map((one, r) =>
    Float64Array.from(surveyed, (other, c) => alikeness(one.at, other.at) + (r === c ? SHADOW.noise : 0)),
  )
  const inverse = inverted(alike)
  return places.map((place) => {
    const near = Float64Array.from(surveyed, (own) => alikeness(place, own.at))
    const weight = near.map((_, c) => near.reduce((sum, own, r) => sum + own * at(inverse[r] ?? near, c), 0))
    return { weight, left: OFF_LAW - near.reduce((sum, own, r) => sum + own * at(weight, r), 0) }
  })
}

/** Covariance of what two places of one room differ from the law by. */
function alikeness([ax, ay]: FloorPoint, [bx, by]: FloorPoint): number {
  const squared = (ax - bx) ** 2 + (ay - by) ** 2
  return SHADOW.room + SHADOW.variance * Math.exp(-squared / (2 * SHADOW.metres ** 2))
}

/** Gauss and Jordan without search for a pivot: a covariance with noise on its diagonal needs none. */
function inverted(matrix: readonly Float64Array[]): Float64Array[] {
  const size = matrix.length
  const rows = matrix.map((row, r) =>
    Float64Array.from({ length: 2 * size }, (_, c) => (c < size ? at(row, c) : Number(c - size === r))),
  )
  rows.forEach((pivot, p) => {
    const scale = at(pivot, p)
    for (let c = 0; c < 2 * size; c++) pivot[c] = at(pivot, c) / scale
    for (const row of rows) {
      const share = row === pivot ? 0 : at(row, p)
      if (share === 0) continue
      for (let c = 0; c < 2 * size; c++) row[c] = at(row, c) - share * at(pivot, c)
    }
  })
  return rows.map((row) => row.subarray(size))
}
