import { type Fault, hexOf, type Range, Reader, Writer } from './bytes.ts'

/**
 * A block of the body: `code, number of columns, (column id, byte length, bytes)*`. Because every column tells its
 * length, a reader passes over columns that a later writer added.
 */
const MAX_COLUMNS = 256
/** A name has at most 64 UTF-16 units, an identity at most 160 ASCII characters: both fit. */
const MAX_TEXT_BYTES = 256

export const NATURAL: Range = { min: 0, max: Number.MAX_SAFE_INTEGER }
export const WHOLE: Range = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Collects the columns of one block, then appends the block to the body. */
export class BlockWriter {
  private readonly body: Writer
  private readonly columns = new Writer(1 << 14)
  private readonly column = new Writer(1 << 12)
  private count = 0

  constructor(body: Writer) {
    this.body = body
  }

  end(code: number): void {
    this.body.unsigned(code)
    this.body.unsigned(this.count)
    this.body.raw(this.columns.view())
    this.columns.clear()
    this.count = 0
  }

  private close(id: number): void {
    this.columns.unsigned(id)
    this.columns.unsigned(this.column.length)
    this.columns.raw(this.column.view())
    this.column.clear()
    this.count++
  }

  unsigned(id: number, values: Float64Array): void {
    this.column.unsignedAll(values)
    this.close(id)
  }

  signed(id: number, values: Float64Array): void {
    this.column.signedAll(values)
    this.close(id)
  }

  delta(id: number, values: Float64Array): void {
    this.column.deltaAll(values)
    this.close(id)
  }

  /** Leaves the column out when no record has the value. */
  optionalSigned(id: number, values: readonly (number | undefined)[]): void {
    const present = this.presence(values)
    if (present.length === 0) return
    this.column.signedAll(Float64Array.from(present))
    this.close(id)
  }

  /** Leaves the column out when no record has the value. */
  optionalBytes(id: number, values: readonly (Uint8Array | undefined)[]): void {
    const present = this.presence(values)
    if (present.length === 0) return
    this.column.unsignedAll(Float64Array.from(present, (value) => value.length))
    for (const value of present) this.column.raw(value)
    this.close(id)
  }

  private presence<T>(values: readonly (T | undefined)[]): T[] {
    const present = values.filter((value) => value !== undefined)
    if (present.length === 0) return present
    const bitmap = new Uint8Array(Math.ceil(values.length / 8))
    values.forEach((value, i) => {
      if (value !== undefined) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7))
    })
    this.column.raw(bitmap)
    return present
  }

  raw(id: number, values: readonly Uint8Array[]): void {
    for (const value of values) this.column.raw(value)
    this.close(id)
  }

  texts(id: number, values: Iterable<string>, count: number): void {
    this.column.unsigned(count)
    for (const value of values) this.column.text(value)
    this.close(id)
  }
}

/** The columns of one block, read by id. A missing, short or over-long column is a fault. */
export class BlockReader {
  readonly code: number
  private readonly fault: Fault
  private readonly columns = new Map<number, Reader>()

  constructor(body: Reader) {
    this.fault = body.fault
    this.code = body.unsigned(0xffff)
    const count = body.unsigned(MAX_COLUMNS)
    for (let i = 0; i < count && this.fault.detail === undefined; i++) {
      const id = body.unsigned(0xffff)
      const column = body.part(body.unsigned(body.remaining))
      if (this.columns.has(id)) body.fail(`block ${this.code} has column ${id} twice`)
      this.columns.set(id, column)
    }
  }

  private read<T>(id: number, take: (column: Reader) => T): T {
    const column = this.columns.get(id) ?? new Reader(new Uint8Array(0), this.fault)
    if (!this.columns.has(id)) this.fault.detail ??= `block ${this.code} lacks column ${id}`
    const sound = this.fault.detail === undefined
    const value = take(column)
    if (column.remaining > 0) column.fail('has bytes left over')
    if (sound && this.fault.detail !== undefined) {
      this.fault.detail = `block ${this.code} column ${id}: ${this.fault.detail}`
    }
    return value
  }

  unsigned(id: number, count: number, range: Range): Float64Array {
    return this.read(id, (column) => column.unsignedAll(count, range))
  }

  signed(id: number, count: number, range: Range): Float64Array {
    return this.read(id, (column) => column.signedAll(count, range))
  }

  delta(id: number, count: number, range: Range): Float64Array {
    return this.read(id, (column) => column.deltaAll(count, range))
  }

  /** Entries of `table` by position. */
  named<T>(id: number, count: number, table: readonly T[]): T[] {
    const codes = this.unsigned(id, count, { min: 0, max: table.length - 1 })
    const names: T[] = []
    for (let i = 0; i < count; i++) names.push(table[codes[i] as number] as T)
    return names
  }

  /** Names of `table` by code; a code without a name is a fault. */
  enumerated<T>(id: number, count: number, table: readonly (T | undefined)[]): T[] {
    const names: T[] = []
    for (const name of this.named(id, count, table)) {
      if (name === undefined) this.fault.detail ??= `block ${this.code} column ${id}: unknown code`
      else names.push(name)
    }
    return names
  }

  /** Which of `count` records have the value, then the values of those; undefined when none has. */
  optionalSigned(id: number, count: number, range: Range): (number | undefined)[] | undefined {
    if (!this.columns.has(id)) return undefined
    return this.read(id, (column) => {
      const { present, total } = presence(column, count)
      const values = column.signedAll(total, range)
      let next = 0
      return present.map((has) => (has ? values[next++] : undefined))
    })
  }

  optionalBytes(id: number, count: number, maxBytes: number): (Uint8Array | undefined)[] | undefined {
    if (!this.columns.has(id)) return undefined
    return this.read(id, (column) => {
      const { present, total } = presence(column, count)
      const lengths = column.unsignedAll(total, { min: 0, max: maxBytes })
      let next = 0
      return present.map((has) => (has ? column.copy(lengths[next++] as number) : undefined))
    })
  }

  hex(id: number, count: number, bytesEach: number): string[] {
    return this.read(id, (column) => Array.from({ length: count }, () => hexOf(column.raw(bytesEach))))
  }

  slices(id: number, lengths: Float64Array): Uint8Array[] {
    return this.read(id, (column) => Array.from(lengths, (length) => column.copy(length)))
  }

  /** A dictionary: every entry must pass `check`. Empty when the column is left out. */
  texts<T extends string>(id: number, maxCount: number, check: (text: string) => text is T): T[] {
    const texts: T[] = []
    if (!this.columns.has(id)) return texts
    return this.read(id, (column) => {
      const count = column.unsigned(Math.min(maxCount, column.remaining))
      for (let i = 0; i < count && this.fault.detail === undefined; i++) {
        const text = textOf(column.raw(column.unsigned(MAX_TEXT_BYTES)))
        if (text !== undefined && check(text)) texts.push(text)
        else column.fail(`entry ${i} is not a well-formed identity`)
      }
      return texts
    })
  }
}

function presence(column: Reader, count: number): { present: boolean[]; total: number } {
  const bitmap = column.raw(Math.ceil(count / 8))
  const present: boolean[] = []
  let total = 0
  for (let i = 0; i < count; i++) {
    const has = (((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 1
    present.push(has)
    if (has) total++
  }
  return { present, total }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}
