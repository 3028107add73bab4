import { writeFileSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError, Option } from 'commander'

import type { TenantSession } from '../administration.ts'
import {
  badRowsFile,
  exportRows,
  IMPORT_MODES,
  type ImportJob,
  type ImportMode,
  importFlows,
  importHistory,
  importRegistry,
  listJobs,
  REGISTRY_KINDS,
  RefusedFile,
  type RegistryName,
  type RegistryReport,
  showJob,
} from '../imports.ts'
import { systemClock } from '../system-clock.ts'
import { createProgress } from './import-progress.ts'
import { type Common, commandOf, print, wholeNumber } from './options.ts'
import { inTenant } from './tenant-command.ts'

interface InOrg extends Common {
  readonly org?: string
}

interface ImportOptions extends InOrg {
  readonly facility?: string
  readonly zone?: string
  readonly map: readonly string[]
  readonly dryRun: boolean
  readonly partial: boolean
  readonly force: boolean
  readonly errors?: string
}

interface RegistryOptions extends ImportOptions {
  readonly mode: ImportMode
  readonly createParents?: boolean
  readonly invitations?: string
}

interface HistoryOptions extends ImportOptions {
  readonly facility: string
  readonly maxGap: number
  readonly batch: number
}

const NAMES: readonly RegistryName[] = [...(Object.keys(REGISTRY_KINDS) as RegistryName[]), 'users']

/** `biotrakr-cloud import ...` and `export ...`: files in and out, see docs/imports.md. */
export function addImport(cloud: Command): void {
  const group = cloud.command('import').description('take CSV files in, all of a file or nothing (as bt_api)')
  for (const kind of NAMES) addRegistry(group, kind)
  withFile(commandOf(group, 'history <file>', "an older system's locations, with the method MIGRATED"))
    .requiredOption('--facility <code>', 'whose rooms the file names')
    .option(
      '--max-gap <minutes>',
      'a row without span_s counts from the row before, when no more lies between',
      wholeNumber,
      60,
    )
    .option('--batch <rows>', 'rows of one transaction, 1000 to 50000', batchSize, 10_000)
    .action(takeHistory)
  commandOf(group, 'list', 'imports, newest first')
    .option('--org <slug>', 'another organisation than that of the configuration')
    .action(list)
  commandOf(group, 'show <job>', 'one import, and what was wrong in its file')
    .option('--org <slug>', 'another organisation than that of the configuration')
    .action(show)
  cloud
    .command('export <kind>')
    .description(`write CSV as \`import\` takes it: ${NAMES.join(', ')} (as bt_api)`)
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--org <slug>', 'another organisation than that of the configuration')
    .action(writeOut)
}

function addRegistry(group: Command, kind: RegistryName): void {
  const command = withFile(commandOf(group, `${kind} <file>`, `${kind} from CSV`))
    .option('--facility <code>', 'of all rows, where the file has no such column')
    .addOption(
      new Option('--mode <mode>', 'what becomes of rows that are there').choices([...IMPORT_MODES]).default('insert'),
    )
  if (kind === 'rooms') command.option('--create-parents', 'make buildings and floors that are not there', false)
  if (kind === 'users') {
    command.option('--invitations <file>', 'write the codes of new accounts there, with which they set their passwords')
  }
  command.action((file: string, options: RegistryOptions) => takeRegistry(kind, file, options))
}

function withFile(command: Command): Command {
  return command
    .option('--org <slug>', 'another organisation than that of the configuration')
    .option('--map <theirs=ours...>', 'which of our columns one of the file is', [])
    .option('--zone <name>', 'time zone of times that name none, such as Europe/Berlin')
    .option('--dry-run', 'check everything and change nothing', false)
    .option('--partial', 'leave out rows that are wrong, instead of refusing the file', false)
    .option('--force', 'also a file that was imported already', false)
    .option('--errors <file>', 'write the rows that are wrong there, with the reasons')
}

function batchSize(words: string): number {
  const value = wholeNumber(words)
  if (value < 1_000 || value > 50_000) throw new InvalidArgumentError('must be 1000 to 50000')
  return value
}

function namesOf(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs.map((pair) => {
      const at = pair.lastIndexOf('=')
      if (at > 0 && at < pair.length - 1) return [pair.slice(0, at), pair.slice(at + 1)]
      throw new BioTrakrError(`--map ${pair} is not theirs=ours`, {
        code: 'USAGE',
        next: 'Write --map "Asset No=asset_tag".',
      })
    }),
  )
}

async function takeRegistry(kind: RegistryName, path: string, options: RegistryOptions): Promise<void> {
  const { mode, dryRun, partial, force, createParents = false, facility, zone, invitations } = options
  if (kind === 'users' && !dryRun && invitations === undefined) {
    throw new BioTrakrError('It is not said where the codes of new accounts go', {
      code: 'USAGE',
      next: 'Give --invitations FILE, or --dry-run.',
    })
  }
  // Made before anything is written, so that no code is lost.
  if (invitations !== undefined && !dryRun) writeFileSync(invitations, '', { mode: 0o600, flag: 'wx' })
  const progress = createProgress(process.stderr, systemClock, { quiet: options.json })
  const names = namesOf(options.map)
  const wish = { kind, path, mode, dryRun, partial, force, createParents, facility, zone, names }
  const needs = { flows: importFlows(systemClock), nowMs: systemClock.wallMs(), onProgress: progress.show }
  const report = await inOrg(options, (tenant) => importRegistry(tenant, wish, needs))
    .catch((error: unknown) => {
      if (error instanceof RefusedFile) writeErrors(options, error.bad)
      throw error
    })
    .finally(progress.end)
  writeErrors(options, report)
  if (invitations !== undefined && !dryRun) {
    const lines = report.invited.map(({ email, code, until }) => `${email},${code},${until.toISOString()}\r\n`)
    writeFileSync(invitations, ['email,code,until\r\n', ...lines].join(''), { mode: 0o600 })
  }
  const { job, total, ok, inserted, updated, skipped, bad, findings } = report
  const words = `${total} rows: ${inserted} new, ${updated} changed, ${skipped} left as they are, ${bad} wrong`
  print(options.json, { job, total, ok, inserted, updated, skipped, bad, dryRun, errors: findings.list }, [
    dryRun ? `${words}; nothing was changed` : `${words}; job ${job}`,
  ])
}

function writeErrors({ errors }: ImportOptions, bad: Pick<RegistryReport, 'findings' | 'header' | 'cells'>): void {
  if (errors !== undefined) writeFileSync(errors, badRowsFile(bad), { mode: 0o600 })
}

async function takeHistory(path: string, options: HistoryOptions): Promise<void> {
  const { facility, zone, dryRun, partial, force, maxGap, batch, errors } = options
  const progress = createProgress(process.stderr, systemClock, { quiet: options.json })
  const wish = {
    path,
    facility,
    zone,
    dryRun,
    partial,
    force,
    names: namesOf(options.map),
    maxGapMinutes: maxGap,
    batch,
  }
  const needs = { nowMs: systemClock.wallMs(), onProgress: progress.show }
  const report = await inOrg(options, (tenant) => importHistory(tenant, wish, needs))
    .catch((error: unknown) => {
      if (errors !== undefined && error instanceof BioTrakrError && error.details?.['errors']) {
        writeFileSync(errors, `${JSON.stringify(error.details['errors'])}\n`, { mode: 0o600 })
      }
      throw error
    })
    .finally(progress.end)
  const { findings, ...counts } = report
  const { job, total, ok, skipped, bad, legacyTags, resumedAt } = counts
  const resumed = resumedAt > 0 ? `; went on after row ${resumedAt}` : ''
  const words = `${total} rows: ${ok} new, ${skipped} there already, ${bad} wrong; ${legacyTags} assets with a tag of kind legacy`
  print(options.json, { ...counts, dryRun, errors: findings.list }, [
    dryRun ? `${words}; nothing was changed` : `${words}${resumed}; job ${job}`,
  ])
}

async function list({ json, ...options }: InOrg): Promise<void> {
  const jobs = await inOrg(options, ({ read }) => read(listJobs))
  print(json, jobs, jobs.length === 0 ? ['no import'] : jobs.map(lineOf))
}

async function show(id: string, { json, ...options }: InOrg): Promise<void> {
  const job = await inOrg(options, ({ read }) => read((client) => showJob(client, id)))
  const errors = job.errors.map(
    ({ row, column, code, message, value }) => `  row ${row}, ${column}: ${code} ${message}, is "${value}"`,
  )
  print(json, job, [lineOf(job), ...(job.error === null ? [] : [job.error]), ...errors])
}

function lineOf({ id, kind, file, state, total, ok, skipped, bad, startedAt, startedBy }: ImportJob): string {
  const counts = `${total} rows: ${ok} taken, ${skipped} skipped, ${bad} wrong`
  return `${id}  ${startedAt.toISOString()}  ${kind}  ${file}  ${state}  ${counts}  by ${startedBy}`
}

async function writeOut(kind: string, options: Omit<InOrg, 'json'>): Promise<void> {
  const known = NAMES.find((name) => name === kind)
  if (known === undefined) {
    throw new BioTrakrError(`There is no export of "${kind}"`, {
      code: 'USAGE',
      next: `There are: ${NAMES.join(', ')}.`,
    })
  }
  await inOrg(options, ({ read }) =>
    read(async (client) => {
      for await (const text of exportRows(client, known)) process.stdout.write(text)
    }),
  )
}

function inOrg<T>({ config, org }: Omit<InOrg, 'json'>, work: (tenant: TenantSession) => Promise<T>): Promise<T> {
  return inTenant(config, work, { org })
}
