import { tagMemory } from '@biotrakr/firmware-profiles'

import type { Source, SourceStatus } from './acquire/source.ts'
import type { FilterCounters } from './filter/filter.ts'
import type { OutboxStatus } from './outbox/outbox.ts'
import type { RecordClockStatus } from './record-clock.ts'
import type { SiteStatus } from './site-keeper.ts'
import type { SyncStatus } from './sync/sync-status.ts'
import type { Figure } from './upkeep/metrics.ts'

export interface AgentCounters {
  /** Readings of allow-listed tags that the sources handed on. */
  readings: number
  /** Answers of the locate stage. */
  fixes: number
  /** Answers that became ledger records. */
  ledgerFixes: number
  /** Sensor readings and tag events that became ledger records. */
  telemetry: number
  /** Presses and opened cases that went past every limit. */
  emergencies: number
}

interface HealthParts {
  readonly software: string
  readonly gateway: string
  readonly counters: AgentCounters
  readonly filter: Readonly<FilterCounters>
  readonly unmapped: number
  readonly sources: readonly (SourceStatus & Pick<Source, 'name'>)[]
  readonly outbox: OutboxStatus
  readonly sync: SyncStatus
  /** Absent for a replay. */
  readonly clock?: RecordClockStatus | undefined
  /** Absent where no centre gives the site. */
  readonly site?: SiteStatus | undefined
}

interface Problem {
  readonly code: string
  readonly message: string
  readonly next: string
}

export interface AgentHealth extends HealthParts {
  /** False when something needs a person. */
  readonly ok: boolean
  readonly problems: readonly Problem[]
  /** Of a gateway that has enrolled: wall milliseconds at which its certificate ends. */
  readonly certificate?: { readonly untilMs: number }
}

/** Gathers what is wrong, in plain words, out of what every stage says of itself. */
export function healthOf(parts: HealthParts): AgentHealth {
  const problems: Problem[] = []
  for (const { name, state, detail } of parts.sources) {
    if (state === 'failed') {
      problems.push({
        code: 'SOURCE_FAILED',
        message: `source ${name}: ${detail}`,
        next: 'Run "biotrakr doctor -c <configuration>" here: it names the command that mends it. The other sources go on.',
      })
    }
  }
  problems.push(...parts.sources.flatMap(({ adapters = [] }) => adapters).flatMap(adapterProblems))
  if (parts.outbox.fault) problems.push({ ...parts.outbox.fault, message: parts.outbox.fault.detail })
  problems.push(...storeProblems(parts.outbox))
  const gone = parts.outbox.evicted + parts.outbox.corrupt
  if (gone > 0) {
    const message = `${gone} records were let go before the centre had them; gap records stand in their place`
    problems.push({
      code: 'OUTBOX_GAPS',
      message,
      next: 'Mend the uplink, or give the outbox more room (outbox.maxMegabytes).',
    })
  }
  if (parts.sync.problem) problems.push(parts.sync.problem)
  if (parts.site?.problem) problems.push(parts.site.problem)
  problems.push(...ledgerProblems(parts), ...clockProblems(parts))
  if (parts.unmapped > 0) {
    const message = `${parts.unmapped} readings came from receivers that the site map does not name`
    problems.push({ code: 'RECEIVER_UNMAPPED', message, next: 'Add the receivers to the site map.' })
  }
  return { ok: problems.length === 0, problems, ...parts }
}

/** What the two sides of the ledger have lost of each other. */
function ledgerProblems({ outbox, sync }: HealthParts): Problem[] {
  const problems: Problem[] = []
  const { total, runs } = sync.quarantined
  if (total > 0) {
    problems.push({
      code: 'CENTRE_QUARANTINE',
      message: `${total} records of this gateway wait in quarantine at the centre (${runs[0]?.code ?? 'unknown'}).`,
      next: 'See "biotrakr-cloud quarantine list" there, mend the cause, and retry them.',
    })
  }
  if (outbox.restored > 0) {
    problems.push({
      code: 'CENTRE_RESTORED',
      message: `the centre lost ${outbox.restored} records that this gateway no longer held; gap records stand for them.`,
      next: "Look for them in the centre's backups.",
    })
  }
  if (sync.storeBehind.length > 0) {
    problems.push({
      code: 'STORE_RESTORED',
      message: `the centre has more of ${sync.storeBehind[0]} than this store: it was put back to an earlier state.`,
      next: 'Make sure that the box from which this store was copied is switched off.',
    })
  }
  return problems
}

/** Records wait at the centre while the time is not known; that is no problem of its own. */
function clockProblems({ clock }: HealthParts): Problem[] {
  if (!clock?.isWrong) return []
  const seconds = Math.round((clock.aheadMs ?? 0) / 1_000)
  return [
    {
      code: 'CLOCK_WRONG',
      message: `this machine's clock differs from the centre's by ${seconds} s; records carry the centre's time.`,
      next: 'Set up time synchronisation on this machine.',
    },
  ]
}

function storeProblems({ damaged, isLogMissing }: OutboxStatus): Problem[] {
  const problems: Problem[] = []
  const newest = damaged.at(-1)
  if (newest !== undefined) {
    problems.push({
      code: 'OUTBOX_DAMAGED',
      message: `the store was damaged and a new one was begun; the old one is ${newest}`,
      next: 'Check the disk; biotrakr outbox export reads what is left in the old one.',
    })
  }
  if (isLogMissing) {
    problems.push({
      code: 'OUTBOX_DAMAGED',
      message: 'the log of the store was removed after a crash: the newest records of then may be missing, uncounted',
      next: 'Find out what removes files from the data folder; the store itself goes on.',
    })
  }
  return problems
}

type Adapter = NonNullable<SourceStatus['adapters']>[number]

/** An adapter that others make up for is still one that a person has to see to. */
function adapterProblems({ receiver, target, alarm, failure, silentMs, degraded }: Adapter): Problem[] {
  const problems: Problem[] = []
  if (alarm) {
    const trouble = failure ?? `it has heard nothing for ${Math.round(silentMs / 1_000)} s.`
    problems.push({
      code: 'ADAPTER_DEAF',
      message: `adapter ${receiver} (${target}): ${trouble}`,
      next: 'Run "biotrakr doctor -c <configuration>" here: it names the command that mends it.',
    })
  }
  if (degraded !== undefined) {
    problems.push({
      code: 'ADAPTER_DEGRADED',
      message: `adapter ${receiver} (${target}) merges and loses reports: ${degraded}`,
      next: 'Install the agent again with the libraries that it was tested with.',
    })
  }
  return problems
}

/** The figures of `/metrics`, read from one health document. */
export function figures(health: () => AgentHealth): Figure[] {
  return [
    { name: 'ok', help: '1 when nothing needs a person.', read: () => Number(health().ok) },
    { name: 'readings_total', help: 'Readings of allow-listed tags.', read: () => health().counters.readings },
    { name: 'fixes_total', help: 'Answers of the locate stage.', read: () => health().counters.fixes },
    {
      name: 'ledger_fixes_total',
      help: 'Answers that became ledger records.',
      read: () => health().counters.ledgerFixes,
    },
    { name: 'outbox_records', help: 'Records held in the store.', read: () => health().outbox.records },
    {
      name: 'outbox_unacknowledged',
      help: 'Records the centre has not committed yet.',
      read: () => health().outbox.unacknowledged,
    },
    {
      name: 'certificate_until_seconds',
      help: 'Unix time at which the certificate of this gateway ends; 0 where it has none that it renews.',
      read: () => Math.floor((health().certificate?.untilMs ?? 0) / 1_000),
    },
    { name: 'outbox_bytes', help: 'Bytes of the store.', read: () => health().outbox.bytes },
    {
      name: 'outbox_evicted_total',
      help: 'Records let go because the store was full.',
      read: () => health().outbox.evicted,
    },
    {
      name: 'outbox_evicted_by_rank_total',
      help: 'Of these by rank; the rest was events that found no place in memory.',
      by: 'rank',
      read: () => ({ ...health().outbox.evictedBy }),
    },
    {
      name: 'outbox_corrupt_total',
      help: 'Records whose stored bytes could not be read back.',
      read: () => health().outbox.corrupt,
    },
    {
      name: 'outbox_restored_total',
      help: 'Records the centre lost and this store no longer held.',
      read: () => health().outbox.restored,
    },
    {
      name: 'quarantined_records',
      help: 'Records of this gateway in quarantine at the centre.',
      read: () => health().sync.quarantined.total,
    },
    {
      name: 'clock_synced',
      help: '1 once somebody has confirmed the time.',
      read: () => Number(health().clock?.state !== 'unsynced'),
    },
    { name: 'sync_in_flight', help: 'Batches sent and not committed yet.', read: () => health().sync.inFlight },
    { name: 'sync_connects_total', help: 'Connections made to the broker.', read: () => health().sync.connects },
    { name: 'sync_nacks_total', help: 'Batches the centre asked for again.', read: () => health().sync.nacks },
    {
      name: 'sync_resends_total',
      help: 'Batches sent again for want of an answer.',
      read: () => health().sync.resends,
    },
    {
      name: 'sync_live_dropped_total',
      help: 'Live positions that found no connection.',
      read: () => health().sync.liveDropped,
    },
    {
      name: 'sync_live_events_dropped_total',
      help: 'Live events that found no connection; the ledger has them.',
      read: () => health().sync.liveEventsDropped,
    },
    ...filterFigures(health),
    ...adapterFigures(health),
    ...strangerFigures(health),
    ...readerFigures(health),
  ]
}

const DROPPED = ['invalidRssi', 'weak', 'repeated', 'invalidTime', 'stale', 'refused', 'overflow', 'withheld'] as const

function filterFigures(health: () => AgentHealth): Figure[] {
  return [
    { name: 'emergencies_total', help: 'Presses and opened cases.', read: () => health().counters.emergencies },
    {
      name: 'filter_dropped_total',
      help: 'Readings that the filter dropped, by why.',
      by: 'why',
      read: () => {
        const { filter } = health()
        return Object.fromEntries(DROPPED.map((why) => [why, filter[why]]))
      },
    },
  ]
}

function adapterFigures(health: () => AgentHealth): Figure[] {
  const perAdapter = (name: string, help: string, value: (adapter: Adapter) => number): Figure => ({
    name: `ble_adapter_${name}`,
    help,
    by: 'receiver',
    read: () => {
      const adapters = health().sources.flatMap((source) => source.adapters ?? [])
      return Object.fromEntries(adapters.map((adapter) => [adapter.receiver, value(adapter)]))
    },
  })
  return [
    perAdapter('scanning', '1 while the adapter scans.', ({ scanning }) => Number(scanning)),
    perAdapter('deaf', '1 while it should hear something and does not.', ({ verdict }) => Number(verdict === 'deaf')),
    perAdapter('alarm', '1 while a person should look at it.', ({ alarm }) => Number(alarm)),
    perAdapter('degraded', '1 while reports are merged and lost.', ({ degraded }) => Number(degraded !== undefined)),
    perAdapter('adverts_total', 'Adverts heard, of anybody.', ({ counts }) => counts.reports),
    perAdapter('malformed_total', 'Reports that contradict themselves.', ({ counts }) => counts.malformed),
    perAdapter('fragments_lost_total', 'Long adverts without an end.', ({ counts }) => counts.fragmentsLost),
    perAdapter('failures_total', 'Failures of the adapter.', ({ failures }) => failures),
  ]
}

const READER_FIGURES = {
  frames: ['frames_total', 'Whole frames of the reader.'],
  bytesDropped: ['bytes_dropped_total', 'Bytes that belong to no frame.'],
  badChecksum: ['bad_checksum_total', 'Frames whose checksum does not fit.'],
  resyncs: ['resyncs_total', 'Times a frame was found again after dropped bytes.'],
  tags: ['tags_total', 'Tag reports of any kind.'],
  unknownTags: ['unknown_tags_total', "Reports of tags that are not the site's."],
  personalTags: ['personal_tags_total', "Reports of people's numbers (GSRN) that the site does not follow."],
  reconnects: ['reconnects_total', 'Times the line was opened again after a loss.'],
  restarts: ['restarts_total', 'Times the reader started anew by itself.'],
} as const

/** One value for each reader of the configuration, by its name there. */
function readerFigures(health: () => AgentHealth): Figure[] {
  const names = Object.keys(READER_FIGURES) as (keyof typeof READER_FIGURES)[]
  return names.map((figure): Figure => {
    const [name, help] = READER_FIGURES[figure]
    return {
      name: `reader_${name}`,
      help,
      by: 'reader',
      read: () => {
        const readers = health().sources.flatMap(({ name: source, reader }) => (reader ? [{ source, reader }] : []))
        return Object.fromEntries(readers.map(({ source, reader }) => [source, reader[figure]]))
      },
    }
  })
}

/** Numbers only: nobody can be told from them. */
function strangerFigures(health: () => AgentHealth): Figure[] {
  const strangers = () => health().sources.flatMap((source) => source.strangers ?? [])
  return [
    {
      name: 'ble_strangers_adverts_total',
      help: "Adverts of devices that are not the site's, by class of traffic.",
      by: 'class',
      read: () => summed(strangers().map(({ adverts }) => adverts)),
    },
    {
      name: 'ble_strangers',
      help: "Devices that are not the site's and were heard of late.",
      read: () => strangers().reduce((sum, { devices }) => sum + devices, 0),
    },
    {
      name: 'ble_strangers_evicted_total',
      help: 'Such devices forgotten early, for want of room.',
      read: () => strangers().reduce((sum, { evicted }) => sum + evicted, 0),
    },
    ...tagMemoryFigures(),
  ]
}

function summed(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const count of counts) {
    for (const [key, value] of Object.entries(count)) sums[key] = (sums[key] ?? 0) + value
  }
  return sums
}

/** What the readers of this process remember of tags has a bound: many evictions mean more tags than it was made for. */
function tagMemoryFigures(): Figure[] {
  return (['numbers', 'names'] as const).flatMap((what) => [
    {
      name: `tag_${what}_hits_total`,
      help: `Tag ${what} that were still known when a reader reported them again.`,
      read: () => tagMemory[what].hits,
    },
    { name: `tag_${what}_misses_total`, help: `Tag ${what} that had to be made.`, read: () => tagMemory[what].misses },
    {
      name: `tag_${what}_evictions_total`,
      help: `Tag ${what} forgotten to make room.`,
      read: () => tagMemory[what].evictions,
    },
  ])
}
