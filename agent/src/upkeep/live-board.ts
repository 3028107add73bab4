import type { Fix, RoomId, TagEvent, TagId } from '@biotrakr/shared'

/** Where a tag is, as `/live` says it. */
export interface LivePlace {
  readonly tag: TagId
  /** Null = unknown; `reason` then says why. */
  readonly room: RoomId | null
  readonly reason: Fix['reason']
  readonly method: Fix['method']
  /** Per mille. */
  readonly confidence: number
  /** Wall milliseconds. */
  readonly atMs: number
}

type LiveAlarm = Pick<TagEvent, 'tag' | 'room' | 'event' | 'value' | 'atMs'>

const MAX_ALARMS = 100

/** Newest place of every tag and the last 100 alarms, for whoever begins to listen. */
export class LiveBoard {
  readonly #maxTags: number
  readonly #places = new Map<TagId, LivePlace>()
  /** When a tag was last heard by any receiver, wall milliseconds. */
  readonly #heardMs = new Map<TagId, number>()
  readonly #alarms: LiveAlarm[] = []

  /** @param maxTags bound of what is remembered; the agent's allow-list is no longer than that */
  constructor(maxTags: number) {
    this.#maxTags = maxTags
  }

  /** @returns the places as they are told */
  take(fixes: readonly Fix[]): LivePlace[] {
    return fixes.map(({ tag, room, reason, method, confidence, atMs }) => {
      const place = { tag, room, reason, method, confidence, atMs }
      if (this.#places.has(tag) || this.#places.size < this.#maxTags) this.#places.set(tag, place)
      return place
    })
  }

  heard(tags: readonly TagId[], atMs: number): void {
    for (const tag of tags) {
      if (this.#heardMs.has(tag) || this.#heardMs.size < this.#maxTags) this.#heardMs.set(tag, atMs)
    }
  }

  /** @returns the alarms as they are told */
  raise(events: readonly TagEvent[]): LiveAlarm[] {
    const alarms = events.map(({ tag, room, event, value, atMs }) => ({ tag, room, event, value, atMs }))
    this.#alarms.push(...alarms)
    this.#alarms.splice(0, this.#alarms.length - MAX_ALARMS)
    return alarms
  }

  places(): LivePlace[] {
    return [...this.#places.values()]
  }

  alarms(): readonly LiveAlarm[] {
    return [...this.#alarms]
  }

  /** Tags that any receiver heard since `sinceMs`. */
  heardSince(sinceMs: number): number {
    let count = 0
    for (const atMs of this.#heardMs.values()) if (atMs >= sinceMs) count += 1
    return count
  }
}
