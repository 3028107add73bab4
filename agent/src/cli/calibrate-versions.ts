import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { type CalibrationDiff, compareCalibrations, readCalibration, writeCalibration } from '../calibrate.ts'
import { dateWords, noteOf, openSite, type SiteOptions, whoami, withSite } from './calibrate-site.ts'

interface VersionOptions extends SiteOptions {
  readonly json: boolean
  readonly note: string
}

/** `biotrakr calibrate versions | export | import | diff | rollback`. */
export function addVersionCommands(calibrate: Command): void {
  const add = (name: string, description: string): Command => withSite(calibrate.command(name).description(description))
  add('versions', 'list the versions of the calibration')
    .option('--json', 'one JSON array instead of plain lines', false)
    .action(list)
  add('export', 'write a version to a file, for another gateway or for safe keeping')
    .argument('<file>', 'file to write; - for standard output')
    .option('--version-number <n>', 'this version instead of the one that counts', version)
    .action(exportVersion)
  add('import', 'take a file that export has written as a new version')
    .argument('<file>')
    .option('--note <text>', 'why, for the list of versions', '')
    .action(importVersion)
  add('diff', 'say what changed between two versions')
    .argument('<before>', 'number of a version', version)
    .argument('[after]', 'number of another; without it the one that counts', version)
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(diff)
  add('rollback', 'let an earlier version count again; nothing is deleted')
    .argument('[version]', 'number of the version; without it the one that the current was made from', version)
    .option('--note <text>', 'why, for the record', '')
    .action(rollback)
}

function version(text: string): number {
  const value = Number(text.replace(/^v/, ''))
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('must be the number of a version, such as 3')
  return value
}

const NOTHING = 'There is no calibration yet: run biotrakr calibrate survey, then fit.'

function list(options: VersionOptions): void {
  const versions = openSite(options).store.list()
  if (options.json) {
    process.stdout.write(`${JSON.stringify(versions)}\n`)
    return
  }
  if (versions.length === 0) process.stdout.write(`${NOTHING}\n`)
  for (const { version: number, isCurrent, atMs, by, note, hash, rooms, places } of versions) {
    const mark = isCurrent ? '*' : ' '
    const words = `${dateWords(atMs)}  ${hash.slice(0, 12)}  ${rooms} rooms, ${places} places  by ${by}`
    process.stdout.write(`${mark} ${String(number).padStart(4)}  ${words}${note === '' ? '' : `: ${note}`}\n`)
  }
}

function exportVersion(file: string, options: SiteOptions & { readonly versionNumber?: number }): void {
  const { store } = openSite(options)
  const { versionNumber } = options
  const calibration = versionNumber === undefined ? store.current() : store.load(versionNumber)
  if (!calibration) throw noCalibration()
  if (file === '-') process.stdout.write(`${JSON.stringify(calibration)}\n`)
  else {
    writeCalibration(file, calibration)
    process.stdout.write(`Version ${calibration.version} written to ${file}\n`)
  }
}

function noCalibration(): BioTrakrError {
  return new BioTrakrError('there is no calibration yet', {
    code: 'NOT_FOUND',
    next: 'Run biotrakr calibrate survey, then fit.',
  })
}

function importVersion(file: string, options: VersionOptions): void {
  const { map, store } = openSite(options)
  const { places, survey, mapVersion, hash, by, version: theirs } = readCalibration(file)
  const note = noteOf(options.note || `imported from ${file}: version ${theirs} by ${by}`)
  const parent = store.current()?.version ?? null
  const made = store.add({ places, survey, mapVersion, parent, by: whoami(), note, atMs: Date.now() })
  const rooms = new Set(map.rooms.map(({ id }) => id))
  const strange = [...new Set(places.map(({ room }) => room))].filter((room) => !rooms.has(room))
  const words = strange.length === 0 ? '' : `Rooms that this map lacks are passed over: ${strange.join(', ')}\n`
  process.stdout.write(`Version ${made.version} is now what ${file} holds (${hash.slice(0, 12)}).\n${words}`)
  process.stdout.write('Next: biotrakr calibrate fit, to fit it to this map; restart the agent to use it.\n')
}

function diff(before: number, after: number | undefined, options: VersionOptions): void {
  const { map, store } = openSite(options)
  const [a, b] = [store.load(before), after === undefined ? store.current() : store.load(after)]
  if (!b) throw noCalibration()
  const changes = compareCalibrations(map, a, { after: b })
  process.stdout.write(options.json ? `${JSON.stringify(changes)}\n` : diffLines(changes))
}

const MOVED_SHOWN = 20

function diffLines({ from, to, isSame, rooms, moved }: CalibrationDiff): string {
  const lines = [`From version ${from} to ${to}:`]
  if (isSame) lines.push('  no difference: the content is the same')
  for (const { room, places, sure } of rooms) {
    const counts = places[0] === places[1] ? `${places[1]} places` : `${places[0]} -> ${places[1]} places`
    lines.push(`  ${room.padEnd(20)} ${counts.padEnd(18)} ${share(sure[0])} -> ${share(sure[1])} sure of it`)
  }
  if (moved.length > 0) lines.push('  sounds different by 3 dB or more:')
  for (const { room, receiver, db } of moved.slice(0, MOVED_SHOWN)) {
    lines.push(`    ${room} at ${receiver}: ${db > 0 ? '+' : ''}${db.toFixed(1)} dB`)
  }
  if (moved.length > MOVED_SHOWN) lines.push(`    and ${moved.length - MOVED_SHOWN} more`)
  return `${lines.join('\n')}\n`
}

const share = (value: number | null): string => (value === null ? 'not surveyed' : `${Math.round(100 * value)} %`)

function rollback(wanted: number | undefined, options: VersionOptions): void {
  const { store } = openSite(options)
  const target = wanted ?? store.current()?.parent
  if (target === undefined || target === null) {
    throw new BioTrakrError('there is no earlier version to go back to', {
      code: 'NOT_FOUND',
      next: 'biotrakr calibrate versions lists what is there.',
    })
  }
  store.use(target, { by: whoami(), note: noteOf(options.note), atMs: Date.now() })
  process.stdout.write(`Version ${target} counts now. Restart the agent to use it.\n`)
}
