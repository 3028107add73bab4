import { statSync } from 'node:fs'

import { BioTrakrError, type TagId } from '@biotrakr/shared'

import { surveyOfDataset } from './evaluate.ts'
import type { SurveyWindow } from './locate/fit.ts'
import type { SurveyedPlace } from './locate/survey-quality.ts'
import { readJournal } from './survey-journal.ts'

export interface RecordedSurvey {
  readonly tag: TagId
  readonly places: readonly SurveyedPlace[]
}

/** A longer pause ends a stay. */
const PAUSE_MS = 30_000
/** Stands for the tags of a data set, which may have several. */
const RECORDED_TAG = 'ble:c00000000000' as TagId

/**
 * A survey that was recorded elsewhere: the journal of another gateway, or a data set with known rooms.
 * @throws BioTrakrError SURVEY_JOURNAL, DATASET_UNREADABLE or DATASET_INVALID
 */
export function readSurvey(path: string): RecordedSurvey {
  if (isFolder(path)) return { tag: RECORDED_TAG, places: placesOf(surveyOfDataset(path)) }
  const { tag, places } = readJournal(path)
  if (tag !== undefined) return { tag, places }
  throw new BioTrakrError(`${path} holds no survey`, {
    code: 'SURVEY_JOURNAL',
    next: 'Give a survey.jsonl, or a folder with meta.json and train.csv.',
  })
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${path}`, {
      code: 'SURVEY_JOURNAL',
      next: 'Check the path and who may read it.',
      cause,
    })
  }
}

/** An unbroken stay in one room is one place. */
function placesOf(windows: readonly SurveyWindow[]): SurveyedPlace[] {
  const stays: SurveyWindow[][] = []
  for (const window of windows) {
    const open = stays.at(-1)
    const last = open?.at(-1)
    const goesOn =
      last?.session === window.session &&
      last.room === window.room &&
      window.atMs >= last.atMs &&
      window.atMs - last.atMs <= PAUSE_MS
    if (open && goesOn) open.push(window)
    else stays.push([window])
  }
  return stays.flatMap((seconds, n) => {
    const [first] = seconds
    if (!first) return []
    const { room, session, at } = first
    return [{ id: `${n + 1}`, room, name: session.slice(0, 100), seconds, ...(at && { at }) }]
  })
}
