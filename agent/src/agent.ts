import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Clock, Pulse, Random, Reading, ReceiverId, TagEvent, Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { Source } from './acquire/source.ts'
import { type AgentApi, createAgentApi } from './agent-api.ts'
import { brokerAccessOf } from './broker-access.ts'
import type { AgentConfig } from './config.ts'
import { type AgentCounters, figures, healthOf } from './health.ts'
import { withIdentity } from './identity-health.ts'
import { createLossLog } from './loss-log.ts'
import { type HealthWithMasked, withMasked } from './masked-health.ts'
import { nodeCompression } from './node-compression.ts'
import type { Outbox } from './outbox/outbox.ts'
import { openSqliteOutbox } from './outbox/sqlite-outbox.ts'
import { createOwnIdentity, type OwnIdentity } from './own-identity.ts'
import { createPipeline, type Pipeline, type PipelineSettings, WINDOW_MS } from './pipeline.ts'
import { agentPulses, type Rounds } from './pulses.ts'
import { receiversDown } from './receivers-down.ts'
import type { RecordClock } from './record-clock.ts'
import type { SiteStatus } from './site-keeper.ts'
import { stampedOutbox, stampedSync } from './stamped.ts'
import { createSync, type Sync } from './sync/sync.ts'
import { createMetrics } from './upkeep/metrics.ts'
import { ReceiverWatch } from './upkeep/receiver-health.ts'
import { softwareVersion } from './version.ts'

const GROUP_COMMIT_MS = 1_000
const RECEIVER_HEALTH_MS = 60_000
/** Emergencies that come one after the other share a commit: each waits at most this long, and the disk is spared. */
const EMERGENCY_COMMIT_MS = 50
const MEGABYTE = 1_048_576
/** Room for tags that come later: the allow-list may grow while the agent runs. */
const MIN_TAGS = 1_000

export interface AgentParts {
  readonly config: AgentConfig
  readonly sources: readonly Source[]
  /** The real clock: it drives storing and sending. */
  readonly clock: Clock
  /** The time in which the sources live: it drives everything up to the record. A replay's runs faster. */
  readonly eventClock: Clock
  /** Where the sources live in real time: finds out what time that is. Without it, times are taken as they come. */
  readonly recordClock?: RecordClock | undefined
  readonly random: Random
  readonly log: Logger
  /** Where the site comes from the centre: how that stands. */
  readonly siteStatus?: (() => SiteStatus) | undefined
  /** Is told of everything that the answers depend on, in order; for captures. */
  readonly witness?: Witness
}

interface Witness {
  /** @param nowMs event time at which it was taken, wall milliseconds */
  took(reading: Reading, nowMs: number): void
  closed(nowMs: number, down: readonly ReceiverId[]): void
}

/** What of a configuration the answers depend on. */
export function pipelineSettings({ filter, records, siteMapDocument, tags }: AgentConfig): PipelineSettings {
  return {
    siteMap: siteMapDocument,
    maxTags: Math.max(MIN_TAGS, 2 * tags.length),
    floorDbm: filter.floorDbm,
    ledger: records.ledger,
    keepAliveMs: records.keepAliveSeconds * 1_000,
  }
}

/**
 * What comes from the sources goes filter -> locate -> outbox -> sync. This file alone knows these stages; `sources.ts`
 * knows acquire -> decode.
 */
export class Agent {
  readonly #parts: AgentParts
  readonly #pipeline: Pipeline
  #receivers: ReceiverWatch
  #config: AgentConfig
  readonly #timers: Timer[] = []
  readonly counters: AgentCounters = { readings: 0, fixes: 0, ledgerFixes: 0, telemetry: 0, emergencies: 0 }
  readonly #rounds: Rounds = { windows: 0, commits: 0 }
  #committedMs = Number.NEGATIVE_INFINITY
  #hurry: Timer | undefined
  #outbox: Outbox | undefined
  #sync: Sync | undefined
  #identity: OwnIdentity | undefined
  #api: AgentApi | undefined

  constructor(parts: AgentParts) {
    this.#parts = parts
    this.#config = parts.config
    this.#pipeline = createPipeline(pipelineSettings(parts.config))
    this.#receivers = new ReceiverWatch(parts.config.siteMapDocument.receivers.map(({ id }) => id))
  }

  /** Opens the store, the uplink, the local API and the sources, in this order: nothing heard is without a place. */
  async start(): Promise<void> {
    const { config, clock, eventClock, log, sources } = this.#parts
    this.#outbox = this.#openOutbox()
    this.#identity = createOwnIdentity(this.#parts)
    this.#sync = this.#openSync(this.#outbox)
    const metrics = createMetrics(figures(() => this.health()))
    this.#api = createAgentApi({
      config,
      knownTags: () => this.#config.tags.length,
      maxTags: pipelineSettings(config).maxTags,
      clock,
      eventClock,
      health: () => this.health(),
      metrics: () => metrics.metrics(),
      explain: (tag) => this.#pipeline.explain(tag),
    })
    await this.#api.start()
    this.#sync.start()
    this.#identity?.start({
      reconnect: () => this.#sync?.reconnect(),
      store: () => this.#outbox?.status().store ?? '',
    })
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
    this.#identity?.stop()
    this.#closeWindows()
    this.#reportReceivers()
    this.#commit()
    await this.#sync?.stop({ flushMs })
    const left = this.#outbox?.status().unacknowledged ?? 0
    log.info({ event: 'agent.stopped', unacknowledged: left, ...this.counters }, 'agent stopped')
    this.#outbox?.close()
    await this.#api?.stop()
  }

  /** Takes over another site map, calibration and policy of records; the sources and the store go on as they are. */
  reconfigure(config: AgentConfig): void {
    const receivers = config.siteMapDocument.receivers.map(({ id }) => id)
    const isSameHardware = JSON.stringify(receivers) === JSON.stringify(this.#receivers.receivers())
    if (!isSameHardware) {
      this.#reportReceivers()
      this.#receivers = new ReceiverWatch(receivers)
    }
    this.#config = config
    this.#pipeline.reconfigure(pipelineSettings(config))
  }

  /** What the agent says of itself; known once it has started. */
  health(): HealthWithMasked {
    if (!this.#outbox || !this.#sync) throw new Error('health is known once the agent has started')
    const health = healthOf({
      software: softwareVersion,
      gateway: this.#parts.config.gateway,
      counters: this.counters,
      filter: this.#pipeline.counters,
      unmapped: this.#receivers.unmapped,
      sources: this.#parts.sources.map((source) => ({ name: source.name, ...source.status() })),
      outbox: this.#outbox.status(),
      sync: this.#sync.status(),
      clock: this.#parts.recordClock?.status(),
      site: this.#parts.siteStatus?.(),
    })
    const status = this.#identity?.status()
    return withIdentity(withMasked(health, this.#pipeline.masked()), status, this.#parts.clock.wallMs())
  }

  /** What must move as long as this agent works; known once it has started. */
  pulses(): readonly Pulse[] {
    const { sources, config } = this.#parts
    const outbox = this.#outbox
    if (!outbox) throw new Error('pulses are known once the agent has started')
    const speed = config.time?.speed ?? 1
    return agentPulses({ sources, rounds: this.#rounds, outbox: () => outbox.status(), speed })
  }

  #take(reading: Reading): void {
    const nowMs = this.#parts.eventClock.wallMs()
    this.counters.readings += 1
    this.#receivers.heard(reading)
    this.#parts.witness?.took(reading, nowMs)
    const events = this.#pipeline.take(reading, nowMs)
    if (events.length > 0) this.#raise(events)
  }

  /** A press or an opened case waits for no window and no group: on disk and on its way within milliseconds. */
  #raise(events: readonly TagEvent[]): void {
    this.counters.emergencies += events.length
    if (this.#config.records.live) this.#sync?.raiseLive(events)
    this.#api?.raised(events)
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
    // What its own link already tells needs no statistics.
    const down = receiversDown(this.#parts.sources)
    this.#parts.witness?.closed(atMs, down)
    const { windows, places, records, telemetry } = this.#pipeline.close(atMs, down)
    this.counters.fixes += places.length
    this.counters.ledgerFixes += records.length
    this.counters.telemetry += telemetry.length
    for (const record of [...records, ...telemetry]) this.#outbox?.append(record)
    if (this.#config.records.live) this.#sync?.publishLive(places)
    this.#api?.closed(atMs, windows, places)
    this.#rounds.windows += 1
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
    this.#rounds.commits += 1
  }

  #openOutbox(): Outbox {
    const { config, clock, log, recordClock } = this.#parts
    const outbox = openSqliteOutbox({
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
    return recordClock ? stampedOutbox(outbox, recordClock) : outbox
  }

  #openSync(outbox: Outbox): Sync {
    const { config, clock, random, log, recordClock } = this.#parts
    const sync = createSync({
      gateway: config.gateway,
      software: softwareVersion,
      outbox,
      box: boxOf(config.outbox.keyFile ?? join(config.dataDir, 'outbox.key')),
      ...(recordClock && {
        onCentreTime: recordClock.heard,
        isTimeConfirmed: () => recordClock.status().state === 'synced' && !recordClock.status().isWrong,
      }),
      broker: brokerAccessOf(config),
      ...this.#identity?.uplink,
      compression: nodeCompression,
      clock,
      random,
      log: log.child({ stage: 'sync' }),
      window: config.sync.window,
      batchRecords: config.sync.batchRecords,
      liveMs: config.records.liveSeconds * 1_000,
    })
    return recordClock ? stampedSync(sync, recordClock) : sync
  }
}

/** Of a key that outlives the store: the centre sees by it that a new store is of the same box. */
function boxOf(keyFile: string): string {
  return createHash('sha256').update('biotrakr box').update(readFileSync(keyFile)).digest('hex').slice(0, 32)
}

/** Where the outbox of a data folder is. */
export function outboxPath(dataDir: string): string {
  return join(dataDir, 'outbox.sqlite')
}
