import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  BioTrakrError,
  type Clock,
  type Fix,
  type Random,
  type Reading,
  type RoomId,
  type SensorReading,
  type TagEvent,
  type TagId,
  type Timer,
} from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { Source } from './acquire/source.ts'
import { type AgentConfig, readSecret } from './config.ts'
import { createFilter } from './filter/filter.ts'
import { type AgentCounters, type AgentHealth, figures, healthOf } from './health.ts'
import { emptyState, locate } from './locate/locate.ts'
import { nodeCompression } from './node-compression.ts'
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
  #located = emptyState()
  #outbox: Outbox | undefined
  #sync: Sync | undefined
  #api: LocalApi | undefined

  constructor(parts: AgentParts) {
    this.#parts = parts
    const { records, siteMapDocument, tags } = parts.config
    const maxTags = Math.max(1, tags.length)
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
    this.#timers.push(
      eventClock.every(WINDOW_MS, () => this.#closeWindows()),
      eventClock.every(RECEIVER_HEALTH_MS, () => this.#reportReceivers()),
      clock.every(GROUP_COMMIT_MS, () => this.#commit()),
    )
    for (const source of sources) await source.start((reading) => this.#take(reading))
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

  #recordTelemetry(telemetry: readonly (Omit<SensorReading, 'room'> | Omit<TagEvent, 'room'>)[]): void {
    let urgent = false
    for (const item of telemetry) {
      this.counters.telemetry += 1
      const room = this.#rooms.get(item.tag) ?? null
      this.#outbox?.append({ ...item, room } as SensorReading | TagEvent)
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
      file: join(config.dataDir, 'outbox.sqlite'),
      keyFile: config.outbox.keyFile ?? join(config.dataDir, 'outbox.key'),
      gateway: config.gateway,
      maxBytes: config.outbox.maxMegabytes * MEGABYTE,
      graceMs: config.outbox.graceHours * 3_600_000,
      compression: nodeCompression,
      clock,
      onEvicted: (run) => log.error({ event: 'outbox.evicted', ...run }, 'store is full: oldest records were let go'),
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
        ...(keyFile && { key: readSecret(keyFile) }),
      },
      compression: nodeCompression,
      clock,
      random,
      log: log.child({ stage: 'sync' }),
      window: config.sync.window,
      batchRecords: config.sync.batchRecords,
    })
  }
}

function readCredential(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, { code: 'CONFIG_UNREADABLE', next: 'Check the path.', cause })
  }
}
