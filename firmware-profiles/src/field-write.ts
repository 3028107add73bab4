import type { Fields, FieldValue } from './driver.ts'
import { bytesOfHex, bytesOfText } from './hex.ts'
import {
  bitsOf,
  bytesOfInt,
  compileBits,
  compileCondition,
  compileScale,
  isIntField,
  numberMap,
  numberOf,
  writeInt,
} from './number.ts'
import type {
  BytesField,
  ColumnField,
  Conditions,
  DerivedField,
  FieldSpec,
  FlaggedField,
  IntField,
  JsonField,
  NumberRules,
  RepeatField,
  SizeSpec,
  TlvField,
} from './profile.ts'

/** A body being written: the way back of reading. Not for hot paths: simulated readers write, gateways read. */
export interface Writer {
  bytes: number[]
  /** What is written so far, for conditions and flags: as it stands in the frame, and after scale and offset. */
  readonly raws: Map<string, number>
  readonly values: Map<string, number>
  /** Where sizes and counts stand that are not known before what they measure. */
  readonly open: Map<string, { readonly at: number; readonly spec: IntField }>
  readonly columns: string[]
  readonly json: Record<string, unknown>
  /** Every derived field of the message, by the field it is a view of. */
  readonly derived: ReadonlyMap<string, readonly DerivedField[]>
  /** Names that some size or count refers to. */
  readonly measured: ReadonlySet<string>
  problem: string | undefined
}

export function createWriter(specs: readonly FieldSpec[]): Writer {
  const all = flatten(specs)
  const derived = new Map<string, DerivedField[]>()
  const measured = new Set<string>()
  for (const spec of all) {
    if (spec.type === 'derived') derived.set(spec.from, [...(derived.get(spec.from) ?? []), spec])
    if (spec.type === 'repeat' && spec.count !== undefined) measured.add(spec.count)
    if ('size' in spec && typeof spec.size === 'object' && 'ref' in spec.size) measured.add(spec.size.ref)
  }
  return {
    bytes: [],
    raws: new Map(),
    values: new Map(),
    open: new Map(),
    columns: [],
    json: {},
    derived,
    measured,
    problem: undefined,
  }
}

/** All fields, those inside others too. */
export function flatten(specs: readonly FieldSpec[]): FieldSpec[] {
  return specs.flatMap((spec) => {
    if (spec.type === 'group' || spec.type === 'repeat') return [spec, ...flatten(spec.fields)]
    if (spec.type === 'flagged') return [spec, ...spec.items.flatMap((item) => flatten(item.fields))]
    if (spec.type === 'tlv') return [spec, ...Object.values(spec.items).flatMap(flatten)]
    return [spec]
  })
}

/** Writes fields from values by name. The first value that is missing or does not fit stands in `problem`. */
export function writeFields(writer: Writer, specs: readonly FieldSpec[], values: Fields): void {
  for (const spec of specs) if (applies(writer, spec.if)) writeField(writer, spec, values)
}

/** A size that is not known yet counts as 0: no flag is set in it. */
function applies(writer: Writer, conditions: Conditions | undefined): boolean {
  return Object.entries(conditions ?? {}).every(([name, condition]) =>
    compileCondition(condition)(writer.values.get(name) ?? (writer.open.has(name) ? 0 : Number.NaN), undefined),
  )
}

function writeField(writer: Writer, spec: FieldSpec, values: Fields): void {
  if (isIntField(spec)) {
    writeNumber(writer, spec, values)
    return
  }
  switch (spec.type) {
    case 'derived':
      noteDerived(writer, spec)
      return
    case 'hex':
    case 'ascii':
      writeBytes(writer, spec, values)
      return
    case 'group':
      writeSized(writer, spec.size, () => writeFields(writer, spec.fields, values))
      return
    case 'repeat':
      writeRepeat(writer, spec, values)
      return
    case 'flagged':
      writeFlagged(writer, spec, values)
      return
    case 'tlv':
      writeTlv(writer, spec, values)
      return
    case 'column':
    case 'json':
      writeText(writer, spec, values)
      return
  }
}

function fail(writer: Writer, problem: string): void {
  writer.problem ??= problem
}

function writeNumber(writer: Writer, spec: IntField, values: Fields): void {
  const at = writer.bytes.length
  for (let n = 0; n < bytesOfInt(spec.type); n++) writer.bytes.push(0)
  const { name } = spec
  const raw = name === undefined ? numberOf(spec.default ?? 0) : rawOf(writer, spec, values)
  if (raw === undefined && name !== undefined && writer.measured.has(name)) {
    writer.open.set(name, { at, spec })
    return
  }
  if (raw === undefined) fail(writer, `${name} has no value`)
  else putNumber(writer, { at, spec, raw })
}

function putNumber(writer: Writer, { at, spec, raw }: { at: number; spec: IntField; raw: number }): void {
  const size = bytesOfInt(spec.type)
  const bytes = new Uint8Array(size)
  if (!writeInt(bytes, 0, { type: spec.type, endian: spec.endian, value: raw })) {
    fail(writer, `${spec.name ?? 'a field'} cannot be ${raw}`)
  }
  for (let n = 0; n < size; n++) writer.bytes[at + n] = bytes[n] ?? 0
  if (spec.name === undefined) return
  writer.raws.set(spec.name, raw)
  writer.values.set(spec.name, compileScale(spec)(compileBits(spec)(raw)))
}

/** The number that makes a field show its value, or that its views make together, or its default. */
function rawOf(writer: Writer, spec: IntField, values: Fields): number | undefined {
  const given = values[spec.name ?? '']
  if (given !== undefined) return rawOfValue(spec, given)
  const views = (writer.derived.get(spec.name ?? '') ?? []).filter((view) => values[view.name ?? ''] !== undefined)
  if (views.length === 0) return spec.default === undefined ? undefined : numberOf(spec.default)
  const parts = views.map((view) => ({ name: view.name, part: rawOfValue(view, values[view.name ?? ''] ?? 0) }))
  // Of views with one name (a table in pieces), those that cannot show the value are left out.
  const fits = ({ name, part }: (typeof parts)[number]) =>
    !Number.isNaN(part) || parts.every((other) => other.name !== name || Number.isNaN(other.part))
  return parts.filter(fits).reduce((raw, { part }) => {
    return Number.isNaN(part) || (raw >= 0 && part >= 0) ? raw + part - ((raw & part) >>> 0) : part
  }, 0)
}

function rawOfValue(rules: NumberRules, value: FieldValue): number {
  if (rules.map !== undefined) {
    for (const [bits, meaning] of numberMap(rules.map)) if (meaning === value) return bits * 2 ** (rules.shift ?? 0)
  }
  if (typeof value === 'number') return bitsOf(rules, value)
  if (typeof value !== 'string') return Number.NaN
  const digits = value.replace(/^0x/i, '')
  const isHex = rules.format === 'hex' || rules.format === '0x' || digits !== value
  if (isHex) return /^[0-9a-f]+$/i.test(digits) ? Number.parseInt(digits, 16) * 2 ** (rules.shift ?? 0) : Number.NaN
  return bitsOf(rules, Number(value))
}

function noteDerived(writer: Writer, spec: DerivedField): void {
  const raw = writer.raws.get(spec.from)
  if (raw === undefined || spec.name === undefined) return
  const bits = compileBits(spec)(raw)
  writer.raws.set(spec.name, bits)
  writer.values.set(spec.name, compileScale(spec)(bits))
}

function writeBytes(writer: Writer, spec: BytesField, values: Fields): void {
  const given = values[spec.name ?? ''] ?? spec.default ?? blank(spec)
  if (typeof given !== 'string') {
    fail(writer, `${spec.name ?? 'a field'} has no value`)
    return
  }
  const bytes = spec.type === 'ascii' ? bytesOfText(given) : bytesOfHex(given)
  if (bytes === undefined) fail(writer, `${spec.name ?? 'a field'} is not hex`)
  writeSized(writer, spec.size, () => writer.bytes.push(...(bytes ?? [])))
}

/** Bytes nobody has named may be anything. */
function blank(spec: BytesField): string | undefined {
  if (spec.name !== undefined && typeof spec.size === 'object' && 'ref' in spec.size) return ''
  if (spec.name !== undefined || typeof spec.size !== 'number') return undefined
  return spec.type === 'ascii' ? ' '.repeat(spec.size) : '00'.repeat(spec.size)
}

/** Writes something, and then its size where the size was left open. */
function writeSized(writer: Writer, size: SizeSpec | undefined, write: () => void): void {
  const before = writer.bytes.length
  write()
  const written = writer.bytes.length - before
  if (typeof size === 'number' && written !== size) fail(writer, `${written} bytes where ${size} belong`)
  if (typeof size !== 'object' || !('ref' in size)) return
  const count = written - (size.add ?? 0)
  settle(writer, size.ref, size.unit === 'bits' ? 8 * count : size.unit === 'words' ? count / 2 : count)
}

function settle(writer: Writer, name: string, value: number): void {
  const open = writer.open.get(name)
  if (open === undefined) return
  writer.open.delete(name)
  putNumber(writer, { ...open, raw: bitsOf(open.spec, value) })
}

function writeRepeat(writer: Writer, spec: RepeatField, values: Fields): void {
  const turns = values[spec.name ?? ''] ?? []
  if (typeof turns !== 'object') {
    fail(writer, `${spec.name} is not a list`)
    return
  }
  for (const turn of turns) writeFields(writer, spec.fields, { ...values, ...turn })
  if (spec.count !== undefined) settle(writer, spec.count, turns.length)
}

function writeFlagged(writer: Writer, spec: FlaggedField, values: Fields): void {
  const flags = writer.raws.get(spec.flags) ?? 0
  for (const { flag, fields } of spec.items) if ((flags & numberOf(flag)) !== 0) writeFields(writer, fields, values)
}

/** Only items of which a value is given are written. */
function writeTlv(writer: Writer, spec: TlvField, values: Fields): void {
  for (const [id, fields] of numberMap(spec.items)) {
    if (!fields.some((field) => field.name !== undefined && values[field.name] !== undefined)) continue
    putNumber(writer, {
      at: writer.bytes.length,
      spec: { type: spec.id.type, endian: spec.id.endian ?? 'big' },
      raw: id,
    })
    const { length } = spec
    const at = writer.bytes.length
    if (length !== undefined) for (let n = 0; n < bytesOfInt(length.type); n++) writer.bytes.push(0)
    const start = writer.bytes.length
    writeFields(writer, fields, values)
    if (length === undefined) continue
    const raw = writer.bytes.length - start - (length.add ?? 0)
    putNumber(writer, { at, spec: { type: length.type, endian: length.endian ?? 'big' }, raw })
  }
}

function writeText(writer: Writer, spec: ColumnField | JsonField, values: Fields): void {
  const value = values[spec.name ?? '']
  if (spec.type === 'column') {
    while (writer.columns.length <= spec.index) writer.columns.push('')
    writer.columns[spec.index] = String(value ?? '')
    return
  }
  if (value === undefined) return
  let inside = writer.json
  const names = spec.path.split('.')
  for (const name of names.slice(0, -1)) {
    const next = Object.hasOwn(inside, name) ? inside[name] : {}
    inside[name] = next
    inside = next as Record<string, unknown>
  }
  inside[names.at(-1) ?? ''] = value
}
