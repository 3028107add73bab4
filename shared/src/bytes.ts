/**
 * Reading and writing of the wire's numbers. An unsigned number is a little-endian base-128 varint (LEB128); a signed one
 * is the same after zigzag mapping. Numbers may use the whole range of safe integers, which 32-bit operators would cut
 * off and BigInt would slow down: 32 bits take the quick way, larger ones are split by division.
 */
const MAX_VARINT = 8
const MAX_SAFE = Number.MAX_SAFE_INTEGER

const encoder = new TextEncoder()

/** A growing byte buffer. */
export class Writer {
  private bytes: Uint8Array
  private at = 0

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.at
  }

  /** Forgets what was written and keeps the buffer. */
  clear(): void {
    this.at = 0
  }

  /** @returns a view of what was written, valid until the next call of this writer */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }

  private reserve(extra: number): void {
    if (this.at + extra <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + extra))
    larger.set(this.view())
    this.bytes = larger
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.at++] = value
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  /** Length in bytes, then UTF-8. Nearly every text is ASCII, which is copied without a detour. */
  text(value: string): void {
    const start = this.at
    this.unsigned(value.length)
    this.reserve(value.length)
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      if (unit > 127) {
        this.at = start
        const bytes = encoder.encode(value)
        this.unsigned(bytes.length)
        this.raw(bytes)
        return
      }
      this.bytes[this.at++] = unit
    }
  }

  unsigned(value: number): void {
    this.reserve(MAX_VARINT)
    this.at = putUnsigned(this.bytes, this.at, value)
  }

  unsignedAll(values: Float64Array): void {
    this.reserve(values.length * MAX_VARINT)
    const { bytes } = this
    let { at } = this
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number
      if (value < 128 && value === (value & 127)) bytes[at++] = value
      else at = putUnsigned(bytes, at, value)
    }
    this.at = at
  }

  signedAll(values: Float64Array): void {
    this.reserve(values.length * MAX_VARINT)
    let { at } = this
    for (let i = 0; i < values.length; i++) at = putSigned(this.bytes, at, values[i] as number)
    this.at = at
  }

  /** Each value as the difference from the one before it, the first from 0. Differences must be safe integers. */
  deltaAll(values: Float64Array): void {
    this.reserve(values.length * MAX_VARINT)
    let { at } = this
    let previous = 0
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number
      at = putSigned(this.bytes, at, value - previous)
      previous = value
    }
    this.at = at
  }
}

function putUnsigned(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  if (value >>> 0 === value) {
    let rest = value
    for (; rest > 127; rest >>>= 7) bytes[at++] = rest | 128
    bytes[at++] = rest
    return at
  }
  if (!Number.isSafeInteger(value) || value < 0) return putRefused(bytes, at)
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128
  bytes[at++] = rest
  return at
}

function putSigned(bytes: Uint8Array, start: number, value: number): number {
  if ((value | 0) === value) return putUnsigned(bytes, start, ((value << 1) ^ (value >> 31)) >>> 0)
  if (!Number.isSafeInteger(value)) return putRefused(bytes, start)
  // Doubling a number near 2^53 would lose its lowest bit: the sign and six bits go first, the rest after them.
  const magnitude = value < 0 ? -1 - value : value
  bytes[start] = ((magnitude % 64) * 2 + (value < 0 ? 1 : 0)) | 128
  return putUnsigned(bytes, start + 1, Math.floor(magnitude / 64))
}

/** No number of the model: written as bytes that every reader refuses, for a wrong number would pass unnoticed. */
function putRefused(bytes: Uint8Array, at: number): number {
  bytes.fill(0xff, at, at + MAX_VARINT)
  return at + MAX_VARINT
}

/** Keeps the first thing found wrong; everything read after it is of no account. */
export interface Fault {
  detail: string | undefined
}

export interface Range {
  readonly min: number
  readonly max: number
}

/** Reads `bytes[at..end)` and never beyond; what is wrong goes to the fault and a harmless value is returned. */
export class Reader {
  readonly bytes: Uint8Array
  private at: number
  private readonly end: number
  readonly fault: Fault

  constructor(bytes: Uint8Array, fault: Fault, { from = 0, to = bytes.length }: { from?: number; to?: number } = {}) {
    this.bytes = bytes
    this.fault = fault
    this.at = from
    this.end = to
  }

  get position(): number {
    return this.at
  }

  get remaining(): number {
    return this.end - this.at
  }

  fail(detail: string): void {
    this.fault.detail ??= detail
  }

  byte(): number {
    if (this.at < this.end) return this.bytes[this.at++] as number
    this.fail('ends early')
    return 0
  }

  /** A view of the next `length` bytes, empty when there are not as many. */
  raw(length: number): Uint8Array {
    if (length > this.remaining) this.fail('ends early')
    const to = length > this.remaining ? this.at : this.at + length
    const view = this.bytes.subarray(this.at, to)
    this.at = to
    return view
  }

  /** As `raw`, but a plain copy: the view of a Node.js Buffer would be a Buffer, and so would its `slice`. */
  copy(length: number): Uint8Array {
    return new Uint8Array(this.raw(length))
  }

  /** A reader of the next `length` bytes alone, which this one passes over. */
  part(length: number): Reader {
    const fits = length <= this.remaining
    if (!fits) this.fail('ends early')
    const from = this.at
    this.at = fits ? from + length : this.end
    return new Reader(this.bytes, this.fault, { from, to: this.at })
  }

  unsigned(max: number): number {
    const value = this.varint()
    if (value <= max) return value
    this.fail(`${value} is above ${max}`)
    return 0
  }

  private varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_VARINT; i++) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return this.safe(value)
      scale *= 128
    }
    return this.safe(Number.POSITIVE_INFINITY)
  }

  private safe(value: number): number {
    if (value <= MAX_SAFE && value >= -MAX_SAFE) return value
    this.fail('a number is out of the range of safe integers')
    return 0
  }

  private signed(): number {
    const byte = this.byte()
    const low = (byte >> 1) & 63
    const magnitude = byte < 128 ? low : this.varint() * 64 + low
    return this.safe(byte & 1 ? -1 - magnitude : magnitude)
  }

  /** Room for `count` numbers, none when there are too few bytes left to hold them. */
  private column(count: number): Float64Array {
    if (count <= this.remaining) return new Float64Array(count)
    this.fail('ends early')
    return new Float64Array(0)
  }

  unsignedAll(count: number, range: Range): Float64Array {
    const values = this.column(count)
    const { bytes, end } = this
    const { min, max } = range
    for (let i = 0; i < values.length; i++) {
      const byte = this.at < end ? (bytes[this.at] as number) : 128
      const value = byte < 128 ? byte : this.varint()
      if (byte < 128) this.at++
      if (value < min || value > max) this.outside(value, range)
      values[i] = value
    }
    return values
  }

  signedAll(count: number, range: Range): Float64Array {
    const values = this.column(count)
    for (let i = 0; i < values.length; i++) {
      const value = this.signed()
      if (value < range.min || value > range.max) this.outside(value, range)
      values[i] = value
    }
    return values
  }

  deltaAll(count: number, range: Range): Float64Array {
    const values = this.column(count)
    let value = 0
    for (let i = 0; i < values.length; i++) {
      value += this.signed()
      if (value < range.min || value > range.max) {
        this.outside(value, range)
        value = range.min
      }
      values[i] = value
    }
    return values
  }

  private outside(value: number, { min, max }: Range): void {
    this.fail(`${value} is not in ${min}..${max}`)
  }
}

export function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += (byte + 256).toString(16).slice(1)
  return text
}

/** @param text an even number of hex digits */
export function bytesOfHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}
