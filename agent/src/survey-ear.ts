import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'

import {
  BioTrakrError,
  type Clock,
  explainError,
  type Reading,
  type RoomId,
  type TagWindow,
  type Timer,
} from '@biotrakr/shared'

import type { Source } from './acquire/source.ts'
import { askAgent } from './api-client.ts'
import type { AgentConfig } from './config.ts'
import { createFilter } from './filter/filter.ts'

/** A window, with the answer that the agent gave to it where it comes from a running agent. */
interface HeardWindow extends TagWindow {
  readonly room?: RoomId | null
  /** Per mille. */
  readonly confidence?: number
}

/** Everything that was heard in one second. */
export interface HeardNow {
  /** Wall milliseconds. */
  readonly atMs: number
  readonly windows: readonly HeardWindow[]
}

/** Hears the gateway's tags second by second, whether anything is heard or not. */
export interface Ear {
  /** Where it listens, for a person. */
  readonly words: string
  /** @param onTrouble is told in plain words when it cannot hear for a while */
  start(onSecond: (now: HeardNow) => void, onTrouble: (words: string) => void): Promise<void>
  stop(): Promise<void>
}

interface EarOptions {
  readonly words: string
  readonly clock: Clock
  readonly maxTags: number
  readonly floorDbm?: number
}

const WINDOW_MS = 1000

/** Listens with the gateway's own adapters and readers. Nobody else may hold them. */
export function earOfSources(sources: readonly Source[], { words, clock, maxTags, floorDbm }: EarOptions): Ear {
  const filter = createFilter({ windowMs: WINDOW_MS, maxTags, ...(floorDbm !== undefined && { floorDbm }) })
  let timer: Timer | undefined
  return {
    words,
    async start(onSecond, onTrouble) {
      for (const source of sources) await source.start((reading) => filter.add(reading))
      const troubles = new Set<string>()
      timer = clock.every(WINDOW_MS, () => {
        const atMs = clock.wallMs()
        onSecond({ atMs, windows: heardWindows(filter.close(atMs).windows) })
        for (const source of sources) {
          const { state, detail } = source.status()
          if (state !== 'failed' || troubles.has(detail)) continue
          troubles.add(detail)
          onTrouble(detail)
        }
      })
    },
    async stop() {
      timer?.cancel()
      for (const source of sources) await source.stop()
    },
  }
}

interface Playing {
  /** All readings in [fromMs, toMs), in time order. */
  readingsBetween(fromMs: number, toMs: number): readonly Reading[]
}

/** Listens to a simulation, second by second however fast the clock runs. */
export function earOfSimulation(played: Playing, { words, clock, maxTags }: EarOptions): Ear {
  const filter = createFilter({ windowMs: WINDOW_MS, maxTags })
  let timer: Timer | undefined
  return {
    words,
    async start(onSecond) {
      let fromMs = Math.ceil(clock.wallMs() / WINDOW_MS) * WINDOW_MS
      timer = clock.every(WINDOW_MS, () => {
        for (const nowMs = clock.wallMs(); fromMs + WINDOW_MS <= nowMs; fromMs += WINDOW_MS) {
          const atMs = fromMs + WINDOW_MS
          for (const reading of played.readingsBetween(fromMs, atMs)) filter.add(reading)
          onSecond({ atMs, windows: heardWindows(filter.close(atMs).windows) })
        }
      })
    },
    async stop() {
      timer?.cancel()
    },
  }
}

/** A tag that fell silent is told as a window without sightings: for a survey that is no window. */
function heardWindows(windows: readonly TagWindow[]): readonly TagWindow[] {
  return windows.filter(({ sightings }) => sightings.length > 0)
}

type AgentAddress = Pick<AgentConfig, 'api' | 'dataDir' | 'gateway'>

const ASK_MS = 2000
const RETRY_MS = 2000

/** Whether the agent of this configuration runs; it then holds the adapters and readers. */
export function isAgentRunning(config: AgentAddress): Promise<boolean> {
  if (config.api.port === 0) return Promise.resolve(false)
  return new Promise((resolve) => {
    const onAnswer = (response: IncomingMessage): void => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part.slice(0, 100_000)
      })
      response.on('end', () => resolve(text.includes(JSON.stringify(config.gateway))))
      response.on('error', () => resolve(false))
    }
    const request = askAgent(config, '/health', { timeoutMs: ASK_MS, onAnswer })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}

/** Listens through the running agent: nothing is stopped, and a survey hears exactly what the agent hears. */
export function earOfAgent(config: AgentAddress, { clock }: Pick<EarOptions, 'clock'>): Ear {
  const { api } = config
  let isStopped = false
  let retry: Timer | undefined
  let hangUp = (): void => undefined
  const listen = (onSecond: (now: HeardNow) => void, onEnd: (words: string) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const onAnswer = (response: IncomingMessage): void => {
        if (response.statusCode !== 200) {
          response.resume()
          reject(refused(response.statusCode))
          return
        }
        resolve()
        const lines = createInterface({ input: response })
        lines.on('line', (line) => hearLine(line, onSecond))
        // An agent that dies ends the response with an error, and it always closes.
        lines.on('error', () => lines.close())
        response.on('close', () => onEnd('the agent has stopped; waiting for it to start again'))
      }
      const request = askAgent(config, '/windows', { onAnswer })
      request.on('error', (error) => {
        reject(error)
        onEnd('the agent does not answer; waiting for it to start again')
      })
      hangUp = () => request.destroy()
    })
  return {
    words: `the running agent at ${api.host}:${api.port}`,
    async start(onSecond, onTrouble) {
      let told = ''
      const again = (words: string): void => {
        if (isStopped) return
        if (words !== told) onTrouble(words)
        told = words
        retry?.cancel()
        retry = clock.after(RETRY_MS, () => {
          listen(onSecond, again).catch((error: unknown) => {
            if (error instanceof BioTrakrError) again(explainError(error))
          })
        })
      }
      await listen(onSecond, again)
    },
    async stop() {
      isStopped = true
      retry?.cancel()
      hangUp()
    },
  }
}

/** The last line of a connection that broke may be half a line. */
function hearLine(line: string, onSecond: (now: HeardNow) => void): void {
  try {
    onSecond(JSON.parse(line) as HeardNow)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
}

function refused(status: number | undefined): BioTrakrError {
  const next =
    status === 404
      ? 'It is of an older version: update it, or stop it and run this command again.'
      : 'Run this command as the user that the agent runs as; at most four can listen at once.'
  return new BioTrakrError(`the running agent does not let us listen (HTTP ${status ?? 0})`, { code: 'USAGE', next })
}
