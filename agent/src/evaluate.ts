import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'

import { type Dataset, datasetSiteMap, readDataset } from './acquire/dataset.ts'
import { readTruePlaces, type TruePlace, truePlaceAt } from './acquire/dataset-places.ts'
import type { DatasetRow } from './acquire/dataset-rows.ts'
import { type Answered, type Score, scoreAnswers } from './evaluate-score.ts'
import { createFilter } from './filter/filter.ts'
import { fitSurvey, type SurveyWindow } from './locate/fit.ts'
import { emptyState, forgetTags, type Located, locate } from './locate/locate.ts'

export interface EvaluateOptions {
  /** Files of rows in place of `train.csv` and `test.csv`. */
  readonly train?: string
  readonly test?: string
  /** Receivers left out from the start, as if their link were down. */
  readonly mask?: readonly ReceiverId[]
  /** A receiver that dies unannounced so many seconds into the test, silent time between sessions not counted. */
  readonly dropAfter?: { readonly seconds: number; readonly receiver: ReceiverId }
  /** Added to every power of the test, dB: another tag than that of the survey. */
  readonly offsetDb?: number
  /** Only every so many seconds of the test are heard: a slower tag. */
  readonly keepEvery?: number
}

export interface Evaluation extends Score {
  readonly name: string
  /** Seconds of survey used; 0 = the map alone. */
  readonly surveyTicks: number
  /** Processor time. */
  readonly microsecondsPerTick: number
}

/** Between two sessions on the timeline, milliseconds. */
const BETWEEN_SESSIONS_MS = 3_600_000
const FIRST_MS = 1_000_000_000_000

/**
 * Trains on a data set's survey and answers its test drive as the agent would: through the filter and the locate
 * stage, second by second, from what was heard until then.
 * @throws BioTrakrError DATASET_UNREADABLE or DATASET_INVALID
 */
export function evaluateDataset(dir: string, options: EvaluateOptions = {}): Evaluation {
  const { test, surveyed, surveyTicks } = trainOn(dir, options)
  const places = readTruePlaces(options.test ?? join(dir, 'test.csv'))
  const { answers, microsecondsPerTick } = answerAll(surveyed, { test, places }, options)
  return { name: test.name, surveyTicks, microsecondsPerTick, ...scoreAnswers(answers) }
}

/**
 * A data set's test drive, and its site map with what its survey teaches.
 * @throws BioTrakrError DATASET_UNREADABLE or DATASET_INVALID
 */
export function trainOn(
  dir: string,
  options: Pick<EvaluateOptions, 'train' | 'test'> = {},
): { readonly test: Dataset; readonly surveyed: SiteMap; readonly surveyTicks: number } {
  const test = readDataset(dir, { part: 'test', ...(options.test !== undefined && { file: options.test }) })
  const trainFile = options.train ?? join(dir, 'train.csv')
  const train = options.train !== undefined || existsSync(trainFile) ? readDataset(dir, { file: trainFile }) : undefined
  const receivers = new Set([...(train?.receivers ?? []), ...test.receivers])
  const map = datasetSiteMap({ ...test, receivers: [...receivers] })
  const survey = train ? surveyWindows(train) : []
  const surveyed: SiteMap = survey.length > 0 ? { ...map, survey: fitSurvey(map, survey) } : map
  return { test, surveyed, surveyTicks: survey.length }
}

interface LabelledWindow {
  readonly session: string
  readonly window: TagWindow
  /** Room of the newest row; absent where it has none. */
  readonly room: RoomId | undefined
  /** Recorded time of the newest row, milliseconds. */
  readonly recordedMs: number
}

/** Windows of whole seconds, session after session, through the filter stage. */
function windowsOf(dataset: Dataset, change: (row: DatasetRow) => DatasetRow | undefined): LabelledWindow[] {
  const windows: LabelledWindow[] = []
  let first = 0
  let startMs = FIRST_MS
  for (const { name, startMs: fromMs, recordedMs, rows } of dataset.sessions) {
    const own = dataset.rows.slice(first, first + rows)
    first += rows
    const shiftMs = startMs - fromMs + modulo(recordedMs, 1000)
    const recordedShiftMs = recordedMs - fromMs
    windows.push(...sessionWindows(own, { session: name, shiftMs, recordedShiftMs, medium: dataset.medium, change }))
    const lastMs = (own.at(-1)?.offsetMs ?? fromMs) + shiftMs
    startMs = Math.ceil((lastMs + BETWEEN_SESSIONS_MS) / 1000) * 1000
  }
  return windows
}

const modulo = (value: number, by: number): number => ((value % by) + by) % by

interface Session {
  readonly session: string
  readonly shiftMs: number
  readonly recordedShiftMs: number
  readonly medium: 'RFID' | 'BLE'
  readonly change: (row: DatasetRow) => DatasetRow | undefined
}

function sessionWindows(rows: readonly DatasetRow[], recorded: Session): LabelledWindow[] {
  const { session, shiftMs, recordedShiftMs, medium, change } = recorded
  const filter = createFilter({ windowMs: 1000 })
  const newest = new Map<TagId, Pick<LabelledWindow, 'room' | 'recordedMs'>>()
  const windows: LabelledWindow[] = []
  const close = (nowMs: number): void => {
    for (const window of filter.close(nowMs).windows) {
      const own = newest.get(window.tag)
      if (window.sightings.length > 0 && own) windows.push({ session, window, ...own })
    }
  }
  for (const row of rows) {
    const atMs = row.offsetMs + shiftMs
    close(atMs)
    const used = change(row)
    if (!used) continue
    newest.set(row.tag, { room: row.room, recordedMs: row.offsetMs + recordedShiftMs })
    filter.add({ tag: used.tag, receiver: used.receiver, rssiDbm: used.rssiDbm, atMs, medium })
  }
  close((rows.at(-1)?.offsetMs ?? 0) + shiftMs + 1000)
  return windows
}

/** A session that is named after a surveyed point ends in its coordinates, as in `set1:0.16,15.33`. */
const POINT = /:(-?\d{1,5}(?:\.\d{1,6})?),(-?\d{1,5}(?:\.\d{1,6})?)$/

function surveyWindows(train: Dataset): SurveyWindow[] {
  return windowsOf(train, (row) => row).flatMap(({ session, window, room }) => {
    if (room === undefined) return []
    const point = POINT.exec(session)
    const at = point ? ([Number(point[1]), Number(point[2])] as const) : undefined
    return [{ session, room, atMs: window.atMs, sightings: window.sightings, ...(at && { at }) }]
  })
}

interface Truth {
  readonly test: Dataset
  readonly places: ReadonlyMap<string, readonly TruePlace[]>
}

/**
 * The survey of a data set, `train.csv`, second by second.
 * @throws BioTrakrError DATASET_UNREADABLE or DATASET_INVALID
 */
export function surveyOfDataset(dir: string): SurveyWindow[] {
  return surveyWindows(readDataset(dir, { file: join(dir, 'train.csv') }))
}

function answerAll(
  map: SiteMap,
  { test, places }: Truth,
  options: EvaluateOptions,
): { readonly answers: Answered[]; readonly microsecondsPerTick: number } {
  const down = new Set(options.mask)
  const windows = windowsOf(test, (row) => stressed(row, options))
  let state = emptyState()
  let current = windows[0]?.session
  // The model is made here, so that the time measured below is that of answering.
  for (const { window } of windows.slice(0, 1)) locate(map, state, { ...window, sightings: [] })
  // Of this process alone: what else the machine does is not the engine's.
  const start = process.cpuUsage()
  const located = windows.map(({ session, window }) => {
    // A session is a recording of its own: what was known of the tag before it is not.
    if (session !== current) state = forgetTags(state)
    current = session
    return locate(map, state, window, { down }).located
  })
  const { user, system } = process.cpuUsage(start)
  const answers = windows.flatMap(({ session, window, room, recordedMs }, i): Answered[] => {
    const answer = located[i]
    if (!answer || room === undefined) return []
    const { likeliest, likeliestConfidence } = answer
    const base = { session, atMs: window.atMs, truth: room, likeliest, told: answer.room !== null }
    const place = placeScore(answer, truePlaceAt(places.get(session), recordedMs))
    return [{ ...base, confidence: likeliestConfidence / 1000, ...(place && { place }) }]
  })
  return { answers, microsecondsPerTick: (user + system) / Math.max(1, windows.length) }
}

function placeScore({ xCm, yCm, accuracyCm }: Located, truth: TruePlace | undefined): Answered['place'] {
  if (!truth) return undefined
  if (xCm === undefined || yCm === undefined || accuracyCm === undefined) return { told: false }
  return { told: true, metres: Math.hypot(xCm / 100 - truth.x, yCm / 100 - truth.y), radius: accuracyCm / 100 }
}

function stressed(
  row: DatasetRow,
  { dropAfter, offsetDb = 0, keepEvery = 1 }: EvaluateOptions,
): DatasetRow | undefined {
  if (dropAfter && row.receiver === dropAfter.receiver && row.offsetMs >= dropAfter.seconds * 1000) return undefined
  if (Math.floor(row.offsetMs / 1000) % keepEvery !== 0) return undefined
  return offsetDb === 0 ? row : { ...row, rssiDbm: row.rssiDbm + offsetDb }
}
