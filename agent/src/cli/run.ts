import type { TagId } from '@biotrakr/shared'
import { pino } from 'pino'

import { Agent } from '../agent.ts'
import { readConfig } from '../config.ts'
import { machineTime } from '../machine-time.ts'
import { createRecordClock, steadyClock } from '../record-clock.ts'
import { createService } from '../service.ts'
import { scaledClock } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { openSources } from './open-source.ts'
import { openCaptureOf } from './record.ts'
import { askedToStop } from './stop-request.ts'

interface RunOptions {
  readonly config: string
  readonly flushSeconds: number
  readonly record?: string
  readonly recordMegabytes: number
  readonly recordFiles?: number
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
  const { record: path, recordMegabytes: megabytes, recordFiles: files } = options
  const capture =
    path === undefined ? undefined : openCaptureOf(config, { path, megabytes, files }, eventClock.wallMs())
  const witness = capture && { witness: capture }
  const agent = new Agent({ config, sources, clock, eventClock, recordClock, random: Math.random, log, ...witness })
  await agent.start()
  const service = createService({ clock: systemClock, log, pulses: agent.pulses(), env: process.env, pid: process.pid })
  service.started()
  await askedToStop({ onStdinEnd: options.stopOnStdinEnd })
  service.stopping()
  log.info({ event: 'agent.stopping' }, 'stopping: sending what is left')
  await agent.stop({ flushMs: options.flushSeconds * 1000 })
  capture?.end()
  if (capture) log.info({ event: 'capture.ended', ...capture.status() }, 'the capture of this run is written')
}
