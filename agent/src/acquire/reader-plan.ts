import type { CommandInfo, Driver, Params } from '@biotrakr/firmware-profiles'
import { BioTrakrError } from '@biotrakr/shared'

/** What the site wants of one reader. */
export interface ReaderSettings {
  /** Name of a region as the profile spells it. Without one nothing is sent that could switch the radio on. */
  readonly region?: string | undefined
  /** Radiated power; without it the reader keeps its own. */
  readonly powerDbm?: number | undefined
  /** Antennas to use, from 1. */
  readonly antennas: readonly number[]
  /** Bus address of the reader, where its protocol has one. */
  readonly address?: number | undefined
  /** Only this rate; without it the profile's are tried in turn. */
  readonly baud?: number | undefined
  /** Values for the profile's own parameters. */
  readonly parameters?: Params | undefined
}

/** A command, and where it is for one antenna, for which. */
export interface PlannedCommand extends CommandInfo {
  readonly antenna?: number
}

/** What will be sent when; checked against the profile as a whole before anything is sent. */
export interface ReaderPlan {
  readonly identify: readonly CommandInfo[]
  readonly open: readonly PlannedCommand[]
  readonly start: readonly CommandInfo[]
  readonly poll: readonly CommandInfo[]
  /** True: `poll` is for one antenna, and repeated for each. */
  readonly pollsEachAntenna: boolean
  /** True: the inventory can do without an antenna whose settings the reader refused. */
  readonly canLeaveOutAntennas: boolean
  /** After the reader restarted by itself. */
  readonly onBoot: readonly PlannedCommand[]
  readonly health: readonly CommandInfo[]
  readonly close: readonly CommandInfo[]
  /** Those of `close` that switch the radio off. */
  readonly stop: readonly CommandInfo[]
  /** Antennas in use, from 1. */
  readonly antennas: readonly number[]
  /** Values for every command but `baud`, which is the line's, and `antenna`, which is each in turn. */
  readonly params: Params
  /** False: a region is needed and not given, so only `identify` and `stop` may be sent. */
  readonly mayTransmit: boolean
}

/** Parameters that the reader keeps a value of its own for: a command that lacks one of these is left out. */
const OPTIONAL: ReadonlySet<string> = new Set(['powerDbm'])

/**
 * Checks what the site wants against what the profile allows, and lays out the commands.
 * @throws BioTrakrError READER_SETTINGS with everything that is wrong
 */
export function planReader(driver: Driver, settings: ReaderSettings): ReaderPlan {
  const { lifecycle } = driver
  const params = paramsOf(settings)
  const mayTransmit = settings.region !== undefined || !needsRegion(driver)
  const listed = (names: readonly string[]) =>
    names.flatMap((name) => driver.commands.get(name) ?? []).filter((command) => !isLeftOut(command, params))
  const each = (command: CommandInfo): PlannedCommand[] =>
    command.perAntenna ? settings.antennas.map((antenna) => ({ ...command, antenna })) : [command]
  const open = listed(lifecycle.open).flatMap(each)
  const start = listed(lifecycle.start)
  const poll = listed(lifecycle.poll)
  const close = listed(lifecycle.close)
  const pollsEachAntenna = poll.some(({ perAntenna }) => perAntenna)
  const plan: ReaderPlan = {
    identify: listed(lifecycle.identify).filter(({ radiates }) => !radiates || mayTransmit),
    open,
    start,
    poll,
    pollsEachAntenna,
    canLeaveOutAntennas: pollsEachAntenna || [...start, ...poll].some(({ name }) => takesAntennas(driver, name)),
    onBoot: lifecycle.onBoot.length > 0 ? listed(lifecycle.onBoot).flatMap(each) : [...open, ...start],
    health: listed(lifecycle.health),
    close,
    stop: close.filter(({ effect, radiates }) => effect === 'stop' && !radiates),
    antennas: settings.antennas,
    params,
    mayTransmit,
  }
  const problems = [...settingProblems(driver, settings), ...missingProblems(plan)]
  if (problems.length === 0) return plan
  throw new BioTrakrError(`the settings do not fit ${driver.name} (profile ${driver.id}): ${problems.join('; ')}`, {
    code: 'READER_SETTINGS',
    next: 'Correct the configuration of this reader.',
  })
}

/** True where the profile has regions, or any command of its life that switches the radio on. */
export function needsRegion({ limits, lifecycle, commands }: Driver): boolean {
  const { identify, open, start, poll, onBoot, health } = lifecycle
  const sent = [identify, open, start, poll, onBoot, health].flat()
  return limits.regions.size > 0 || sent.some((name) => commands.get(name)?.radiates === true)
}

function paramsOf({ region, powerDbm, antennas, address, parameters }: ReaderSettings): Params {
  return {
    ...parameters,
    antennas,
    ...(region !== undefined && { region }),
    ...(powerDbm !== undefined && { powerDbm }),
    ...(address !== undefined && { address }),
  }
}

function isLeftOut({ needs }: CommandInfo, params: Params): boolean {
  return needs.some((name) => OPTIONAL.has(name) && !(name in params))
}

function takesAntennas({ document }: Driver, command: string): boolean {
  const parts = document.commands[command]?.send ?? []
  return parts.some((part) => typeof part === 'object' && 'param' in part && part.param === 'antennas')
}

function settingProblems(driver: Driver, { region, powerDbm, antennas, parameters }: ReaderSettings): string[] {
  const { limits } = driver
  const problems: string[] = []
  if (region !== undefined && limits.regions.size > 0 && !limits.regions.has(region)) {
    problems.push(`region ${region} is none of ${[...limits.regions.keys()].join(', ')}`)
  }
  if (powerDbm !== undefined) problems.push(...powerProblems(driver, powerDbm))
  const beyond = antennas.filter((antenna) => antenna > (limits.antennas ?? antenna))
  if (beyond.length > 0) problems.push(`antenna ${beyond.join(', ')}: it has ${limits.antennas}`)
  if (antennas.length === 0) problems.push('no antenna is named')
  for (const [name, value] of Object.entries(parameters ?? {})) {
    problems.push(...parameterProblems(driver, name, value))
  }
  return problems
}

function powerProblems({ limits }: Driver, powerDbm: number): string[] {
  if (limits.powerDbm === undefined) return ['powerDbm is given, but this profile cannot set the power']
  const { min, max, step } = limits.powerDbm
  if (!(powerDbm >= min && powerDbm <= max)) return [`powerDbm ${powerDbm} is not within ${min} to ${max}`]
  const steps = (powerDbm - min) / step
  return Math.abs(steps - Math.round(steps)) < 1e-6 ? [] : [`powerDbm ${powerDbm} is not a step of ${step} from ${min}`]
}

function parameterProblems({ document }: Driver, name: string, value: Params[string]): string[] {
  if (name === 'antenna') return ['antenna is no parameter of its own: the antennas in use are named elsewhere']
  const known = document.parameters?.[name]
  if (known === undefined) return [`the profile has no parameter ${name}`]
  if (typeof value !== 'number') return []
  const { min = -Infinity, max = Infinity } = known
  return value >= min && value <= max ? [] : [`${name} ${value} is not within ${min} to ${max}`]
}

function missingProblems({ params, mayTransmit, ...lists }: ReaderPlan): string[] {
  const given = new Set([...Object.keys(params), 'baud'])
  const { identify, stop, open, start, poll, onBoot, health, close } = lists
  const sent = new Set([identify, stop, ...(mayTransmit ? [open, start, poll, onBoot, health, close] : [])].flat())
  const turns = new Set<CommandInfo>([open, onBoot, poll].flat())
  return [...sent].flatMap((command) => {
    const { name, needs } = command
    const missing = needs.filter((param) => !given.has(param) && !(param === 'antenna' && turns.has(command)))
    return missing.length === 0 ? [] : [`command ${name} needs ${missing.join(', ')}`]
  })
}
