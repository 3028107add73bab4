import type { TagId } from '@biotrakr/shared'
import { type Logger, pino } from 'pino'

import { Agent } from '../agent.ts'
import { readCentre, readConfig } from '../config.ts'
import { machineTime } from '../machine-time.ts'
import { createRecordClock, steadyClock } from '../record-clock.ts'
import { createService } from '../service.ts'
import { createSiteKeeper } from '../site-keeper.ts'
import { keepHeapSmall } from '../small-heap.ts'
import { scaledClock } from '../sources.ts'
import { systemClock } from '../system-clock.ts'
import { openSources } from './open-source.ts'
import { openCaptureOf } from './record.ts'
import { createReload } from './reloading.ts'
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
  keepHeapSmall()
  const { log, setLevel } = createLog()
  const site = readCentre(options.config)
  if (site && !site.hasSite) await keeperOf(site, { log, onNew: () => undefined }).refresh()
  const config = readConfig(options.config)
  log.setBindings({ gateway: config.gateway })
  setLevel(config.log.level)
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
  const keeper = site && keeperOf(site, { log, onNew: () => reload() })
  const real = { clock, eventClock, recordClock, random: Math.random, log, siteStatus: keeper?.status }
  const agent = new Agent({ config, sources, ...real, ...witness })
  const reload = createReload({
    file: options.config,
    config,
    allow,
    agent,
    log,
    setLevel,
    isCaptured: capture !== undefined,
  })
  await agent.start()
  keeper?.start()
  process.on('SIGHUP', reload)
  const service = createService({ clock: systemClock, log, pulses: agent.pulses(), env: process.env, pid: process.pid })
  service.started()
  await askedToStop({ onStdinEnd: options.stopOnStdinEnd })
  service.stopping()
  process.off('SIGHUP', reload)
  keeper?.stop()
  log.info({ event: 'agent.stopping' }, 'stopping: sending what is left')
  await agent.stop({ flushMs: options.flushSeconds * 1000 })
  capture?.end()
  if (capture) log.info({ event: 'capture.ended', ...capture.status() }, 'the capture of this run is written')
}

type CentreSite = NonNullable<ReturnType<typeof readCentre>>

function keeperOf(config: CentreSite, { log, onNew }: { readonly log: Logger; readonly onNew: () => void }) {
  return createSiteKeeper({ config, clock: systemClock, random: Math.random, log, onNew })
}

/** A log whose level can be changed while it is in use; a child keeps the level it was made with. */
function createLog() {
  const logs: Logger[] = []
  const log = pino({ name: 'biotrakr', base: {}, onChild: (child) => logs.push(child) })
  logs.push(log)
  const setLevel = (level: string) => {
    for (const each of logs) each.level = level
  }
  return { log, setLevel }
}
