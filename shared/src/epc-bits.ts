/** Why an EPC is not read or not written as a GS1 key. */
export type EpcRefusal =
  /** No bits, too many bits, or text that is not hex. */
  | 'input'
  /** A PC word that is no 16-bit number, or that promises more bits than there are. */
  | 'pc'
  /** The PC word says that an ISO identifier follows, not an EPC. */
  | 'iso'
  /** A header of no GS1 scheme: blank tags, codes of chip makers, schemes to come. */
  | 'header'
  /** Fewer bits than the scheme needs. */
  | 'short'
  /** A partition or an encoding that the standard keeps for later. */
  | 'reserved'
  /** A number too large for its digits, an impossible date, an empty text. */
  | 'value'
  /** A character that this field may not carry. */
  | 'character'
  /** A check digit that does not fit. */
  | 'check'
  /** Bits behind the key that must be zero. */
  | 'padding'
  /** A URI that is no EPC URI of the wished scheme. */
  | 'uri'

export interface EpcFault {
  readonly code: EpcRefusal
  readonly why: string
}

/** Limbs of 24 bits times ten million stay far below 2^53. */
const LIMB_BITS = 24
const LIMB = 2 ** LIMB_BITS
const CHUNK_DIGITS = 7
const CHUNK = 10 ** CHUNK_DIGITS

/** Most bits that a number carries exactly. */
const EXACT_BITS = 53

/** Bytes behind the last one that a reader may look at. */
const SPARE_BYTES = 3

/** Longest EPC that a PC word can announce: 31 words. */
export const MAX_EPC_BITS = 31 * 16

/** Room for any EPC that a `BitReader` is to read. */
export function epcBuffer(): Uint8Array {
  return new Uint8Array(MAX_EPC_BITS / 8 + SPARE_BYTES)
}

/** Reads bits, most significant first, never beyond their end; keeps the first fault and gives zeros after it. */
export class BitReader {
  private readonly bytes: Uint8Array
  private readonly end: number
  private at = 0
  fault: EpcFault | undefined = undefined

  /** @param bytes from `epcBuffer`; what is behind the first `bits` bits is of no account */
  constructor(bytes: Uint8Array, bits: number) {
    this.bytes = bytes
    this.end = bits
  }

  fail(code: EpcRefusal, why: string): void {
    this.fault ??= { code, why }
  }

  /** @param count 0-53 */
  number(count: number): number {
    if (count > LIMB_BITS) return this.number(count - LIMB_BITS) * LIMB + this.number(LIMB_BITS)
    const { bytes, at } = this
    if (count === 0) return 0
    if (at + count > this.end) {
      this.fail('short', `ends after ${this.end} bits, within a field`)
      return 0
    }
    this.at = at + count
    const index = at >> 3
    const word =
      ((bytes[index] as number) << 24) |
      ((bytes[index + 1] as number) << 16) |
      ((bytes[index + 2] as number) << 8) |
      (bytes[index + 3] as number)
    return (word << (at & 7)) >>> (32 - count)
  }

  /** Goes back to bits that were read before. */
  back(count: number): void {
    this.at -= count
  }

  /** An unsigned number of any size in decimal digits, without leading zeros. */
  decimal(count: number): string {
    if (count <= EXACT_BITS) return decimalOf(this.number(count))
    const limbs: number[] = []
    for (let left = count; left > 0; ) {
      const take = left % LIMB_BITS || LIMB_BITS
      limbs.push(this.number(take))
      left -= take
    }
    let text = ''
    while (limbs.some((limb) => limb > 0)) text = String(divideByChunk(limbs)).padStart(CHUNK_DIGITS, '0') + text
    return text.replace(/^0+/, '') || '0'
  }

  /** Whether nothing but zeros is left. */
  restIsZero(): boolean {
    while (this.at < this.end) {
      const take = Math.min(LIMB_BITS, this.end - this.at)
      if (this.number(take) !== 0) return false
    }
    return true
  }
}

/** Numbers below this are small integers, which become text far quicker than others. */
const SMALL = 1e9

/** The numbers below 1000, and the same in three digits: for serial numbers, which hardly ever repeat, tables are quicker. */
const PLAIN = Array.from({ length: 1000 }, (_, value) => String(value))
const TRIPLES = PLAIN.map((text) => text.padStart(3, '0'))

function sixDigits(value: number): string {
  const high = (value / 1000) | 0
  return (TRIPLES[high] as string) + (TRIPLES[value - high * 1000] as string)
}

/** As `String`, but quick for large integers too. */
function decimalOf(value: number): string {
  if (value < 1000) return PLAIN[value] as string
  if (value < 1e6) {
    const thousands = (value / 1000) | 0
    return (PLAIN[thousands] as string) + (TRIPLES[value - thousands * 1000] as string)
  }
  const high = Math.floor(value / 1e6)
  return decimalOf(high) + sixDigits(value - high * 1e6)
}

const ZEROS = Array.from({ length: 16 }, (_, count) => '0'.repeat(count))

/** @param value below 10^digits; @param digits 0-15 */
export function padded(value: number, digits: number): string {
  if (value >= SMALL) {
    const high = Math.floor(value / 1e6)
    return padded(high, digits - 6) + sixDigits(value - high * 1e6)
  }
  const text = digits === 0 ? '' : String(value | 0)
  return text.length === digits ? text : ZEROS[digits - text.length] + text
}

/** Divides a number of limbs, most significant first, in place; @returns the remainder */
function divideByChunk(limbs: number[]): number {
  let rest = 0
  for (let i = 0; i < limbs.length; i++) {
    const value = rest * LIMB + (limbs[i] as number)
    limbs[i] = Math.floor(value / CHUNK)
    rest = value % CHUNK
  }
  return rest
}

/** Collects bits, most significant first; keeps the first fault. */
export class BitWriter {
  private readonly bytes = new Uint8Array(MAX_EPC_BITS / 8)
  private at = 0
  fault: EpcFault | undefined = undefined

  fail(code: EpcRefusal, why: string): void {
    this.fault ??= { code, why }
  }

  /** @param count 0-53 */
  number(value: number, count: number): void {
    if (value >= 2 ** count) this.fail('value', `${value} is too large for ${count} bits`)
    if (this.at + count > MAX_EPC_BITS) this.fail('value', `longer than the ${MAX_EPC_BITS} bits of the longest EPC`)
    if (this.fault) return
    for (let bit = count - 1; bit >= 0; bit--) {
      const one = Math.floor(value / 2 ** bit) % 2
      if (one) this.bytes[this.at >> 3] = (this.bytes[this.at >> 3] as number) | (0x80 >> (this.at & 7))
      this.at++
    }
  }

  /** @param text decimal digits, as many as there are */
  decimal(text: string, count: number): void {
    const limbs = new Array<number>(Math.ceil(count / LIMB_BITS)).fill(0)
    for (let from = 0; from < text.length; ) {
      const to = from + (from === 0 ? text.length % CHUNK_DIGITS || CHUNK_DIGITS : CHUNK_DIGITS)
      if (multiplyAdd(limbs, Number(text.slice(from, to))) > 0)
        this.fail('value', `${text} is too large for ${count} bits`)
      from = to
    }
    for (let i = 0; i < limbs.length; i++) {
      this.number(limbs[i] as number, i === 0 ? count % LIMB_BITS || LIMB_BITS : LIMB_BITS)
    }
  }

  /** The bits in whole 16-bit words, as tags store them, padded with zeros. */
  words(): Uint8Array {
    return this.bytes.slice(0, Math.ceil(this.at / 16) * 2)
  }
}

/** limbs = limbs * ten million + `add`, in place; @returns what did not fit */
function multiplyAdd(limbs: number[], add: number): number {
  let carry = add
  for (let i = limbs.length - 1; i >= 0; i--) {
    const value = (limbs[i] as number) * CHUNK + carry
    limbs[i] = value % LIMB
    carry = Math.floor(value / LIMB)
  }
  return carry
}
