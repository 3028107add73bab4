import { BioTrakrError, explainError } from '@biotrakr/shared'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'

import { softwareVersion } from '../version.ts'
import { addAccounts, addRoles, addSecurityPolicy } from './accounts.ts'
import { addAlerts } from './alerts.ts'
import { addAssets } from './assets.ts'
import { addAudit } from './audit.ts'
import { addBackupCommands } from './backup.ts'
import { addCaCommands } from './ca.ts'
import { DOCTOR_EXIT_CODES, runDoctor } from './doctor.ts'
import { runEnroll } from './enroll.ts'
import { acceptGatewayStore, addGateway, listGateways, revokeGateways } from './gateways.ts'
import { addImport } from './import.ts'
import { addIncidents } from './incidents.ts'
import { runIngest } from './ingest.ts'
import { addInit } from './init.ts'
import { addKeys } from './keys.ts'
import { addMaintain } from './maintain.ts'
import { runMigrations, showMigrations, verifySchema } from './migrate.ts'
import { addPeople } from './people.ts'
import { discardEntries, listEntries, retryEntries, showEntry } from './quarantine.ts'
import { addRecalls } from './recalls.ts'
import { addRelease, listReleases } from './release.ts'
import { addReports } from './reports.ts'
import { addHold, addRetention } from './retention.ts'
import { addSeed } from './seed.ts'
import { runServe } from './serve.ts'
import { addSite } from './site.ts'
import { addTags } from './tags.ts'
import { addTransfers } from './transfers.ts'
import { addWhere } from './where.ts'
import { addWorkOrders } from './work-orders.ts'

const EXIT_CODES = `
Exit codes:
  0  done, or stopped as asked
  1  failed; the reason and the next step are on standard error
  2  the command line or the configuration is wrong`

/** Codes that mean "you wrote something wrong", as opposed to "something went wrong". */
const WRONG_INPUT = new Set(['CONFIG_INVALID', 'CONFIG_UNREADABLE', 'INPUT_INVALID', 'SITE_INVALID', 'USAGE'])

function program(): Command {
  const cloud = new Command('biotrakr-cloud')
    .description('The BioTrakr centre: takes batches from gateways, keeps the history, serves it.')
    .version(softwareVersion)
    // `--version` of a command is its own.
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES)
  addInit(cloud)
  addMigrate(cloud)
  addIngest(cloud)
  addServe(cloud)
  addEnroll(cloud)
  addCaCommands(cloud)
  addSeed(cloud)
  addSite(cloud)
  addGateways(cloud)
  addQuarantine(cloud)
  addAssets(cloud)
  addWorkOrders(cloud)
  addRecalls(cloud)
  addTransfers(cloud)
  addTags(cloud)
  addImport(cloud)
  addWhere(cloud)
  addMaintain(cloud)
  addBackupCommands(cloud)
  addDoctor(cloud)
  addReleases(cloud)
  addAccounts(cloud)
  addRoles(cloud)
  addSecurityPolicy(cloud)
  addAudit(cloud)
  addRetention(cloud)
  addHold(cloud)
  addIncidents(cloud)
  addPeople(cloud)
  addKeys(cloud)
  addReports(cloud)
  addAlerts(cloud)
  quitByThrowing(cloud)
  return cloud
}

function addDoctor(cloud: Command): void {
  withJson(withConfig(cloud.command('doctor')))
    .description('look for what keeps a process of the centre from its work, and say how to mend it; changes nothing')
    .addHelpText('after', DOCTOR_EXIT_CODES)
    .action(runDoctor)
}

function withConfig(command: Command): Command {
  return command.requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
}

function withJson(command: Command): Command {
  return command.option('--json', 'one JSON document instead of plain lines', false)
}

function addMigrate(cloud: Command): void {
  const group = cloud.command('migrate').description('bring the database schema up to date (as its owner)')
  withConfig(group.command('deploy', { isDefault: true }).description('apply what is pending'))
    .option('--login <login=file...>', 'then set the passwords of these logins from files, as SCRAM verifiers', [])
    .action(runMigrations)
  withJson(withConfig(group.command('status').description('say which migrations are applied'))).action(showMigrations)
  withJson(withConfig(group.command('verify')))
    .description('compare the database with what the migrations make in a scratch database')
    .action(verifySchema)
}

function addIngest(cloud: Command): void {
  withConfig(cloud.command('ingest').description('take batches from the broker into the database (as bt_ingest)'))
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that it ends with its parent', false)
    .action(runIngest)
}

function addServe(cloud: Command): void {
  withConfig(cloud.command('serve').description("answer for one organisation's positions over HTTP (as bt_api)"))
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that it ends with its parent', false)
    .action(runServe)
}

function addEnroll(cloud: Command): void {
  withConfig(cloud.command('enroll').description('give out, renew and revoke certificates of gateways (as bt_ca)'))
    .option('--stop-on-stdin-end', 'also stop when standard input ends, so that it ends with its parent', false)
    .action(runEnroll)
}

function addReleases(cloud: Command): void {
  const group = cloud
    .command('release')
    .description("releases of the agent that gateways may take (serve's configuration)")
  withConfig(
    group.command('add <folder>').description('let gateways have a release that npm run package wrote'),
  ).action(addRelease)
  withJson(withConfig(group.command('list').description('which there are, newest first'))).action(listReleases)
}

function addGateways(cloud: Command): void {
  const group = cloud
    .command('gateways')
    .description('boxes that may send, and which of two is believed (as bt_ingest; add and revoke as bt_ca)')
  withJson(withConfig(group.command('list', { isDefault: true }).description('every gateway and its stores')))
    .option('--gateway <name>', 'only this gateway')
    .action(listGateways)
  withJson(withConfig(group.command('add <name>').description('print a code with which one box can enrol, once')))
    .option('--org <slug>', 'organisation of a new gateway')
    .option('--facility <code>', 'facility of a new gateway')
    .action(addGateway)
  withJson(withConfig(group.command('revoke <names...>').description('take nothing from them any more'))).action(
    revokeGateways,
  )
  withJson(withConfig(group.command('accept-store <gateway> <store>')))
    .description('from now on this store is the gateway: after a box was replaced, or to settle a twin alarm')
    .action(acceptGatewayStore)
}

function addQuarantine(cloud: Command): void {
  const group = cloud.command('quarantine').description('records and batches that could not be stored (as bt_ingest)')
  withJson(withConfig(group.command('list').description('what is there, oldest first')))
    .option('--gateway <name>', 'only of this gateway')
    .addOption(new Option('--state <state>', 'which entries').choices(['new', 'replayed', 'discarded']).default('new'))
    .option('--limit <n>', 'at most this many, 1 to 1000', wholeNumber, 100)
    .option('--after <id>', 'only entries with a greater id', wholeNumber, 0)
    .action(listEntries)
  withJson(withConfig(group.command('show').description('one entry, and what can be read of it')))
    .argument('<id>', 'id as `list` says it', wholeNumber)
    .action(showEntry)
  withJson(withConfig(group.command('retry').description('store what can be stored by now, for example known tags')))
    .argument('[ids...]', 'ids as `list` says them', wholeNumbers)
    .option('--all', 'all entries that wait', false)
    .option('--any-time', 'take event times outside the accepted window as they are', false)
    .action((ids: number[] | undefined, options) => retryEntries(ids ?? [], options))
  withJson(
    withConfig(group.command('discard').description('let entries go that nobody wants stored; they stay readable')),
  )
    .argument('<ids...>', 'ids as `list` says them', wholeNumbers)
    .action(discardEntries)
}

function wholeNumber(text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(value)) throw new InvalidArgumentError('must be a whole number')
  return value
}

function wholeNumbers(text: string, before: number[] | undefined): number[] {
  return [...(before ?? []), wholeNumber(text)]
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
    // A command that did its work and found something amiss has set the code itself.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`biotrakr-cloud: ${explainError(error)}\n`)
    return error instanceof BioTrakrError && WRONG_INPUT.has(error.code) ? 2 : 1
  }
}
