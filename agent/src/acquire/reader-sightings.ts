import type { ProfileDocument } from '@biotrakr/firmware-profiles'
import type { Clock, ReceiverId, TagId } from '@biotrakr/shared'

/** `first`: not to be believed yet. `repeat`: says what was said a moment ago. */
type Sighting = 'news' | 'first' | 'repeat'

export interface Sightings {
  /** `isPresence`: it says that the tag is there and nothing else. */
  judge(tag: TagId, receiver: ReceiverId, isPresence: boolean): Sighting
}

interface SightingsOptions {
  /** True: a tag is believed at its second sighting. */
  readonly needsSecond: boolean
  /** Real time. */
  readonly clock: Pick<Clock, 'monoMs'>
}

/** A tag that is there is seen again within this time; damage does not come out the same twice. */
const SECOND_WITHIN_MS = 5_000
/** Readers of cards repeat one that lies on them 15 times a second; the filter has no use for so many. */
const PRESENCE_EVERY_MS = 200
/** More than a site has tags, or tags times antennas; the one not seen for longest is forgotten. */
const MAX_KNOWN = 20_000
const MAX_DOUBTED = 1_000
const MAX_PRESENT = 4_096

/** Tells the sightings of one reader that say something from doubtful and needless ones. */
export function createSightings({ needsSecond, clock }: SightingsOptions): Sightings {
  const known = new Map<string, number>()
  const doubted = new Map<string, number>()
  const present = new Map<string, number>()

  /** The first sighting of a tag never seen may be another tag's, damaged. */
  function isBelieved(tag: TagId, nowMs: number): boolean {
    const firstMs = doubted.get(tag) ?? -Infinity
    if (known.has(tag) || nowMs - firstMs <= SECOND_WITHIN_MS) {
      doubted.delete(tag)
      remember(known, tag, { atMs: nowMs, max: MAX_KNOWN })
      return true
    }
    remember(doubted, tag, { atMs: nowMs, max: MAX_DOUBTED })
    return false
  }

  return {
    judge(tag, receiver, isPresence) {
      const nowMs = clock.monoMs()
      if (needsSecond && !isBelieved(tag, nowMs)) return 'first'
      if (!isPresence) return 'news'
      const key = `${tag} ${receiver}`
      if (nowMs - (present.get(key) ?? -Infinity) < PRESENCE_EVERY_MS) return 'repeat'
      remember(present, key, { atMs: nowMs, max: MAX_PRESENT })
      return 'news'
    },
  }
}

/** Keeps the map in the order of last use, and within its bound. */
function remember(map: Map<string, number>, key: string, { atMs, max }: { atMs: number; max: number }): void {
  map.delete(key)
  map.set(key, atMs)
  const [oldest] = map.keys()
  if (map.size > max && oldest !== undefined) map.delete(oldest)
}

/**
 * True for profiles whose tag reports carry no check, or one of eight bits without a second one over the number (of
 * damaged frames 1 of 256 passes it), and whose reader is asked again and again. That an EPC is as long as its PC word
 * says is no check of its bits. A passive reader may say a tag only once, and nobody would show it twice: there a
 * damaged report must hit a number of the allow-list to do harm.
 */
export function needsSecondSighting({
  integrity,
  messages,
  lifecycle,
}: Pick<ProfileDocument, 'integrity' | 'messages' | 'lifecycle'>): boolean {
  const isStrong = integrity.length > 1 || integrity.some(({ kind }) => kind === 'crc16')
  const isDoubtful = messages.some(({ tag }) => tag !== undefined && tag.tagCrc?.verify !== true)
  return lifecycle.inventory !== 'passive' && !isStrong && isDoubtful
}
