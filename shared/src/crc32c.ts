/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, as in RFC 3720 section 12.1; check value e3069283. */
const POLYNOMIAL = 0x82f63b78
const SLICES = 8

/** Slice k holds the remainder of a byte followed by k zero bytes, so that eight bytes are taken per step. */
const TABLE = buildTable()

function buildTable(): Int32Array {
  const table = new Int32Array(256 * SLICES)
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1
    table[byte] = remainder
  }
  for (let i = 256; i < table.length; i++) {
    const shorter = table[i - 256] as number
    table[i] = (shorter >>> 8) ^ (table[shorter & 0xff] as number)
  }
  return table
}

/** @returns the checksum of `bytes[0..end)` as an unsigned 32-bit number */
export function crc32c(bytes: Uint8Array, end: number = bytes.length): number {
  const t = TABLE
  let crc = -1
  let at = 0
  for (; at + SLICES <= end; at += SLICES) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    crc =
      (t[1792 + (crc & 0xff)] as number) ^
      (t[1536 + ((crc >>> 8) & 0xff)] as number) ^
      (t[1280 + ((crc >>> 16) & 0xff)] as number) ^
      (t[1024 + (crc >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number)
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return ~crc >>> 0
}
