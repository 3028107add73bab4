/** Microseconds between 1970-01-01 and PostgreSQL's own origin, 2000-01-01. */
const PG_EPOCH_US = 946_684_800_000_000
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
const FIRST_BYTES = 64 * 1_024
/** A buffer that once grew beyond this is given back, so that one huge set does not hold memory for ever. */
const KEEP_BYTES = 8 * 1_024 * 1_024

/**
 * Rows in PostgreSQL's binary COPY format (documentation of COPY, "Binary Format"): per row a column count, per value
 * its length and its big-endian bytes. Values are not checked here; whoever calls knows the column types.
 */
export class RowWriter {
  rows = 0
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #view = viewOf(this.#bytes)
  #at = 0

  constructor() {
    this.reset()
  }

  reset(): void {
    if (this.#bytes.length > KEEP_BYTES) this.#grow(0)
    SIGNATURE.copy(this.#bytes)
    this.#bytes.fill(0, SIGNATURE.length, SIGNATURE.length + 8)
    this.#at = SIGNATURE.length + 8
    this.rows = 0
  }

  /** Opens a row; `extraBytes` is the room for its texts and byte strings, everything else takes at most 12 a column. */
  row(columns: number, extraBytes = 0): void {
    const need = this.#at + 2 + columns * 12 + extraBytes + 2
    if (need > this.#bytes.length) this.#grow(need)
    this.#view.setInt16(this.#at, columns)
    this.#at += 2
    this.rows += 1
  }

  null(): void {
    this.#view.setInt32(this.#at, -1)
    this.#at += 4
  }

  int16(value: number): void {
    this.#view.setInt32(this.#at, 2)
    this.#view.setInt16(this.#at + 4, value)
    this.#at += 6
  }

  int32(value: number): void {
    this.#view.setInt32(this.#at, 4)
    this.#view.setInt32(this.#at + 4, value)
    this.#at += 8
  }

  int32OrNull(value: number | null): void {
    if (value === null) this.null()
    else this.int32(value)
  }

  /** @param value a safe integer */
  int64(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000)
    this.#view.setInt32(this.#at, 8)
    this.#view.setInt32(this.#at + 4, high)
    this.#view.setUint32(this.#at + 8, value - high * 0x1_0000_0000)
    this.#at += 12
  }

  /** timestamptz from wall milliseconds since 1970 */
  time(wallMs: number): void {
    this.int64(Math.round(wallMs * 1_000) - PG_EPOCH_US)
  }

  float32OrNull(value: number | null): void {
    if (value === null) {
      this.null()
      return
    }
    this.#view.setInt32(this.#at, 4)
    this.#view.setFloat32(this.#at + 4, value)
    this.#at += 8
  }

  bytes(value: Uint8Array): void {
    this.#view.setInt32(this.#at, value.length)
    this.#bytes.set(value, this.#at + 4)
    this.#at += 4 + value.length
  }

  /** Header, rows and trailer. Valid until the next `reset`. */
  finish(): Buffer {
    this.#view.setInt16(this.#at, -1)
    return this.#bytes.subarray(0, this.#at + 2)
  }

  #grow(need: number): void {
    const larger = Buffer.allocUnsafe(need === 0 ? FIRST_BYTES : Math.max(need, this.#bytes.length * 2))
    if (need > 0) this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
    this.#view = viewOf(larger)
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
