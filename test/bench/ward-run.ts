import type { Reading, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'
import { createWard, createWardScorer, type Ward, type WardOptions } from '@biotrakr/sim'

import { createFilter } from '../../agent/src/filter/filter.ts'

export const WARD_START_MS = 1_760_000_000_000

/** Answers windows, one after the other, of all tags. Null = unknown. */
export type Locator = (window: TagWindow) => RoomId | null

export interface WardRun {
  /** Share of answers that are right while at rest, 0-1, and changes per tag-hour of rest. */
  readonly rightAtRest: number
  readonly falseChanges: number
  /** Seconds from arrival to an answer that is right and still right 5 s later, of all stays. */
  readonly latencies: readonly number[]
  /** Share of stays in which that never came, 0-1. */
  readonly never: number
}

export interface RunOptions {
  readonly seconds: number
  /** Changes what the receivers report, for faults. */
  readonly change?: (readings: Reading[]) => Reading[]
}

interface Judge {
  readonly locator: Locator
  readonly scorer: ReturnType<typeof createWardScorer>
  readonly stays: ReturnType<typeof createStays>
}

/** Plays one ward through the filter stage to several locators at once, and scores each. */
export function runWard(
  options: WardOptions,
  locators: (map: SiteMap) => readonly Locator[],
  { seconds, change = (readings) => readings }: RunOptions,
): WardRun[] {
  const ward = createWard(options)
  const filter = createFilter()
  const judges = locators(ward.siteMap).map(
    (locator): Judge => ({ locator, scorer: createWardScorer(ward), stays: createStays(ward) }),
  )
  for (let s = 1; s <= seconds; s++) {
    const toMs = options.startMs + s * 1000
    for (const reading of change(ward.readingsBetween(toMs - 1000, toMs))) filter.add(reading)
    for (const window of filter.close(toMs).windows) {
      for (const { locator, scorer, stays } of judges) {
        const room = locator(window)
        scorer.take(window.tag, room, window.atMs)
        stays.take(window.tag, room, window.atMs)
      }
    }
  }
  return judges.map(({ scorer, stays }) => {
    const { rightAtRest, falseChangesPerTagHour } = scorer.score()
    return { rightAtRest, falseChanges: falseChangesPerTagHour, ...stays.score() }
  })
}

/** A right answer must last so long to end the search. */
const LASTING_MS = 5000
/** Shorter stays prove nothing: at least this long from arrival to the end of the run or the next departure. */
const LEAST_STAY_MS = 60_000

interface Stay {
  readonly sinceMs: number
  lastMs: number
  rightMs: number | undefined
  foundMs: number | undefined
}

/** Follows each stay from arrival to departure. */
function createStays(ward: Ward) {
  const current = new Map<TagId, Stay>()
  const ended: Stay[] = []
  return {
    take(tag: TagId, room: RoomId | null, atMs: number): void {
      const truth = ward.truthAt(tag, atMs)
      const open = current.get(tag)
      if (open && (truth.moving || truth.sinceMs !== open.sinceMs)) {
        ended.push(open)
        current.delete(tag)
      }
      if (truth.moving) return
      const stay = current.get(tag) ?? { sinceMs: truth.sinceMs, lastMs: atMs, rightMs: undefined, foundMs: undefined }
      current.set(tag, stay)
      stay.lastMs = atMs
      if (room !== truth.room) stay.rightMs = undefined
      else stay.rightMs ??= atMs
      if (stay.rightMs !== undefined && atMs - stay.rightMs >= LASTING_MS) stay.foundMs ??= stay.rightMs
    },
    score(): { readonly latencies: number[]; readonly never: number } {
      const stays = [...ended, ...current.values()].filter(
        ({ sinceMs, lastMs }) => lastMs - sinceMs >= LEAST_STAY_MS && sinceMs > WARD_START_MS,
      )
      const found = stays.flatMap(({ sinceMs, foundMs }) => (foundMs === undefined ? [] : [(foundMs - sinceMs) / 1000]))
      return { latencies: found, never: stays.length === 0 ? 0 : 1 - found.length / stays.length }
    },
  }
}

/** Value below which the share lies; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function meanOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0) / items.length
}
