import type { Cursor, Slots } from './cursor.ts'
import { hexOf, textOf } from './hex.ts'
import {
  boundsOf,
  bytesOfInt,
  compileBits,
  compileCondition,
  compileReadInt,
  compileScale,
  compileShow,
  isRange,
  type ReadInt,
} from './number.ts'
import type { BytesField, Conditions, CondSpec, DerivedField, IntField, SizeSpec } from './profile.ts'

/** Reads on from the cursor; false when the frame does not fit, with the reason in `cursor.why`. */
export type Read = (cursor: Cursor) => boolean

const NUMBER = 0
const BYTE = 1
const DERIVED = 2
const BYTES = 3
const OTHER = 4

/**
 * One field, ready to be read. All fields are of this one form, and one loop reads those of every profile: calling a function
 * for each of them would cost several times what most of them cost to read.
 */
export interface Step {
  readonly kind: typeof NUMBER | typeof BYTE | typeof DERIVED | typeof BYTES | typeof OTHER
  /** Where the value goes, -1: nowhere. */
  readonly place: number
  /** Bytes it takes; -1 where `sizeOf` tells. */
  readonly size: number
  readonly sizeOf: Size
  readonly readInt: ReadInt
  /** Place of the number that it is another view of. */
  readonly from: number
  /** The number as it stands is its value. */
  readonly isPlain: boolean
  readonly bits: (raw: number) => number
  readonly scale: (bits: number) => number
  readonly isText: boolean
  /** Reads all other kinds. */
  readonly read: Read
  readonly isConditional: boolean
  readonly fits: (cursor: Cursor) => boolean
  /** Name under which it is shown, empty when it is not. */
  readonly showAs: string
  readonly show: (value: number, bits: number) => number | string
  /** What is said when it does not fit. */
  readonly why: string
}

const NOTHING: Step = {
  kind: OTHER,
  place: -1,
  size: 0,
  sizeOf: () => 0,
  readInt: () => 0,
  from: -1,
  isPlain: true,
  bits: (raw) => raw,
  scale: (bits) => bits,
  isText: false,
  read: () => true,
  isConditional: false,
  fits: () => true,
  showAs: '',
  show: (value) => value,
  why: 'a field beyond the end',
}

/** Reads fields that follow one another. */
export function readSteps(steps: readonly Step[], cursor: Cursor): boolean {
  for (let n = 0; n < steps.length; n++) {
    const step = steps[n] as Step
    if (step.isConditional && !step.fits(cursor)) continue
    if (!readStep(step, cursor)) return false
  }
  return true
}

function readStep(step: Step, cursor: Cursor): boolean {
  switch (step.kind) {
    case BYTE:
    case NUMBER:
      return readNumber(step, cursor)
    case DERIVED: {
      const raw = cursor.raws[step.from] as number
      if (!Number.isNaN(raw)) store(step, cursor, raw)
      return true
    }
    case BYTES:
      return readBytes(step, cursor)
    case OTHER:
      return step.read(cursor)
  }
}

function readNumber(step: Step, cursor: Cursor): boolean {
  const { at } = cursor
  const next = at + step.size
  if (next > cursor.end) return fault(cursor, step.why)
  cursor.at = next
  if (step.place < 0) return true
  store(step, cursor, step.kind === BYTE ? (cursor.bytes[at] as number) : step.readInt(cursor.bytes, at))
  return true
}

function store(step: Step, cursor: Cursor, raw: number): void {
  const { place } = step
  const part = step.isPlain ? raw : step.bits(raw)
  const value = step.isPlain ? raw : step.scale(part)
  cursor.raws[place] = part
  cursor.values[place] = value
  if (cursor.shown !== undefined && step.showAs !== '') cursor.shown[step.showAs] = step.show(value, part)
}

function readBytes(step: Step, cursor: Cursor): boolean {
  const start = cursor.at
  const end = start + (step.size >= 0 ? step.size : step.sizeOf(cursor))
  if (!(end >= start && end <= cursor.end)) return fault(cursor, step.why)
  cursor.at = end
  const { place } = step
  if (place < 0) return true
  cursor.starts[place] = start
  cursor.ends[place] = end
  if (step.isText) setText(cursor, place, textOf(cursor.bytes, start, end))
  if (cursor.shown !== undefined && step.showAs !== '') cursor.shown[step.showAs] = textAt(cursor, place) ?? ''
  return true
}

export function fault(cursor: Cursor, why: string): false {
  cursor.why = why
  return false
}

export function setText(cursor: Cursor, place: number, text: string): void {
  cursor.texts[place] = text
  cursor.hasTexts = true
}

/** The text in a place: of a column or JSON member, or the bytes as hex; undefined when nothing was read. */
function textAt(cursor: Cursor, place: number): string | undefined {
  const text = cursor.texts[place]
  if (text !== undefined) return text
  const start = cursor.starts[place] ?? -1
  return start < 0 ? undefined : hexOf(cursor.bytes, start, cursor.ends[place])
}

/** A field of a kind that has a reader of its own. */
export function otherStep(read: Read): Step {
  return { ...NOTHING, read }
}

export function intStep(spec: IntField, slots: Slots): Step {
  const { name, type } = spec
  const size = bytesOfInt(type)
  const kind = type === 'u8' ? BYTE : NUMBER
  if (name === undefined) return { ...NOTHING, kind, size }
  return {
    ...NOTHING,
    ...viewOf(spec, { slots, name, size }),
    kind,
    size,
    readInt: compileReadInt(type, spec.endian),
    why: `${name} beyond the end`,
  }
}

export function derivedStep(spec: DerivedField, slots: Slots): Step {
  // The number of bytes decides only how many hex digits are shown.
  const view = viewOf(spec, { slots, name: spec.name ?? '', size: 1 })
  return { ...NOTHING, ...view, kind: DERIVED, from: slots.of(spec.from) }
}

export function bytesStep(spec: BytesField, slots: Slots): Step {
  const { name, size } = spec
  return {
    ...NOTHING,
    kind: BYTES,
    place: name === undefined ? -1 : slots.of(name),
    size: typeof size === 'number' ? size : -1,
    sizeOf: compileSize(size, slots),
    isText: spec.type === 'ascii',
    showAs: spec.hidden === true ? '' : (name ?? ''),
    why: `${name ?? 'a field'} beyond the end`,
  }
}

/** The same step, taken only if earlier fields fit. */
export function stepIf(step: Step, conditions: Conditions | undefined, slots: Slots): Step {
  return conditions === undefined ? step : { ...step, isConditional: true, fits: compileConditions(conditions, slots) }
}

const RULES = ['mask', 'shift', 'scale', 'offset'] as const

function viewOf(spec: IntField | DerivedField, options: { slots: Slots; name: string; size: number }) {
  const { slots, name, size } = options
  return {
    place: slots.of(name),
    isPlain: RULES.every((rule) => spec[rule] === undefined),
    bits: compileBits(spec),
    scale: compileScale(spec),
    showAs: spec.hidden === true ? '' : name,
    show: compileShow(spec, size),
  }
}

export type Size = (cursor: Cursor) => number

/** Bytes a size comes to, or less than 0 when it cannot be. */
export function compileSize(spec: SizeSpec, slots: Slots): Size {
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

/** Compiles conditions on fields that were read before. */
export function compileConditions(conditions: Conditions | undefined, slots: Slots): (cursor: Cursor) => boolean {
  const tests = Object.entries(conditions ?? {}).map(([name, spec]) => compileFits(slots.of(name), spec))
  const [only] = tests
  if (only === undefined) return NOTHING.fits
  if (tests.length === 1) return only
  return (cursor) => {
    for (const test of tests) if (!test(cursor)) return false
    return true
  }
}

function compileFits(place: number, spec: CondSpec): (cursor: Cursor) => boolean {
  if (isRange(spec)) {
    const { min, max } = boundsOf(spec)
    return (cursor) => {
      const value = cursor.values[place] ?? Number.NaN
      return value >= min && value <= max
    }
  }
  const test = compileCondition(spec)
  const needsText = typeof spec === 'object' && ('text' in spec || 'present' in spec)
  if (!needsText) return (cursor) => test(cursor.values[place] ?? Number.NaN, undefined)
  return (cursor) => test(cursor.values[place] ?? Number.NaN, textAt(cursor, place))
}
