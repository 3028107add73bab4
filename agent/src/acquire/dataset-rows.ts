import {
  BioTrakrError,
  datasetTag,
  isReceiverId,
  isRoomId,
  type ReceiverId,
  type RoomId,
  type TagId,
} from '@biotrakr/shared'

import { csvFields } from './csv-fields.ts'
import { createProblemLog, type Problems } from './problems.ts'
import { isRssi } from './source.ts'
import { textLines } from './text-lines.ts'

const COLUMNS = ['session', 't_ms', 'receiver', 'tag', 'rssi', 'room'] as const
type Column = (typeof COLUMNS)[number]

const WHOLE_MS = /^-?\d{1,16}(?:\.\d{1,9})?$/
const DBM = /^[+-]?\d{1,4}(?:\.\d{1,9})?$/

/** One reading of a data set. */
export interface DatasetRow {
  /** Place on the data set's timeline, milliseconds from its first row. */
  readonly offsetMs: number
  readonly receiver: ReceiverId
  readonly tag: TagId
  readonly rssiDbm: number
  /** Where the tag truly was; absent where the row does not say, or says a room that meta.json lacks. */
  readonly room?: RoomId
}

type DraftRow = { -readonly [Key in keyof DatasetRow]: DatasetRow[Key] }

export interface RowCounts {
  /** Lines under the header, empty ones left out. */
  readonly lines: number
  /** Rows that became readings. */
  readonly used: number
  /** Rows that could not be read; each is in `problems`. */
  readonly malformed: number
  /** Rows kept out because the power was 0 dBm or more, "not available" (127), or -128 dBm or less. */
  readonly rssiOutOfRange: number
  /** Rows used without their truth because meta.json lacks the room; each is in `problems`. */
  readonly unknownRoom: number
}

export interface ParsedRows {
  /** Rows of each session in file order, sessions in order of their first row; `offsetMs` is still recorded time. */
  readonly sessions: ReadonlyMap<string, DraftRow[]>
  readonly tags: readonly TagId[]
  readonly receivers: readonly ReceiverId[]
  /** Names in the header beyond the six that every set has. */
  readonly extraColumns: readonly string[]
  readonly counts: RowCounts
  readonly problems: Problems
}

interface Header {
  readonly columns: number
  readonly index: Readonly<Record<Column, number>>
  readonly extra: readonly string[]
}

/**
 * Reads one CSV of a data set. A bad row is counted and reported with file and line, and the rest is used.
 * @throws BioTrakrError DATASET_INVALID without a proper header or with more than `maxRows` rows
 */
export function readRows(file: string, rooms: ReadonlySet<RoomId>, { maxRows }: { maxRows: number }): ParsedRows {
  const lines = textLines(file)
  const first = lines.next()
  const header = parseHeader(file, first.done ? undefined : first.value.text)
  const sessions = new Map<string, DraftRow[]>()
  const names = createNames(rooms)
  const problems = createProblemLog(file)
  const counts = { lines: 0, used: 0, malformed: 0, rssiOutOfRange: 0, unknownRoom: 0 }
  for (const { number, text } of lines) {
    if (text === '') continue
    counts.lines += 1
    if (counts.lines > maxRows) throw tooMany(file, maxRows)
    const parsed = parseRow(text, header, names)
    if (typeof parsed === 'string') {
      counts.malformed += 1
      problems.add(number, parsed)
    } else if (isRssi(parsed.row.rssiDbm)) {
      counts.used += 1
      addTo(sessions, parsed)
      if (parsed.unknownRoom === undefined) continue
      counts.unknownRoom += 1
      problems.add(number, `room "${parsed.unknownRoom}" is not in meta.json; the reading is used, its truth is not`)
    } else counts.rssiOutOfRange += 1
  }
  return { sessions, ...names.seen(), extraColumns: header.extra, counts, problems }
}

function addTo(sessions: Map<string, DraftRow[]>, { session, row }: Parsed): void {
  const rows = sessions.get(session)
  if (rows) rows.push(row)
  else sessions.set(session, [row])
}

function parseHeader(file: string, text: string | undefined): Header {
  const verdict = csvFields(text ?? '')
  const names = verdict.ok ? verdict.fields.map((name) => name.trim()) : []
  const at = (column: Column) => names.indexOf(column)
  const missing = COLUMNS.filter((column) => at(column) < 0)
  if (missing.length > 0) {
    throw new BioTrakrError(`the first line of ${file} lacks ${missing.join(', ')}`, {
      code: 'DATASET_INVALID',
      next: `Give it a header line with ${COLUMNS.join(',')}.`,
    })
  }
  const index = {
    session: at('session'),
    t_ms: at('t_ms'),
    receiver: at('receiver'),
    tag: at('tag'),
    rssi: at('rssi'),
    room: at('room'),
  }
  return { columns: names.length, index, extra: names.filter((name) => !COLUMNS.some((column) => column === name)) }
}

interface Parsed {
  readonly session: string
  readonly row: DraftRow
  /** A room that meta.json lacks. */
  readonly unknownRoom?: string
}

/** @returns the row, or in words what is wrong with it; a tag's name is never repeated in them */
function parseRow(text: string | undefined, header: Header, names: Names): Parsed | string {
  if (text === undefined) return 'the line is longer than 65536 characters'
  const verdict = csvFields(text)
  if (!verdict.ok) return verdict.why
  const { fields } = verdict
  if (fields.length !== header.columns) return `has ${fields.length} fields, the header has ${header.columns}`
  const field = (column: Column) => fields[header.index[column]] ?? ''
  const tMs = field('t_ms')
  const rssi = field('rssi')
  if (!WHOLE_MS.test(tMs) || !Number.isSafeInteger(Math.round(Number(tMs)))) return 't_ms is not a time in milliseconds'
  if (!DBM.test(rssi)) return 'rssi is not a power in dBm'
  const receiver = names.receiver(field('receiver'))
  if (receiver === undefined) return 'receiver is not a name of 1-64 characters'
  const tag = names.tag(field('tag'))
  if (tag === undefined) return 'tag is not an address or a name of 1-64 printable characters without spaces'
  const room = field('room')
  if (room !== '' && !isRoomId(room)) return 'room is not a name of 1-64 characters'
  const session = field('session')
  // One literal and one assignment: with millions of rows an object spread doubles what each of them takes.
  const row: DraftRow = { offsetMs: Math.round(Number(tMs)), receiver, tag, rssiDbm: Number(rssi) }
  const known = names.room(room)
  if (known !== undefined) row.room = known
  return known === undefined && room !== '' ? { session, row, unknownRoom: room } : { session, row }
}

interface Names {
  receiver(text: string): ReceiverId | undefined
  tag(text: string): TagId | undefined
  /** @returns undefined for a room that meta.json lacks */
  room(text: string): RoomId | undefined
  seen(): { tags: TagId[]; receivers: ReceiverId[] }
}

/** Each name is checked once and kept once, however many rows carry it. */
function createNames(rooms: ReadonlySet<RoomId>): Names {
  const receivers = new Map<string, ReceiverId>()
  const tags = new Map<string, TagId>()
  const knownRooms = new Map<string, RoomId>([...rooms].map((room) => [room, room]))
  return {
    receiver(text) {
      const known = receivers.get(text)
      if (known !== undefined || !isReceiverId(text)) return known
      receivers.set(text, text)
      return text
    },
    tag(text) {
      const known = tags.get(text)
      const tag = known ?? datasetTag(text)
      if (known === undefined && tag !== undefined) tags.set(text, tag)
      return tag
    },
    room: (text) => knownRooms.get(text),
    seen: () => ({ tags: [...new Set(tags.values())], receivers: [...receivers.values()] }),
  }
}

function tooMany(file: string, maxRows: number): BioTrakrError {
  return new BioTrakrError(`${file} has more than ${maxRows.toLocaleString('en')} rows`, {
    code: 'DATASET_INVALID',
    next: 'Cut it into parts and replay them one after another.',
  })
}
