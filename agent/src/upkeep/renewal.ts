import { type BioTrakrError, type Clock, explainError, type Random, type Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { Identity, KeyPair } from './identity.ts'

interface Options {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Logger, 'info' | 'warn'>
  /** Asks the centre for a new pair on the strength of the present one. */
  readonly renew: (present: KeyPair) => Promise<KeyPair>
  /** Has the uplink connect anew, which then shows what the identity offers. */
  readonly reconnect: () => void
}

export interface Renewal {
  start(): void
  stop(): void
  status(): RenewalStatus
}

export interface RenewalStatus {
  /** End of the certificate, wall milliseconds. */
  readonly untilMs: number
  readonly hasExpired: boolean
  /** A renewed certificate has not been let in by the broker yet. */
  readonly isUnproven: boolean
  /** Why the last renewal failed; undefined after a success. */
  readonly problem: string | undefined
}

const LOOK_MS = 60_000
/** Two boxes that were installed together do not renew together: from a third of the life on, over a sixth of it. */
const FROM_PART = 1 / 3
const JITTER_PART = 1 / 6
const RETRY_MS = 600_000
const MAX_RETRY_MS = 6 * 3_600_000
/** With less than this left it is tried at least every hour. */
const URGENT_MS = 5 * 86_400_000
const URGENT_RETRY_MS = 3_600_000

/** Keeps the certificate of a running agent in date. */
export function createRenewal({ identity, clock, random, log, renew, reconnect }: Options): Renewal {
  const share = random()
  let failures = 0
  let notBeforeMs = Number.NEGATIVE_INFINITY
  let problem: string | undefined
  let isAsking = false
  let timer: Timer | undefined

  const isDue = () => {
    const { fromMs, untilMs } = identity.newest()
    const nowMs = clock.wallMs()
    // Before its first day the clock is wrong, and nothing about dates can be said.
    return nowMs >= fromMs + (untilMs - fromMs) * (FROM_PART + JITTER_PART * share)
  }

  const wait = () => {
    const isUrgent = identity.newest().untilMs - clock.wallMs() < URGENT_MS
    const longestMs = isUrgent ? URGENT_RETRY_MS : MAX_RETRY_MS
    const delayMs = Math.min(longestMs, RETRY_MS * 2 ** failures)
    failures += 1
    notBeforeMs = clock.monoMs() + delayMs * (0.5 + random() / 2)
  }

  const ask = async () => {
    try {
      identity.add(await renew(identity.newest()))
      problem = undefined
      const until = new Date(identity.newest().untilMs).toISOString()
      log.info({ event: 'identity.renewed', until }, 'the certificate of this gateway was renewed')
      reconnect()
    } catch (error) {
      const { untilMs } = identity.newest()
      problem = explainError(error)
      const code = (error as Partial<BioTrakrError>).code
      const fields = { event: 'identity.renewal', code, until: new Date(untilMs).toISOString(), error: problem }
      log.warn(fields, 'the certificate of this gateway could not be renewed; it is tried again')
    }
    wait()
  }

  const look = () => {
    if (isAsking || clock.monoMs() < notBeforeMs) return
    if (!identity.isProven()) {
      // The broker has not let the new one in, perhaps because it was away: it is shown again now and then.
      wait()
      reconnect()
      return
    }
    if (!isDue()) {
      failures = 0
      return
    }
    isAsking = true
    void ask().finally(() => {
      isAsking = false
    })
  }

  return {
    start: () => {
      timer ??= clock.every(LOOK_MS, look)
      look()
    },
    stop: () => timer?.cancel(),
    status: () => {
      const { untilMs } = identity.newest()
      return { untilMs, hasExpired: clock.wallMs() > untilMs, isUnproven: !identity.isProven(), problem }
    },
  }
}
