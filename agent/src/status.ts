import type { SourceStatus } from './acquire/source.ts'
import type { AgentHealth } from './health.ts'
import type { HealthWithMasked } from './masked-health.ts'
import { createRates, type Rates } from './rates.ts'

/** What the status page shows: nothing of any tag. Times are wall milliseconds, rates per second. */
interface StatusDocument {
  readonly gateway: string
  readonly software: string
  readonly atMs: number
  readonly startedMs: number
  readonly ok: boolean
  readonly problems: HealthWithMasked['problems']
  readonly readingsRate: number | undefined
  readonly answersRate: number | undefined
  readonly tags: { readonly heard: number; readonly known: number }
  readonly adapters: readonly AdapterLine[]
  /** Those that have no adapters to be shown instead, and whatever failed. */
  readonly sources: readonly SourceLine[]
  readonly buffer: BufferLine
  readonly centre: CentreLine
  readonly clock: NonNullable<AgentHealth['clock']>['state'] | undefined
}

interface AdapterLine {
  readonly receiver: string
  readonly target: string
  readonly state: 'hearing' | 'deaf' | 'degraded' | 'starting'
  /** Adverts of anybody, per second. */
  readonly rate: number | undefined
  readonly silentMs: number
}

interface SourceLine {
  readonly name: string
  readonly isReader: boolean
  readonly state: SourceStatus['state']
  readonly detail: string
  readonly rate: number | undefined
}

interface BufferLine {
  /** Records that the centre has not confirmed. */
  readonly waiting: number
  readonly oldestMs: number | undefined
  readonly bytes: number
  readonly maxBytes: number
  /** How long everything could still be kept without the centre; undefined before a minute has shown how much comes. */
  readonly hoursLeft: number | undefined
}

interface CentreLine {
  readonly state: AgentHealth['sync']['state']
  readonly sinceMs: number
  readonly lastAckMs: number | undefined
  readonly ackP99Ms: number | undefined
}

export interface StatusView {
  /** To be called every few seconds, so that rates are known when somebody looks. */
  sample(health: AgentHealth): void
  show(health: HealthWithMasked, heardTags: number): StatusDocument
}

interface StatusOptions {
  readonly knownTags: () => number
  readonly wallMs: () => number
  readonly monoMs: () => number
}

const RATE_MS = 30_000
const RECORDS_MS = 3_600_000
const ENOUGH_MS = 60_000
/** A nearly empty store is mostly its own fittings: until it holds this many records, they count as measured elsewhere. */
const TELLING_RECORDS = 5_000
const TYPICAL_RECORD_BYTES = 16

export function createStatusView({ knownTags, wallMs, monoMs }: StatusOptions): StatusView {
  const startedMs = wallMs()
  const recent = createRates(RATE_MS)
  const records = createRates(RECORDS_MS)
  return {
    sample(health) {
      const nowMs = monoMs()
      recent.sample(nowMs, countsOf(health))
      const { ledgerFixes, telemetry, emergencies } = health.counters
      records.sample(nowMs, { records: ledgerFixes + telemetry + emergencies })
    },
    show(health, heardTags) {
      const { gateway, software, ok, problems, sources, sync, clock } = health
      return {
        gateway,
        software,
        atMs: wallMs(),
        startedMs,
        ok,
        problems,
        readingsRate: recent.perSecond('readings'),
        answersRate: recent.perSecond('fixes'),
        tags: { heard: heardTags, known: knownTags() },
        adapters: sources.flatMap(({ adapters = [] }) => adapters).map((adapter) => adapterLine(adapter, recent)),
        sources: sources.filter(isShown).map((source) => sourceLine(source, recent)),
        buffer: bufferLine(health, records.perSecond('records', ENOUGH_MS)),
        centre: { state: sync.state, sinceMs: sync.since, lastAckMs: sync.lastAckMs, ackP99Ms: sync.ackMs.p99 },
        clock: clock?.state,
      }
    },
  }
}

type Adapter = NonNullable<SourceStatus['adapters']>[number]
type Source = AgentHealth['sources'][number]

function countsOf({ counters, sources }: AgentHealth): Record<string, number> {
  const counts: Record<string, number> = { readings: counters.readings, fixes: counters.fixes }
  for (const { name, readings, adapters = [] } of sources) {
    counts[`source ${name}`] = readings
    for (const adapter of adapters) counts[`adapter ${adapter.receiver}`] = adapter.counts.reports
  }
  return counts
}

function adapterLine(adapter: Adapter, rates: Rates): AdapterLine {
  const { receiver, target, silentMs } = adapter
  return { receiver, target, state: adapterState(adapter), silentMs, rate: rates.perSecond(`adapter ${receiver}`) }
}

const isShown = ({ adapters = [], state }: Source): boolean => adapters.length === 0 || state === 'failed'

function sourceLine({ name, state, detail, reader }: Source, rates: Rates): SourceLine {
  return { name, isReader: reader !== undefined, state, detail, rate: rates.perSecond(`source ${name}`) }
}

function adapterState({ alarm, degraded, scanning }: Adapter): AdapterLine['state'] {
  if (alarm) return 'deaf'
  if (degraded !== undefined) return 'degraded'
  return scanning ? 'hearing' : 'starting'
}

function bufferLine({ outbox }: AgentHealth, recordsPerSecond: number | undefined): BufferLine {
  const { unacknowledged: waiting, oldestMs, bytes, bound: maxBytes, records } = outbox
  const each = records >= TELLING_RECORDS ? bytes / records : TYPICAL_RECORD_BYTES
  const free = Math.max(0, maxBytes - waiting * each)
  const hoursLeft = recordsPerSecond ? free / (each * recordsPerSecond * 3_600) : undefined
  return { waiting, oldestMs, bytes, maxBytes, hoursLeft }
}
