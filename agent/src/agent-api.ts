import type { Clock, Fix, TagEvent, TagId, TagWindow, Timer } from '@biotrakr/shared'

import { apiToken } from './api-token.ts'
import { type AgentConfig, readCredential, readSecret } from './config.ts'
import type { Explanation } from './locate/explain.ts'
import type { HealthWithMasked } from './masked-health.ts'
import { createStatusView } from './status.ts'
import { createEventStream } from './upkeep/event-stream.ts'
import { createExplainAnswer } from './upkeep/explain-answer.ts'
import { LiveBoard } from './upkeep/live-board.ts'
import { createLocalApi } from './upkeep/local-api.ts'
import { createPageAnswer } from './upkeep/status-page.ts'
import { createWindowStream } from './upkeep/window-stream.ts'

interface AgentApiParts {
  readonly config: Pick<AgentConfig, 'api' | 'dataDir'>
  /** Tags of the site: it may change while the agent runs. */
  readonly knownTags: () => number
  /** Tags that are followed at once. */
  readonly maxTags: number
  readonly clock: Clock
  readonly eventClock: Clock
  readonly health: () => HealthWithMasked
  readonly metrics: () => Promise<string>
  readonly explain: (tag: TagId) => Explanation | undefined
}

/** What the agent tells its own API. */
export interface AgentApi {
  /** @throws BioTrakrError PORT_IN_USE, CONFIG_INVALID, CONFIG_UNREADABLE */
  start(): Promise<void>
  stop(): Promise<void>
  port(): number
  /** What one moment gave: the windows that closed, and the answer of each. */
  closed(atMs: number, windows: readonly TagWindow[], places: readonly Fix[]): void
  raised(events: readonly TagEvent[]): void
}

const STATUS_MS = 2_000
const MAX_PAGES = 8
const MAX_LIVE = 8
/** A tag counts as heard for so long. */
const HEARD_MS = 60_000

/** The agent's own API with what it shows: the status of the box, and the newest of its tags. */
export function createAgentApi({
  config,
  knownTags,
  maxTags,
  clock,
  eventClock,
  health,
  metrics,
  explain,
}: AgentApiParts): AgentApi {
  const { api, dataDir } = config
  const board = new LiveBoard(maxTags)
  const view = createStatusView({ knownTags, wallMs: clock.wallMs, monoMs: clock.monoMs })
  const showStatus = () => view.show(health(), board.heardSince(eventClock.wallMs() - HEARD_MS))
  const status = createEventStream({
    maxListeners: MAX_PAGES,
    greet: () => [{ event: 'status', data: showStatus() }],
  })
  const live = createEventStream({
    maxListeners: MAX_LIVE,
    greet: () => [
      { event: 'places', data: { atMs: eventClock.wallMs(), places: board.places() } },
      { event: 'alarms', data: { alarms: board.alarms() } },
    ],
  })
  const windowStream = createWindowStream()
  let server: ReturnType<typeof createLocalApi> | undefined
  let timer: Timer | undefined
  const beat = (): void => {
    view.sample(health())
    status.publish('status', showStatus)
  }
  return {
    async start() {
      server = createLocalApi({
        host: api.host,
        port: api.port,
        token: apiToken(dataDir),
        tls: tlsOf(api),
        health,
        metrics,
        page: createPageAnswer(),
        status: status.serve,
        live: live.serve,
        windows: windowStream.serve,
        explain: createExplainAnswer({ explain }),
      })
      await server.start()
      timer = clock.every(STATUS_MS, beat)
    },
    async stop() {
      timer?.cancel()
      await server?.stop()
    },
    port: () => server?.port() ?? api.port,
    closed(atMs, windows, places) {
      board.heard(
        windows.filter(({ sightings }) => sightings.length > 0).map(({ tag }) => tag),
        atMs,
      )
      const told = board.take(places)
      live.publish('places', () => ({ atMs, places: told }))
      windowStream.publish(() => ({ atMs, windows: windows.map((window, i) => answered(window, places[i])) }))
    },
    raised(events) {
      const alarms = board.raise(events)
      live.publish('alarms', () => ({ alarms }))
    },
  }
}

function answered(window: TagWindow, place: Fix | undefined): object {
  return { ...window, room: place?.room ?? null, confidence: place?.confidence ?? 0 }
}

function tlsOf({ certFile, keyFile }: AgentConfig['api']): { cert: Buffer; key: Buffer } | undefined {
  if (certFile === undefined || keyFile === undefined) return undefined
  return { cert: readCredential(certFile), key: Buffer.from(readSecret(keyFile)) }
}
