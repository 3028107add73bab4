import { BioTrakrError, type ReceiverId, type RoomId, type SiteMap, type TagId } from '@biotrakr/shared'
import { createSurveyWalk, type SurveyWalk } from '@biotrakr/sim'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'

import type { AgentConfig } from '../config.ts'
import { scaledClock } from '../sources.ts'
import { type Ear, earOfAgent, earOfSimulation, earOfSources, isAgentRunning } from '../survey-ear.ts'
import { systemClock } from '../system-clock.ts'
import { openSources } from './open-source.ts'

export interface SimulationOptions {
  readonly simulate?: number
  readonly speed: number
  readonly wallDb: number
  readonly curtain: readonly (readonly [RoomId, RoomId])[]
}

export function withSimulation(command: Command): Command {
  return command
    .option(
      '--simulate <seed>',
      'a simulated ward instead of hardware, to practise; the walker follows the prompts',
      seed,
    )
    .option('--speed <n>', 'with --simulate: times faster than real, 1 to 1000', speed, 1)
    .option('--wall-db <n>', 'with --simulate: loss of one wall, 0 to 40 dB', wall, 4)
    .option('--curtain <a/b>', 'with --simulate: no wall between these two rooms; may be repeated', curtains, [])
}

function seed(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number')
  return value
}

function speed(text: string): number {
  const value = Number(text)
  if (!(value >= 1 && value <= 1000)) throw new InvalidArgumentError('must be 1 to 1000')
  return value
}

function wall(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 40)) throw new InvalidArgumentError('must be 0 to 40 dB')
  return value
}

function curtains(text: string, before: readonly (readonly [RoomId, RoomId])[]): (readonly [RoomId, RoomId])[] {
  const [a, b, ...more] = text.split('/')
  if (!a || !b || more.length > 0) throw new InvalidArgumentError('must be two rooms, such as 107/108')
  return [...before, [a as RoomId, b as RoomId]]
}

/** What a survey or a check listens to. */
export interface Listening {
  readonly ear: Ear
  readonly tags: readonly TagId[]
  readonly walk?: SurveyWalk
}

/** Its own tags are not what a simulated walk is about. */
const SIMULATED_TAGS = 3

/** The ward to walk in; only receivers that are on the map hang there. */
export function simulateWalk(options: SimulationOptions & { readonly simulate: number }, map?: SiteMap): SurveyWalk {
  return createSurveyWalk({
    seed: options.simulate,
    startMs: Math.floor(Date.now() / 1000) * 1000,
    tags: SIMULATED_TAGS,
    wallLossDb: options.wallDb,
    curtains: options.curtain,
    ...(map && { receivers: new Set<ReceiverId>(map.receivers.map(({ id }) => id)) }),
  })
}

export function listenToWalk(walk: SurveyWalk, { speed: times }: Pick<SimulationOptions, 'speed'>): Listening {
  const nowMs = Date.now()
  const clock = scaledClock(systemClock, { speed: times, eventStartMs: nowMs, realStartMs: nowMs })
  const words = `a simulated ward${times === 1 ? '' : `, ${times} times faster than real`}`
  return { ear: earOfSimulation(walk, { words, clock, maxTags: SIMULATED_TAGS + 1 }), tags: [walk.tag], walk }
}

/**
 * Listens as the agent does: through the agent while it runs, so that nothing stops and no adapter is held twice; else
 * with its configured sources.
 */
export async function listenAsAgent(config: AgentConfig | undefined): Promise<Listening> {
  if (config === undefined) {
    throw new BioTrakrError('nothing to listen with: no configuration is named', {
      code: 'USAGE',
      next: 'Give --config FILE, --simulate SEED to practise, or --replay for a recording.',
    })
  }
  const { tags } = config
  if (tags.length === 0) {
    throw new BioTrakrError('the configuration names no tag, so none can be followed', {
      code: 'CONFIG_INVALID',
      next: 'Add the survey tag under tags; biotrakr sniff shows what is there.',
    })
  }
  if (await isAgentRunning(config)) return { ear: earOfAgent(config, { clock: systemClock }), tags }
  const startMs = config.time?.eventStartMs ?? Date.now()
  const clock = config.time ? scaledClock(systemClock, config.time) : systemClock
  const log = pino({ level: 'silent' })
  const parts = { clock, startMs, allow: new Set(tags), tags, random: Math.random, log }
  const sources = openSources(config.sources, parts)
  const words = `${sources.map(({ name }) => name).join(', ')} (the agent is not running)`
  return { ear: earOfSources(sources, { words, clock, maxTags: tags.length, floorDbm: config.filter.floorDbm }), tags }
}
