import { hexOf } from './bytes.ts'
import { BitReader, type EpcFault, type EpcRefusal, epcBuffer, MAX_EPC_BITS } from './epc-bits.ts'
import { type EpcField, readField, splitTexts } from './epc-fields.ts'
import { linkOf, valueOfFields } from './epc-link.ts'
import { type LinkContent, readLinkScheme } from './epc-link-binary.ts'
import { parsePc } from './epc-pc.ts'
import { LINK_SCHEMES, type LinkScheme, URN_SCHEMES, type UrnScheme } from './epc-schemes.ts'
import { escapeUrn } from './epc-text.ts'

export interface DecodedEpc {
  readonly ok: true
  /** As in TDS 2.3, for example `SGTIN-96` or `GIAI+`. */
  readonly scheme: string
  /** `urn:epc:id:…`; for schemes with `+` or `++`, which have no URN, the canonical GS1 Digital Link of the key. */
  readonly pureUri: string
  /** `urn:epc:tag:…`, with scheme and filter; not for schemes with `+` or `++`. */
  readonly tagUri?: string
  /** With its check digit, and for `++` with the tag's own host name; not for GID, USDOD and ADI. */
  readonly digitalLink?: string
  /** Kind of object, 0-7 (USDOD 0-15, ADI 0-63); its meaning depends on the scheme. */
  readonly filter?: number
  /** GSRN and GSRNP identify people: patients and staff. */
  readonly personal: boolean
  /** The tag says that more data, such as a lot or an expiry date, follow the key. */
  readonly aidcData?: true
}

export interface RefusedEpc {
  readonly ok: false
  readonly code: EpcRefusal
  readonly why: string
  /** The bits that the PC word names, or all, in lower-case hex: all that can be said of this tag. */
  readonly hex: string
}

const URN_BY_HEADER = byHeader(URN_SCHEMES)
const LINK_BY_HEADER = byHeader(LINK_SCHEMES)

function byHeader<T extends { readonly header: number }>(schemes: readonly T[]): readonly (T | undefined)[] {
  return Array.from({ length: 256 }, (_, header) => schemes.find((scheme) => scheme.header === header))
}

/** Value of a hex digit by character code, 255 for others. */
const HEX_VALUE = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? 255 : value
})

const MAX_BYTES = MAX_EPC_BITS / 8

/** The EPC at hand; nothing keeps it beyond one call. */
const buffer = epcBuffer()

/**
 * Reads the EPC of a Gen2 tag by the GS1 EPC Tag Data Standard 2.3. What is no GS1 key, or not rightly one, is refused with
 * the reason; nothing is thrown.
 *
 * @param epc the EPC without PC word and CRC, 1-62 bytes, or as hex in any case; an odd last digit counts for four bits
 * @param pc the PC word where the reader tells it: it gives the length, and tells ISO identifiers from EPCs
 */
export function decodeEpc(epc: Uint8Array | string, pc?: number): DecodedEpc | RefusedEpc {
  const read = readEpc(epc, pc)
  if (read.kind === 'refused') return read.refused
  if (read.kind === 'link') return decodedLink(read.scheme, read.content)
  const { scheme, filter, texts } = read
  const { key } = scheme
  const parts = scheme.escaped ? escapeUrn(texts) : texts
  const filtered = scheme.filterBits > 0
  const decoded: Writable<DecodedEpc> = {
    ok: true,
    scheme: scheme.name,
    pureUri: scheme.pure + parts,
    tagUri: filtered ? `${scheme.tag}${filter}.${parts}` : scheme.tag + parts,
    personal: key?.personal === true,
  }
  if (filtered) decoded.filter = filter
  if (key) decoded.digitalLink = linkOf(key, valueOfFields(key, splitTexts(texts, scheme.texts) ?? []))
  return decoded
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function decodedLink({ name, key }: LinkScheme, { value, filter, aidcData, host, date }: LinkContent): DecodedEpc {
  return {
    ok: true,
    scheme: name,
    pureUri: linkOf(key, value),
    digitalLink: linkOf(key, value, host, date),
    filter,
    personal: key.personal === true,
    ...(aidcData && { aidcData }),
  }
}

/** As `decodeEpc`, but of all it says only the pure identity, in a fraction of the time. */
export function epcIdentity(epc: Uint8Array | string, pc?: number): EpcIdentity | RefusedEpc {
  const read = readEpc(epc, pc)
  if (read.kind === 'refused') return read.refused
  const personal = read.scheme.key?.personal === true
  if (read.kind === 'link') return { ok: true, pureUri: linkOf(read.scheme.key, read.content.value), personal }
  return { ok: true, pureUri: read.scheme.pure + (read.scheme.escaped ? escapeUrn(read.texts) : read.texts), personal }
}

export type EpcIdentity = Pick<DecodedEpc, 'ok' | 'pureUri' | 'personal'>

type Read =
  | { readonly kind: 'urn'; readonly scheme: UrnScheme; readonly filter: number; readonly texts: string }
  | { readonly kind: 'link'; readonly scheme: LinkScheme; readonly content: LinkContent }
  | { readonly kind: 'refused'; readonly refused: RefusedEpc }

function readEpc(epc: Uint8Array | string, pc: number | undefined): Read {
  const there = typeof epc === 'string' ? copyHex(epc) : copyBytes(epc)
  if (there === 0) {
    return { kind: 'refused', refused: { ok: false, code: 'input', why: 'not 1 to 62 bytes, or not hex', hex: '' } }
  }
  let bits = there
  if (pc !== undefined) {
    const fault = pcFault(pc, there)
    const announced = (pc >> 11) * 16
    if (announced > 0 && announced < there) bits = announced
    if (fault) return refused(fault, bits)
  }
  const reader = new BitReader(buffer, bits)
  const header = reader.number(8)
  const urn = URN_BY_HEADER[header]
  const read = urn ? readUrnScheme(reader, urn) : readLink(reader, header)
  return reader.fault ? refused(reader.fault, bits) : read
}

function refused({ code, why }: EpcFault, bits: number): Read {
  // Bits that do not fill a byte are written as the digits they fill.
  const hex = hexOf(buffer.subarray(0, Math.ceil(bits / 8))).slice(0, bits / 4)
  return { kind: 'refused', refused: { ok: false, code, why, hex } }
}

function readUrnScheme(reader: BitReader, scheme: UrnScheme): Read {
  const filter = reader.number(scheme.filterBits)
  let texts = readField(reader, scheme.fields[0] as EpcField)
  for (let i = 1; i < scheme.fields.length && !reader.fault; i++) {
    const field = scheme.fields[i] as EpcField
    const text = readField(reader, field)
    if (field.kind !== 'zero') texts = `${texts}.${text}`
  }
  if (!reader.restIsZero()) reader.fail('padding', 'bits behind the key are set')
  return { kind: 'urn', scheme, filter, texts }
}

const NOTHING: Read = { kind: 'refused', refused: { ok: false, code: 'header', why: 'no GS1 scheme', hex: '' } }

function readLink(reader: BitReader, header: number): Read {
  const scheme = LINK_BY_HEADER[header]
  if (scheme) return { kind: 'link', scheme, content: readLinkScheme(reader, scheme) }
  reader.fail('header', headerFault(header))
  return NOTHING
}

function pcFault(pc: number, bits: number): EpcFault | undefined {
  const word = parsePc(pc)
  if (!word.ok) return word
  if (word.bits === 0) return { code: 'pc', why: 'the PC word says that the tag carries no EPC' }
  if (word.bits > bits) return { code: 'pc', why: `the PC word promises ${word.bits} bits, ${bits} are there` }
  if (word.afi === undefined) return undefined
  return { code: 'iso', why: `an ISO identifier with AFI ${word.afi.toString(16).padStart(2, '0')}, not an EPC` }
}

function headerFault(header: number): string {
  if (header === 0) return 'header 00: a tag that has not been programmed'
  if (header === 0xe2) return 'header e2: a code of the chip maker, not programmed by its owner'
  return `header ${header.toString(16).padStart(2, '0')} is of no GS1 scheme`
}

/** Fills the buffer; @returns how many bits, 0 for none or too many */
function copyBytes(bytes: Uint8Array): number {
  const { length } = bytes
  if (length > MAX_BYTES) return 0
  for (let i = 0; i < length; i++) buffer[i] = bytes[i] as number
  return length * 8
}

/** As `copyBytes`; 0 also for what is not hex. */
function copyHex(text: string): number {
  const { length } = text
  if (length < 2 || length > 2 * MAX_BYTES) return 0
  let wrong = 0
  for (let i = 0; i < length; i += 2) {
    const high = HEX_VALUE[text.charCodeAt(i)] ?? 255
    const low = i + 1 < length ? (HEX_VALUE[text.charCodeAt(i + 1)] ?? 255) : 0
    wrong |= high | low
    buffer[i >> 1] = (high << 4) | low
  }
  return wrong > 15 ? 0 : length * 4
}
