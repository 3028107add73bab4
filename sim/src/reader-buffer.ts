import type { TagReport } from '@biotrakr/firmware-profiles'

/** Tags that a reader keeps until the host asks for them. */
export interface TagBuffer {
  readonly tags: readonly TagReport[]
  /** Tags that did not fit since the last clear. */
  readonly lost: number
  /** A tag heard again at the same antenna takes the place of what was kept of it. */
  add(tags: readonly TagReport[]): void
  /** Forgets the oldest. */
  drop(count: number): void
  clear(): void
}

/** Readers keep a few hundred tags (a Mercury module 200 and more); then they take no new ones. */
const MAX_TAGS = 256

export function createTagBuffer(): TagBuffer {
  const kept = new Map<string, TagReport>()
  let lost = 0
  return {
    get tags() {
      return [...kept.values()]
    },
    get lost() {
      return lost
    },
    add(tags) {
      for (const tag of tags) {
        const key = `${tag.epc} ${tag.antenna ?? 0}`
        if (kept.has(key) || kept.size < MAX_TAGS) kept.set(key, tag)
        else lost += 1
      }
    },
    drop(count) {
      for (const key of [...kept.keys()].slice(0, count)) kept.delete(key)
    },
    clear() {
      kept.clear()
      lost = 0
    },
  }
}
