import { type Clock, type Compression, type GatewayId, type Pulse, type Random, topics } from '@biotrakr/shared'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'

import { nackText } from './ingest/answers.ts'
import { type Assembly, createAssembly } from './ingest/assembly.ts'
import {
  type BrokerAddress,
  type BrokerConnection,
  type BrokerStatus,
  createBrokerConnection,
  type Receiver,
} from './ingest/broker.ts'
import type { Delivery } from './ingest/classify.ts'
import { createIntake, type Intake } from './ingest/intake.ts'
import { createParking } from './ingest/parking.ts'
import { createShardKeeper } from './ingest/shard-keeper.ts'
import { createSideLane } from './ingest/side-lane.ts'
import { createAnswers, createSecurityWatch } from './ingester-answers.ts'
import { createIngesterMetrics, type IngesterMetrics } from './ingester-metrics.ts'
import { createRecorder, type RecorderStatus } from './record/recorder.ts'
import { createShardLeases } from './record/shard-leases.ts'
import { createStagedMover } from './record/staged-mover.ts'
import type { Tally } from './record/transaction.ts'

export interface IngesterOptions {
  /** Logged in as bt_ingest; the ingester uses at most four of its connections. The caller ends it after `stop`. */
  readonly pool: Pool
  readonly broker: BrokerAddress
  /** Name of this ingester, unlike that of any other that works on the same database or broker. */
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly compression: Compression
  readonly log: Logger
}

export interface IngesterStatus {
  readonly broker: BrokerStatus
  readonly database: RecorderStatus
  /** Shards of the ledger that this ingester reads, of 64. */
  readonly shards: number
  readonly intake: { readonly batches: number; readonly bytes: number; readonly dropped: number }
  readonly parked: number
  readonly gatewaysOnline: number
  /** Messages with a wrong topic, size or form. */
  readonly unusable: number
  /** Records that waited for their time and have got it, since the start. */
  readonly timed: number
  /** Hellos and evidence let go because too many waited. */
  readonly sideWorkDropped: number
}

/** Sets are committed within this, or the database has a fault that is told. */
const SET_LIMIT_MS = 120_000

export interface Ingester {
  start(): void
  /** Lets the running transaction end and acknowledges it; what was not begun is sent again by the agents. */
  stop(): Promise<void>
  status(): IngesterStatus
  /** What must move as long as it works. */
  readonly pulses: readonly Pulse[]
  readonly metrics: Registry
}

const INTAKE = { batches: 4_096, bytes: 32 * 1_024 * 1_024, perGateway: 256 } as const
const SET = { batches: 200, records: 10_000, lingerMs: 20 } as const
const PARKING = { holdMs: 100, perGateway: 64, bytes: 16 * 1_024 * 1_024 } as const
const SIDE_TASKS = 256
const MAX_GATEWAYS = 20_000
const STOP_MS = 10_000
/** An ingester that was killed is replaced within the sum of both. */
const LEASE = { ttlMs: 10_000, beatMs: 3_000 } as const
/** An agent asks again after 3 s: an answer to a hello that waited longer would only confuse. */
const HELLO_FRESH_MS = 10_000

/** Batches in from the broker, rows into the database, acknowledgements back: see `run` for the flow. */
export function createIngester(options: IngesterOptions): Ingester {
  const { clock, compression, log } = options
  const metrics = createIngesterMetrics(() => status())
  const intake = createIntake(INTAKE)
  const side = createSideLane(SIDE_TASKS, (error) => {
    log.warn({ event: 'ingest.side', error: String(error) }, 'a hello or a piece of evidence could not be handled')
  })
  const recorder = createRecorder<Delivery>({
    ...options,
    onCommit: (tally, transactionMs) => {
      countCommit(metrics, tally, transactionMs)
      if (tally.anchors > 0) mover.wake()
    },
  })
  const mover = createStagedMover(options)
  const watch = createSecurityWatch(options, { recorder, side, metrics })
  const assembly = createAssembly(SET, { intake, clock, compression, onStray: watch.stray })
  const online = createOnline()
  const hello: Receiver['hello'] = (gateway, said) => {
    const atMs = clock.monoMs()
    side.run(async () => {
      if (clock.monoMs() - atMs > HELLO_FRESH_MS) return
      answers.greeting(gateway, said, await recorder.greet(gateway, said))
    })
  }
  const receiver = { ...ledgerReceiver(intake, { assembly, clock }), hello, state: online.note }
  const broker = createBrokerConnection(receiver, options)
  const parking = createParking(clock, PARKING, {
    onExpired: (gateway, epoch, hw) => {
      metrics.nacks.inc()
      broker.publish(topics.ack(gateway), nackText(epoch, hw))
    },
  })
  const answers = createAnswers(options, { broker, parking, assembly, metrics, watch })
  const shards = shardKeeper(options, broker)

  const work: Work = { sets: 0, isRecording: false }
  const run = async () => {
    for (let set = await assembly.next(); set; set = await assembly.next()) {
      const outcomes = await followed(work, recorder.record(set))
      for (const outcome of outcomes ?? []) answers.outcome(outcome)
    }
  }

  const status = (): IngesterStatus => ({
    broker: broker.status(),
    database: recorder.status(),
    shards: shards.shards().length,
    intake: { ...intake.waiting(), dropped: intake.dropped() + broker.status().counters.refusedFull },
    parked: parking.size(),
    gatewaysOnline: online.count(),
    unusable: unusableOf(broker.status()),
    timed: mover.moved(),
    sideWorkDropped: side.dropped(),
  })

  let running: Promise<void> | undefined
  let stopping = false
  const start = () => {
    running ??= run()
    mover.start()
    void shards.start().then(() => {
      if (!stopping) broker.start()
    })
  }
  const stop = async () => {
    stopping = true
    await atMost(STOP_MS, clock, shards.stop())
    recorder.stop()
    assembly.stop()
    parking.stop()
    await atMost(STOP_MS, clock, Promise.all([running, side.idle(), mover.stop()]))
    await broker.stop()
  }
  return { start, stop, status, pulses: [ledgerPulse(work, status)], metrics: metrics.registry }
}

interface Work {
  sets: number
  isRecording: boolean
}

async function followed<T>(work: Work, recording: Promise<T>): Promise<T> {
  work.isRecording = true
  const outcomes = await recording
  work.isRecording = false
  work.sets += 1
  return outcomes
}

/** A database that is away is told in health and waited for: a new start would bring nothing. */
function ledgerPulse(work: Readonly<Work>, status: () => IngesterStatus): Pulse {
  const isIdle = () => !work.isRecording && status().intake.batches === 0
  return {
    name: 'ledger',
    mark: () => work.sets,
    isExcused: () => isIdle() || status().database.fault !== undefined,
    limitMs: SET_LIMIT_MS,
  }
}

function ledgerReceiver(intake: Intake, { assembly, clock }: { readonly assembly: Assembly; readonly clock: Clock }) {
  const ledger: Receiver['ledger'] = (gateway, bytes) => {
    intake.offer({ gateway, bytes, atMs: clock.monoMs() })
    assembly.fill()
  }
  return { ledger, hasRoom: intake.hasRoom, whenRoom: intake.whenRoom }
}

function createOnline() {
  const online = new Map<GatewayId, boolean>()
  const note: Receiver['state'] = (gateway, state) => {
    if (online.size < MAX_GATEWAYS || online.has(gateway)) online.set(gateway, state.online)
  }
  return { note, count: () => [...online.values()].filter(Boolean).length }
}

function shardKeeper({ pool, clock, log, instance }: IngesterOptions, broker: BrokerConnection) {
  const leases = createShardLeases({ pool, clock, instance, ttlMs: LEASE.ttlMs })
  return createShardKeeper({ leases, clock, log, everyMs: LEASE.beatMs, read: broker.read })
}

function countCommit(metrics: IngesterMetrics, tally: Tally, transactionMs: number): void {
  metrics.transaction.observe(transactionMs / 1_000)
  metrics.repeated.inc(tally.repeated)
  for (const kind of ['fixes', 'sensors', 'events', 'health', 'gaps', 'anchors'] as const) {
    metrics.records.inc({ kind }, tally[kind])
  }
  metrics.staged.inc(tally.staged)
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
