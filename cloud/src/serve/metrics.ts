import { Counter, Gauge, Registry } from 'prom-client'

import type { AlarmCounters } from './alarms.ts'
import type { HeardCounters } from './board.ts'
import type { FeedCounters } from './live-feed.ts'

/** Read when the metrics are collected. */
interface MetricsSource {
  readonly feed: () => { readonly state: string; readonly counters: Readonly<FeedCounters> }
  readonly heard: Readonly<HeardCounters>
  readonly alarms: Readonly<AlarmCounters>
  readonly refresh: () => { readonly ok: boolean; readonly durationMs: number; readonly failures: number }
  readonly viewers: () => number
  readonly stream: Readonly<Record<'slow' | 'refused' | 'resumed' | 'sentBytes', number>>
  readonly tags: () => number
  /** Seconds, undefined before the first position. */
  readonly newestAgeS: () => number | undefined
}

export interface ServeMetrics {
  readonly registry: Registry
  readonly requests: Counter<'route' | 'status'>
}

export function createServeMetrics(source: MetricsSource): ServeMetrics {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name: `biotrakr_serve_${name}`,
      help,
      registers,
      collect() {
        this.set(read() ?? Number.NaN)
      },
    })
  /** Counted elsewhere, copied here. */
  const counters = (name: string, help: string, label: string, read: () => object) =>
    new Counter({
      name: `biotrakr_serve_${name}_total`,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        for (const [key, value] of Object.entries(read())) this.inc({ [label]: key }, Number(value))
      },
    })
  gauge('live_up', '1 while live positions flow from the broker', () => (source.feed().state === 'up' ? 1 : 0))
  gauge('refresh_ok', '1 while positions can be read from the database', () => (source.refresh().ok ? 1 : 0))
  gauge('refresh_seconds', 'Time the newest reading of all positions took', () => source.refresh().durationMs / 1_000)
  gauge('viewers', 'Open live streams', source.viewers)
  gauge('tags', 'Tags of the organisation that are watched', source.tags)
  gauge('newest_fix_age_seconds', 'Event time of the newest position against the clock', source.newestAgeS)
  counters('live_messages', 'Messages of the live lane', 'result', () => source.feed().counters)
  counters('live_fixes', 'Fixes of the live lane', 'result', () => source.heard)
  counters('live_events', 'Presses and the like of the live lane', 'result', () => source.alarms)
  counters('streams', 'Live streams, and bytes written to them', 'event', () => source.stream)
  counters('refreshes', 'Readings of all positions', 'result', () => ({ failed: source.refresh().failures }))
  const requests = new Counter({
    name: 'biotrakr_serve_requests_total',
    help: 'Requests answered',
    labelNames: ['route', 'status'],
    registers,
  })
  return { registry, requests }
}
