/** The protocol control word of a Gen2 tag, as readers report it before the EPC: TDS 2.3 section 9. */
export interface PcWord {
  readonly ok: true
  /** Length of the EPC in bits: a multiple of 16 up to 496. */
  readonly bits: number
  /** Data in user memory. */
  readonly userMemory: boolean
  /** Words of extended protocol control follow. Readers report them apart from the EPC. */
  readonly extended: boolean
  /** An ISO identifier with this application family identifier (AFI) follows, not an EPC. */
  readonly afi?: number
}

interface PcRefused {
  readonly ok: false
  readonly code: 'pc'
  readonly why: string
}

/** @param pc 0-65535 */
export function parsePc(pc: number): PcWord | PcRefused {
  if (!Number.isInteger(pc) || pc < 0 || pc > 0xffff) return { ok: false, code: 'pc', why: `${pc} is no 16-bit word` }
  return {
    ok: true,
    bits: (pc >> 11) * 16,
    userMemory: (pc & 0x400) !== 0,
    extended: (pc & 0x200) !== 0,
    ...((pc & 0x100) !== 0 && { afi: pc & 0xff }),
  }
}

const POLYNOMIAL = 0x1021

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 8
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 0x8000 ? (remainder << 1) ^ POLYNOMIAL : remainder << 1
  return remainder
})

/**
 * The checksum that a Gen2 tag sends behind its PC word and EPC, and that some readers pass on: CRC-16/GENIBUS, check value
 * d64e (EPC UHF Gen2 air interface, annex F).
 *
 * @param bytes PC word and EPC stand side by side from `from` up to `to`
 * @returns 0-65535
 */
export function gen2Crc(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffff
  for (let at = from; at < to; at++) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ (bytes[at] as number)] as number)
  }
  return ~crc & 0xffff
}
