import { countTexts, type EpcField, isText, type ReferenceKind } from './epc-fields.ts'

/** How a GS1 key is written in a GS1 Digital Link and in the binary schemes of TDS 2.0 and later. */
export interface GsKey {
  /** Application identifier of the key. */
  readonly ai: string
  /** Digits of the key, check digit included; undefined for keys of digits and then characters. */
  readonly digits?: number
  /** The check digit is the last of so many digits; none when undefined. */
  readonly checked?: number
  /** Where the company prefix stands: behind one digit of the reference, behind a 0, or in front. */
  readonly company: 'second' | 'after 0' | 'first'
  /** What follows the key; `ai` undefined when it follows without an AI of its own. */
  readonly serial?: { readonly ai?: string; readonly kind: 'text' | 'digits'; readonly max: number }
  readonly alphabet?: 82 | 39
  /** Identifies a person. */
  readonly personal?: true
}

const GTIN: GsKey = {
  ai: '01',
  digits: 14,
  checked: 14,
  company: 'second',
  serial: { ai: '21', kind: 'text', max: 20 },
}
const SSCC: GsKey = { ai: '00', digits: 18, checked: 18, company: 'second' }
const GLN: GsKey = {
  ai: '414',
  digits: 13,
  checked: 13,
  company: 'first',
  serial: { ai: '254', kind: 'text', max: 20 },
}
const GRAI: GsKey = { ai: '8003', digits: 14, checked: 14, company: 'after 0', serial: { kind: 'text', max: 16 } }
const GIAI: GsKey = { ai: '8004', company: 'first', alphabet: 82 }
const GSRN: GsKey = { ai: '8018', digits: 18, checked: 18, company: 'first', personal: true }
const GSRNP: GsKey = { ai: '8017', digits: 18, checked: 18, company: 'first', personal: true }
const GDTI: GsKey = { ai: '253', digits: 13, checked: 13, company: 'first', serial: { kind: 'text', max: 17 } }
const CPI: GsKey = { ai: '8010', company: 'first', alphabet: 39, serial: { ai: '8011', kind: 'digits', max: 12 } }
const SGCN: GsKey = { ai: '255', digits: 13, checked: 13, company: 'first', serial: { kind: 'digits', max: 12 } }
/** 14 digits of a GTIN, then piece and total of two digits each. */
const ITIP: GsKey = {
  ai: '8006',
  digits: 18,
  checked: 14,
  company: 'second',
  serial: { ai: '21', kind: 'text', max: 20 },
}

/** A scheme from before TDS 2.0: fields of fixed meaning, written as URNs. */
export interface UrnScheme {
  readonly name: string
  readonly header: number
  /** The word after `urn:epc:id:`. */
  readonly urn: string
  /** What its pure identity URIs and tag URIs start with. */
  readonly pure: string
  readonly tag: string
  /** Whether a field may carry characters that URIs escape. */
  readonly escaped: boolean
  readonly filterBits: number
  readonly fields: readonly EpcField[]
  /** How many texts the fields have in a URI. */
  readonly texts: number
  /** Bits of filter, partition, company prefix and reference where a serial number follows, else 0. */
  readonly classBits: number
  readonly key?: GsKey
}

/** A scheme of TDS 2.0 and later: a GS1 key digit by digit, written as a GS1 Digital Link. */
export interface LinkScheme {
  readonly name: string
  readonly header: number
  readonly key: GsKey
  /** A date comes before the key. */
  readonly dated: boolean
  /** A host name follows the key. */
  readonly hosted: boolean
}

function company(bits: number, digits: number, reference: ReferenceKind = 'padded'): EpcField {
  return { kind: 'company', bits, digits, reference }
}

function number(bits: number): EpcField {
  return { kind: 'number', bits }
}

function text7(characters: number): EpcField {
  return { kind: 'text7', bits: 7 * characters, max: characters }
}

const twoDigits: EpcField = { kind: 'number', bits: 7, digits: 2, max: '99' }

const FILTER_BITS = 3
const PARTITION_BITS = 3

function urnScheme(name: string, header: number, fields: readonly EpcField[], key?: GsKey): UrnScheme {
  const lower = name.toLowerCase()
  const [urn = ''] = lower.split('-')
  const prefixes = { pure: `urn:epc:id:${urn}:`, tag: `urn:epc:tag:${lower}:` }
  const [first, second] = fields
  const serialised = first?.kind === 'company' && first.reference === 'padded' && second?.kind !== 'zero'
  const classBits = serialised ? FILTER_BITS + PARTITION_BITS + first.bits : 0
  const form = { escaped: fields.some(isText), filterBits: FILTER_BITS, texts: countTexts(fields), classBits }
  return { name, header, urn, ...prefixes, ...form, fields, ...(key && { key }) }
}

/**
 * TDS 2.3 table 14-1 and section 14.6. Of several schemes for one identifier the first that can carry it is taken;
 * GDTI-113, which the standard advises against, comes last.
 */
export const URN_SCHEMES: readonly UrnScheme[] = [
  urnScheme('SGTIN-96', 0x30, [company(44, 13), number(38)], GTIN),
  urnScheme('SGTIN-198', 0x36, [company(44, 13), text7(20)], GTIN),
  urnScheme('SSCC-96', 0x31, [company(58, 17), { kind: 'zero', bits: 24 }], SSCC),
  urnScheme('SGLN-96', 0x32, [company(41, 12), number(41)], GLN),
  urnScheme('SGLN-195', 0x39, [company(41, 12), text7(20)], GLN),
  urnScheme('GRAI-96', 0x33, [company(44, 12), number(38)], GRAI),
  urnScheme('GRAI-170', 0x37, [company(44, 12), text7(16)], GRAI),
  urnScheme('GIAI-96', 0x34, [company(82, 25, 'number')], GIAI),
  urnScheme('GIAI-202', 0x38, [company(188, 30, 'text7')], GIAI),
  urnScheme('GSRN-96', 0x2d, [company(58, 17), { kind: 'zero', bits: 24 }], GSRN),
  urnScheme('GSRNP-96', 0x2e, [company(58, 17), { kind: 'zero', bits: 24 }], GSRNP),
  urnScheme('GDTI-96', 0x2c, [company(41, 12), number(41)], GDTI),
  urnScheme('GDTI-174', 0x3e, [company(41, 12), text7(17)], GDTI),
  urnScheme('GDTI-113', 0x3a, [company(41, 12), { kind: 'digits', bits: 58, max: 17 }], GDTI),
  urnScheme('CPI-96', 0x3c, [company(51, 15, 'number'), number(31)], CPI),
  urnScheme('CPI-var', 0x3d, [company(0, 30, 'text6'), { kind: 'number', bits: 40, max: '999999999999' }], CPI),
  urnScheme('SGCN-96', 0x3f, [company(41, 12), { kind: 'digits', bits: 41, max: 12 }], SGCN),
  urnScheme('ITIP-110', 0x40, [company(44, 13), twoDigits, twoDigits, number(38)], ITIP),
  urnScheme('ITIP-212', 0x41, [company(44, 13), twoDigits, twoDigits, text7(20)], ITIP),
  { ...urnScheme('GID-96', 0x35, [number(28), number(24), number(36)]), filterBits: 0 },
  { ...urnScheme('USDOD-96', 0x2f, [{ kind: 'cage', bits: 8 }, number(36)]), filterBits: 4 },
  {
    ...urnScheme('ADI-var', 0x3b, [
      { kind: 'cage', bits: 6 },
      { kind: 'text6', max: 32, may: 'be empty' },
      { kind: 'text6', max: 30, may: 'start with #' },
    ]),
    filterBits: 6,
  },
]

function linkSchemes(
  name: string,
  key: GsKey,
  headers: { plain: number; hosted: number; dated?: boolean },
): LinkScheme[] {
  const dated = headers.dated ?? false
  return [
    { name: `${name}+`, header: headers.plain, key, dated, hosted: false },
    { name: `${name}++`, header: headers.hosted, key, dated, hosted: true },
  ]
}

export const LINK_SCHEMES: readonly LinkScheme[] = [
  ...linkSchemes('SGTIN', GTIN, { plain: 0xf7, hosted: 0xfd }),
  ...linkSchemes('DSGTIN', GTIN, { plain: 0xfb, hosted: 0xfc, dated: true }),
  ...linkSchemes('SSCC', SSCC, { plain: 0xf9, hosted: 0xef }),
  ...linkSchemes('SGLN', GLN, { plain: 0xf2, hosted: 0xe9 }),
  ...linkSchemes('GRAI', GRAI, { plain: 0xf1, hosted: 0xeb }),
  ...linkSchemes('GIAI', GIAI, { plain: 0xfa, hosted: 0xee }),
  ...linkSchemes('GSRN', GSRN, { plain: 0xf4, hosted: 0xe7 }),
  ...linkSchemes('GSRNP', GSRNP, { plain: 0xf5, hosted: 0xe8 }),
  ...linkSchemes('GDTI', GDTI, { plain: 0xf6, hosted: 0xea }),
  ...linkSchemes('CPI', CPI, { plain: 0xf0, hosted: 0xe6 }),
  ...linkSchemes('SGCN', SGCN, { plain: 0xf8, hosted: 0xec }),
  ...linkSchemes('ITIP', ITIP, { plain: 0xf3, hosted: 0xed }),
]
