import type { RoomId } from '@biotrakr/shared'

/** One answer beside the truth. */
export interface Answered {
  readonly session: string
  /** Event time, milliseconds. */
  readonly atMs: number
  readonly truth: RoomId
  /** The likeliest room, told or not; null = none inside the building. */
  readonly likeliest: RoomId | null
  /** Its probability, 0-1. */
  readonly confidence: number
  /** Whether it was sure enough to be told. */
  readonly told: boolean
  /** How far the place told is from the true one, and the radius told with it, metres; where the true one is known. */
  readonly place?: { readonly told: true; readonly metres: number; readonly radius: number } | { readonly told: false }
}

interface PositionScore {
  /** Seconds of which the true place is known. */
  readonly ticks: number
  /** Share of them in which a place was told, 0-1. */
  readonly toldShare: number
  /** Distance from the truth, metres. */
  readonly meanMetres: number
  readonly medianMetres: number
  readonly p90Metres: number
  /** Share of places told whose radius holds the truth. */
  readonly withinRadius: number
  readonly meanRadiusMetres: number
}

interface RoomScore {
  readonly room: RoomId
  readonly ticks: number
  readonly recall: number
  readonly precision: number
  readonly f1: number
}

export interface Score {
  /** Seconds in which something was heard. */
  readonly ticks: number
  /** Share of them whose likeliest room is right, 0-1; one answer for every tick, as the baselines give. */
  readonly accuracy: number
  /** Mean F1 over the rooms that the truth names. */
  readonly macroF1: number
  /** Changes answered less true changes, per hour of ticks. */
  readonly falseChangesPerHour: number
  /** Median from a true change to the first right answer before the next; null = more than half never came. */
  readonly medianSeconds: number | null
  /** Share of ticks in which the product says "unknown" instead, and how often it is right in the others. */
  readonly unknownShare: number
  readonly accuracyWhenTold: number
  /** How far confidence is from the share that is right, in ten bins, weighted. */
  readonly expectedCalibrationError: number
  readonly rooms: readonly RoomScore[]
  /** Null where no true place is known, or none was told. */
  readonly position: PositionScore | null
}

const TICKS_PER_HOUR = 3600
const BINS = 10

/** @param answers in the order of time, session after session */
export function scoreAnswers(answers: readonly Answered[]): Score {
  const told = answers.filter((answer) => answer.told)
  const rooms = roomScores(answers)
  return {
    ticks: answers.length,
    accuracy: shareRight(answers),
    macroF1: rooms.reduce((sum, { f1 }) => sum + f1, 0) / Math.max(1, rooms.length),
    falseChangesPerHour: falseChanges(answers) / Math.max(answers.length / TICKS_PER_HOUR, Number.EPSILON),
    medianSeconds: medianWait(answers),
    unknownShare: answers.length === 0 ? 0 : 1 - told.length / answers.length,
    accuracyWhenTold: shareRight(told),
    expectedCalibrationError: calibrationError(answers),
    rooms,
    position: positionScore(answers),
  }
}

function positionScore(answers: readonly Answered[]): PositionScore | null {
  const asked = answers.flatMap(({ place }) => place ?? [])
  const told = asked.flatMap((place) => (place.told ? [place] : []))
  const metres = told.map((place) => place.metres).sort((a, b) => a - b)
  const mean = (values: readonly number[]): number => values.reduce((sum, own) => sum + own, 0) / values.length
  const quantile = (share: number): number =>
    metres[Math.min(metres.length - 1, Math.floor(share * metres.length))] ?? 0
  if (told.length === 0) return null
  return {
    ticks: asked.length,
    toldShare: told.length / asked.length,
    meanMetres: mean(metres),
    medianMetres: quantile(0.5),
    p90Metres: quantile(0.9),
    withinRadius: told.filter((place) => place.metres <= place.radius).length / told.length,
    meanRadiusMetres: mean(told.map(({ radius }) => radius)),
  }
}

const isRight = ({ truth, likeliest }: Answered): boolean => truth === likeliest

function shareRight(answers: readonly Answered[]): number {
  return answers.length === 0 ? 0 : answers.filter(isRight).length / answers.length
}

function roomScores(answers: readonly Answered[]): RoomScore[] {
  const rooms = [...new Set(answers.map(({ truth }) => truth))].sort()
  return rooms.map((room) => {
    const ticks = answers.filter(({ truth }) => truth === room).length
    const named = answers.filter(({ likeliest }) => likeliest === room).length
    const right = answers.filter((answer) => answer.truth === room && isRight(answer)).length
    return {
      room,
      ticks,
      recall: right / ticks,
      precision: named === 0 ? 0 : right / named,
      f1: (2 * right) / (ticks + named),
    }
  })
}

/** Pairs of answers that follow each other in one session. */
function pairs(answers: readonly Answered[]): (readonly [Answered, Answered])[] {
  return answers.flatMap((answer, i) => {
    const before = answers[i - 1]
    return before && before.session === answer.session ? [[before, answer] as const] : []
  })
}

function falseChanges(answers: readonly Answered[]): number {
  let changes = 0
  for (const [before, now] of pairs(answers)) {
    if (before.likeliest !== now.likeliest) changes += 1
    if (before.truth !== now.truth) changes -= 1
  }
  return changes
}

function medianWait(answers: readonly Answered[]): number | null {
  const waits: number[] = []
  answers.forEach((answer, i) => {
    const before = answers[i - 1]
    if (!before || before.session !== answer.session || before.truth === answer.truth) return
    waits.push(waitFrom(answers, i))
  })
  const middle = waits.sort((a, b) => a - b)[waits.length >> 1]
  return middle === undefined || !Number.isFinite(middle) ? null : middle
}

function waitFrom(answers: readonly Answered[], from: number): number {
  const first = answers[from]
  for (let i = from; i < answers.length; i++) {
    const answer = answers[i]
    if (!first || !answer || answer.session !== first.session || answer.truth !== first.truth) break
    if (isRight(answer)) return (answer.atMs - first.atMs) / 1000
  }
  return Number.POSITIVE_INFINITY
}

function calibrationError(answers: readonly Answered[]): number {
  let error = 0
  for (let bin = 0; bin < BINS; bin++) {
    const own = answers.filter(({ confidence }) => Math.min(BINS - 1, Math.floor(confidence * BINS)) === bin)
    const said = own.reduce((sum, { confidence }) => sum + confidence, 0)
    error += Math.abs(said - own.filter(isRight).length) / Math.max(1, answers.length)
  }
  return error
}
