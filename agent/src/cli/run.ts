import type { Clock, TagId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { type Logger, pino } from 'pino'

import { Agent } from '../agent.ts'
import { type AgentConfig, readConfig } from '../config.ts'
import { bleParts, openBle, openDataset, type Source, scaledClock } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { createWardSource } from './ward-source.ts'

interface RunOptions {
  readonly config: string
  readonly flushSeconds: number
  readonly stopOnStdinEnd: boolean
}

/** `biotrakr run`: everything from the configuration file to a graceful stop. */
export async function runAgent(options: RunOptions): Promise<void> {
  const config = readConfig(options.config)
  const log = pino({ name: 'biotrakr', level: config.log.level, base: { gateway: config.gateway } })
  const clock = systemClock
  const eventClock = config.time ? scaledClock(clock, config.time) : clock
  const allow = new Set<TagId>(config.tags)
  const sources = config.sources.map((source) => openSource(source, { config, eventClock, allow, log }))
  const agent = new Agent({ config, sources, clock, eventClock, random: Math.random, log })
  await agent.start()
  await askedToStop(options.stopOnStdinEnd)
  log.info({ event: 'agent.stopping' }, 'stopping: sending what is left')
  await agent.stop({ flushMs: options.flushSeconds * 1000 })
}

interface SourceContext {
  readonly config: AgentConfig
  readonly eventClock: Clock
  readonly allow: ReadonlySet<TagId>
  readonly log: Logger
}

function openSource(source: AgentConfig['sources'][number], { config, eventClock, allow, log }: SourceContext): Source {
  const parts = { clock: eventClock, allow, random: Math.random, log }
  switch (source.kind) {
    case 'simulated': {
      const { seed, startMs, tags } = source
      return createWardSource(createWard({ seed, startMs, tags }), parts)
    }
    case 'dataset': {
      const startMs = config.time?.eventStartMs ?? eventClock.wallMs()
      return openDataset(source, { ...parts, startMs })
    }
    case 'ble':
      return openBle({ ...parts, ...bleParts(source, config.tags) })
  }
}

/** Settles at the first request to stop; after that a second signal ends the process at once, as its user expects. */
function askedToStop(onStdinEnd: boolean): Promise<void> {
  return new Promise((resolve) => {
    const asked = () => {
      process.off('SIGTERM', asked).off('SIGINT', asked)
      process.stdin.off('end', asked).off('close', asked).pause()
      resolve()
    }
    process.on('SIGTERM', asked).on('SIGINT', asked)
    if (onStdinEnd) process.stdin.on('end', asked).on('close', asked).resume()
  })
}
