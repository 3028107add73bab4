import { clipToPolygon } from '@biotrakr/shared'

import type { Belief } from './belief.ts'
import type { Heard } from './heard.ts'
import { add, at, indexAt } from './numbers.ts'
import type { Offset } from './offset.ts'
import { type Points, spreadScale } from './points.ts'

/** Which surveyed points a tag may be at. Numbers only, of bounded size. */
export interface PlaceBelief {
  readonly points: Int32Array
  readonly weight: Float64Array
  count: number
}

/** Numbers that one step needs; made once per map. */
export interface PlaceScratch {
  readonly prior: Float64Array
  readonly log: Float64Array
  readonly touched: Int32Array
  readonly isTouched: Uint8Array
  count: number
}

/** A place on the floor, metres, with a radius in which the tag is in five of six cases. */
export interface Place {
  readonly x: number
  readonly y: number
  readonly accuracy: number
}

const KEPT = 24
const LEAST_SHARE = 0.01
/** So much of the belief may be anywhere that sounds right. */
const ANYWHERE = 0.005
const VARIANCE = 40
/** Of the tag's own power, dB^2, beside the square of what was learned of it: the place must not hang on that. */
const OFFSET_VARIANCE = 6
const TEMPER = 0.8
/** The radius reported, as a multiple of the belief's spread: held 87 % on danis-lab's survey, one point set by the other. */
const RADIUS = 1.3
const LEAST_SPREAD_SQUARED = 1
/** A surer room than this bounds the place. */
const BOUND_ABOVE = 0.7

export function emptyPlace(): PlaceBelief {
  return { points: new Int32Array(KEPT), weight: new Float64Array(KEPT), count: 0 }
}

export function emptyPlaceScratch({ count }: Points): PlaceScratch {
  return {
    prior: new Float64Array(count),
    log: new Float64Array(count),
    touched: new Int32Array(count),
    isTouched: new Uint8Array(count),
    count: 0,
  }
}

export interface PlaceStep {
  readonly points: Points
  readonly scratch: PlaceScratch
  readonly moment: PlaceMoment
}

/** What was heard, and since when. */
interface PlaceMoment {
  readonly heard: Heard
  readonly offset: Readonly<Offset>
  /** Receivers of the model. */
  readonly receivers: number
  readonly seconds: number
}

/** Moves the belief on by one window. Costs the points around those that are likely, not the points of the building. */
export function feelPlace(place: PlaceBelief, step: PlaceStep): void {
  const {
    points,
    scratch,
    moment: { heard },
  } = step
  if (points.count === 0 || heard.trusted === 0) return
  spreadOut(place, step)
  for (let n = 0; n < heard.trusted; n++) {
    if (at(heard.dbm, n) < heard.strongestDbm) continue
    const strong = points.strong[indexAt(heard.receivers, n)]
    if (strong) for (let s = 0; s < strong.length; s++) touch(scratch, indexAt(strong, s), 0)
  }
  weigh(step)
  keepLikely(place, scratch)
}

function touch(scratch: PlaceScratch, point: number, mass: number): void {
  if (scratch.isTouched[point] === 0) {
    scratch.isTouched[point] = 1
    scratch.touched[scratch.count] = point
    scratch.prior[point] = 0
    scratch.count += 1
  }
  add(scratch.prior, point, mass)
}

function spreadOut(place: PlaceBelief, { points, scratch, moment: { seconds } }: PlaceStep): void {
  for (let t = 0; t < scratch.count; t++) scratch.isTouched[indexAt(scratch.touched, t)] = 0
  scratch.count = 0
  const { squared, secondShare } = points
  const scale = spreadScale(seconds)
  for (let b = 0; b < place.count; b++) {
    const from = indexAt(place.points, b)
    const mass = at(place.weight, b)
    for (let e = indexAt(points.start, from); e < indexAt(points.start, from + 1); e++) {
      // Most tags are heard every second.
      const share = seconds === 1 ? (secondShare[e] as number) : Math.exp(scale * (squared[e] as number))
      touch(scratch, indexAt(points.near, e), mass * share)
    }
  }
}

function weigh({ points, scratch, moment }: PlaceStep): void {
  const { touched, prior, log, count } = scratch
  let total = 0
  let top = Number.NEGATIVE_INFINITY
  for (let t = 0; t < count; t++) {
    const p = indexAt(touched, t)
    total += at(prior, p)
    log[t] = TEMPER * sounds(points, p, moment)
    top = Math.max(top, at(log, t))
  }
  const even = ANYWHERE / Math.max(1, count)
  const share = total > 0 ? 1 / total : 0
  for (let t = 0; t < count; t++) {
    const p = indexAt(touched, t)
    prior[p] = (at(prior, p) * share + even) * Math.exp(at(log, t) - top)
  }
}

/** Log-likelihood of the powers at a point, what the tag's own power is unknown by integrated out. */
function sounds({ dbm }: Points, point: number, { heard, offset, receivers }: PlaceMoment): number {
  let squares = 0
  let sum = 0
  for (let n = 0; n < heard.trusted; n++) {
    const expected = dbm[point * receivers + indexAt(heard.receivers, n)] as number
    const distance = at(heard.dbm, n) - expected
    squares += distance * distance
    sum += distance
  }
  const ratio = (OFFSET_VARIANCE + offset.db * offset.db) / VARIANCE
  return (-squares + (ratio * sum * sum) / (1 + ratio * heard.trusted)) / (2 * VARIANCE)
}

/** Keeps the likeliest points; of more than there is room for, those above a rising share. */
function keepLikely(place: PlaceBelief, scratch: PlaceScratch): void {
  let total = 0
  for (let t = 0; t < scratch.count; t++) total += at(scratch.prior, indexAt(scratch.touched, t))
  let least = LEAST_SHARE * total
  place.count = fill(place, scratch, least)
  while (place.count === KEPT) {
    least *= 2
    place.count = fill(place, scratch, least)
  }
  let kept = 0
  for (let b = 0; b < place.count; b++) kept += at(place.weight, b)
  for (let b = 0; b < place.count; b++) place.weight[b] = at(place.weight, b) / kept
}

function fill(place: PlaceBelief, { touched, prior, count }: PlaceScratch, least: number): number {
  let kept = 0
  for (let t = 0; t < count && kept < KEPT; t++) {
    const p = indexAt(touched, t)
    if (at(prior, p) < least) continue
    place.points[kept] = p
    place.weight[kept] = at(prior, p)
    kept += 1
  }
  return kept
}

export interface PlaceAsked {
  readonly points: Points
  readonly belief: Belief
  /** Room answered, -1 = none, and its probability. */
  readonly room: number
  readonly confidence: number
}

/** @returns undefined where the map knows no place of the room that the tag is in */
export function placeOf(
  place: PlaceBelief | undefined,
  { points, belief, room, confidence }: PlaceAsked,
): Place | undefined {
  const inside = room >= 0 ? points.rooms[room] : undefined
  const own = place && place.count > 0 && (room < 0 || points.inRoom[room] === 1) ? meanPoint(place, points) : undefined
  const found = own ?? meanRoom(points, belief)
  if (!found || !inside || confidence <= BOUND_ABOVE || inside.outline.length === 0) return found
  const [x, y] = clipToPolygon(inside.outline, [found.x, found.y])
  return { x, y, accuracy: found.accuracy }
}

function meanPoint(place: PlaceBelief, points: Points): Place {
  let x = 0
  let y = 0
  let squares = 0
  for (let b = 0; b < place.count; b++) {
    const p = indexAt(place.points, b)
    const weight = at(place.weight, b)
    x += weight * at(points.x, p)
    y += weight * at(points.y, p)
    squares += weight * (at(points.x, p) ** 2 + at(points.y, p) ** 2)
  }
  const variance = Math.max(0, squares - x * x - y * y)
  return { x, y, accuracy: RADIUS * Math.sqrt(variance + LEAST_SPREAD_SQUARED) }
}

/** Without surveyed points: where the likely rooms are, as wide as they are. */
function meanRoom({ rooms }: Points, { rooms: numbers, answer, count }: Belief): Place | undefined {
  let mass = 0
  let x = 0
  let y = 0
  let squares = 0
  for (let b = 0; b < count; b++) {
    const room = rooms[indexAt(numbers, b)]
    if (!room) continue
    const [cx, cy] = room.centre
    const weight = at(answer, b)
    mass += weight
    x += weight * cx
    y += weight * cy
    squares += weight * (cx * cx + cy * cy + room.reach * room.reach)
  }
  if (mass < 0.5) return undefined
  const variance = squares / mass - (x * x + y * y) / (mass * mass)
  return { x: x / mass, y: y / mass, accuracy: Math.sqrt(Math.max(0, variance)) }
}
