import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { BioTrakrError, explainError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'

import { databaseAccess } from '../access.ts'
import {
  drillRestore,
  listBackups,
  makeBackup,
  noteBackup,
  type Restored,
  restoreBackup,
  runDaily,
} from '../administration.ts'
import { type CloudConfig, readConfig, readSecret } from '../config.ts'
import { systemClock } from '../system-clock.ts'
import { askedToStop } from './stop.ts'

interface BackupCommand {
  readonly config: string
  readonly json: boolean
}

interface RestoreCommand extends BackupCommand {
  readonly into?: string
  readonly drill: boolean
}

const KEY_BYTES = 32
const MIB = 1_048_576

/** `biotrakr-cloud backup` and `restore`. */
export function addBackupCommands(cloud: Command): void {
  const group = cloud.command('backup').description('encrypted backups of the database (as bt_backup)')
  withOptions(group.command('make', { isDefault: true }))
    .description('dump, encrypt, read through, and let the old ones go')
    .action(runBackup)
  group
    .command('daily')
    .description('make one every day, until told to stop; one that was missed or failed is made up for')
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--at <time>', 'time of day in UTC', minuteOfDay, minuteOfDay('01:30'))
    .action(runBackups)
  withOptions(group.command('list')).description('which there are, newest first').action(showBackups)
  group
    .command('key')
    .description('make the key of the backups where there is none; keep a copy away from this machine')
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .action(makeKey)
  withOptions(cloud.command('restore [file]'))
    .description('restore a backup into an empty database and compare it with what was dumped (as a superuser)')
    .option('--into <database>', 'name of the database; it is made where it is not there')
    .option('--drill', 'restore the newest backup into a scratch database, report, and drop it', false)
    .action(runRestore)
}

function withOptions(command: Command): Command {
  return command
    .requiredOption('-c, --config <file>', 'configuration file of this process (YAML)')
    .option('--json', 'one JSON document instead of plain lines', false)
}

async function runBackup({ config: file, json }: BackupCommand): Promise<void> {
  const { made, said } = await makeAndNote(file)
  const removed = made.removed.length > 0 ? `; ${made.removed.length} old ones removed` : ''
  process.stdout.write(json ? `${JSON.stringify(made)}\n` : `${said}${removed}\n`)
}

/** The one that is listed newest is whole: a backup gets its name when it has been read through. */
async function runBackups({ config: file, at }: { readonly config: string; readonly at: number }): Promise<void> {
  const config = readConfig(file)
  const { folder } = backupOf(config, file)
  const log = pino({ name: 'biotrakr-backup', level: config.log.level })
  const stop = new AbortController()
  const asked = askedToStop(false).then(() => stop.abort())
  log.info({ event: 'backup.waiting', minuteOfDay: at }, 'a backup is made every day')
  await runDaily({
    clock: systemClock,
    minuteOfDay: at,
    stop: stop.signal,
    wait: (ms) => pause(ms, undefined, { signal: stop.signal }).catch(() => undefined),
    lastDone: async () => {
      const newest = (await listBackups(folder))[0]
      return newest && Date.parse(newest.createdAt)
    },
    run: async () => {
      try {
        const { said, made } = await makeAndNote(file)
        log.info({ event: 'backup.made', file: made.file, bytes: made.bytes, removed: made.removed.length }, said)
        return true
      } catch (error) {
        log.error({ event: 'backup.failed', reason: explainError(error) }, 'no backup was made; it is tried again')
        return false
      }
    },
  })
  await asked
}

async function makeAndNote(file: string) {
  const config = readConfig(file)
  const { folder, keyFile, keepDays, keepMonths, toolFolder } = backupOf(config, file)
  const database = databaseAccess(config, 'biotrakr-backup')
  const options = { database, folder, key: readKey(keyFile), keepDays, keepMonths, toolFolder, clock: systemClock }
  try {
    const made = await makeBackup(options)
    const said = `${basename(made.file)}, ${(made.bytes / MIB).toFixed(1)} MiB, ${made.rows} rows`
    await noteBackup(database, { job: 'backup', ok: true, said, rows: made.rows, oldestKeptAt: made.oldestKeptAt })
    return { made, said }
  } catch (error) {
    const failed = { job: 'backup', ok: false, said: explainError(error), rows: null } as const
    await noteBackup(database, failed).catch(() => undefined)
    throw error
  }
}

function minuteOfDay(text: string): number {
  const found = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (!found) throw new InvalidArgumentError('a time of day such as 01:30')
  return Number(found[1]) * 60 + Number(found[2])
}

async function showBackups({ config: file, json }: BackupCommand): Promise<void> {
  const backups = await listBackups(backupOf(readConfig(file), file).folder)
  if (json) process.stdout.write(`${JSON.stringify(backups)}\n`)
  else {
    for (const { createdAt, file: path, bytes, server, extension } of backups) {
      const made = extension === null ? `PostgreSQL ${server}` : `PostgreSQL ${server}, TimescaleDB ${extension}`
      process.stdout.write(`${createdAt}  ${(bytes / MIB).toFixed(1).padStart(9)} MiB  ${made}  ${path}\n`)
    }
  }
}

function makeKey({ config: file }: { readonly config: string }): void {
  const { keyFile } = backupOf(readConfig(file), file)
  if (existsSync(keyFile)) {
    readKey(keyFile)
    process.stdout.write(`${keyFile} is there already\n`)
    return
  }
  writeFileSync(keyFile, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o400, flag: 'wx' })
  process.stdout.write(`${keyFile} was made. Without it no backup can be opened: keep a copy away from this machine.\n`)
}

async function runRestore(
  file: string | undefined,
  { config: path, json, into, drill }: RestoreCommand,
): Promise<void> {
  const config = readConfig(path)
  const { folder, keyFile, toolFolder } = backupOf(config, path)
  const database = databaseAccess(config, 'biotrakr-restore')
  const chosen = file ?? (drill ? (await listBackups(folder))[0]?.file : undefined)
  if (chosen === undefined || drill === (into !== undefined)) throw usage(drill)
  const options = { file: chosen, key: readKey(keyFile), database, toolFolder }
  if (!drill) return report(await restoreBackup({ ...options, database: { ...database, database: into ?? '' } }), json)
  const name = `biotrakr_drill_${randomBytes(4).toString('hex')}`
  try {
    const restored = await drillRestore(options, name)
    const ok = restored.differences.length === 0
    const said = ok ? `${basename(chosen)} is whole` : restored.differences.join('; ')
    await noteBackup(database, { job: 'restore-drill', ok, said, rows: restored.rows })
    report(restored, json)
  } catch (error) {
    const failed = { job: 'restore-drill', ok: false, said: explainError(error), rows: null } as const
    await noteBackup(database, failed).catch(() => undefined)
    throw error
  }
}

function report(restored: Restored, json: boolean): void {
  const { header, rows, tables, differences } = restored
  if (json) process.stdout.write(`${JSON.stringify(restored)}\n`)
  else {
    process.stdout.write(`made ${header.createdAt} of ${header.database}: ${rows} rows in ${tables} tables\n`)
    for (const difference of differences) process.stdout.write(`DIFFERS  ${difference}\n`)
    if (differences.length === 0) process.stdout.write('equal in rows, contents, policies, grants and functions\n')
  }
  if (differences.length > 0) process.exitCode = 1
}

function backupOf(config: CloudConfig, file: string): NonNullable<CloudConfig['backup']> {
  if (config.backup) return config.backup
  throw new BioTrakrError(`${file} has no section "backup"`, {
    code: 'CONFIG_INVALID',
    next: 'Add `backup` with `folder` and `keyFile`.',
  })
}

function readKey(file: string): Uint8Array {
  const key = Buffer.from(readSecret(file), 'base64')
  if (key.length === KEY_BYTES) return key
  throw new BioTrakrError(`${file} holds no key of ${KEY_BYTES} bytes in base64`, {
    code: 'CONFIG_INVALID',
    next: 'Make one with `biotrakr-cloud backup key`, or name the right file.',
  })
}

function usage(drill: boolean): BioTrakrError {
  return drill
    ? new BioTrakrError('there is no backup to try, or --into was given as well', {
        code: 'USAGE',
        next: 'Make one with `biotrakr-cloud backup`; --drill chooses its own database.',
      })
    : new BioTrakrError('which backup, and into which database?', {
        code: 'USAGE',
        next: 'Write `biotrakr-cloud restore FILE --into NAME`, or `--drill`.',
      })
}
