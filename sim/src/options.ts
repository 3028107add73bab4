import { BioTrakrError } from '@biotrakr/shared'

import { ROOMS } from './floor-plan.ts'

export interface WardOptions {
  /** Same seed, same ward and same readings. A whole number, taken modulo 2^32. */
  readonly seed: number
  /** Wall milliseconds at which the ward begins to send. */
  readonly startMs: number
  /** Number of tags, 1-10,000; default 40. */
  readonly tags?: number
  /** Advertising interval, ms, 20-60,000; default 1000. Each tag is off by up to 2 %, each advert by up to 10 %. */
  readonly advertMs?: number
  /** How long a tag stays at one place on average, ms, at least 1000; default 300,000. */
  readonly stayMs?: number
  /** Loss of one wall, 0-40 dB; default 4. */
  readonly wallLossDb?: number
  /** Standard deviation of the tags' transmit power, 0-20 dB; default 3. */
  readonly tagPowerSpreadDb?: number
  /** Power of every tag against that of the survey tag, -30 to 30 dB; without it each tag has its own. */
  readonly tagsAgainstSurveyDb?: number
  /** Whether tags have an accelerometer and say that they move; default true. */
  readonly motionBit?: boolean
  /** Receivers that hear nothing, by their index in the site map; default none. */
  readonly deadReceivers?: readonly number[]
}

export type WardSettings = Required<Omit<WardOptions, 'tagsAgainstSurveyDb'>> & Pick<WardOptions, 'tagsAgainstSurveyDb'>

const LIMITS = {
  seed: { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, whole: true },
  startMs: { min: 0, max: 8.64e15, whole: true },
  tags: { min: 1, max: 10_000, whole: true },
  advertMs: { min: 20, max: 60_000, whole: false },
  stayMs: { min: 1000, max: 30 * 86_400_000, whole: false },
  wallLossDb: { min: 0, max: 40, whole: false },
  tagPowerSpreadDb: { min: 0, max: 20, whole: false },
  tagsAgainstSurveyDb: { min: -30, max: 30, whole: false },
} as const

/** @throws BioTrakrError USAGE that names every option out of range */
export function wardSettings(options: WardOptions): WardSettings {
  const settings: WardSettings = {
    tags: 40,
    advertMs: 1000,
    stayMs: 300_000,
    wallLossDb: 4,
    tagPowerSpreadDb: 3,
    motionBit: true,
    deadReceivers: [],
    ...options,
  }
  const wrong = Object.entries(LIMITS).flatMap(([name, { min, max, whole }]) => {
    const value = settings[name as keyof typeof LIMITS]
    if (value === undefined) return []
    const fits = value >= min && value <= max && (!whole || Number.isInteger(value))
    return fits ? [] : [`${name} must be ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`]
  })
  if (!settings.deadReceivers.every((index) => Number.isInteger(index) && index >= 0 && index < ROOMS)) {
    wrong.push(`deadReceivers must be whole numbers from 0 to ${ROOMS - 1}`)
  }
  if (wrong.length > 0) {
    throw new BioTrakrError(`the simulated ward cannot be made: ${wrong.join('; ')}`, {
      code: 'USAGE',
      next: 'Correct these options.',
    })
  }
  return settings
}
