import type { Fields, TagReport } from './driver.ts'

/** Names of a profile's fields, each with its place in a cursor. */
export interface Slots {
  /** Place of a name, made when it is new. */
  of(name: string): number
  find(name: string): number | undefined
  readonly size: number
}

export function createSlots(): Slots {
  const places = new Map<string, number>()
  return {
    of(name) {
      const known = places.get(name)
      if (known !== undefined) return known
      places.set(name, places.size)
      return places.size - 1
    },
    find: (name) => places.get(name),
    get size() {
      return places.size
    },
  }
}

export type Shown = { -readonly [name in keyof Fields]: Fields[name] }

/** Where reading stands, and what has been read. One per driver, used again for every frame. */
export interface Cursor {
  bytes: Uint8Array
  at: number
  /** End of the part being read. */
  end: number
  /** Values of number fields after scale and offset; NaN = not read. */
  readonly values: Float64Array
  /** The same as they stood in the frame. */
  readonly raws: Float64Array
  /** Place of byte fields in `bytes`; -1 = not read. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Places that may hold something. */
  filled: readonly number[]
  /** Values of text fields (columns and JSON members). */
  readonly texts: (string | undefined)[]
  /** Whether any text stands there: most protocols have none. */
  hasTexts: boolean
  /** Filled with the shown values, when somebody wants them. */
  shown: Shown | undefined
  why: string
  columns: readonly string[]
  json: unknown
  /** Called after each turn of the repeat that holds the tags. */
  onTurn: ((cursor: Cursor) => boolean) | undefined
  /** Reports of the tags in the message. */
  tags: TagReport[]
}

export function createCursor(slots: Slots): Cursor {
  const { size } = slots
  return {
    bytes: new Uint8Array(0),
    at: 0,
    end: 0,
    values: new Float64Array(size).fill(Number.NaN),
    raws: new Float64Array(size).fill(Number.NaN),
    starts: new Int32Array(size).fill(-1),
    ends: new Int32Array(size),
    filled: [],
    texts: new Array<string | undefined>(size).fill(undefined),
    hasTexts: false,
    shown: undefined,
    why: '',
    columns: [],
    json: undefined,
    onTurn: undefined,
    tags: [],
  }
}

/** Forgets what was read, and says what may be filled next: a message fills few of the places that a profile has. */
export function resetCursor(cursor: Cursor, next: readonly number[]): void {
  const { values, raws, starts, filled } = cursor
  for (let n = 0; n < filled.length; n++) {
    const place = filled[n] as number
    values[place] = Number.NaN
    raws[place] = Number.NaN
    starts[place] = -1
  }
  cursor.filled = next
  if (cursor.hasTexts) cursor.texts.fill(undefined)
  cursor.hasTexts = false
  cursor.why = ''
}

/** Forgets what some places hold. */
export function resetSlots(cursor: Cursor, places: readonly number[]): void {
  const { values, raws, starts, texts, hasTexts } = cursor
  for (let n = 0; n < places.length; n++) {
    const place = places[n] as number
    values[place] = Number.NaN
    raws[place] = Number.NaN
    starts[place] = -1
    if (hasTexts) texts[place] = undefined
  }
}
