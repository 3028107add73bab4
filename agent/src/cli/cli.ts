import { BioTrakrError, explainError } from '@biotrakr/shared'
import { Command, CommanderError, InvalidArgumentError } from 'commander'

import { softwareVersion } from '../version.ts'
import { addCalibrateCommand } from './calibrate.ts'
import { addConfigCommand } from './config.ts'
import { addDecodeCommand } from './decode.ts'
import { addDoctorCommand } from './doctor.ts'
import { addEnrollCommand } from './enroll.ts'
import { addEvaluateCommand } from './evaluate.ts'
import { addExplainCommand } from './explain.ts'
import { addOutboxCommand } from './outbox.ts'
import { addProfilesCommand } from './profiles.ts'
import { addReadersCommand } from './readers.ts'
import { addRecordCommand, count, megabytes, oneOf } from './record.ts'
import { type ReplayOptions, replay } from './replay.ts'
import { runAgent } from './run.ts'
import { addSimulateCommand } from './simulate.ts'
import { addSniffCommand } from './sniff.ts'
import { addUpdateCommand } from './update.ts'

const EXIT_CODES = `
Exit codes:
  0  done, or stopped as asked
  1  failed; the reason and the next step are on standard error
  2  the command line or the configuration is wrong`

/** Codes that mean "you wrote something wrong", as opposed to "something went wrong". */
const WRONG_INPUT = new Set([
  'CALIBRATION_INVALID',
  'CONFIG_INVALID',
  'CONFIG_UNREADABLE',
  'ENROL_CODE',
  'PORT_ADDRESS',
  'PROFILE_INVALID',
  'READER_SETTINGS',
  'SURVEY_JOURNAL',
  'USAGE',
])

function program(exitWith: (code: number) => void): Command {
  const biotrakr = new Command('biotrakr')
    .description('The BioTrakr gateway agent: hears tags, finds rooms, keeps every fix until the centre has it.')
    .version(softwareVersion)
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
  biotrakr
    .command('run')
    .description('run the agent until it is told to stop (Ctrl-C or SIGTERM)')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--flush-seconds <n>', 'how long a stop may wait for the centre to take what is left', seconds, 10)
    .option('--record <file>', 'also write a capture of the run, for biotrakr replay')
    .option('--record-megabytes <n>', 'most megabytes of one file of it', megabytes, 256)
    .option('--record-files <n>', 'keep so many files of it, the oldest goes; without it a full file is the end', count)
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that the agent ends with its parent', false)
    .action(runAgent)
  biotrakr
    .command('replay')
    .description('give the answers of a capture again, or say what is in a BLE recording')
    .argument('[captures...]', 'files of biotrakr record or run --record, of one run and in order')
    .option(
      '--only <kind>',
      'place: the answer of every window; record: what entered the ledger',
      oneOf(['place', 'record']),
    )
    .option('--ble <file>', 'BLE capture, one JSON object a line (t_us, chan, rssi, pdu, addr, addrType, adv)')
    .option('--allow <tag...>', 'canonical identities to accept, such as ble:c30000123456', [])
    .option('--json', 'one JSON document instead of plain lines; of captures, the summary', false)
    .action(async (captures: string[], options: ReplayOptions) => exitWith(await replay(captures, options)))
  addRecordCommand(biotrakr, exitWith)
  addCalibrateCommand(biotrakr, exitWith)
  addConfigCommand(biotrakr, exitWith)
  addDecodeCommand(biotrakr)
  addEvaluateCommand(biotrakr)
  addExplainCommand(biotrakr)
  addSniffCommand(biotrakr)
  addDoctorCommand(biotrakr, exitWith)
  addEnrollCommand(biotrakr)
  addOutboxCommand(biotrakr, exitWith)
  addProfilesCommand(biotrakr)
  addReadersCommand(biotrakr)
  addSimulateCommand(biotrakr)
  addUpdateCommand(biotrakr)
  for (const command of biotrakr.commands) {
    for (const inner of [command, ...command.commands]) inner.exitOverride()
  }
  return biotrakr
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0 || value > 3600) throw new InvalidArgumentError('must be 0 to 3600 seconds')
  return value
}

/**
 * Runs one command line.
 * @returns the exit code; never throws
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  let code = 0
  const exitWith = (wished: number) => {
    code = wished
  }
  try {
    await program(exitWith).parseAsync([...argv])
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`biotrakr: ${explainError(error)}\n`)
    return error instanceof BioTrakrError && WRONG_INPUT.has(error.code) ? 2 : 1
  }
}
