import { type Cursor, resetSlots, type Shown, type Slots, touch } from './cursor.ts'
import { hexOf, textOf } from './hex.ts'
import { columnValue, memberOf } from './line-values.ts'
import {
  bytesOfInt,
  compileBits,
  compileCondition,
  compileReadInt,
  compileScale,
  compileShow,
  isIntField,
  numberMap,
  numberOf,
} from './number.ts'
import type {
  BytesField,
  ColumnField,
  Conditions,
  CondSpec,
  DerivedField,
  FieldSpec,
  FlaggedField,
  GroupField,
  IntField,
  JsonField,
  RepeatField,
  SizeSpec,
  TlvField,
} from './profile.ts'

/** Reads on from the cursor; false when the frame does not fit, with the reason in `cursor.why`. */
export type Read = (cursor: Cursor) => boolean

/** Compiles fields that follow one another. */
export function compileFields(specs: readonly FieldSpec[], slots: Slots): Read {
  const reads = specs.map((spec) => compileField(spec, slots))
  const [only] = reads
  if (only !== undefined && reads.length === 1) return only
  return (cursor) => {
    for (const read of reads) if (!read(cursor)) return false
    return true
  }
}

/** Compiles conditions on fields that were read before. */
export function compileConditions(conditions: Conditions | undefined, slots: Slots): (cursor: Cursor) => boolean {
  const tests = Object.entries(conditions ?? {}).map(([name, spec]) => compileFits(slots.of(name), spec))
  const [only] = tests
  if (only !== undefined && tests.length === 1) return only
  return (cursor) => {
    for (const test of tests) if (!test(cursor)) return false
    return true
  }
}

function compileFits(place: number, spec: CondSpec): (cursor: Cursor) => boolean {
  const test = compileCondition(spec)
  const needsText = typeof spec === 'object' && ('text' in spec || 'present' in spec)
  if (!needsText) return (cursor) => test(cursor.values[place] ?? Number.NaN, undefined)
  return (cursor) => test(cursor.values[place] ?? Number.NaN, textAt(cursor, place))
}

/** The text in a place: of a column or JSON member, or the bytes as hex; undefined when nothing was read. */
function textAt(cursor: Cursor, place: number): string | undefined {
  const text = cursor.texts[place]
  if (text !== undefined) return text
  const start = cursor.starts[place] ?? -1
  return start < 0 ? undefined : hexOf(cursor.bytes, start, cursor.ends[place])
}

function compileField(spec: FieldSpec, slots: Slots): Read {
  const read = compileKind(spec, slots)
  if (spec.if === undefined) return read
  const fits = compileConditions(spec.if, slots)
  return (cursor) => !fits(cursor) || read(cursor)
}

function compileKind(spec: FieldSpec, slots: Slots): Read {
  if (isIntField(spec)) return compileInt(spec, slots)
  switch (spec.type) {
    case 'derived':
      return compileDerived(spec, slots)
    case 'hex':
    case 'ascii':
      return compileBytes(spec, slots)
    case 'group':
      return compileGroup(spec, slots)
    case 'repeat':
      return compileRepeat(spec, slots)
    case 'flagged':
      return compileFlagged(spec, slots)
    case 'tlv':
      return compileTlv(spec, slots)
    case 'column':
    case 'json':
      return compileText(spec, slots)
  }
}

function fault(cursor: Cursor, why: string): false {
  cursor.why = why
  return false
}

function compileInt(spec: IntField, slots: Slots): Read {
  const size = bytesOfInt(spec.type)
  const name = spec.name
  if (name === undefined) return skip(size)
  const isByte = spec.type === 'u8'
  const read = compileReadInt(spec.type, spec.endian)
  const store = compileStore(spec, { slots, name, size })
  const why = `${name} beyond the end`
  return (cursor) => {
    const { at } = cursor
    if (at + size > cursor.end) return fault(cursor, why)
    cursor.at = at + size
    store(cursor, isByte ? (cursor.bytes[at] ?? 0) : read(cursor.bytes, at))
    return true
  }
}

function skip(size: number): Read {
  return (cursor) => {
    cursor.at += size
    return cursor.at <= cursor.end || fault(cursor, 'a field beyond the end')
  }
}

const PLAIN = ['mask', 'shift', 'scale', 'offset'] as const

function compileStore(spec: IntField | DerivedField, options: { slots: Slots; name: string; size: number }) {
  const { name, size } = options
  const place = options.slots.of(name)
  const bits = compileBits(spec)
  const scale = compileScale(spec)
  const show = compileShow(spec, size)
  // Most numbers are taken as they stand: this test costs less than two calls.
  const isPlain = PLAIN.every((rule) => spec[rule] === undefined)
  const hidden = spec.hidden === true
  return (cursor: Cursor, raw: number) => {
    const part = isPlain ? raw : bits(raw)
    const value = isPlain ? raw : scale(part)
    touch(cursor, place)
    cursor.raws[place] = part
    cursor.values[place] = value
    if (cursor.shown !== undefined && !hidden) cursor.shown[name] = show(value, part)
  }
}

function compileDerived(spec: DerivedField, slots: Slots): Read {
  const from = slots.of(spec.from)
  // The number of bytes decides only how many hex digits are shown.
  const store = compileStore(spec, { slots, name: spec.name ?? '', size: 1 })
  return (cursor) => {
    const raw = cursor.raws[from] ?? Number.NaN
    if (!Number.isNaN(raw)) store(cursor, raw)
    return true
  }
}

type Size = (cursor: Cursor) => number

/** Bytes a size comes to, or less than 0 when it cannot be. */
function compileSize(spec: SizeSpec, slots: Slots): Size {
  if (typeof spec === 'number') return () => spec
  if ('toEnd' in spec) return (cursor) => cursor.end - spec.toEnd - cursor.at
  const place = slots.of(spec.ref)
  const { add = 0, unit = 'bytes' } = spec
  return (cursor) => {
    const count = cursor.values[place] ?? Number.NaN
    if (!(count >= 0)) return -1
    if (unit === 'bytes') return count + add
    return (unit === 'words' ? 2 * count : Math.ceil(count / 8)) + add
  }
}

function compileBytes(spec: BytesField, slots: Slots): Read {
  const size = compileSize(spec.size, slots)
  const { name } = spec
  const place = name === undefined ? -1 : slots.of(name)
  const ascii = spec.type === 'ascii'
  const why = `${name ?? 'a field'} beyond the end`
  return (cursor) => {
    const start = cursor.at
    const end = start + size(cursor)
    if (!(end >= start && end <= cursor.end)) return fault(cursor, why)
    cursor.at = end
    if (name === undefined) return true
    touch(cursor, place)
    cursor.starts[place] = start
    cursor.ends[place] = end
    if (ascii) setText(cursor, place, textOf(cursor.bytes, start, end))
    if (cursor.shown !== undefined && spec.hidden !== true) cursor.shown[name] = textAt(cursor, place) ?? ''
    return true
  }
}

function setText(cursor: Cursor, place: number, text: string): void {
  cursor.texts[place] = text
  cursor.hasTexts = true
}

function compileGroup(spec: GroupField, slots: Slots): Read {
  const inner = compileFields(spec.fields, slots)
  if (spec.size === undefined) return inner
  const size = compileSize(spec.size, slots)
  const why = `${spec.name ?? 'a group'} of a wrong length`
  return (cursor) => {
    const end = cursor.at + size(cursor)
    const outer = cursor.end
    if (!(end >= cursor.at && end <= outer)) return fault(cursor, why)
    cursor.end = end
    const fits = inner(cursor)
    cursor.end = outer
    if (fits && cursor.at !== end) return fault(cursor, why)
    return fits
  }
}

function compileRepeat(spec: RepeatField, slots: Slots): Read {
  const inner = compileFields(spec.fields, slots)
  const name = spec.name ?? ''
  const count = spec.count === undefined ? undefined : slots.of(spec.count)
  const places = namesIn(spec.fields).map((inside) => slots.of(inside))
  const why = `${name} of a wrong length`
  const turn = (cursor: Cursor, shown: Shown | undefined): boolean => {
    const before = cursor.at
    resetSlots(cursor, places)
    cursor.shown = shown
    if (!inner(cursor) || cursor.onTurn?.() === false) return false
    // A turn that reads nothing would never end, or say a thousand times what was not sent.
    return cursor.at > before || fault(cursor, why)
  }
  const more = count === undefined ? untilEnd : (_cursor: Cursor, left: number) => left > 0
  const turns = (cursor: Cursor, list: Shown[] | undefined): boolean => {
    for (let left = count === undefined ? 0 : (cursor.values[count] ?? 0); more(cursor, left); left--) {
      const shown: Shown | undefined = list === undefined ? undefined : {}
      if (!turn(cursor, shown)) return false
      if (shown !== undefined) list?.push(shown)
    }
    return true
  }
  return (cursor) => {
    const outer = cursor.shown
    const list: Shown[] | undefined = outer === undefined ? undefined : []
    if (!turns(cursor, list)) return false
    cursor.shown = outer
    if (outer !== undefined && list !== undefined && spec.hidden !== true) outer[name] = list
    return true
  }
}

const untilEnd = (cursor: Cursor): boolean => cursor.at < cursor.end

/** Every name that fields give, those inside groups too. */
export function namesIn(specs: readonly FieldSpec[]): string[] {
  return specs.flatMap((spec) => [
    ...(spec.name === undefined ? [] : [spec.name]),
    ...fieldsInside(spec).flatMap(namesIn),
  ])
}

/** The lists of fields inside a field. */
function fieldsInside(spec: FieldSpec): (readonly FieldSpec[])[] {
  if (spec.type === 'group' || spec.type === 'repeat') return [spec.fields]
  if (spec.type === 'flagged') return spec.items.map((item) => item.fields)
  return spec.type === 'tlv' ? Object.values(spec.items) : []
}

function compileFlagged(spec: FlaggedField, slots: Slots): Read {
  const place = slots.of(spec.flags)
  const items = spec.items.map((item) => ({ bit: numberOf(item.flag), read: compileFields(item.fields, slots) }))
  return (cursor) => {
    const flags = cursor.raws[place] ?? 0
    for (const { bit, read } of items) if ((flags & bit) !== 0 && !read(cursor)) return false
    return true
  }
}

function compileTlv(spec: TlvField, slots: Slots): Read {
  const idSize = bytesOfInt(spec.id.type)
  const readId = compileReadInt(spec.id.type, spec.id.endian)
  const items = new Map([...numberMap(spec.items)].map(([id, fields]) => [id, compileFields(fields, slots)]))
  const { length } = spec
  const lengthSize = length === undefined ? 0 : bytesOfInt(length.type)
  const readLength = length === undefined ? undefined : compileReadInt(length.type, length.endian)
  const one = (cursor: Cursor): boolean => {
    const head = cursor.at
    cursor.at = head + idSize + lengthSize
    if (cursor.at > cursor.end) return fault(cursor, 'an item beyond the end')
    const item = items.get(readId(cursor.bytes, head))
    if (readLength === undefined) return item === undefined ? fault(cursor, 'an unknown item') : item(cursor)
    const end = cursor.at + readLength(cursor.bytes, head + idSize) + (length?.add ?? 0)
    const outer = cursor.end
    if (end < cursor.at || end > outer) return fault(cursor, 'an item beyond the end')
    cursor.end = end
    const fits = item === undefined || item(cursor)
    cursor.end = outer
    cursor.at = end
    return fits
  }
  return (cursor) => {
    while (cursor.at < cursor.end) if (!one(cursor)) return false
    return true
  }
}

function compileText(spec: ColumnField | JsonField, slots: Slots): Read {
  const name = spec.name ?? ''
  const place = slots.of(name)
  return (cursor) => {
    // Columns and members have no order: one of them stands for the whole line.
    cursor.at = cursor.end
    const said = spec.type === 'column' ? cursor.columns[spec.index] : memberOf(cursor.json, spec.path)
    if (said === undefined) return true
    const value = columnValue(said, spec.as)
    if (value === undefined) return fault(cursor, `${name} is not ${spec.as}`)
    if (typeof value === 'number') {
      touch(cursor, place)
      cursor.values[place] = value
      cursor.raws[place] = value
    } else {
      setText(cursor, place, value)
    }
    if (cursor.shown !== undefined && spec.hidden !== true) cursor.shown[name] = value
    return true
  }
}
