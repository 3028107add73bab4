import type { TagId } from '@biotrakr/shared'
import { pino } from 'pino'

import { Agent } from '../agent.ts'
import { readConfig } from '../config.ts'
import { machineTime } from '../machine-time.ts'
import { createRecordClock, steadyClock } from '../record-clock.ts'
import { scaledClock } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { openSources } from './open-source.ts'
import { askedToStop } from './stop-request.ts'

interface RunOptions {
  readonly config: string
  readonly flushSeconds: number
  readonly stopOnStdinEnd: boolean
}

/** `biotrakr run`: everything from the configuration file to a graceful stop. */
export async function runAgent(options: RunOptions): Promise<void> {
  const config = readConfig(options.config)
  const log = pino({ name: 'biotrakr', level: config.log.level, base: { gateway: config.gateway } })
  const clock = steadyClock(systemClock)
  const eventClock = config.time ? scaledClock(clock, config.time) : clock
  // A replay's times are those of its recording.
  const machine = machineTime(config.clock.syncedFile)
  const recordClock = config.time ? undefined : createRecordClock({ ...machine, clock, machineMs: systemClock.wallMs })
  const allow = new Set<TagId>(config.tags)
  const parts = { clock: eventClock, allow, tags: config.tags, random: Math.random, log }
  const startMs = config.time?.eventStartMs ?? eventClock.wallMs()
  const sources = openSources(config.sources, { ...parts, startMs })
  const agent = new Agent({ config, sources, clock, eventClock, recordClock, random: Math.random, log })
  await agent.start()
  await askedToStop({ onStdinEnd: options.stopOnStdinEnd })
  log.info({ event: 'agent.stopping' }, 'stopping: sending what is left')
  await agent.stop({ flushMs: options.flushSeconds * 1000 })
}
