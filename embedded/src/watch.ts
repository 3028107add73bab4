import { setTimeout as sleep } from 'node:timers/promises'

import type { AgentHealth } from '@biotrakr/agent'

import { hasFinished, RunningTotal, readAgentHealth } from './agent-health.ts'
import type { Display } from './display.ts'
import { committedRecords, hasFix, type TagPlace, tagPlaces } from './ledger-query.ts'
import type { Product } from './product.ts'
import type { Story } from './story.ts'
import { round } from './summary.ts'

interface WatchOptions {
  readonly story: Story
  readonly display: Display
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** Wall milliseconds: start of the user's command, begin and end of the run. */
  readonly commandMs: number
  readonly beginMs: number
  readonly endMs: number | undefined
}

export interface Watched {
  /** Why the run ends, in words. */
  readonly why: string
  readonly readings: RunningTotal
  readonly firstFixMs: number | null
  readonly ackP99Ms: number | null
}

const SECOND_MS = 1_000
const FIRST_FIX_LOOK_MS = 50

/** Shows the running product once a second until it is time to end. */
export async function watchRun(product: Product, options: WatchOptions): Promise<Watched> {
  const { display, beginMs } = options
  const readings = new RunningTotal()
  const fixes = new RunningTotal()
  const sight = createSight(product, options.story)
  const over = new AbortController()
  let firstFixMs: number | null = null
  const looking = firstFix(product, options, AbortSignal.any([options.signal, over.signal])).then((ms) => {
    firstFixMs = ms
  })
  for (;;) {
    const { health, committed, places } = await sight()
    if (health) {
      readings.take(health.counters.readings)
      fixes.take(health.counters.ledgerFixes)
    }
    const p99 = health?.sync.ackMs.p99
    const ackP99Ms = p99 === undefined || p99 === null ? null : round(p99, 1)
    display.show({
      second: Math.floor((Date.now() - beginMs) / SECOND_MS),
      readings: readings.sum,
      fixes: fixes.sum,
      committed,
      unacknowledged: health?.outbox.unacknowledged ?? 0,
      ackP99Ms,
      problems: health?.problems.map(({ code, message }) => `${message} [${code}]`) ?? ['the gateway does not answer'],
      places,
    })
    const why = reasonToEnd(options, health)
    if (why !== undefined) {
      over.abort()
      await looking
      return { why, readings, firstFixMs, ackP99Ms }
    }
    await sleep(untilNextLook(options), undefined, { signal: options.signal }).catch(() => undefined)
  }
}

function reasonToEnd({ signal, endMs, story }: WatchOptions, health: AgentHealth | undefined): string | undefined {
  if (signal.aborted) return 'asked to stop'
  if (endMs !== undefined && Date.now() >= endMs) return 'the time is over'
  return story.mode === 'replay' && health && hasFinished(health) ? 'the recording has been played' : undefined
}

/** Whole seconds of the run, the last one cut where the run ends. */
function untilNextLook({ beginMs, endMs = Number.POSITIVE_INFINITY }: WatchOptions): number {
  const now = Date.now()
  const next = SECOND_MS - ((now - beginMs) % SECOND_MS)
  return Math.max(1, Math.min(next, endMs - now))
}

interface Sight {
  readonly health: AgentHealth | undefined
  readonly committed: number
  readonly places: readonly TagPlace[]
}

/** What cannot be asked just now, since a process is being started again, stays as it was last seen. */
function createSight({ pool, agentApiPort, earlierEpochs }: Product, story: Story): () => Promise<Sight> {
  let committed = 0
  let places: readonly TagPlace[] = []
  return async () => {
    const [health, records, found] = await Promise.all([
      readAgentHealth(agentApiPort),
      committedRecords(pool, story.gateway, earlierEpochs).catch(() => committed),
      tagPlaces(pool, story.tags).catch(() => places),
    ])
    committed = records
    places = found
    return { health, committed, places }
  }
}

/** @returns milliseconds from the user's command to the first fix of this run in the database */
async function firstFix(product: Product, options: WatchOptions, signal: AbortSignal): Promise<number | null> {
  const { pool, earlierEpochs } = product
  while (!signal.aborted) {
    if (await hasFix(pool, options.story.gateway, earlierEpochs).catch(() => false)) {
      return Math.round(Date.now() - options.commandMs)
    }
    await sleep(FIRST_FIX_LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
  return null
}
