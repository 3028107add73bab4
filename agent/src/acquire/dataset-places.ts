import { existsSync } from 'node:fs'

import { csvFields } from './csv-fields.ts'
import { textLines } from './text-lines.ts'

/** Where a tag truly was at one moment of a recording. */
export interface TruePlace {
  /** Recorded time, milliseconds. */
  readonly atMs: number
  /** Metres from the data set's origin. */
  readonly x: number
  readonly y: number
}

const COLUMNS = ['session', 't_ms', 'x', 'y'] as const

/**
 * True places beside a file of rows: `test_xy.csv` beside `test.csv`, with the columns `session,t_ms,x,y` among others.
 * Rows without them are passed over; truth is for scoring only.
 * @returns per session in the order of time; empty where there is no such file
 */
export function readTruePlaces(rowsFile: string): ReadonlyMap<string, readonly TruePlace[]> {
  const file = rowsFile.replace(/(?:\.csv)?$/, '_xy.csv')
  const sessions = new Map<string, TruePlace[]>()
  if (!existsSync(file)) return sessions
  let index: readonly number[] | undefined
  for (const { text } of textLines(file)) {
    const verdict = csvFields(text ?? '')
    if (!verdict.ok) continue
    if (!index) {
      const names = verdict.fields.map((name) => name.trim())
      index = COLUMNS.map((column) => names.indexOf(column))
      continue
    }
    const [session = '', ...numbers] = index.map((column) => verdict.fields[column])
    const [atMs = Number.NaN, x = Number.NaN, y = Number.NaN] = numbers.map((own) => Number(own?.trim() || Number.NaN))
    if (!Number.isFinite(atMs + x + y)) continue
    const places = sessions.get(session)
    if (places) places.push({ atMs, x, y })
    else sessions.set(session, [{ atMs, x, y }])
  }
  for (const places of sessions.values()) places.sort((a, b) => a.atMs - b.atMs)
  return sessions
}

/** The newest place at or before a time. */
export function truePlaceAt(places: readonly TruePlace[] | undefined, atMs: number): TruePlace | undefined {
  if (!places) return undefined
  let from = 0
  let to = places.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((places[middle]?.atMs ?? 0) <= atMs) from = middle + 1
    else to = middle
  }
  return places[from - 1]
}
