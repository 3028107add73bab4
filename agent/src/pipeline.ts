import type { Fix, Reading, ReceiverId, SensorReading, SiteMap, TagEvent, TagId, TagWindow } from '@biotrakr/shared'

import { createFilter, type FilterCounters } from './filter/filter.ts'
import { type Explanation, explainTag, type MaskedReceiver, maskedReceivers } from './locate/explain.ts'
import { emptyState, locate } from './locate/locate.ts'
import { createRecordPolicy } from './outbox/record-policy.ts'

/** What the answers depend on besides the readings and the times at which windows close. */
export interface PipelineSettings {
  readonly siteMap: SiteMap
  /** Tags followed at once, at least 1. */
  readonly maxTags: number
  readonly floorDbm: number
  /** `change`: an answer becomes a record when it says something new; `all`: each does. */
  readonly ledger: 'change' | 'all'
  readonly keepAliveMs: number
}

/** What the windows that were closed at one moment gave. */
interface Closed {
  readonly windows: readonly TagWindow[]
  /** The answer of each window. */
  readonly places: readonly Fix[]
  /** Those of them that say something new, for the ledger. */
  readonly records: readonly Fix[]
  /** Sensor readings and slow events of the tags, each in its tag's room. */
  readonly telemetry: readonly (SensorReading | TagEvent)[]
}

/**
 * From readings to answers: filter, locate and what is worth a record. It reads no clock: the same calls give the same
 * answers, which is what makes a capture of the calls as good as having been there.
 */
export interface Pipeline {
  /** @param nowMs wall milliseconds; @returns presses and the like that are new and wait for no window */
  take(reading: Reading, nowMs: number): readonly TagEvent[]
  /**
   * Closes the windows that have ended by `nowMs`, wall milliseconds.
   * @param down receivers known to hear nothing just now: left out at once, and taken back as soon as they are missing here
   */
  close(nowMs: number, down?: readonly ReceiverId[]): Closed
  /** Why a tag is said to be where it is; undefined for one that was not heard. */
  explain(tag: TagId): Explanation | undefined
  /** Receivers that nothing is concluded from just now. */
  masked(): readonly MaskedReceiver[]
  /** From now on with another map and another policy; what is known of tags is taken over as far as the map has it. */
  reconfigure(settings: Pick<PipelineSettings, 'siteMap' | 'ledger' | 'keepAliveMs'>): void
  readonly counters: FilterCounters
}

/** Length of a window, milliseconds. */
export const WINDOW_MS = 1_000

export function createPipeline({ maxTags, floorDbm, ...settings }: PipelineSettings): Pipeline {
  const filter = createFilter({ windowMs: WINDOW_MS, maxTags, floorDbm })
  let { siteMap, ledger, keepAliveMs } = settings
  let policy = createRecordPolicy({ ledger, keepAliveMs, maxTags })
  /** Newest answer per tag, bounded by the allow-list as every per-tag table is. */
  const newest = new Map<TagId, Fix>()
  let state = emptyState({ maxTags })
  let down: ReadonlySet<ReceiverId> = new Set()
  const roomOf = (tag: TagId) => newest.get(tag)?.room ?? null

  return {
    counters: filter.counters,
    explain: (tag) => explainTag(state, tag),
    masked: () => maskedReceivers(state),
    reconfigure(next) {
      siteMap = next.siteMap
      if (next.ledger === ledger && next.keepAliveMs === keepAliveMs) return
      ;({ ledger, keepAliveMs } = next)
      // Begins with a record of every tag, which is what a new policy should be judged from.
      policy = createRecordPolicy({ ledger, keepAliveMs, maxTags })
    },
    take: (reading, nowMs) =>
      filter.add(reading).map((event) => ({ ...event, atMs: Math.min(event.atMs, nowMs), room: roomOf(event.tag) })),
    close(nowMs, receiversDown = []) {
      if (!isSame(down, receiversDown)) down = new Set(receiversDown)
      const { windows, telemetry } = filter.close(nowMs)
      const places: Fix[] = []
      const records: Fix[] = []
      for (const window of windows) {
        const next = locate(siteMap, state, window, { down })
        state = next.state
        const record = policy(next.located, siteMap.version)
        if (record) records.push(record)
        // Why is for the ledger; live positions travel light.
        const { evidence, ...located } = next.located
        const place: Fix = { kind: 'fix', ...located, spanMs: 0, mapVersion: siteMap.version }
        newest.set(place.tag, place)
        places.push(place)
      }
      return { windows, places, records, telemetry: telemetry.map((item) => ({ ...item, room: roomOf(item.tag) })) }
    },
  }
}

function isSame(before: ReadonlySet<ReceiverId>, now: readonly ReceiverId[]): boolean {
  return before.size === now.length && now.every((receiver) => before.has(receiver))
}
