import { describe, expect, it } from 'vitest'

import { createLatencies } from './latency.ts'

describe('measured latencies', () => {
  it('know nothing before the first', () => {
    expect(createLatencies(4).percentiles()).toEqual({ p50: undefined, p99: undefined })
  })

  it('give nearest-rank percentiles', () => {
    const latencies = createLatencies(200)
    for (let ms = 100; ms >= 1; ms--) latencies.add(ms)
    expect(latencies.percentiles()).toEqual({ p50: 50, p99: 99 })
  })

  it('forget the oldest when full', () => {
    const latencies = createLatencies(3)
    for (const ms of [1_000, 1_000, 1, 2, 3]) latencies.add(ms)
    expect(latencies.percentiles()).toEqual({ p50: 2, p99: 3 })
  })
})
