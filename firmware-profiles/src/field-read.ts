import { type Cursor, resetSlots, type Shown, type Slots } from './cursor.ts'
import {
  bytesStep,
  compileSize,
  derivedStep,
  fault,
  intStep,
  otherStep,
  type Read,
  readSteps,
  type Step,
  setText,
  stepIf,
} from './field-steps.ts'
import { columnValue, memberOf } from './line-values.ts'
import { bytesOfInt, compileReadInt, isIntField, numberMap, numberOf } from './number.ts'
import type { ColumnField, FieldSpec, FlaggedField, GroupField, JsonField, RepeatField, TlvField } from './profile.ts'

/** Compiles fields that follow one another. */
export function compileFields(specs: readonly FieldSpec[], slots: Slots): Read {
  const steps = specs.map((spec) => stepIf(compileStep(spec, slots), spec.if, slots))
  return (cursor) => readSteps(steps, cursor)
}

function compileStep(spec: FieldSpec, slots: Slots): Step {
  if (isIntField(spec)) return intStep(spec, slots)
  switch (spec.type) {
    case 'derived':
      return derivedStep(spec, slots)
    case 'hex':
    case 'ascii':
      return bytesStep(spec, slots)
    case 'group':
      return otherStep(compileGroup(spec, slots))
    case 'repeat':
      return otherStep(compileRepeat(spec, slots))
    case 'flagged':
      return otherStep(compileFlagged(spec, slots))
    case 'tlv':
      return otherStep(compileTlv(spec, slots))
    case 'column':
    case 'json':
      return otherStep(compileText(spec, slots))
  }
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
    if (!inner(cursor) || cursor.onTurn?.(cursor) === false) return false
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
      cursor.values[place] = value
      cursor.raws[place] = value
    } else {
      setText(cursor, place, value)
    }
    if (cursor.shown !== undefined && spec.hidden !== true) cursor.shown[name] = value
    return true
  }
}
