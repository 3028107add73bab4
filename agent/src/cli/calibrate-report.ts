import { writeFileSync } from 'node:fs'

import { BioTrakrError } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { type CalibrationReport, reportOn } from '../calibrate.ts'
import { reportPage } from './calibrate-page.ts'
import { dateWords, openSite, type SiteOptions, withSite } from './calibrate-site.ts'

interface ReportOptions extends SiteOptions {
  readonly versionNumber?: number
  readonly json: boolean
  readonly html?: string
  readonly require?: number
}

const NEEDS_ATTENTION = 3
/** Rooms whose matrix fits into a terminal. */
const MATRIX_ROOMS = 14
const MARKS = { red: 'RED', amber: 'amber', green: 'green', unsurveyed: 'none' } as const

/** `biotrakr calibrate report`: how well the rooms are told apart, which are weak, why, and what to do. */
export function addReportCommand(calibrate: Command, exitWith: (code: number) => void): void {
  const command = calibrate
    .command('report')
    .description(
      'how well each room is told apart, at places held out of the fit; the weak ones with cause and next step',
    )
    .option('--version-number <n>', 'this version instead of the one that counts', whole)
    .option('--json', 'one JSON document instead of plain lines', false)
    .option('--html <file>', 'also write one self-contained page with plots')
    .option('--require <percent>', 'end with exit code 3 when any room is below', percent)
    .action((options: ReportOptions) => {
      const report = makeReport(options)
      const { require: least = 0 } = options
      const isWeak = report.quality.rooms.some(({ sure }) => 100 * (sure ?? 0) < least)
      if (isWeak) exitWith(NEEDS_ATTENTION)
    })
  withSite(command)
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('must be the number of a version, such as 3')
  return value
}

function percent(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('must be 0 to 100')
  return value
}

function makeReport({ versionNumber, json, html, ...options }: ReportOptions): CalibrationReport {
  const { map, store } = openSite(options)
  const calibration = versionNumber === undefined ? store.current() : store.load(versionNumber)
  if (!calibration) {
    throw new BioTrakrError('there is no calibration to report on', {
      code: 'NOT_FOUND',
      next: 'Run biotrakr calibrate survey, then biotrakr calibrate fit.',
    })
  }
  const report = reportOn(map, calibration)
  if (html !== undefined) writePage(html, reportPage(report))
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : reportLines(report))
  if (html !== undefined && !json) process.stdout.write(`Page written to ${html}\n`)
  return report
}

function writePage(file: string, page: string): void {
  try {
    writeFileSync(file, page)
  } catch (cause) {
    throw new BioTrakrError(`cannot write ${file}`, { code: 'USAGE', next: 'Name another file.', cause })
  }
}

const share = (value: number): string => `${Math.round(100 * value)} %`

function reportLines(report: CalibrationReport): string {
  const { version, atMs, by, note, places, seconds, quality } = report
  const why = note === '' ? '' : ` (${note})`
  const head = [
    `Calibration version ${version}, ${dateWords(atMs)}, by ${by}${why}: ${places} places, ${seconds} seconds heard`,
    quality.sure === null
      ? 'Nothing to hold out: no room was surveyed.'
      : `After ten seconds at a place it has never seen, it is ${share(quality.sure)} sure of the right room (mean over rooms).`,
    ...report.remarks.map((remark) => `! ${remark}`),
  ]
  const blocks = [head, roomLines(report), matrixLines(report), curveLines(report)].filter(({ length }) => length > 0)
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

/** Weakest first. */
function roomLines({ verdicts, quality }: CalibrationReport): string[] {
  const width = Math.max(4, ...quality.rooms.map(({ room }) => room.length))
  const lines = [`${'room'.padEnd(width)}  grade   sure  places  taken for`]
  for (const { room, grade, cause, next } of verdicts) {
    const own = quality.rooms.find((one) => one.room === room)
    if (!own) continue
    const taken = own.takenFor
      .filter((other) => other.share >= 0.01)
      .map((other) => `${other.room} ${share(other.share)}`)
    const sure = own.sure === null ? '-' : share(own.sure)
    const cells = [room.padEnd(width), MARKS[grade].padEnd(6), sure.padStart(5), String(own.places).padStart(6)]
    lines.push(`${cells.join('  ')}  ${taken.join(', ')}`.trimEnd())
    if (cause !== '') lines.push(`${' '.repeat(width)}  why:  ${cause}`, `${' '.repeat(width)}  next: ${next}`)
  }
  return lines
}

function matrixLines({ quality: { rooms, confusion, sure } }: CalibrationReport): string[] {
  if (sure === null || rooms.length > MATRIX_ROOMS) return []
  const width = Math.max(...rooms.map(({ room }) => room.length))
  const heads = rooms.map((_, k) => String(k + 1).padStart(4)).join('')
  const lines = [`Rows: the true room; columns: what is believed, in %\n${' '.repeat(width + 4)}${heads}`]
  rooms.forEach(({ room }, k) => {
    const cells = (confusion[k] ?? []).map((value) =>
      (value < 0.005 ? '.' : String(Math.round(100 * value))).padStart(4),
    )
    lines.push(`${String(k + 1).padStart(2)}  ${room.padEnd(width)}${cells.join('')}`)
  })
  return lines
}

function curveLines({ quality: { curve } }: CalibrationReport): string[] {
  if (curve.length < 2) return []
  const steps = curve.map(({ places, sure }) => `${places}: ${share(sure)}`).join('   ')
  const [before, last] = [curve.at(-2), curve.at(-1)]
  const gain = before && last ? (last.sure - before.sure) / (last.places - before.places) : 0
  const words =
    gain >= 0.01
      ? `another place per room brings about ${(100 * gain).toFixed(0)} points`
      : 'more places bring little now'
  return ['With so many places per room it would be so sure:', `  ${steps}`, `  ${words}`]
}
