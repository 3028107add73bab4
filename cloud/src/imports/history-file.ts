import { decimal, instant, instantMs, integer, type ReadContext, text } from './cell-types.ts'
import type { Column } from './column.ts'
import { type CsvLimits, cellText, openCsv, readCsv } from './csv-read.ts'
import { type Findings, wrongFile } from './findings.ts'
import { mapHeader } from './header.ts'

export const HISTORY_COLUMNS: readonly Column[] = [
  { name: 'time', aliases: ['timestamp', 't', 'seen_at'], type: instant, required: true, about: 'when it was there' },
  { name: 'asset_tag', aliases: ['asset'], type: text(64), about: 'number on the asset; this or `tag`' },
  { name: 'tag', aliases: ['tag_id', 'identity'], type: text(160), about: 'identity of the tag; this or `asset_tag`' },
  {
    name: 'room',
    aliases: ['room_code', 'location'],
    type: text(64),
    required: true,
    about: 'code of the room, of the facility that `--facility` names',
  },
  { name: 'x', type: decimal(-10_000, 10_000), about: 'metres from the origin of the map' },
  { name: 'y', type: decimal(-10_000, 10_000), about: 'metres from the origin of the map' },
  { name: 'accuracy_m', aliases: ['accuracy'], type: decimal(0, 10_000), about: 'metres' },
  { name: 'confidence', type: decimal(0, 1), about: '0 to 1; 0 when empty' },
  { name: 'span_s', type: integer(0, 86_400), about: 'how long before it was there already, in seconds' },
  { name: 'method', type: text(64), about: 'read over: all that is imported has the method MIGRATED (9)' },
]

const HISTORY_LIMITS: CsvLimits = { maxRows: 20_000_000, maxBytes: 4 * 1_073_741_824 }
const MAX_NAMES = 1_000_000
const UNSAID = -1

/** A file of history in columns, for ten million objects would not fit. */
export interface HistoryFile {
  readonly name: string
  readonly sha256: Buffer
  readonly count: number
  /** Of each row as a table program numbers them. */
  readonly rowNo: Uint32Array
  /** Wall milliseconds; NaN where the row cannot be read. */
  readonly timeMs: Float64Array
  /** Index into `subjects`. */
  readonly subject: Int32Array
  /** Index into `rooms`. */
  readonly room: Int32Array
  /** Milliseconds; -1 where nothing is said. */
  readonly spanMs: Int32Array
  /** Per mille. */
  readonly confidence: Int16Array
  /** NaN where nothing is said; of no length where the file has no such columns. */
  readonly places: { readonly x: Float32Array; readonly y: Float32Array; readonly accuracy: Float32Array }
  /** `a` and an asset tag, or `t` and the identity of a tag. */
  readonly subjects: readonly string[]
  readonly rooms: readonly string[]
}

interface ReadOptions extends ReadContext {
  readonly names: ReadonlyMap<string, string>
  readonly findings: Findings
  readonly onBytes: (bytes: number, of: number) => void
}

/** @throws BioTrakrError INPUT_INVALID for what is wrong with the whole file; what is wrong with rows goes to the findings */
export async function readHistoryFile(path: string, options: ReadOptions): Promise<HistoryFile> {
  const { names, findings, onBytes } = options
  const file = openCsv(path, HISTORY_LIMITS)
  const { columns } = mapHeader(file.header, { file: file.name, columns: HISTORY_COLUMNS, takesAttrs: false, names })
  const at = (name: string) => columns.find(({ column }) => column.name === name)?.at ?? UNSAID
  const where = { time: at('time'), asset: at('asset_tag'), tag: at('tag'), room: at('room') }
  const numbers = {
    x: at('x'),
    y: at('y'),
    accuracy_m: at('accuracy_m'),
    confidence: at('confidence'),
    span_s: at('span_s'),
  }
  if (where.asset === UNSAID && where.tag === UNSAID) {
    throw wrongFile(file.name, 'has neither a column asset_tag nor a column tag', 'Say whose history it is.')
  }
  const store = createStore(numbers.x !== UNSAID || numbers.y !== UNSAID || numbers.accuracy_m !== UNSAID)
  const subjects = createDictionary(file.name)
  const rooms = createDictionary(file.name)
  const reader = createNumberReader(numbers, findings)
  const lines = readCsv(path, file, { ...HISTORY_LIMITS, onBytes: (bytes) => onBytes(bytes, file.bytes) })
  let next = await lines.next()
  for (; !next.done; next = await lines.next()) {
    const { row, cells } = next.value
    const i = store.add(row)
    readPlace(store.arrays, { i, row, cells, where }, { findings, options, subjects, rooms })
    reader.read(row, cells, { i, store })
  }
  const { arrays } = store
  const all = { name: file.name, sha256: next.value.sha256, subjects: subjects.names, rooms: rooms.names }
  return { ...all, ...arrays, count: store.count(), places: arrays }
}

interface PlaceIn {
  readonly i: number
  readonly row: number
  readonly cells: readonly string[]
  /** Numbers of the columns. */
  readonly where: { readonly time: number; readonly asset: number; readonly tag: number; readonly room: number }
}

interface PlaceNeeds {
  readonly findings: Findings
  readonly options: ReadContext
  readonly subjects: Dictionary
  readonly rooms: Dictionary
}

/** Who was where when. */
function readPlace(
  arrays: Arrays,
  { i, row, cells, where }: PlaceIn,
  { findings, options, subjects, rooms }: PlaceNeeds,
): void {
  const who = whoOf(cells, where)
  const place = cellText(cells[where.room] ?? '')
  const time = cellText(cells[where.time] ?? '')
  const ms = instantMs(time, options)
  arrays.timeMs[i] = ms
  arrays.subject[i] = who === undefined ? UNSAID : subjects.indexOf(who)
  arrays.room[i] = place === '' ? UNSAID : rooms.indexOf(place)
  if (Number.isNaN(ms)) complain(findings, { row, column: 'time', value: time })
  if (who === undefined) complain(findings, { row, column: where.asset === UNSAID ? 'tag' : 'asset_tag', value: '' })
  if (place === '') complain(findings, { row, column: 'room', value: '' })
}

function whoOf(cells: readonly string[], { asset, tag }: { readonly asset: number; readonly tag: number }) {
  const known = asset === UNSAID ? '' : cellText(cells[asset] ?? '')
  if (known !== '') return `a${known}`
  const identity = tag === UNSAID ? '' : cellText(cells[tag] ?? '')
  return identity === '' ? undefined : `t${identity}`
}

function complain(findings: Findings, { row, column, value }: { row: number; column: string; value: string }): void {
  const { words } = HISTORY_COLUMNS.find(({ name }) => name === column)?.type ?? text(64)
  findings.add({ row, column, code: value === '' ? 'MISSING' : 'FORMAT', message: `must be ${words}`, value })
}

type NumberName = 'x' | 'y' | 'accuracy_m' | 'confidence' | 'span_s'
type Store = ReturnType<typeof createStore>
type Dictionary = ReturnType<typeof createDictionary>

function createNumberReader(at: Readonly<Record<NumberName, number>>, findings: Findings) {
  const types = HISTORY_COLUMNS.flatMap(({ name, type }) => {
    const place = at[name as NumberName]
    return place === undefined || place === UNSAID ? [] : [{ name: name as NumberName, type, place }]
  })
  return {
    read(row: number, cells: readonly string[], { i, store }: { readonly i: number; readonly store: Store }): void {
      for (const { name, type, place } of types) {
        const cell = cellText(cells[place] ?? '')
        if (cell === '') continue
        const verdict = type.read(cell, {})
        if (!verdict.ok) {
          findings.add({ row, column: name, code: verdict.code, message: `must be ${type.words}`, value: cell })
        } else put(store.arrays, i, { name, value: Number(verdict.value) })
      }
    },
  }
}

function put(arrays: Arrays, i: number, { name, value }: { readonly name: NumberName; readonly value: number }): void {
  if (name === 'confidence') arrays.confidence[i] = Math.round(value * 1_000)
  else if (name === 'span_s') arrays.spanMs[i] = value * 1_000
  else if (name === 'accuracy_m') arrays.accuracy[i] = value
  else arrays[name][i] = value
}

function createDictionary(file: string) {
  const known = new Map<string, number>()
  const names: string[] = []
  return {
    names,
    indexOf(name: string): number {
      const index = known.get(name)
      if (index !== undefined) return index
      if (names.length >= MAX_NAMES) throw wrongFile(file, 'names more than a million different things', 'Split it.')
      known.set(name, names.length)
      return names.push(name) - 1
    },
  }
}

interface Arrays {
  rowNo: Uint32Array
  timeMs: Float64Array
  subject: Int32Array
  room: Int32Array
  spanMs: Int32Array
  confidence: Int16Array
  x: Float32Array
  y: Float32Array
  accuracy: Float32Array
}

/** Doubles its arrays as they fill. */
function createStore(hasPlaces: boolean) {
  let room = 65_536
  const placed = (size: number) => new Float32Array(hasPlaces ? size : 0).fill(Number.NaN)
  const fresh = (size: number): Arrays => ({
    rowNo: new Uint32Array(size),
    timeMs: new Float64Array(size),
    subject: new Int32Array(size),
    room: new Int32Array(size),
    spanMs: new Int32Array(size).fill(UNSAID),
    confidence: new Int16Array(size),
    x: placed(size),
    y: placed(size),
    accuracy: placed(size),
  })
  const arrays = fresh(room)
  let count = 0
  const grow = () => {
    room *= 2
    const larger = fresh(room)
    for (const name of Object.keys(larger) as (keyof Arrays)[]) larger[name].set(arrays[name])
    Object.assign(arrays, larger)
  }
  return {
    arrays,
    count: () => count,
    add(row: number): number {
      if (count === room) grow()
      arrays.rowNo[count] = row
      count += 1
      return count - 1
    },
  }
}
