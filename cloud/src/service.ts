import { type Clock, createPulseWatch, type Pulse, type PulseWatch } from '@biotrakr/shared'
import type { Logger } from 'pino'

import { createServiceNotify } from './upkeep/service-notify.ts'

interface ServiceParts {
  readonly clock: Clock
  readonly log: Logger
  readonly pulses: readonly Pulse[]
  readonly env: NodeJS.ProcessEnv
  readonly pid: number
}

export interface Service {
  /** Tells the service manager that all is ready, and keeps telling it that work moves on. */
  started(): void
  stopping(): void
}

/** A third of what is allowed: one lost message, or a loop that was late once, ends nothing. */
const SHARE = 1 / 3

/** A process of the centre under systemd; without it only the log says what is stuck. */
export function createService({ clock, log, pulses, env, pid }: ServiceParts): Service {
  const notify = createServiceNotify({
    env,
    pid,
    onFailure: (error) =>
      log.warn({ event: 'service.notify_failed', reason: error.message }, 'systemd-notify could not give a message'),
  })
  const watch: PulseWatch = createPulseWatch({
    clock,
    pulses,
    everyMs: (notify.watchdogMs ?? 30_000) * SHARE,
    alive: () => {
      if (notify.watchdogMs !== undefined) notify.alive()
    },
    onStuck: (names) => {
      if (names.length === 0) log.info({ event: 'service.moving' }, 'all work moves again')
      else log.error({ event: 'service.stuck', stuck: names }, 'work stands still; a service manager will start anew')
    },
  })
  return {
    started() {
      notify.ready()
      watch.start()
    },
    stopping() {
      watch.stop()
      notify.stopping()
    },
  }
}
