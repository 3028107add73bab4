import { BioTrakrError, explainError } from '@biotrakr/shared'
import { Command, CommanderError } from 'commander'

import { softwareVersion } from '../version.ts'
import { runIngest } from './ingest.ts'
import { runMigrations, showMigrations } from './migrate.ts'
import { importSite } from './site.ts'

const EXIT_CODES = `
Exit codes:
  0  done, or stopped as asked
  1  failed; the reason and the next step are on standard error
  2  the command line or the configuration is wrong`

/** Codes that mean "you wrote something wrong", as opposed to "something went wrong". */
const WRONG_INPUT = new Set(['CONFIG_INVALID', 'CONFIG_UNREADABLE', 'SITE_INVALID', 'USAGE'])

function program(): Command {
  const cloud = new Command('biotrakr-cloud')
    .description('The BioTrakr centre: takes batches from gateways, keeps the history, serves it.')
    .version(softwareVersion)
    .addHelpText('after', EXIT_CODES)
  addMigrate(cloud)
  addIngest(cloud)
  addSite(cloud)
  quitByThrowing(cloud)
  return cloud
}

function withConfig(command: Command): Command {
  return command.requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
}

function addMigrate(cloud: Command): void {
  const group = cloud.command('migrate').description('bring the database schema up to date (as its owner)')
  withConfig(group.command('deploy', { isDefault: true }).description('apply what is pending')).action(runMigrations)
  withConfig(group.command('status').description('say which migrations are applied'))
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(showMigrations)
}

function addIngest(cloud: Command): void {
  withConfig(cloud.command('ingest').description('take batches from the broker into the database (as bt_ingest)'))
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that it ends with its parent', false)
    .action(runIngest)
}

function addSite(cloud: Command): void {
  const group = cloud.command('site').description('what the centre knows of a building (as the owner)')
  withConfig(group.command('import <file>').description('register organisation, facility, rooms, gateways and tags'))
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(importSite)
}

function quitByThrowing(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) quitByThrowing(child)
}

/**
 * Runs one command line.
 * @returns the exit code; never throws
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv])
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`biotrakr-cloud: ${explainError(error)}\n`)
    return error instanceof BioTrakrError && WRONG_INPUT.has(error.code) ? 2 : 1
  }
}
