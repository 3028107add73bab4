import { resolve } from 'node:path'

import { BioTrakrError } from '@biotrakr/shared'
import { Command, CommanderError } from 'commander'

import packageFile from '../package.json' with { type: 'json' }
import type { BrokerChoice } from './broker.ts'
import type { PostgresChoice } from './postgres-binaries.ts'

export interface Options {
  /** Seconds from the start of the launcher to the beginning of the stop; undefined = until told. */
  readonly forSeconds: number | undefined
  readonly seed: number
  readonly json: boolean
  /** Folder of a data set to play instead of the simulated ward. */
  readonly replay: string | undefined
  /** Event seconds per second; undefined = chosen to fit. */
  readonly speed: number | undefined
  readonly data: string
  readonly port: number
  readonly postgres: PostgresChoice
  readonly broker: BrokerChoice
}

const HELP = `
Without --replay the readings come from a simulated ward: 8 rooms and a corridor, 10 receivers,
36 Bluetooth tags that move, and 4 beds with a UHF tag that a portal and a bedside reader hear.
A replay ends by itself when the test drive has been played. Ctrl-C ends everything in order; a second one at once.

--json prints one line a second and at the end a summary:
  readings      reports of tags taken in by the agent
  fixes         fixes the gateway's store has given a number in this run
  committed     those of them that are in the database
  lost          record ids of the store that are nowhere in the database, neither as row nor as gap or in quarantine
  duplicated    copies of record ids beyond the first, over all tables
  roomAccuracy  share of tag-seconds in which the stored fixes name the true room; unknown counts as wrong. In the ward
                a Bluetooth tag counts in the whole seconds in which it has rested for 30 s, and a UHF tag, which is mute
                elsewhere, in those in which a reader reaches it; in a replay each tag in those in which it was heard
  ackP99Ms      99th percentile of the time from sending a batch to the word that the database has it
  firstFixMs    from the start of the command (npm and build included) to the first fix in the database

Exit codes:
  0  done, or stopped as asked
  1  failed; the reason and the next step are on standard error
  2  the command line is wrong
  3  something was lost or duplicated`

/** The raw texts; an option without its value is `true`. */
type Raw = Readonly<Record<string, string | boolean | undefined>>

function command(): Command {
  return new Command('npm start --')
    .description(
      'BioTrakr on its embedded default: database, broker, central service and one gateway, on this machine.',
    )
    .option('--for [seconds]', 'end after this time, counted from the start')
    .option('--seed [n]', 'which simulated ward (default: 1)')
    .option('--json', 'one JSON line a second, then a summary line')
    .option('--replay [dir]', 'play the test drive of a data set instead of the simulated ward')
    .option('--speed [x]', 'event seconds per second of a replay (default: what fits into --for, else 10)')
    .option('--data [dir]', 'folder of everything that is kept (default: .biotrakr)')
    .option('--port [n]', 'port of the web page; another one is taken when it is not free (default: 8080)')
    .option('--postgres [which]', 'auto, system or embedded (default: auto)')
    .option('--broker [which]', 'auto, mosquitto or aedes (default: auto)')
    .version(packageFile.version)
    .addHelpText('after', HELP)
    .allowUnknownOption()
    .allowExcessArguments()
    .exitOverride()
}

/**
 * @param words the command line without program names
 * @returns undefined when help or the version was asked for and has been printed
 * @throws BioTrakrError USAGE with every problem
 */
export function readOptions(words: readonly string[]): Options | undefined {
  const program = command()
  try {
    program.parse([...words], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return undefined
    throw error
  }
  const problems = program.args.map((word) => `${word}: unknown`)
  const options = check(program.opts<Raw>(), problems)
  if (problems.length === 0) return options
  const noun = problems.length === 1 ? 'problem' : 'problems'
  throw new BioTrakrError(`the command line has ${problems.length} ${noun}:\n  ${problems.join('\n  ')}\n`, {
    code: 'USAGE',
    next: 'See npm start -- --help.',
  })
}

function check(raw: Raw, problems: string[]): Options {
  const number = (name: string, { min, max, whole }: Range): number | undefined => {
    const text = raw[name]
    if (text === undefined) return undefined
    const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value
    problems.push(`--${name}: must be ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`)
    return undefined
  }
  const word = <T extends string>(name: string, known: readonly [T, ...T[]]): T => {
    const found = known.find((choice) => choice === (raw[name] ?? known[0]))
    if (found === undefined) problems.push(`--${name}: must be one of ${known.join(', ')}`)
    return found ?? known[0]
  }
  const folder = (name: string): string | undefined => {
    const text = raw[name]
    if (text === true || text === '') problems.push(`--${name}: needs a folder`)
    // npm starts its scripts in the project's folder; the user named the path where they stood.
    return typeof text === 'string' ? resolve(process.env['INIT_CWD'] ?? '.', text) : undefined
  }
  const options: Options = {
    forSeconds: number('for', { min: 1, max: 31_536_000, whole: false }),
    seed: number('seed', { min: 0, max: 0xffff_ffff, whole: true }) ?? 1,
    json: raw['json'] === true,
    replay: folder('replay'),
    speed: number('speed', { min: 0.01, max: 10_000, whole: false }),
    data: folder('data') ?? resolve('.biotrakr'),
    port: number('port', { min: 1, max: 65_535, whole: true }) ?? 8080,
    postgres: word('postgres', ['auto', 'system', 'embedded']),
    broker: word('broker', ['auto', 'mosquitto', 'aedes']),
  }
  if (raw['speed'] !== undefined && raw['replay'] === undefined) problems.push('--speed: only goes with --replay')
  return options
}

interface Range {
  readonly min: number
  readonly max: number
  readonly whole: boolean
}
