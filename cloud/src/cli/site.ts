import { writeFileSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { stringify } from 'yaml'

import { databaseAccess } from '../access.ts'
import {
  applySite,
  compareMaps,
  exportSite,
  listFacilities,
  listMaps,
  parseSiteFile,
  readMap,
  type SiteApplied,
  withPool,
} from '../administration.ts'
import { readConfig } from '../config.ts'
import { publishSiteMap, showSiteKey, showSiteToken } from './site-publish.ts'
import { inTenant, operatorName } from './tenant-command.ts'

/** `biotrakr-cloud site ...` */
export function addSite(cloud: Command): void {
  const group = cloud.command('site').description('what the centre knows of a building, and what gateways get of it')
  addFacilityCommands(group)
  addMapCommands(group)
  withConfig(group.command('key'))
    .description('make the key that sites are signed with, where there is none, and print what gateways pin')
    .action(showSiteKey)
  withConfig(group.command('token <gateway>'))
    .description('print the token with which this gateway fetches its site (configuration of serve)')
    .action(showSiteToken)
}

function addFacilityCommands(group: Command): void {
  withJson(withConfig(group.command('setup')))
    .description('register a facility with the departments that one begins with (as the owner)')
    .requiredOption('--org <slug>', 'organisation; made where there is none')
    .requiredOption('--facility <code>', 'short name of the facility')
    .requiredOption('--time-zone <zone>', 'for example Europe/Berlin')
    .option('--org-name <name>', 'name of the organisation; otherwise its slug')
    .option('--name <name>', 'name of the facility; otherwise its code')
    .action(setUpFacility)
  withJson(withConfig(group.command('import <file>')))
    .description('register a facility and all that the file says of it, or nothing (as the owner)')
    .action(importSite)
  withJson(withConfig(group.command('export <facility>')))
    .description('write a facility as a site file, which can be imported again (as bt_api)')
    .option('--out <file>', 'where to; otherwise standard output')
    .action(writeSite)
  withJson(withConfig(group.command('facilities').description('list the facilities (as bt_api)'))).action(
    showFacilities,
  )
}

function addMapCommands(group: Command): void {
  withJson(withConfig(group.command('publish [map]')))
    .description('sign what gateways work with: the map of the facility as stored, or a site map written by hand')
    .option('--facility <code>', 'for all gateways of this facility, from the database (as bt_api)')
    .option('--gateway <name>', 'for this gateway only; with a map also as bt_ingest')
    .option('--survey <file>', 'site map whose survey is taken over; otherwise that of the version before stays')
    .option('--note <text>', 'why, for whoever reads the versions')
    .addOption(new Option('--version <n>', 'go back to this version').argParser(wholeNumber))
    .option('--profile <file...>', 'reader profiles to send along, named by their files', [])
    .action(publishSiteMap)
  withJson(withConfig(group.command('versions <facility>')))
    .description('list the published maps, the newest first (as bt_api)')
    .action(showVersions)
  withJson(withConfig(group.command('diff <facility>')))
    .description('say what one published map says differently from another (as bt_api)')
    .argument('<from>', 'version', wholeNumber)
    .argument('<to>', 'version', wholeNumber)
    .action(showDifference)
}

function withConfig(command: Command): Command {
  return command.requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
}

function withJson(command: Command): Command {
  return command.option('--json', 'one JSON document instead of plain lines', false)
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number')
}

interface Common {
  readonly config: string
  readonly json: boolean
}

interface SetUpOptions extends Common {
  readonly org: string
  readonly orgName?: string
  readonly facility: string
  readonly name?: string
  readonly timeZone: string
}

async function setUpFacility({ config, json, org, orgName, facility, name, timeZone }: SetUpOptions): Promise<void> {
  const access = databaseAccess(readConfig(config), 'biotrakr-site')
  const site = {
    org: { slug: org, name: orgName ?? org },
    facility: { code: facility, name: name ?? facility, timeZone },
  }
  const options = { actor: operatorName(), withDefaults: true }
  printApplied(await withPool(access, (pool) => applySite(pool, site, options)), json)
}

async function importSite(file: string, { config, json }: Common): Promise<void> {
  const access = databaseAccess(readConfig(config), 'biotrakr-site')
  const site = parseSiteFile(file)
  printApplied(await withPool(access, (pool) => applySite(pool, site, { actor: operatorName() })), json)
}

function printApplied(result: SiteApplied, json: boolean): void {
  const { created, updated, unchanged } = result
  print(json ? JSON.stringify(result) : `${created} created, ${updated} updated, ${unchanged} unchanged`)
}

async function writeSite(facility: string, { config, json, out }: Common & { readonly out?: string }): Promise<void> {
  const site = await inTenant(config, ({ read }) => read((client) => exportSite(client, facility)))
  const text = json ? JSON.stringify(site, null, 2) : stringify(site).trimEnd()
  if (out === undefined) print(text)
  else writeWhole(out, `${text}\n`)
}

function writeWhole(file: string, text: string): void {
  try {
    // Nobody's file is overwritten by a slip.
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new BioTrakrError(`cannot write ${file}`, {
      code: 'USAGE',
      next: 'Name a file that is not there yet, in a folder that you may write to.',
      cause,
    })
  }
}

async function showFacilities({ config, json }: Common): Promise<void> {
  const facilities = await inTenant(config, ({ read }) => read(listFacilities))
  if (json) print(JSON.stringify(facilities))
  else if (facilities.length === 0) print('no facility is registered')
  for (const { code, name, time_zone: zone, map_version: version } of json ? [] : facilities) {
    print(`${code}  ${name}  ${zone}  ${version === null ? 'no map published' : `map ${version}`}`)
  }
}

async function showVersions(facility: string, { config, json }: Common): Promise<void> {
  const versions = await inTenant(config, ({ read }) => read((client) => listMaps(client, facility)))
  if (json) print(JSON.stringify(versions))
  else if (versions.length === 0) print('nothing was published')
  for (const { version, isCurrent, publishedAt, publishedBy, sha256, note } of json ? [] : versions) {
    const mark = isCurrent ? '  in force' : ''
    print(
      `${version}  ${publishedAt.toISOString()}  ${publishedBy}  ${sha256.slice(0, 16)}${mark}${note ? `  ${note}` : ''}`,
    )
  }
}

async function showDifference(facility: string, from: number, to: number, { config, json }: Common): Promise<void> {
  const changes = await inTenant(config, ({ read }) =>
    read(async (client) =>
      compareMaps(await readMap(client, { facility, version: from }), await readMap(client, { facility, version: to })),
    ),
  )
  if (json) return print(JSON.stringify(changes))
  if (Object.keys(changes).length === 0) return print('both say the same')
  for (const [list, { added, removed, changed }] of Object.entries(changes)) {
    for (const [sign, names] of [['+', added] as const, ['-', removed] as const, ['~', changed] as const]) {
      for (const name of names) print(`${sign} ${list}  ${name}`)
    }
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
