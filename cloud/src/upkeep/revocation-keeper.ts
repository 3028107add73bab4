import { BioTrakrError, type Clock, explainError, type GatewayId, type Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

/** A certificate that may not be used any more. */
interface Revoked {
  readonly gateway: GatewayId
  readonly serial: string
  readonly atMs: number
  /** The gateway itself is barred, and not only this certificate replaced. */
  readonly isBarred: boolean
}

interface Options {
  readonly clock: Clock
  readonly log: Logger
  readonly revoked: () => Promise<readonly Revoked[]>
  readonly sign: (revoked: readonly Revoked[], span: { fromMs: number; untilMs: number }) => Promise<string>
  /** Puts the list where the broker reads it, and has the broker read it. */
  readonly deliver: (list: string) => void
  /** Ends the session that this gateway may have open. */
  readonly evict: (gateway: GatewayId) => Promise<void>
}

export interface RevocationKeeper {
  start(): Promise<void>
  stop(): Promise<void>
  status(): RevocationStatus
}

export interface RevocationStatus {
  readonly revoked: number
  /** Until when the list that the broker has is good; undefined before the first. */
  readonly untilMs: number | undefined
  readonly lastError: string | undefined
}

const LOOK_MS = 5_000
/** A list is good for a week and replaced every day: six days to notice that this service does not run. */
const LIST_MS = 7 * 86_400_000
const RENEW_MS = 86_400_000
/** Clocks of the broker's machine and of this one may differ. */
const BACKDATE_MS = 3_600_000
/**
 * When the sessions of a revoked gateway are ended: again, because it may come back before the broker has read the list.
 * With the look every 5 s the last is done 40 s after the revocation.
 */
const EVICT_AFTER_MS = [500, 10_000, 30_000] as const
/** A gateway revoked while this service did not run is still thrown out when it starts. */
const RECENT_MS = 86_400_000

/** Keeps the broker's revocation list right and in date, and throws out who is on it. */
export function createRevocationKeeper(options: Options): RevocationKeeper {
  const { clock, log, revoked, sign, deliver } = options
  let known: ReadonlySet<string> | undefined
  let madeMs = Number.NEGATIVE_INFINITY
  let untilMs: number | undefined
  let lastError: string | undefined
  let looking: Promise<void> | undefined
  let timer: Timer | undefined
  const eviction = createEviction(options)

  const publish = async (all: readonly Revoked[]) => {
    const nowMs = clock.wallMs()
    const span = { fromMs: nowMs - BACKDATE_MS, untilMs: nowMs + LIST_MS }
    deliver(await sign(all, span))
    const before = known
    known = new Set(all.map(({ serial }) => serial))
    madeMs = clock.monoMs()
    untilMs = span.untilMs
    const added = all.filter(({ serial, atMs }) => (before ? !before.has(serial) : nowMs - atMs < RECENT_MS))
    log.info({ event: 'revocation.list', revoked: all.length, added: added.length }, 'the revocation list was issued')
    eviction.begin(new Set(added.filter(({ isBarred }) => isBarred).map(({ gateway }) => gateway)))
  }

  const look = async () => {
    try {
      const all = await revoked()
      const isSame = known?.size === all.length && all.every(({ serial }) => known?.has(serial))
      if (!isSame || clock.monoMs() - madeMs >= RENEW_MS) await publish(all)
      lastError = undefined
    } catch (error) {
      if (lastError === undefined) log.error({ event: 'revocation.failed', error: explainError(error) }, FAILED)
      lastError = error instanceof BioTrakrError ? error.code : 'failed'
    }
  }

  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }

  return {
    start: async () => {
      await lookOnce()
      timer = clock.every(LOOK_MS, () => void lookOnce())
    },
    stop: async () => {
      timer?.cancel()
      eviction.stop()
      await looking
    },
    status: () => ({ revoked: known?.size ?? 0, untilMs, lastError }),
  }
}

const FAILED = 'the revocation list could not be issued; it is tried again every 5 s'

function createEviction({ clock, log, evict }: Options) {
  const timers = new Set<Timer>()
  const one = async (gateway: GatewayId) => {
    try {
      await evict(gateway)
      log.info({ event: 'revocation.evicted', gateway }, 'a session that a revoked gateway may have had was ended')
    } catch (error) {
      log.error({ event: 'revocation.evict', gateway, error: explainError(error) }, 'a session could not be ended')
    }
  }
  return {
    begin: (gateways: ReadonlySet<GatewayId>) => {
      for (const delayMs of gateways.size > 0 ? EVICT_AFTER_MS : []) {
        const timer = clock.after(delayMs, () => {
          timers.delete(timer)
          for (const gateway of gateways) void one(gateway)
        })
        timers.add(timer)
      }
    },
    stop: () => {
      for (const timer of timers) timer.cancel()
    },
  }
}
