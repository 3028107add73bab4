import { BioTrakrError, type ReceiverId, type TagId } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { type AgentConfig, readConfig } from '../config.ts'
import { advisePower, type PowerStep, powersToTry, tryPower } from '../power-survey.ts'
import { isAgentRunning } from '../survey-ear.ts'
import { systemClock } from '../system-clock.ts'
import { tagNamed } from './calibrate-tag.ts'

interface PowerOptions {
  readonly config: string
  readonly receiver: string
  readonly tag: string
  readonly neighbour: readonly string[]
  readonly from?: number
  readonly to?: number
  readonly step: number
  readonly seconds: number
  readonly json: boolean
}

const NEEDS_ATTENTION = 3
const NOTES = `
Lay the reference tag where it is hardest to read in the zone, and one tag in each zone next door (--neighbour). The
power never goes above what the configuration gives the reader, unless --to says so: what the site may radiate depends on
its region and on the gain of the antenna.`

/** `biotrakr calibrate power`: the lowest power at which a zone is read reliably, and what spills over at it. */
export function addPowerCommand(calibrate: Command, exitWith: (code: number) => void): void {
  calibrate
    .command('power')
    .description('step an antenna through its powers and count the reads of a reference tag')
    .requiredOption('-c, --config <file>', "the agent's configuration: its readers and tags")
    .requiredOption('--receiver <name>', 'the antenna, by the receiver that it is on the site map')
    .requiredOption('--tag <name>', 'the reference tag in the zone, or a part of its name')
    .option('--neighbour <name...>', 'tags that lie in the zones next door', [])
    .option('--from <dbm>', 'weakest power to try; without it the least that the reader can', dbm)
    .option('--to <dbm>', 'strongest power to try; without it the configured one', dbm)
    .option('--step <db>', 'from one power to the next', dbm, 1)
    .option('--seconds <n>', 'how long to read at each, 1 to 60', seconds, 5)
    .option('--json', 'one JSON document instead of plain lines', false)
    .addHelpText('after', NOTES)
    .action(async (options: PowerOptions) => {
      const isGood = await measurePower(options)
      if (!isGood) exitWith(NEEDS_ATTENTION)
    })
}

function dbm(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= -10 && value <= 40)) throw new InvalidArgumentError('must be -10 to 40')
  return value
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 1 && value <= 60)) throw new InvalidArgumentError('must be 1 to 60 seconds')
  return value
}

async function measurePower(options: PowerOptions): Promise<boolean> {
  const config = readConfig(options.config, { withCalibration: false })
  const reader = readerOf(config, options.receiver)
  const reference = tagNamed(options.tag, config.tags)
  const neighbours = options.neighbour.map((name) => tagNamed(name, config.tags))
  const powers = powersToTry(reader, options)
  await refuseBusy(config)
  const receiver = options.receiver as ReceiverId
  const steps: PowerStep[] = []
  if (!options.json) process.stdout.write(`${reference} at ${receiver}, ${options.seconds} s at each power\n${HEAD}`)
  for (const powerDbm of powers) {
    const measureMs = options.seconds * 1000
    const step = await tryPower({ reader, receiver, reference, neighbours, powerDbm, measureMs, clock: systemClock })
    steps.push(step)
    if (!options.json) process.stdout.write(stepLine(step, reference))
  }
  const advice = advisePower(steps)
  const document = { receiver, reference, steps, advice }
  process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : `${advice.words}\n`)
  return advice.powerDbm !== undefined && !advice.spills
}

type ReaderSource = Extract<AgentConfig['sources'][number], { kind: 'reader' }>

function readerOf({ sources }: AgentConfig, receiver: string): ReaderSource {
  const readers = sources.flatMap((source) => (source.kind === 'reader' ? [source] : []))
  const found = readers.find(({ antennas }) => Object.values(antennas).includes(receiver as ReceiverId))
  if (found) return found
  const known = readers.flatMap(({ antennas }) => Object.values(antennas))
  throw new BioTrakrError(`no configured reader has an antenna called ${receiver}`, {
    code: 'NOT_FOUND',
    next: known.length > 0 ? `There are ${known.join(', ')}.` : 'Add a source of kind reader to the configuration.',
  })
}

async function refuseBusy(config: AgentConfig): Promise<void> {
  if (!(await isAgentRunning(config))) return
  throw new BioTrakrError('the agent is running and holds the reader', {
    code: 'PORT_LOCKED',
    next: 'Stop the agent for the minutes that this takes, then start it again.',
  })
}

const HEAD = '   dBm   reads   read in  spill\n'

function stepLine({ powerDbm, reads, readShare, spill }: PowerStep, reference: TagId): string {
  const words = spill.map(
    ({ tag, receiver, reads: count }) =>
      `${tag === reference ? 'read at' : tag} ${tag === reference ? receiver : ''} ${count}x`,
  )
  const share = `${Math.round(100 * readShare)} %`
  return `${powerDbm.toFixed(2).padStart(6)}  ${String(reads).padStart(6)}  ${share.padStart(7)}  ${words.join(', ').replaceAll('  ', ' ')}\n`
}
