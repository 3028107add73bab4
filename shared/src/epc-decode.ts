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

/** Value of a hex digit by the low byte of its character code, 255 for others. */
const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? 255 : value
})

const ZERO = 48
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
  const { head, rest } = read
  const { scheme, filter } = head
  const { key } = scheme
  const texts = head.texts + rest
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
  if (read.kind === 'link') {
    const { key } = read.scheme
    return { ok: true, pureUri: linkOf(key, read.content.value), personal: key.personal === true }
  }
  const { head, rest } = read
  const { escaped, key } = head.scheme
  return { ok: true, pureUri: head.pure + (escaped ? escapeUrn(rest) : rest), personal: key?.personal === true }
}

type EpcIdentity = Pick<DecodedEpc, 'ok' | 'pureUri' | 'personal'>

type Read =
  | { readonly kind: 'urn'; readonly head: Head; readonly rest: string }
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

/** The beginning of a key, which all objects of one product have in common. */
interface Head {
  readonly scheme: UrnScheme
  /** The bits it was read from, where it is one that can be remembered. */
  readonly bits: number
  readonly filter: number
  /** Texts of its fields with a dot behind each, empty when it has no fields. */
  readonly texts: string
  /** The pure identity URI up to here. */
  readonly pure: string
}

/**
 * Heads that were read lately, by a hash of their bits. The tags of one site are of few products, so that nearly always
 * only the serial number is left to read. What is found here makes no difference but in time.
 */
const HEADS: (Head | undefined)[] = Array.from({ length: 1024 }, () => undefined)

/** Of the bits of a head the lower ones tell more; multiplied by the golden ratio they spread over ten bits. */
function slotOf(bits: number): number {
  return Math.imul(bits | 0, 0x9e37_79b1) >>> 22
}

function readUrnScheme(reader: BitReader, scheme: UrnScheme): Read {
  const { fields, classBits } = scheme
  const head = classBits > 0 ? rememberedHead(reader, scheme) : readHead(reader, scheme, 0)
  let rest = ''
  for (let i = classBits > 0 ? 1 : 0; i < fields.length && !reader.fault; i++) {
    const field = fields[i] as EpcField
    const text = readField(reader, field)
    rest = rest === '' || field.kind === 'zero' ? rest + text : `${rest}.${text}`
  }
  if (!reader.restIsZero()) reader.fail('padding', 'bits behind the key are set')
  return { kind: 'urn', head, rest }
}

function rememberedHead(reader: BitReader, scheme: UrnScheme): Head {
  const bits = reader.number(scheme.classBits)
  const slot = slotOf(bits)
  const known = HEADS[slot]
  if (known !== undefined && known.bits === bits && known.scheme === scheme) return known
  if (!reader.fault) reader.back(scheme.classBits)
  const head = readHead(reader, scheme, bits)
  if (!reader.fault) HEADS[slot] = head
  return head
}

function readHead(reader: BitReader, scheme: UrnScheme, bits: number): Head {
  const filter = reader.number(scheme.filterBits)
  const texts = scheme.classBits > 0 ? `${readField(reader, scheme.fields[0] as EpcField)}.` : ''
  // Joined, not added: V8 then keeps one piece of text, not a chain that every use of a remembered head walks along.
  return { scheme, bits, filter, texts, pure: texts === '' ? scheme.pure : [scheme.pure, texts].join('') }
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
    const first = text.charCodeAt(i)
    const second = i + 1 < length ? text.charCodeAt(i + 1) : ZERO
    const high = HEX_VALUE[first & 255] as number
    const low = HEX_VALUE[second & 255] as number
    wrong |= high | low | (((first | second) >> 8) << 4)
    buffer[i >> 1] = (high << 4) | low
  }
  return wrong > 15 ? 0 : length * 4
}
