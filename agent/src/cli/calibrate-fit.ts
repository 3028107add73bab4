import type { Command } from 'commander'

import { type Fitted, fitCalibration } from '../calibrate.ts'
import { archiveJournal, journalFile, readJournal } from '../survey-journal.ts'
import { lockSurvey } from '../survey-lock.ts'
import { noteOf, openSite, type SiteOptions, whoami, withSite } from './calibrate-site.ts'

interface FitOptions extends SiteOptions {
  readonly add: boolean
  readonly note: string
  readonly json: boolean
}

const RULE = `
A room that was walked since the last fit loses its earlier places (with --add it keeps them); every other room keeps
what it had. Without any survey the calibration is empty, and rooms are found from the site map alone. Each fit is a new
version; the agent takes the newest at its next start.`

/** `biotrakr calibrate fit`: makes a version of what was walked. */
export function addFitCommand(calibrate: Command): void {
  const command = calibrate
    .command('fit')
    .description('make a new version of the calibration from the survey and the version before it')
    .option('--add', 'add to the places of a room that was walked again, instead of replacing them', false)
    .option('--note <text>', 'why, for the list of versions', '')
    .option('--json', 'one JSON document instead of plain lines', false)
    .addHelpText('after', RULE)
    .action(fit)
  withSite(command)
}

function fit(options: FitOptions): void {
  const { map, store } = openSite(options)
  const atMs = Date.now()
  const release = lockSurvey(store.dir, { by: whoami(), nowMs: atMs })
  try {
    const file = journalFile(store.dir)
    const { places, broken } = readJournal(file)
    const began = performance.now()
    const note = noteOf(options.note)
    const fitted = fitCalibration({ map, store, walked: places, add: options.add, by: whoami(), note, atMs })
    const seconds = (performance.now() - began) / 1000
    archiveJournal(file, fitted.calibration.version)
    if (options.json) process.stdout.write(`${JSON.stringify(summary(fitted, seconds))}\n`)
    else process.stdout.write(plainLines(fitted, { seconds, broken: broken?.room }))
  } finally {
    release()
  }
}

function summary({ calibration, renewed, kept, without, foreign }: Fitted, seconds: number) {
  const { version, hash, parent, by, note, atMs, mapVersion, places, survey } = calibration
  const head = { version, hash, parent, by, note, atMs, mapVersion, places: places.length }
  return { ...head, renewed, kept, without, foreign, trust: survey.trust, seconds }
}

interface Told {
  readonly seconds: number
  readonly broken: string | undefined
}

function plainLines({ calibration, renewed, kept, without, foreign }: Fitted, { seconds, broken }: Told): string {
  const { version, places, hash } = calibration
  const heard = places.reduce((sum, place) => sum + place.seconds.length, 0)
  const lines = [
    `Version ${version} of the calibration: ${places.length} places, ${heard} seconds, fitted in ${seconds.toFixed(1)} s (${hash.slice(0, 12)})`,
  ]
  if (renewed.length > 0) lines.push(`  walked now:    ${renewed.join(', ')}`)
  if (kept.length > 0) lines.push(`  as before:     ${kept.join(', ')}`)
  if (without.length > 0)
    lines.push(
      `  not surveyed:  ${without.join(', ')}; the map alone speaks for ${without.length === 1 ? 'it' : 'them'}`,
    )
  if (foreign.length > 0) lines.push(`  not on the map, so of no use now: ${foreign.join(', ')}`)
  if (broken !== undefined) lines.push(`  a place in ${broken} was not finished and does not count`)
  lines.push('Next: biotrakr calibrate report; restart the agent to use it.')
  return `${lines.join('\n')}\n`
}
