import type { Clock, Compression, GatewayId, Hello, Random } from '@biotrakr/shared'
import { topics } from '@biotrakr/shared'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'

import { ackText, nackText, refuseText, welcomeText } from './ingest/answers.ts'
import { type Assembly, createAssembly } from './ingest/assembly.ts'
import {
  type BrokerAddress,
  type BrokerConnection,
  type BrokerStatus,
  createBrokerConnection,
} from './ingest/broker.ts'
import type { Delivery, Stray } from './ingest/classify.ts'
import { createIntake } from './ingest/intake.ts'
import { createLimiter } from './ingest/limiter.ts'
import { createParking, type Parking } from './ingest/parking.ts'
import { createSideLane } from './ingest/side-lane.ts'
import { createIngesterMetrics, type IngesterMetrics } from './ingester-metrics.ts'
import { createRecorder, type Recorder, type RecorderStatus, type Watermarks } from './record/recorder.ts'
import type { Outcome, Tally } from './record/transaction.ts'

export interface IngesterOptions {
  /** Logged in as bt_ingest; the ingester uses at most two of its connections. The caller ends it after `stop`. */
  readonly pool: Pool
  readonly broker: BrokerAddress
  readonly clock: Clock
  readonly random: Random
  readonly compression: Compression
  readonly log: Logger
}

export interface IngesterStatus {
  readonly broker: BrokerStatus
  readonly database: RecorderStatus
  readonly intake: { readonly batches: number; readonly bytes: number; readonly dropped: number }
  readonly parked: number
  readonly gatewaysOnline: number
  /** Messages with a wrong topic, size or form. */
  readonly unusable: number
  /** Hellos and evidence let go because too many waited. */
  readonly sideWorkDropped: number
}

export interface Ingester {
  start(): void
  /** Lets the running transaction end and acknowledges it; what was not begun is sent again by the agents. */
  stop(): Promise<void>
  status(): IngesterStatus
  readonly metrics: Registry
}

const INTAKE = { batches: 4_096, bytes: 32 * 1_024 * 1_024, perGateway: 256 } as const
const SET = { batches: 200, records: 10_000, lingerMs: 20 } as const
const PARKING = { holdMs: 100, perGateway: 64, bytes: 16 * 1_024 * 1_024 } as const
const SIDE_TASKS = 256
const MAX_GATEWAYS = 20_000
const STOP_MS = 10_000

/** Batches in from the broker, rows into the database, acknowledgements back: see `run` for the flow. */
export function createIngester(options: IngesterOptions): Ingester {
  const { clock, random, compression, log } = options
  const online = new Map<GatewayId, boolean>()
  const metrics = createIngesterMetrics(() => status())
  const intake = createIntake(INTAKE)
  const side = createSideLane(SIDE_TASKS, (error) => {
    log.warn({ event: 'ingest.side', error: String(error) }, 'a hello or a piece of evidence could not be handled')
  })
  const recorder = createRecorder<Delivery>({
    ...options,
    onCommit: (tally, transactionMs) => countCommit(metrics, tally, transactionMs),
  })
  const assembly = createAssembly(SET, {
    intake,
    clock,
    compression,
    onStray: strayKeeper(options, { recorder, side, metrics }),
  })
  const broker = createBrokerConnection(
    {
      ledger: (gateway, bytes) => {
        intake.offer({ gateway, bytes, atMs: clock.monoMs() })
        assembly.fill()
      },
      hello: (gateway, hello) => {
        side.run(async () => answers.welcome(gateway, await recorder.watermarks(gateway, epochsOf(hello))))
      },
      state: (gateway, state) => {
        if (online.size < MAX_GATEWAYS || online.has(gateway)) online.set(gateway, state.online)
      },
      hasRoom: intake.hasRoom,
      whenRoom: intake.whenRoom,
    },
    { broker: options.broker, clock, random, log },
  )
  const parking = createParking(clock, PARKING, {
    onExpired: (gateway, epoch, hw) => {
      metrics.nacks.inc()
      broker.publish(topics.ack(gateway), nackText(epoch, hw))
    },
  })
  const answers = createAnswers(options, { broker, parking, assembly, metrics })

  const run = async () => {
    for (let set = await assembly.next(); set; set = await assembly.next()) {
      const outcomes = await recorder.record(set)
      for (const outcome of outcomes ?? []) answers.outcome(outcome)
    }
  }

  const status = (): IngesterStatus => ({
    broker: broker.status(),
    database: recorder.status(),
    intake: { ...intake.waiting(), dropped: intake.dropped() + broker.status().counters.refusedFull },
    parked: parking.size(),
    gatewaysOnline: [...online.values()].filter(Boolean).length,
    unusable: unusableOf(broker.status()),
    sideWorkDropped: side.dropped(),
  })

  let running: Promise<void> | undefined
  return {
    start: () => {
      running ??= run()
      broker.start()
    },
    stop: async () => {
      recorder.stop()
      assembly.stop()
      parking.stop()
      await atMost(STOP_MS, clock, Promise.all([running, side.idle()]))
      await broker.stop()
    },
    status,
    metrics: metrics.registry,
  }
}

interface Parts {
  readonly broker: BrokerConnection
  readonly parking: Parking
  readonly assembly: Assembly
  readonly metrics: IngesterMetrics
}

/** What the agents are told, and what of a set has to be tried again. */
function createAnswers({ clock, log }: IngesterOptions, { broker, parking, assembly, metrics }: Parts) {
  const refusals = createLimiter(clock, 1, 2_000)

  const acknowledge = (outcome: Extract<Outcome<Delivery>, { kind: 'recorded' }>) => {
    const { gateway, epoch, hw, runs } = outcome
    broker.publish(topics.ack(gateway), ackText(outcome, clock.wallMs()))
    metrics.acks.inc()
    metrics.batches.inc(runs.length)
    for (const delivery of runs) metrics.ackLatency.observe((clock.monoMs() - delivery.atMs) / 1_000)
    assembly.again(parking.release(gateway, epoch, hw))
  }

  const postpone = ({ run, hw }: Extract<Outcome<Delivery>, { kind: 'early' }>) => {
    if (parking.hold(run, hw)) return
    metrics.nacks.inc()
    broker.publish(topics.ack(run.gateway), nackText(run.epoch, hw))
  }

  const refuse = (gateway: GatewayId, code: 'GATEWAY_UNKNOWN' | 'GATEWAY_BLOCKED') => {
    metrics.refusals.inc({ code })
    if (!refusals.admits(gateway)) return
    log.warn({ event: 'ingest.refused', gateway, code }, 'nothing is taken from this gateway')
    broker.publish(topics.ack(gateway), refuseText(code))
  }

  return {
    outcome: (outcome: Outcome<Delivery>) => {
      if (outcome.kind === 'recorded') acknowledge(outcome)
      else if (outcome.kind === 'early') postpone(outcome)
      else refuse(outcome.gateway, outcome.code)
    },
    welcome: (gateway: GatewayId, known: Watermarks) => {
      if (known.ok) broker.publish(topics.ack(gateway), welcomeText(known.epochs))
      else refuse(gateway, known.code)
    },
  }
}

function epochsOf(hello: Hello): string[] {
  return hello.epochs.map(({ epoch }) => epoch)
}

interface StrayParts {
  readonly recorder: Recorder<Delivery>
  readonly side: ReturnType<typeof createSideLane>
  readonly metrics: IngesterMetrics
}

/** Evidence is kept in bounds: at most ten rows per gateway and minute, everything beyond is only counted. */
function strayKeeper({ clock, log }: IngesterOptions, { recorder, side, metrics }: StrayParts) {
  const limiter = createLimiter(clock, 10, 60_000)
  return (stray: Stray): void => {
    const { gateway, code, detail } = stray
    metrics.strays.inc({ code })
    if (!limiter.admits(gateway)) return
    log.warn({ event: 'ingest.stray', gateway, code, detail }, 'a message from which nothing is recorded')
    side.run(async () => {
      await recorder.keepStray(stray)
    })
  }
}

function countCommit(metrics: IngesterMetrics, tally: Tally, transactionMs: number): void {
  metrics.transaction.observe(transactionMs / 1_000)
  metrics.repeated.inc(tally.repeated)
  for (const kind of ['fixes', 'sensors', 'events', 'health', 'gaps', 'anchors'] as const) {
    metrics.records.inc({ kind }, tally[kind])
  }
  for (const [code, count] of Object.entries(tally.quarantined)) metrics.quarantined.inc({ code }, count)
}

function unusableOf({ counters }: BrokerStatus): number {
  return counters.badTopic + counters.oversized + counters.badControl
}

async function atMost(timeoutMs: number, clock: Clock, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = clock.after(timeoutMs, resolve)
    void work.finally(() => {
      timer.cancel()
      resolve()
    })
  })
}
