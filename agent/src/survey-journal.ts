import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { BioTrakrError, type RoomId, type TagId } from '@biotrakr/shared'
import { z } from 'zod'

import {
  heardFrom,
  roomName,
  type SecondTuple,
  secondOf,
  secondTuple,
  tagName,
  time,
  words,
} from './calibration-format.ts'
import type { HeardSecond } from './locate/survey-enough.ts'
import type { SurveyedPlace } from './locate/survey-quality.ts'

/** A step of a survey. The journal only grows: undoing is a line, too. */
const lineSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('begin'), atMs: time, by: words, tag: tagName, mapVersion: z.int().min(1) }),
  z.strictObject({
    kind: z.literal('place'),
    id: words,
    room: roomName,
    name: words,
    atMs: time,
    at: z.tuple([z.number(), z.number()]).optional(),
  }),
  z.strictObject({ kind: z.literal('heard'), heard: secondTuple }),
  z.strictObject({ kind: z.literal('done'), id: words }),
  z.strictObject({ kind: z.literal('undo'), id: words }),
  z.strictObject({ kind: z.literal('anew'), room: roomName }),
  z.strictObject({ kind: z.literal('skip'), room: roomName }),
])
type Line = z.infer<typeof lineSchema>

/** A survey under way, as the journal has it. */
export interface SurveyProgress {
  /** Places that are finished and not undone, in their order. */
  readonly places: readonly SurveyedPlace[]
  /** Rooms that the surveyor left out. */
  readonly skipped: ReadonlySet<RoomId>
  readonly tag: TagId | undefined
  /** A place that was begun and never finished: the connection or the power went. It does not count. */
  readonly broken: { readonly room: RoomId; readonly name: string } | undefined
  /** Bytes of a half-written last line that were cut off. */
  readonly cutBytes: number
}

interface NewPlace extends Pick<SurveyedPlace, 'room' | 'name' | 'at'> {
  /** Wall milliseconds. */
  readonly atMs: number
}

export interface SurveyJournal {
  readonly file: string
  readonly progress: () => SurveyProgress
  begin(session: { readonly atMs: number; readonly by: string; readonly tag: TagId; readonly mapVersion: number }): void
  /** Begins a place. @returns its id */
  place(place: NewPlace): string
  heard(second: HeardSecond): void
  /** The same for many, with one wait for the disk. */
  hearAll(seconds: readonly HeardSecond[]): void
  done(id: string): void
  /** Takes back the place under way. */
  drop(id: string): void
  /** Takes back the last place of a room, or of all rooms. @returns it, undefined when there is none */
  undo(room?: RoomId): SurveyedPlace | undefined
  /** Forgets all places of a room. */
  anew(room: RoomId): void
  skip(room: RoomId): void
  close(): void
}

export function journalFile(dir: string): string {
  return join(dir, 'survey.jsonl')
}

/**
 * Reads a journal without touching it.
 * @throws BioTrakrError SURVEY_JOURNAL when a line other than a half-written last one cannot be read
 */
export function readJournal(file: string): SurveyProgress {
  const { lines, cutBytes } = readLines(file)
  return folded(lines, cutBytes)
}

/**
 * Opens the journal to go on with it; every line is on disk when the call returns, so that a lost connection or a power
 * cut costs the place under way and nothing else.
 * @throws BioTrakrError SURVEY_JOURNAL
 */
export function openJournal(file: string): SurveyJournal {
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
  const { lines, cutBytes, wholeBytes } = readLines(file)
  const handle = openSync(file, 'a', 0o640)
  if (cutBytes > 0) ftruncateSync(handle, wholeBytes)
  let places = lines.filter(({ kind }) => kind === 'place').length
  const write = (...more: Line[]): void => {
    writeFileSync(handle, more.map((line) => `${JSON.stringify(line)}\n`).join(''))
    fsyncSync(handle)
    for (const line of more) lines.push(line)
  }
  const progress = (): SurveyProgress => folded(lines, cutBytes)
  return {
    file,
    progress,
    begin: (session) => write({ kind: 'begin', ...session }),
    place({ room, name, atMs, at }) {
      places += 1
      const id = `${places} ${room} ${name}`.slice(0, 200)
      write({ kind: 'place', id, room, name, atMs, ...(at && { at: [at[0], at[1]] }) })
      return id
    },
    heard: (second) => write({ kind: 'heard', heard: secondOf(second) }),
    hearAll: (seconds) => write(...seconds.map((second): Line => ({ kind: 'heard', heard: secondOf(second) }))),
    done: (id) => write({ kind: 'done', id }),
    drop: (id) => write({ kind: 'undo', id }),
    undo(room) {
      const last = progress().places.findLast((place) => room === undefined || place.room === room)
      if (last) write({ kind: 'undo', id: last.id })
      return last
    },
    anew: (room) => write({ kind: 'anew', room }),
    skip: (room) => write({ kind: 'skip', room }),
    close: () => closeSync(handle),
  }
}

/** Puts a journal aside once it is part of a version, so that the next survey begins with an empty one. */
export function archiveJournal(file: string, version: number): void {
  const aside = join(dirname(file), `survey-of-v${String(version).padStart(4, '0')}.jsonl`)
  if (existsSync(file)) renameSync(file, aside)
}

interface Lines {
  readonly lines: Line[]
  readonly cutBytes: number
  readonly wholeBytes: number
}

function readLines(file: string): Lines {
  if (!existsSync(file)) return { lines: [], cutBytes: 0, wholeBytes: 0 }
  const bytes = readFileSync(file)
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1
  const texts = bytes.subarray(0, wholeBytes).toString('utf8').split('\n').slice(0, -1)
  const lines = texts.map((text, n) => lineOf(text, `${file}:${n + 1}`))
  return { lines, cutBytes: bytes.length - wholeBytes, wholeBytes }
}

function lineOf(text: string, where: string): Line {
  const { data } = lineSchema.safeParse(jsonOf(text))
  if (data) return data
  throw new BioTrakrError(`${where} is no line of a survey`, {
    code: 'SURVEY_JOURNAL',
    next: 'Delete this line to lose one second of the survey, or move the file away to begin anew.',
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface OpenPlace {
  readonly id: string
  readonly room: RoomId
  readonly name: string
  readonly at?: readonly [x: number, y: number]
  readonly seconds: SecondTuple[]
}

interface Folding {
  readonly places: Map<string, OpenPlace>
  readonly skipped: Set<RoomId>
  open: OpenPlace | undefined
  broken: OpenPlace | undefined
  tag: TagId | undefined
}

function folded(lines: readonly Line[], cutBytes: number): SurveyProgress {
  const into: Folding = { places: new Map(), skipped: new Set(), open: undefined, broken: undefined, tag: undefined }
  for (const line of lines) fold(into, line)
  const broken = into.open ?? into.broken
  return {
    places: [...into.places.values()].map(({ seconds, ...place }) => ({ ...place, seconds: seconds.map(heardFrom) })),
    skipped: into.skipped,
    tag: into.tag,
    broken: broken && { room: broken.room, name: broken.name },
    cutBytes,
  }
}

function fold(into: Folding, line: Line): void {
  switch (line.kind) {
    case 'begin':
      into.tag = line.tag
      into.broken = into.open
      into.open = undefined
      return
    case 'place':
      into.broken = undefined
      into.open = { id: line.id, room: line.room, name: line.name, seconds: [], ...(line.at && { at: line.at }) }
      into.skipped.delete(line.room)
      return
    case 'heard':
      into.open?.seconds.push(line.heard)
      return
    case 'done':
      if (into.open?.id === line.id) into.places.set(line.id, into.open)
      into.open = undefined
      return
    case 'undo':
      into.places.delete(line.id)
      if (into.open?.id === line.id) into.open = undefined
      return
    case 'anew':
      for (const [id, { room }] of into.places) if (room === line.room) into.places.delete(id)
      return
    case 'skip':
      into.skipped.add(line.room)
  }
}
