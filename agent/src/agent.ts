import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  BioTrakrError,
  type Clock,
  type Fix,
  type Random,
  type Reading,
  type RoomId,
  type TagId,
  type Timer,
} from '@biotrakr/shared'
import type { Logger } from 'pino'

import { replayBleCapture } from './acquire/ble-capture.ts'
import type { BleCaptureCounts } from './acquire/ble-capture-tally.ts'
import { readDataset } from './acquire/dataset.ts'
import { createDatasetSource } from './acquire/dataset-source.ts'
import type { AllowList, Source } from './acquire/source.ts'
import { type AgentConfig, readSecret } from './config.ts'
import { decodeAdvert } from './decode/advert.ts'
import { type DescribeOptions, type Description, describeAdvert as describe } from './decode/describe.ts'
import { createFilter, type FilterOutput } from './filter/filter.ts'
import { type AgentCounters, type AgentHealth, figures, healthOf } from './health.ts'
import { emptyState, type LocateState, locate } from './locate/locate.ts'
import { createLossLog } from './loss-log.ts'
import { nodeCompression } from './node-compression.ts'
import { nodeAes } from './node-crypto-port.ts'
import type { Outbox } from './outbox/outbox.ts'
import { createRecordPolicy } from './outbox/record-policy.ts'
import { openSqliteOutbox } from './outbox/sqlite-outbox.ts'
import { createSync, type Sync } from './sync/sync.ts'
import { createLocalApi, type LocalApi } from './upkeep/local-api.ts'
import { createMetrics } from './upkeep/metrics.ts'
import { ReceiverWatch } from './upkeep/receiver-health.ts'
import { softwareVersion } from './version.ts'

const WINDOW_MS = 1_000
const GROUP_COMMIT_MS = 1_000
const RECEIVER_HEALTH_MS = 60_000
const MEGABYTE = 1_048_576

export { scaledClock } from './acquire/scaled-clock.ts'
export type { Source, SourceStatus } from './acquire/source.ts'
export type { Description } from './decode/describe.ts'

export interface AgentParts {
  readonly config: AgentConfig
  readonly sources: readonly Source[]
  /** The real clock: it drives storing and sending. */
  readonly clock: Clock
  /** The time in which the sources live: it drives everything up to the record. A replay's runs faster. */
  readonly eventClock: Clock
  readonly random: Random
  readonly log: Logger
}

/** acquire -> decode -> filter -> locate -> outbox -> sync. This file alone knows all stages. */
export class Agent {
  readonly #parts: AgentParts
  readonly #filter: ReturnType<typeof createFilter>
  readonly #policy: ReturnType<typeof createRecordPolicy>
  readonly #receivers: ReceiverWatch
  /** Newest answer per tag, bounded by the allow-list as every per-tag table is. */
  readonly #rooms = new Map<TagId, RoomId | null>()
  readonly #timers: Timer[] = []
  readonly counters: AgentCounters = { readings: 0, fixes: 0, ledgerFixes: 0, telemetry: 0 }
  #located: LocateState
  #outbox: Outbox | undefined
  #sync: Sync | undefined
  #api: LocalApi | undefined

  constructor(parts: AgentParts) {
    this.#parts = parts
    const { records, siteMapDocument, tags } = parts.config
    const maxTags = Math.max(1, tags.length)
    this.#located = emptyState({ maxTags })
    this.#filter = createFilter({ windowMs: WINDOW_MS, maxTags })
    this.#policy = createRecordPolicy({
      ledger: records.ledger,
      keepAliveMs: records.keepAliveSeconds * 1_000,
      maxTags,
    })
    this.#receivers = new ReceiverWatch(siteMapDocument.receivers.map(({ id }) => id))
  }

  /** Opens the store, the uplink, the local API and the sources, in this order: nothing heard is without a place. */
  async start(): Promise<void> {
    const { config, clock, eventClock, log, sources } = this.#parts
    this.#outbox = this.#openOutbox()
    this.#sync = this.#openSync(this.#outbox)
    this.#api = createLocalApi({
      ...config.api,
      health: () => this.health(),
      metrics: () => metrics.metrics(),
    })
    const metrics = createMetrics(figures(() => this.health()))
    await this.#api.start()
    this.#sync.start()
    for (const source of sources) await source.start((reading) => this.#take(reading))
    // After the sources: a source's beat then comes before the window that it falls into closes.
    this.#timers.push(
      eventClock.every(WINDOW_MS, () => this.#closeWindows()),
      eventClock.every(RECEIVER_HEALTH_MS, () => this.#reportReceivers()),
      clock.every(GROUP_COMMIT_MS, () => this.#commit()),
    )
    log.info(
      {
        event: 'agent.started',
        sources: sources.map(({ name }) => name),
        api: this.#api.port(),
        tags: config.tags.length,
      },
      'agent started',
    )
  }

  /** Stops hearing, stores what is open, gives the centre up to `flushMs` to take it, closes the store. */
  async stop({ flushMs }: { readonly flushMs: number }): Promise<void> {
    const { sources, log } = this.#parts
    for (const source of sources) await source.stop()
    for (const timer of this.#timers.splice(0)) timer.cancel()
    this.#closeWindows()
    this.#reportReceivers()
    this.#commit()
    await this.#sync?.stop({ flushMs })
    const left = this.#outbox?.status().unacknowledged ?? 0
    log.info({ event: 'agent.stopped', unacknowledged: left, ...this.counters }, 'agent stopped')
    this.#outbox?.close()
    await this.#api?.stop()
  }

  /** What the agent says of itself; known once it has started. */
  health(): AgentHealth {
    if (!this.#outbox || !this.#sync) throw new Error('health is known once the agent has started')
    return healthOf({
      software: softwareVersion,
      gateway: this.#parts.config.gateway,
      counters: this.counters,
      filter: this.#filter.counters,
      unmapped: this.#receivers.unmapped,
      sources: this.#parts.sources.map((source) => ({ name: source.name, ...source.status() })),
      outbox: this.#outbox.status(),
      sync: this.#sync.status(),
    })
  }

  #take(reading: Reading): void {
    this.counters.readings += 1
    this.#receivers.heard(reading)
    this.#filter.add(reading)
  }

  /** Once per window: what was heard becomes answers, and what an answer says anew becomes a record. */
  #closeWindows(): void {
    const { windows, telemetry } = this.#filter.close(this.#parts.eventClock.wallMs())
    const { siteMapDocument, records } = this.#parts.config
    const live: Fix[] = []
    for (const window of windows) {
      const { state, located } = locate(siteMapDocument, this.#located, window)
      this.#located = state
      this.#rooms.set(located.tag, located.room)
      this.counters.fixes += 1
      const fix = this.#policy(located, siteMapDocument.version)
      if (fix) {
        this.counters.ledgerFixes += 1
        this.#outbox?.append(fix)
      }
      live.push({ kind: 'fix', ...located, spanMs: 0, mapVersion: siteMapDocument.version })
    }
    if (records.live) this.#sync?.publishLive(live)
    this.#recordTelemetry(telemetry)
  }

  #recordTelemetry(telemetry: FilterOutput['telemetry']): void {
    let urgent = false
    for (const item of telemetry) {
      this.counters.telemetry += 1
      const room = this.#rooms.get(item.tag) ?? null
      this.#outbox?.append({ ...item, room })
      urgent ||= item.kind === 'event' && item.event === 'button'
    }
    // A pressed button does not wait for the group's second.
    if (urgent) this.#commit()
  }

  #reportReceivers(): void {
    for (const record of this.#receivers.report(this.#parts.eventClock.wallMs())) this.#outbox?.append(record)
  }

  #commit(): void {
    this.#outbox?.flush()
    this.#sync?.notifyCommitted()
  }

  #openOutbox(): Outbox {
    const { config, clock, log } = this.#parts
    return openSqliteOutbox({
      path: outboxPath(config.dataDir),
      keyFile: config.outbox.keyFile ?? join(config.dataDir, 'outbox.key'),
      gateway: config.gateway,
      maxBytes: config.outbox.maxMegabytes * MEGABYTE,
      graceMs: config.outbox.graceHours * 3_600_000,
      compression: nodeCompression,
      clock,
      onLost: createLossLog(clock, log),
      onDamaged: ({ path, cause }) =>
        log.error(
          { event: 'outbox.damaged', path, err: cause },
          'the store is damaged; it was put aside, a new one begun',
        ),
    })
  }

  #openSync(outbox: Outbox): Sync {
    const { config, clock, random, log } = this.#parts
    const { url, username, passwordFile, caFile, certFile, keyFile } = config.broker
    return createSync({
      gateway: config.gateway,
      software: softwareVersion,
      outbox,
      broker: {
        url,
        username: username ?? config.gateway,
        ...(passwordFile && { password: readSecret(passwordFile) }),
        ...(caFile && { ca: readCredential(caFile) }),
        ...(certFile && { cert: readCredential(certFile) }),
        ...(keyFile && { key: Buffer.from(readSecret(keyFile)) }),
      },
      compression: nodeCompression,
      clock,
      random,
      log: log.child({ stage: 'sync' }),
      window: config.sync.window,
      batchRecords: config.sync.batchRecords,
      liveMs: config.records.liveSeconds * 1_000,
    })
  }
}

function readCredential(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next: 'Check the path.', cause })
  }
}

/** Where the outbox of a data folder is. */
export function outboxPath(dataDir: string): string {
  return join(dataDir, 'outbox.sqlite')
}

interface DatasetPlay {
  readonly clock: Clock
  readonly allow: AllowList
  /** Event time of the recording's first row, wall milliseconds. */
  readonly startMs: number
  readonly log: Logger
}

/** A recorded data set as a source. Rows that cannot be used are counted, and the first of them named in the log. */
export function openDataset(
  { dir, part }: { readonly dir: string; readonly part: 'train' | 'test' },
  { clock, allow, startMs, log }: DatasetPlay,
): Source {
  const { name, rows, medium, problems, counts } = readDataset(dir, { part })
  if (problems.total > 0) {
    log.warn({ event: 'dataset.rows_skipped', dir, ...counts, first: problems.first }, 'some rows cannot be used')
  }
  return createDatasetSource({ name: `dataset ${name}`, rows, medium, clock, startMs, allow })
}

/** Runs a BLE capture file through the decoder. @throws BioTrakrError CAPTURE_UNREADABLE */
export function replayBle({ path, allow }: { readonly path: string; readonly allow: AllowList }): BleCaptureCounts {
  return replayBleCapture({ path, allow, decode: decodeAdvert, onReading: () => undefined })
}

/** Everything that one BLE advert says, for the command line. Never throws, whatever the bytes. */
export function describeAdvert(bytes: Uint8Array, options: Omit<DescribeOptions, 'aes'>): Description {
  return describe(bytes, { ...options, aes: nodeAes })
}
