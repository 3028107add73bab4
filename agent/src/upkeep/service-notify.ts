import { execFile } from 'node:child_process'

/**
 * Tells systemd how this service is (sd_notify(3)). Node has no datagram sockets of the unix kind, so each message is one
 * short run of systemd-notify(1); it waits until systemd has read the message, which needs NotifyAccess=all in the unit.
 */
export interface ServiceNotify {
  /** How often systemd wants to hear that the service lives; undefined where nobody watches. */
  readonly watchdogMs: number | undefined
  ready(): void
  stopping(): void
  alive(): void
}

interface NotifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
  /** Told why a message could not be given. */
  readonly onFailure: (error: Error) => void
}

const PROGRAM = 'systemd-notify'
/** The program itself gives systemd 5 s to read. */
const TIMEOUT_MS = 8_000

/** Does nothing where no service manager has started this process. */
export function createServiceNotify({ env, pid, onFailure }: NotifyOptions): ServiceNotify {
  const { NOTIFY_SOCKET: socket, PATH: path, WATCHDOG_USEC: micros, WATCHDOG_PID: watched } = env
  const tell = (...message: string[]) => {
    if (!socket) return
    const given = { NOTIFY_SOCKET: socket, PATH: path }
    execFile(PROGRAM, message, { env: given, timeout: TIMEOUT_MS }, (error) => {
      if (error) onFailure(error)
    })
  }
  const isMine = watched === undefined || Number(watched) === pid
  return {
    watchdogMs: socket && isMine && Number(micros) > 0 ? Number(micros) / 1_000 : undefined,
    ready: () => tell('READY=1'),
    stopping: () => tell('STOPPING=1'),
    alive: () => tell('WATCHDOG=1'),
  }
}
