import { BioTrakrError, isReceiverId, type ReceiverId } from '@biotrakr/shared'
import { type Command, InvalidArgumentError } from 'commander'

import { type Evaluation, evaluateDataset } from '../evaluate.ts'

interface EvaluateCommand {
  readonly train?: string
  readonly test?: string
  readonly json: boolean
  readonly mask: readonly ReceiverId[]
  readonly dropAfter?: readonly string[]
  readonly offsetDb: number
  readonly keep: number
}

/** `biotrakr evaluate DIR`: how well rooms are found in a recording with known truth. */
export function addEvaluateCommand(biotrakr: Command): void {
  biotrakr
    .command('evaluate')
    .description('train on the survey of a recording with known truth, answer its test drive, and score the answers')
    .argument('<dir>', 'folder with meta.json, test.csv and, unless the map alone is to answer, train.csv')
    .option('--train <file>', 'survey in place of train.csv')
    .option('--test <file>', 'test drive in place of test.csv')
    .option('--json', 'one JSON document instead of plain lines', false)
    .option('--mask <receiver>', 'leave a receiver out, as if its link were down; may be repeated', collected, [])
    .option('--drop-after <seconds-and-receiver...>', 'let a receiver die unannounced: seconds, then its name')
    .option('--offset-db <n>', 'add to every power of the test drive, dB', decibels, 0)
    .option('--keep <1/n>', 'hear only every n-th second', everyNth, 1)
    .action(evaluate)
}

function evaluate(dir: string, { json, dropAfter, mask, offsetDb, keep, train, test }: EvaluateCommand): void {
  const evaluation = evaluateDataset(dir, {
    mask,
    offsetDb,
    keepEvery: keep,
    ...(train !== undefined && { train }),
    ...(test !== undefined && { test }),
    ...(dropAfter && { dropAfter: dying(dropAfter) }),
  })
  process.stdout.write(json ? `${JSON.stringify(evaluation)}\n` : plainLines(evaluation))
}

function collected(text: string, before: readonly ReceiverId[]): ReceiverId[] {
  if (!isReceiverId(text)) throw new InvalidArgumentError('must be a name of 1-64 characters')
  return [...before, text]
}

function decibels(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(Math.abs(value) <= 60)) throw new InvalidArgumentError('must be -60 to 60 dB')
  return value
}

function everyNth(text: string): number {
  const match = /^1\/([1-9]\d{0,2})$/.exec(text)
  if (!match) throw new InvalidArgumentError('must be 1/n, such as 1/4')
  return Number(match[1])
}

function dying([time = '', receiver = '', ...more]: readonly string[]): { seconds: number; receiver: ReceiverId } {
  const seconds = Number(time)
  if (time === '' || !(seconds >= 0) || !isReceiverId(receiver) || more.length > 0) {
    throw new BioTrakrError('--drop-after takes seconds and one receiver', {
      code: 'USAGE',
      next: 'Write it as in --drop-after 60 anchor2.',
    })
  }
  return { seconds, receiver }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

function plainLines(evaluation: Evaluation): string {
  const { falseChangesPerHour, medianSeconds, rooms } = evaluation
  const lines = [
    `${evaluation.name}: ${evaluation.ticks} seconds answered, ${survey(evaluation)}`,
    `right room          ${percent(evaluation.accuracy)}`,
    `macro-F1            ${percent(evaluation.macroF1)}`,
    `false room changes  ${falseChangesPerHour >= 0 ? '+' : ''}${falseChangesPerHour.toFixed(0)} per hour`,
    `found after         ${medianSeconds === null ? 'never (median)' : `${medianSeconds} s (median)`}`,
    `answered "unknown"  ${percent(evaluation.unknownShare)}; the others are right in ${percent(evaluation.accuracyWhenTold)}`,
    `calibration error   ${evaluation.expectedCalibrationError.toFixed(3)}`,
    `cost                ${evaluation.microsecondsPerTick.toFixed(1)} microseconds per tag and second`,
    ...placeLines(evaluation),
    '',
    'room                     seconds   recall  precision       F1',
    ...rooms.map(
      ({ room, ticks, recall, precision, f1 }) =>
        `${room.padEnd(24)} ${String(ticks).padStart(7)}  ${percent(recall).padStart(7)}  ${percent(precision).padStart(9)}  ${percent(f1).padStart(7)}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

function placeLines({ position }: Evaluation): string[] {
  if (!position) return []
  const { meanMetres, medianMetres, p90Metres, withinRadius, meanRadiusMetres, toldShare } = position
  const metres = [meanMetres, medianMetres, p90Metres].map((own) => own.toFixed(2))
  return [
    `place               ${metres[0]} m off on average, ${metres[1]} m median, ${metres[2]} m in the worst tenth; told ${percent(toldShare)}`,
    `place's radius      ${meanRadiusMetres.toFixed(2)} m on average, holds the truth in ${percent(withinRadius)}`,
  ]
}

function survey({ surveyTicks }: Evaluation): string {
  return surveyTicks === 0 ? 'no survey, the map alone' : `survey of ${surveyTicks} seconds`
}
