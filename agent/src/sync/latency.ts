/** Newest measurements, oldest overwritten first. */
export interface Latencies {
  add(ms: number): void
  /** Nearest-rank percentiles in milliseconds; undefined before the first measurement. */
  percentiles(): { readonly p50: number | undefined; readonly p99: number | undefined }
}

export function createLatencies(capacity: number): Latencies {
  const ring = new Float64Array(capacity)
  let count = 0
  return {
    add(ms) {
      ring[count % capacity] = ms
      count += 1
    },
    percentiles() {
      const sorted = ring.slice(0, Math.min(count, capacity)).sort()
      const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
      return { p50: rank(0.5), p99: rank(0.99) }
    },
  }
}
