/**
 * One measured figure. Rates are per second on this machine, of wall time unless its own measurement says processor time:
 * compare ratios, not machines.
 */
export interface Figure {
  readonly group: string
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the product promises of it, where it does. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number }
}

export function meetsGoal({ value, goal }: Figure): boolean {
  if (goal === undefined) return true
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost
}

/** Median of several runs of `work`, which returns how many things it did: things per second. */
export function perSecond(work: () => number, { runs = 7, warmUp = 2 } = {}): number {
  const rates: number[] = []
  for (let run = -warmUp; run < runs; run++) {
    const startMs = performance.now()
    const count = work()
    const rate = (count * 1000) / (performance.now() - startMs)
    if (run >= 0) rates.push(rate)
  }
  return median(rates)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
