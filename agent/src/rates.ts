/** How fast counts grow, from samples taken now and then. Holds what is younger than `keepMs` and one sample more. */
export interface Rates {
  sample(nowMs: number, counts: Readonly<Record<string, number>>): void
  /**
   * Per second between the oldest sample held and the newest.
   * @returns undefined before `atLeastMs` lie between them, and for a name that either does not have
   */
  perSecond(name: string, atLeastMs?: number): number | undefined
}

interface Sample {
  readonly atMs: number
  readonly counts: Readonly<Record<string, number>>
}

export function createRates(keepMs: number): Rates {
  const samples: Sample[] = []
  return {
    sample(nowMs, counts) {
      samples.push({ atMs: nowMs, counts })
      while (nowMs - (samples[1]?.atMs ?? nowMs) >= keepMs) samples.shift()
    },
    perSecond(name, atLeastMs = 1) {
      const [first, last] = [samples[0], samples.at(-1)]
      const [from, to] = [first?.counts[name], last?.counts[name]]
      if (!first || !last || from === undefined || to === undefined) return undefined
      const ms = last.atMs - first.atMs
      // A reader that starts anew counts from nought again.
      return ms < atLeastMs ? undefined : (Math.max(0, to - from) * 1_000) / ms
    },
  }
}
