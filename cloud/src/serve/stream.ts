import type { Clock, Timer } from '@biotrakr/shared'

import type { AlarmBook } from './alarms.ts'
import type { Board } from './board.ts'
import { frameOf, positionsFrame, type StreamSink, Viewer } from './viewer.ts'

interface HubOptions {
  readonly board: Pick<Board, 'places' | 'place' | 'step' | 'version' | 'resetVersion' | 'tags'>
  readonly alarms: Pick<AlarmBook, 'since'>
  readonly clock: Clock
  /** Names this run. */
  readonly epoch: string
  /** False while live positions do not arrive and the newest come from the database. */
  readonly isLive: () => boolean
  readonly maxViewers?: number
}

interface HubCounters {
  /** Viewers let go because they did not read. */
  slow: number
  /** Viewers turned away because there were too many. */
  refused: number
  /** Viewers that took up where they had left off. */
  resumed: number
  sentBytes: number
}

export interface StreamHub {
  start(): void
  /** Says good-bye to every viewer. */
  stop(): void
  /** Counts the viewer that asks as refused when not. */
  hasRoom(): boolean
  /**
   * Begins to write; from here on the sink is the hub's.
   * @param lastEventId what the viewer has already; everything is told when absent or of no use
   */
  join(sink: StreamSink, lastEventId: string | undefined): void
  /** Alarms do not wait for the next step: to be called when there is one. */
  alarm(): void
  viewers(): number
  readonly counters: Readonly<HubCounters>
}

const STEP_MS = 500
const HEARTBEAT_MS = 15_000
const SLOW_MS = 30_000
const MAX_VIEWERS = 200

/**
 * Live positions as server-sent events (WHATWG HTML, 9.2). Every place carries the number of the step in which it last
 * changed, so a viewer that falls behind or comes back is told what changed since its own number: newest per tag, from
 * any point of this run, and nothing has to be kept for it.
 */
export function createStreamHub(options: HubOptions): StreamHub {
  const { board, alarms, clock, epoch, isLive, maxViewers = MAX_VIEWERS } = options
  const viewers = new Set<Viewer>()
  const counters: HubCounters = { slow: 0, refused: 0, resumed: 0, sentBytes: 0 }
  let timer: Timer | undefined
  let live = isLive()

  /** Encoded once: in the ordinary case all viewers are told the same. */
  const stepFrame = (): Buffer | undefined => {
    const changed = board.step()
    const version = board.version()
    if (changed.length === 0 || board.resetVersion() === version) return undefined
    return positionsFrame(board, changed, { atMs: clock.wallMs(), id: `${epoch}-${version}` })
  }

  const tick = () => {
    const frame = stepFrame()
    const silentMs = isLive() === live ? HEARTBEAT_MS : 0
    live = isLive()
    for (const viewer of viewers) {
      if (frame) viewer.sendStep(frame, board.version())
      viewer.catchUp()
      if (viewer.isSilentFor(silentMs)) viewer.send(heartbeat(clock.wallMs(), live))
      if (viewer.blockedForMs() > SLOW_MS) drop(viewer)
    }
  }

  const drop = (viewer: Viewer) => {
    counters.slow += 1
    viewers.delete(viewer)
    viewer.destroy()
  }

  const join: StreamHub['join'] = (sink, lastEventId) => {
    const told = versionOf(lastEventId, epoch, board)
    if (told !== undefined) counters.resumed += 1
    const onSent = (bytes: number) => {
      counters.sentBytes += bytes
    }
    const viewer = new Viewer(sink, told, { board, alarms, clock, epoch, onSent })
    const leave = () => viewers.delete(viewer)
    viewers.add(viewer)
    sink.on('close', leave).on('error', leave)
    sink.on('drain', () => viewer.drained())
    const hello = { epoch, at: clock.wallMs(), live: isLive(), heartbeat_s: HEARTBEAT_MS / 1_000, tags: board.tags() }
    viewer.send(Buffer.concat([Buffer.from('retry: 2000\n'), frameOf('hello', hello)]))
    viewer.tellAlarms()
    viewer.catchUp()
  }

  return {
    start: () => {
      // What the board holds by now is the first step; a viewer that comes before the second is not told it twice.
      tick()
      timer ??= clock.every(STEP_MS, tick)
    },
    stop: () => {
      timer?.cancel()
      for (const viewer of viewers) viewer.end(frameOf('bye', { reason: 'deploy' }))
      viewers.clear()
    },
    hasRoom: () => {
      const room = viewers.size < maxViewers
      if (!room) counters.refused += 1
      return room
    },
    join,
    alarm: () => {
      for (const viewer of viewers) viewer.tellAlarms()
    },
    viewers: () => viewers.size,
    counters,
  }
}

/** A comment keeps proxies from closing the connection; the event tells the page, which cannot see comments. */
function heartbeat(atMs: number, live: boolean): Buffer {
  return Buffer.concat([Buffer.from(': heartbeat\n'), frameOf('heartbeat', { at: atMs, live })])
}

/** @returns undefined when the id is not one of this run, or what it stands for is void by now */
function versionOf(
  id: string | undefined,
  epoch: string,
  board: Pick<Board, 'version' | 'resetVersion'>,
): number | undefined {
  const digits = id?.startsWith(`${epoch}-`) ? id.slice(epoch.length + 1) : ''
  if (!/^\d{1,15}$/.test(digits)) return undefined
  const version = Number(digits)
  return version <= board.version() && version >= board.resetVersion() ? version : undefined
}
