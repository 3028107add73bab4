import type { Clock } from '@biotrakr/shared'

export interface RequestLimit {
  admits(address: string): boolean
}

const PERIOD_MS = 60_000
/** Addresses counted at once; a flood from more of them is stopped by the total. */
const MAX_ADDRESSES = 10_000

/** So many requests a minute from one address and from all together. Forgets by whole minutes. */
export function createRequestLimit(
  clock: Clock,
  { perAddress, total }: { readonly perAddress: number; readonly total: number },
): RequestLimit {
  const used = new Map<string, number>()
  let all = 0
  let sinceMs = Number.NEGATIVE_INFINITY
  return {
    admits: (address) => {
      if (clock.monoMs() - sinceMs >= PERIOD_MS) {
        used.clear()
        all = 0
        sinceMs = clock.monoMs()
      }
      const uses = used.get(address) ?? 0
      // A refusal costs nothing, so one address cannot use up what is there for all.
      if (uses >= perAddress || all >= total) return false
      all += 1
      if (used.size < MAX_ADDRESSES || used.has(address)) used.set(address, uses + 1)
      return true
    },
  }
}
