import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  BioTrakrError,
  type Clock,
  type Fix,
  type Random,
  type Reading,
  type TagEvent,
  type TagId,
  type Timer,
} from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { Source } from './acquire/source.ts'
import { apiToken } from './api-token.ts'
import { type AgentConfig, readSecret } from './config.ts'
import type { Emergency } from './filter/emergency.ts'
import { createFilter, type FilterOutput } from './filter/filter.ts'
import { type AgentCounters, type AgentHealth, figures, healthOf } from './health.ts'
import { emptyState, type LocateState, locate } from './locate/locate.ts'
import { createLossLog } from './loss-log.ts'
import { nodeCompression } from './node-compression.ts'
import type { Outbox } from './outbox/outbox.ts'
import { createRecordPolicy } from './outbox/record-policy.ts'
import { openSqliteOutbox } from './outbox/sqlite-outbox.ts'
import { createSync, type Sync } from './sync/sync.ts'
import { createLocalApi, type LocalApi } from './upkeep/local-api.ts'
import { createMetrics } from './upkeep/metrics.ts'
import { ReceiverWatch } from './upkeep/receiver-health.ts'
import { createWindowStream, type WindowStream } from './upkeep/window-stream.ts'
import { softwareVersion } from './version.ts'

const WINDOW_MS = 1_000
const GROUP_COMMIT_MS = 1_000
const RECEIVER_HEALTH_MS = 60_000
/** Emergencies that come one after the other share a commit: each waits at most this long, and the disk is spared. */
const EMERGENCY_COMMIT_MS = 50
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

/**
 * What comes from the sources goes filter -> locate -> outbox -> sync. This file alone knows these stages; `sources.ts`
 * knows acquire -> decode.
 */
export class Agent {
  readonly #parts: AgentParts
  readonly #filter: ReturnType<typeof createFilter>
  readonly #policy: ReturnType<typeof createRecordPolicy>
  readonly #receivers: ReceiverWatch
  /** Newest answer per tag, bounded by the allow-list as every per-tag table is. */
  readonly #newest = new Map<TagId, Fix>()
  readonly #timers: Timer[] = []
  readonly counters: AgentCounters = { readings: 0, fixes: 0, ledgerFixes: 0, telemetry: 0, emergencies: 0 }
  #located: LocateState
  #committedMs = Number.NEGATIVE_INFINITY
  #hurry: Timer | undefined
  #outbox: Outbox | undefined
  #sync: Sync | undefined
  #api: LocalApi | undefined
  #stream: WindowStream | undefined

  constructor(parts: AgentParts) {
    this.#parts = parts
    const { filter, records, siteMapDocument, tags } = parts.config
    const maxTags = Math.max(1, tags.length)
    this.#located = emptyState({ maxTags })
    this.#filter = createFilter({ windowMs: WINDOW_MS, maxTags, floorDbm: filter.floorDbm })
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
    this.#stream = createWindowStream({ token: apiToken(config.dataDir) })
    this.#api = createLocalApi({
      ...config.api,
      windows: this.#stream.serve,
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
        calibration: config.calibrationVersion ?? 'none',
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
    this.#hurry?.cancel()
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
    const emergencies = this.#filter.add(reading)
    if (emergencies.length > 0) this.#raise(emergencies)
  }

  /** A press or an opened case waits for no window and no group: on disk and on its way within milliseconds. */
  #raise(emergencies: readonly Emergency[]): void {
    const nowMs = this.#parts.eventClock.wallMs()
    const events = emergencies.map((emergency): TagEvent => {
      const room = this.#newest.get(emergency.tag)?.room ?? null
      return { ...emergency, atMs: Math.min(emergency.atMs, nowMs), room }
    })
    this.counters.emergencies += events.length
    if (this.#parts.config.records.live) this.#sync?.raiseLive(events)
    for (const event of events) this.#outbox?.append(event)
    this.#commitSoon()
  }

  #commitSoon(): void {
    const { clock } = this.#parts
    const waitMs = this.#committedMs + EMERGENCY_COMMIT_MS - clock.monoMs()
    if (waitMs <= 0) this.#commit()
    else this.#hurry ??= clock.after(waitMs, () => this.#commit())
  }

  /** Once per window: what was heard becomes answers, and what an answer says anew becomes a record. */
  #closeWindows(): void {
    const atMs = this.#parts.eventClock.wallMs()
    const { windows, telemetry } = this.#filter.close(atMs)
    const { siteMapDocument, records } = this.#parts.config
    const live: Fix[] = []
    for (const window of windows) {
      const { state, located } = locate(siteMapDocument, this.#located, window)
      this.#located = state
      this.counters.fixes += 1
      const fix = this.#policy(located, siteMapDocument.version)
      if (fix) {
        this.counters.ledgerFixes += 1
        this.#outbox?.append(fix)
      }
      const place: Fix = { kind: 'fix', ...located, spanMs: 0, mapVersion: siteMapDocument.version }
      this.#newest.set(place.tag, place)
      live.push(place)
    }
    if (records.live) this.#sync?.publishLive(live)
    this.#stream?.publish(() => ({
      atMs,
      windows: windows.map((window, i) => {
        const { room = null, confidence = 0 } = live[i] ?? {}
        return { ...window, room, confidence }
      }),
    }))
    this.#recordTelemetry(telemetry)
  }

  #recordTelemetry(telemetry: FilterOutput['telemetry']): void {
    for (const item of telemetry) {
      this.counters.telemetry += 1
      this.#outbox?.append({ ...item, room: this.#newest.get(item.tag)?.room ?? null })
    }
  }

  #reportReceivers(): void {
    for (const record of this.#receivers.report(this.#parts.eventClock.wallMs())) this.#outbox?.append(record)
  }

  #commit(): void {
    this.#hurry?.cancel()
    this.#hurry = undefined
    this.#committedMs = this.#parts.clock.monoMs()
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
