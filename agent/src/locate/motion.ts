import { type Heard, MAX_HEARD } from './heard.ts'
import type { RoomModel } from './model.ts'
import { add, at, clamp, indexAt } from './numbers.ts'

/** Receivers remembered per tag: all of a small site, else those that hear it most. */
const MAX_RECEIVERS = 32
/** A receiver's running mean is compared from so much weight on. */
const ENOUGH_WEIGHT = 0.8
/** Variance that moving adds to a receiver's power, dB^2. */
const MOVED_VARIANCE = 30
const HEARD_WEIGHT = 0.5
const DISAGREE_WEIGHT = 0.8
const EVIDENCE_WEIGHT = 0.3
/** Chance per second that a resting thing starts and that a walking one stops. */
const STARTS = 0.006
const STOPS = 0.005
/** Coming to rest takes about ten seconds to believe, less in a room off a corridor. */
const CALM_PER_SECOND = { anywhere: 0.4, inRoom: 0.6 }
const CALM_SECONDS = 10
const ALARM = 8
const MEMORY_SECONDS = { resting: 20, walking: 3, disagreement: 60 }
const MAX_INTERVAL_SECONDS = 20
const INTERVAL_GAIN = 0.15
/** The tag's own motion bit: what it says holds for a while, as most adverts carry none. */
const BIT = { moving: 0.05, still: 0.95, justStopped: 0.3, holdsSeconds: 6, holdsIntervals: 40, settleSeconds: 10 }

/** How one tag has been sounding, to tell resting from walking. Numbers only. */
export interface Motion {
  /** Probability that the tag rests, .01-.999. */
  rest: number
  /** Running mean of the seconds between windows. */
  interval: number
  readonly receivers: Int32Array
  readonly weight: Float64Array
  readonly sum: Float64Array
  readonly heard: Float64Array
  count: number
  /** Adverts sent, decayed like the sums above. */
  rounds: number
  /** How much the fast filter has doubted the answer during this stay, and out of how many windows. */
  doubt: number
  windows: number
  /** What the motion bit said last, and seconds since that and since it last said "moving". */
  bit: -1 | 0 | 1
  bitAge: number
  movedAge: number
}

export function emptyMotion({ layout }: RoomModel): Motion {
  const all = layout.receivers.length
  const kept = Math.min(all, MAX_RECEIVERS)
  const isSmall = all <= MAX_RECEIVERS
  return {
    rest: 0.3,
    interval: 1,
    receivers: isSmall ? Int32Array.from({ length: kept }, (_, i) => i) : new Int32Array(kept),
    weight: new Float64Array(kept),
    sum: new Float64Array(kept),
    heard: new Float64Array(kept),
    count: isSmall ? kept : 0,
    rounds: 0,
    doubt: 0,
    windows: 0,
    bit: -1,
    bitAge: 0,
    movedAge: Number.POSITIVE_INFINITY,
  }
}

/** Where each receiver stands among those heard and those remembered; made once per model, never per step. */
export interface Found {
  /** Place among the receivers heard, -1 = not heard; all -1 between steps. */
  readonly heardAs: Int32Array
  /** Place in a tag's memory of each receiver heard, by its place among those; -1 = not looked for. */
  readonly slots: Int32Array
}

export function emptyFound({ layout }: RoomModel): Found {
  return { heardAs: new Int32Array(layout.receivers.length).fill(-1), slots: new Int32Array(MAX_HEARD) }
}

export interface MotionStep {
  readonly model: RoomModel
  readonly heard: Heard
  readonly found: Found
  readonly masked: Uint8Array
  readonly seconds: number
  /** What the fast filter gives every room but the one answered last. */
  readonly doubt: number
  /** Whether the room answered last is one in which things stay. */
  readonly inRoom: boolean
  readonly bit: boolean | undefined
}

/** Weighs "it moved" against "it rests" by one window. */
export function feelMotion(motion: Motion, step: MotionStep): void {
  const { seconds, doubt, inRoom } = step
  motion.interval = Math.min(
    MAX_INTERVAL_SECONDS,
    motion.interval + INTERVAL_GAIN * (Math.min(seconds, MAX_INTERVAL_SECONDS) - motion.interval),
  )
  lookUp(step)
  const moved = changeEvidence(motion, step) + DISAGREE_WEIGHT * doubtEvidence(motion, doubt, step.model.trust.error)
  const rest = motion.rest * (1 - STARTS) ** seconds + (1 - motion.rest) * (1 - (1 - STOPS) ** seconds)
  const calm = -(inRoom ? CALM_PER_SECOND.inRoom : CALM_PER_SECOND.anywhere) * clamp(seconds, 1, CALM_SECONDS)
  const moving = (1 - rest) * Math.exp(clamp(EVIDENCE_WEIGHT * moved, calm, ALARM))
  motion.rest = clamp(rest / (rest + moving), 0.01, 0.999)
  heedBit(motion, step)
  remember(motion, step)
}

/** Of a receiver that stands in a window twice, the first place counts. */
function lookUp({ heard, found }: MotionStep): void {
  for (let n = heard.trusted - 1; n >= 0; n--) {
    found.heardAs[indexAt(heard.receivers, n)] = n
    found.slots[n] = -1
  }
}

/**
 * The ratios of all receivers are multiplied and their logarithm is taken once: of at most 32, each within 1/40 and 40,
 * whose product is far from the ends of a double.
 */
function changeEvidence(motion: Motion, step: MotionStep): number {
  const { model, heard, found } = step
  const { rounds } = heard
  let moved = 0
  let presence = 1
  let spread = 1
  for (let s = 0; s < motion.count; s++) {
    const receiver = indexAt(motion.receivers, s)
    const n = indexAt(found.heardAs, receiver)
    if (n >= 0) found.slots[n] = s
    if (!isAsked(step, receiver)) continue
    const anywhere = at(model.heardAnywhere, receiver)
    const own = clamp((at(motion.heard, s) + anywhere) / (motion.rounds + 1), 0.03, 0.97)
    const general = clamp(anywhere, 0.1, 0.9)
    // Most windows hold one advert, and then most of the logarithms fall away.
    if (rounds === 1) presence *= n >= 0 ? general / own : (1 - general) / (1 - own)
    else moved += HEARD_WEIGHT * presenceRatio(general, own, { isHeard: n >= 0, rounds })
    const weight = at(motion.weight, s)
    if (n < 0 || weight < ENOUGH_WEIGHT) continue
    const distance = at(heard.dbm, n) - at(motion.sum, s) / weight
    const resting = at(model.noise, receiver) * (1 + 1 / weight)
    const walking = resting + MOVED_VARIANCE
    const square = distance * distance
    moved += (square / resting - square / walking) / 2
    spread *= walking / resting
  }
  return moved + HEARD_WEIGHT * Math.log(presence) - Math.log(spread) / 2
}

function isAsked({ model, heard, masked }: MotionStep, receiver: number): boolean {
  if (masked[receiver] === 1 || model.useful[receiver] !== 1) return false
  return model.layout.medium[receiver] === heard.medium
}

interface Presence {
  readonly isHeard: boolean
  readonly rounds: number
}

/** Log of how likely hearing it, or missing it, is of a tag from anywhere, against one that stays. */
function presenceRatio(general: number, own: number, { isHeard, rounds }: Presence): number {
  const missed = rounds * (Math.log1p(-general) - Math.log1p(-own))
  if (!isHeard) return missed
  return Math.log(-Math.expm1(rounds * Math.log1p(-general))) - Math.log(-Math.expm1(rounds * Math.log1p(-own)))
}

/** Where the fast filter always wavers, doubt says nothing; where it was always sure, seconds of doubt end the rest. */
function doubtEvidence({ doubt, windows }: Motion, now: number, error: number): number {
  const usual = clamp((doubt + 8 * error) / (windows + 8), 0.01, 0.9)
  return now * Math.log(0.7 / usual) + (1 - now) * Math.log(0.3 / (1 - usual))
}

function heedBit(motion: Motion, { bit, seconds }: MotionStep): void {
  motion.bitAge += seconds
  motion.movedAge += seconds
  if (bit !== undefined) {
    motion.bit = bit ? 1 : 0
    motion.bitAge = 0
  }
  if (motion.bit === 1 && motion.bitAge <= BIT.holdsSeconds) {
    if (bit === true) motion.movedAge = 0
    motion.rest = Math.min(motion.rest, BIT.moving)
  } else if (motion.bit === 0 && motion.bitAge <= BIT.holdsIntervals * Math.max(1, motion.interval)) {
    const settling = motion.movedAge < Math.max(BIT.settleSeconds, 3.5 * motion.interval)
    motion.rest = settling ? Math.min(motion.rest, BIT.justStopped) : Math.max(motion.rest, BIT.still)
  }
}

function remember(motion: Motion, { heard, found, seconds, doubt }: MotionStep): void {
  const pace = paceOf(motion, heard)
  const memory = MEMORY_SECONDS.resting * motion.rest + MEMORY_SECONDS.walking * (1 - motion.rest)
  const decay = Math.exp(-seconds / (memory * pace))
  for (let s = 0; s < motion.count; s++) {
    motion.weight[s] = at(motion.weight, s) * decay
    motion.sum[s] = at(motion.sum, s) * decay
    motion.heard[s] = at(motion.heard, s) * decay
  }
  motion.rounds = motion.rounds * decay + heard.rounds
  for (let n = 0; n < heard.trusted; n++) {
    const receiver = indexAt(heard.receivers, n)
    found.heardAs[receiver] = -1
    const known = indexAt(found.slots, n)
    const slot = known >= 0 && indexAt(motion.receivers, known) === receiver ? known : slotFor(motion, receiver)
    add(motion.weight, slot, 1)
    add(motion.sum, slot, at(heard.dbm, n))
    add(motion.heard, slot, heard.rounds)
  }
  const slow = Math.exp(-seconds / (MEMORY_SECONDS.disagreement * pace))
  motion.doubt = motion.doubt * slow + doubt
  motion.windows = motion.windows * slow + 1
  if (motion.rest < 0.5) {
    motion.doubt = Math.min(motion.doubt, 1)
    motion.windows = Math.min(motion.windows, 8)
  }
}

/**
 * How much longer, and how much more, each window of a slow tag counts: it has fewer, but farther apart. The full
 * interval would be too much, as what a walking tag sounded like a minute ago is not where it is. A passive tag sends
 * nothing by itself: its pauses are silence, and count in full.
 */
export function paceOf({ interval }: Motion, { medium }: Heard): number {
  const pace = Math.max(1, interval)
  return medium === 0 ? Math.sqrt(pace) : pace
}

/** A receiver's place; a newcomer takes that of the one heard least. */
function slotFor(motion: Motion, receiver: number): number {
  let least = 0
  for (let s = 0; s < motion.count; s++) {
    if (indexAt(motion.receivers, s) === receiver) return s
    if (at(motion.heard, s) < at(motion.heard, least)) least = s
  }
  const slot = motion.count < motion.receivers.length ? motion.count++ : least
  motion.receivers[slot] = receiver
  motion.weight[slot] = 0
  motion.sum[slot] = 0
  motion.heard[slot] = 0
  return slot
}
