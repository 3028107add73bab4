import type { ReceiverId, Sighting } from '@biotrakr/shared'

/** One second of a survey in which something was heard. */
export interface HeardSecond {
  /** Wall milliseconds. */
  readonly atMs: number
  readonly sightings: readonly Sighting[]
}

/** What one receiver heard of the survey tag at one place. */
interface HeardBy {
  readonly receiver: ReceiverId
  /** Mean power, dBm. */
  readonly dbm: number
  /** Seconds in which it heard the tag, and readings in them. */
  readonly seconds: number
  readonly readings: number
  /** Standard error of the mean, dB; infinite for a single second. */
  readonly error: number
}

export interface PlaceVerdict {
  readonly enough: boolean
  /** What is missing, in plain words; empty when it is enough. */
  readonly missing: string
  /** Seconds in which any receiver heard the tag. */
  readonly seconds: number
  /** Loudest first. */
  readonly heard: readonly HeardBy[]
  /** Largest standard error among the receivers that matter, dB. */
  readonly error: number
}

export interface RoomVerdict {
  readonly state: 'more' | 'usable' | 'enough'
  /** In plain words: what is missing, or what it rests on. */
  readonly why: string
  readonly places: number
  /** Receivers that heard the tag in more than half of the seconds of the room. */
  readonly receivers: number
  /** Largest standard error of the room's mean over its places, dB; infinite below two places. */
  readonly error: number
}

/** Places per room: so many are needed, and beyond so many nothing is gained (measured, locate design section 9). */
const PLACES = { least: 4, most: 12 } as const
/** Seconds with anything heard at one place: below it a mean says too little, whatever its spread looks like. */
const LEAST_SECONDS = 8
/** Receivers that decide between rooms: the loudest ones. */
const DECIDING = 3
/** A receiver counts once it heard the tag in this share of the seconds. */
const HEARD_SHARE = 0.5
/** With 4 dB of fading and 70 % reception eight seconds give 1.7 dB; another body in the way shows as more. */
const PLACE_ERROR_DB = 2
/** First half against second half of a place: more means that the tag was still being carried. */
const DRIFT_DB = 6
/** With 4 dB between places, seven or eight of them bring the room's mean this far. */
const ROOM_ERROR_DB = 1.6

/** Whether one place was heard well enough to go on. */
export function judgePlace(seconds: readonly HeardSecond[]): PlaceVerdict {
  const heard = heardBy(seconds)
  const deciding = decidingOf(heard, seconds.length)
  const error = deciding.reduce((most, own) => Math.max(most, own.error), 0)
  const missing = missingAt(seconds, deciding, error)
  return { enough: missing === '', missing, seconds: seconds.length, heard, error }
}

function missingAt(seconds: readonly HeardSecond[], deciding: readonly HeardBy[], error: number): string {
  if (seconds.length === 0) return 'nothing heard yet'
  if (seconds.length < LEAST_SECONDS) return `heard in ${seconds.length} of ${LEAST_SECONDS} seconds`
  if (deciding.length === 0) return 'no receiver hears it in half of the seconds'
  if (error > PLACE_ERROR_DB) return `means still uncertain by ${error.toFixed(1)} dB`
  const drift = driftOf(seconds, deciding[0]?.receiver)
  return drift > DRIFT_DB ? `signal still moves by ${drift.toFixed(0)} dB: stand still` : ''
}

function decidingOf(heard: readonly HeardBy[], seconds: number): readonly HeardBy[] {
  return heard.filter((own) => own.seconds >= HEARD_SHARE * seconds).slice(0, DECIDING)
}

function heardBy(seconds: readonly HeardSecond[]): HeardBy[] {
  const sums = new Map<ReceiverId, { seconds: number; readings: number; sum: number; squares: number }>()
  for (const { sightings } of seconds) {
    for (const { receiver, rssiDbm, count } of sightings) {
      if (rssiDbm === undefined) continue
      const own = sums.get(receiver) ?? { seconds: 0, readings: 0, sum: 0, squares: 0 }
      own.seconds += 1
      own.readings += count
      own.sum += rssiDbm
      own.squares += rssiDbm * rssiDbm
      sums.set(receiver, own)
    }
  }
  const list = [...sums].map(([receiver, own]): HeardBy => {
    const dbm = own.sum / own.seconds
    return {
      receiver,
      dbm,
      seconds: own.seconds,
      readings: own.readings,
      error: standardError({ ...own, n: own.seconds }),
    }
  })
  return list.sort((a, b) => b.dbm - a.dbm || (a.receiver < b.receiver ? -1 : 1))
}

interface Spread {
  readonly n: number
  readonly sum: number
  readonly squares: number
}

function standardError({ n, sum, squares }: Spread): number {
  if (n < 2) return Number.POSITIVE_INFINITY
  return Math.sqrt(Math.max(0, squares - (sum * sum) / n) / (n - 1) / n)
}

function driftOf(seconds: readonly HeardSecond[], receiver: ReceiverId | undefined): number {
  const half = seconds.length >> 1
  const meanOf = (part: readonly HeardSecond[]): number | undefined =>
    heardBy(part).find((own) => own.receiver === receiver)?.dbm
  const [first, second] = [meanOf(seconds.slice(0, half)), meanOf(seconds.slice(half))]
  return first === undefined || second === undefined ? 0 : Math.abs(second - first)
}

/** Whether a room was walked well enough: by how far its means still hang on which places were chosen. */
export function judgeRoom(places: readonly (readonly HeardSecond[])[]): RoomVerdict {
  const used = places.filter((seconds) => seconds.length > 0)
  const all = used.flat()
  const receivers = heardBy(all).filter((own) => own.seconds > HEARD_SHARE * all.length)
  const deciding = receivers.slice(0, DECIDING).map(({ receiver }) => placeMeans(used, receiver))
  const error = deciding.reduce((most, means) => Math.max(most, errorOver(means)), 0)
  const base = {
    places: used.length,
    receivers: receivers.length,
    error: used.length < 2 ? Number.POSITIVE_INFINITY : error,
  }
  if (used.length < PLACES.least) {
    return { ...base, state: 'more', why: `${PLACES.least - used.length} more at least` }
  }
  if (receivers.length === 0) {
    return { ...base, state: 'usable', why: 'no receiver hears this room in half of the seconds: it will stay weak' }
  }
  if (error <= ROOM_ERROR_DB) return { ...base, state: 'enough', why: `mean known to ${error.toFixed(1)} dB` }
  if (used.length >= PLACES.most) return { ...base, state: 'enough', why: `${used.length} places; more add nothing` }
  return { ...base, state: 'usable', why: `mean known to ${error.toFixed(1)} dB, more places help` }
}

function placeMeans(places: readonly (readonly HeardSecond[])[], receiver: ReceiverId): number[] {
  return places.flatMap((seconds) => heardBy(seconds).find((own) => own.receiver === receiver)?.dbm ?? [])
}

function errorOver(means: readonly number[]): number {
  const sum = means.reduce((total, own) => total + own, 0)
  const squares = means.reduce((total, own) => total + own * own, 0)
  return standardError({ n: means.length, sum, squares })
}
