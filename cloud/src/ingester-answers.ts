import { type Clock, type Epoch, formatEpoch, type GatewayId, type Hello, topics } from '@biotrakr/shared'
import type { Logger } from 'pino'

import { ackText, nackText, type RefusalCode, refuseText, welcomeText } from './ingest/answers.ts'
import type { Assembly } from './ingest/assembly.ts'
import type { BrokerConnection } from './ingest/broker.ts'
import type { Delivery, Stray } from './ingest/classify.ts'
import { createLimiter } from './ingest/limiter.ts'
import type { Parking } from './ingest/parking.ts'
import type { createSideLane } from './ingest/side-lane.ts'
import type { IngesterMetrics } from './ingester-metrics.ts'
import type { Greeting } from './record/greeting.ts'
import type { Recorder } from './record/recorder.ts'
import type { Outcome } from './record/transaction.ts'

interface Options {
  readonly clock: Clock
  readonly log: Logger
}

interface Parts {
  readonly watch: SecurityWatch
  readonly broker: BrokerConnection
  readonly parking: Parking
  readonly assembly: Assembly
  readonly metrics: IngesterMetrics
}

/** What the agents are told, and what of a set has to be tried again. */
export function createAnswers({ clock, log }: Options, { broker, parking, assembly, metrics, watch }: Parts) {
  const refusals = createLimiter(clock, 1, 2_000)

  const acknowledge = (outcome: Extract<Outcome<Delivery>, { kind: 'recorded' }>) => {
    const { gateway, epoch, hw, runs, isRepeated } = outcome
    if (isRepeated) watch.repeated(gateway, epoch)
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

  const refuse = (gateway: GatewayId, code: RefusalCode, hello?: Hello) => {
    metrics.refusals.inc({ code })
    // A gateway that may not be sent anything is told so once in a while; one that asks is always answered.
    if (!hello && !refusals.admits(gateway)) return
    if (refusals.admits(`${gateway}/${code}`)) {
      log.warn({ event: 'ingest.refused', gateway, code }, 'nothing is taken from this gateway')
    }
    broker.publish(topics.ack(gateway), refuseText(code, hello))
  }

  const notify = (gateway: GatewayId, hello: Hello, greeting: Greeting) => {
    const { notice } = greeting
    if (notice) {
      metrics.notices.inc({ code: notice })
      const level = notice === 'STORE_TWIN' ? 'error' : 'warn'
      log[level]({ event: 'ingest.store', gateway, code: notice, store: hello.store }, NOTICES[notice])
    }
    if (greeting.ok && greeting.ahead.length > 0) {
      const epochs = greeting.ahead.slice(0, 10)
      log.warn({ event: 'ingest.ahead', gateway, epochs }, 'the gateway has less than it sent: its store was put back')
    }
  }

  return {
    outcome: (outcome: Outcome<Delivery>) => {
      if (outcome.kind === 'recorded') acknowledge(outcome)
      else if (outcome.kind === 'early') postpone(outcome)
      else refuse(outcome.gateway, outcome.code)
    },
    greeting: (gateway: GatewayId, hello: Hello, greeting: Greeting | undefined) => {
      if (!greeting) return
      notify(gateway, hello, greeting)
      if (greeting.ok) broker.publish(topics.ack(gateway), welcomeText(hello, greeting, clock.wallMs()))
      else refuse(gateway, greeting.code, hello)
    },
  }
}

const NOTICES = {
  STORE_TWIN: 'two boxes work under one gateway id: the newer one is blocked; see "biotrakr-cloud gateways"',
  STORE_REPLACED: 'the gateway had to begin a new store',
  STORE_RESTORED: "the gateway's store was put back to an earlier state, or copied",
} as const

interface WatchParts {
  readonly recorder: Recorder<Delivery>
  readonly side: ReturnType<typeof createSideLane>
  readonly metrics: IngesterMetrics
}

export interface SecurityWatch {
  stray(stray: Stray): void
  /** Nothing of what came was new. */
  repeated(gateway: GatewayId, epoch: Epoch): void
}

/**
 * Evidence is kept in bounds: at most ten rows of the quarantine per gateway and minute, and one entry of the audit chain
 * per gateway, kind and hour. Everything beyond is only counted.
 */
export function createSecurityWatch({ clock, log }: Options, { recorder, side, metrics }: WatchParts): SecurityWatch {
  const limiter = createLimiter(clock, 10, 60_000)
  const entries = createLimiter(clock, 1, 3_600_000)
  const keep = (stray: Stray): void => {
    const { gateway, code, detail } = stray
    metrics.strays.inc({ code })
    if (!limiter.admits(gateway)) return
    log.warn({ event: 'ingest.stray', gateway, code, detail }, 'a message from which nothing is recorded')
    side.run(async () => {
      const isKnown = await recorder.keepStray(stray)
      if (!isKnown || !entries.admits(`${gateway}/${code}`)) return
      await recorder.note({ gateway, action: code, what: { detail } })
    })
  }
  // An agent rightly sends a batch again whose acknowledgement was lost.
  const repeated = (gateway: GatewayId, epoch: Epoch) => {
    if (!limiter.admits(gateway)) return
    side.run(async () => {
      if (!(await recorder.isReplay(gateway, epoch)) || !entries.admits(`${gateway}/replay`)) return
      await recorder.note({ gateway, action: 'REPLAY', what: { epoch: formatEpoch(epoch) } })
      log.warn(
        { event: 'ingest.replay', gateway },
        'a batch of an earlier opening came again; its store is another now',
      )
    })
  }
  return { stray: keep, repeated }
}
