import { type BitReader, type BitWriter, padded } from './epc-bits.ts'
import { ascii, readText6, readText7, writeText6, writeText7 } from './epc-text.ts'

/**
 * Parts of the binary schemes that were there before TDS 2.0 (TDS 2.3 sections 14.3 and 14.4). Each gives one field of the
 * pure identity URI, `company` two.
 */
export type EpcField =
  /** Partition, company prefix of 6-12 digits, reference. `bits` and `digits` are of both together. */
  | { readonly kind: 'company'; readonly bits: number; readonly digits: number; readonly reference: ReferenceKind }
  /** A number; with `digits` always so many, else without leading zeros. */
  | { readonly kind: 'number'; readonly bits: number; readonly digits?: number; readonly max?: string }
  /** Digits with leading zeros, kept by a 1 in front. */
  | { readonly kind: 'digits'; readonly bits: number; readonly max: number }
  | { readonly kind: 'text7'; readonly bits: number; readonly max: number }
  | { readonly kind: 'text6'; readonly max: number; readonly may: 'be empty' | 'start with #' }
  /** CAGE code (five characters behind a space) or DoDAAC (six), 6 or 8 bits a character. */
  | { readonly kind: 'cage'; readonly bits: 6 | 8 }
  | { readonly kind: 'zero'; readonly bits: number }

/** `padded` has all its digits; `number` has no leading zeros; the texts are as the fields of that name. */
export type ReferenceKind = 'padded' | 'number' | 'text7' | 'text6'

type CompanyField = Extract<EpcField, { kind: 'company' }>
type NumberField = Extract<EpcField, { kind: 'number' }>

/** Bits of the company prefix by partition; it has 12 digits in partition 0 and 6 in partition 6. TDS 2.3 section 14.3.3. */
const COMPANY_BITS = [40, 37, 34, 30, 27, 24, 20] as const

/** GIAI and CPI have 30 characters at most. */
const LONGEST_KEY = 30

/** Letters of CAGE codes and DoDAACs: TDS 2.3 section 6.3.15. */
const CAGE = /^[ 0-9A-HJ-NP-Z][0-9A-HJ-NP-Z]{5}$/

/** Powers of ten, for a power is slow to compute. */
const TEN = Array.from({ length: 16 }, (_, digits) => 10 ** digits)

/** @returns the field's text as it stands in a URI, but not escaped; two texts with a dot between them for `company` */
export function readField(reader: BitReader, field: EpcField): string {
  switch (field.kind) {
    case 'company':
      return readCompany(reader, field)
    case 'number':
      return readNumber(reader, field)
    case 'digits':
      return readPrefixedDigits(reader, field.bits, field.max)
    case 'text7':
      return readText7(reader, field.bits, field.max)
    case 'text6':
      return readAdiText(reader, field.max, field.may)
    case 'cage':
      return readCage(reader, field.bits)
    case 'zero':
      if (reader.number(field.bits) !== 0) reader.fail('padding', 'bits that are reserved as zero are set')
      return ''
  }
}

function readCompany(reader: BitReader, field: CompanyField): string {
  const partition = reader.number(3)
  const companyBits = COMPANY_BITS[partition]
  if (companyBits === undefined) {
    reader.fail('reserved', `partition ${partition} is reserved`)
    return ''
  }
  const digits = 12 - partition
  const company = reader.number(companyBits)
  if (company < (TEN[digits] as number)) {
    return `${padded(company, digits)}.${readReference(reader, field, { companyBits, companyDigits: digits })}`
  }
  reader.fail('value', `company prefix ${company} has more than ${digits} digits`)
  return ''
}

interface CompanySize {
  readonly companyBits: number
  readonly companyDigits: number
}

function readReference(reader: BitReader, field: CompanyField, { companyBits, companyDigits }: CompanySize): string {
  const bits = field.bits - companyBits
  const digits = field.digits - companyDigits
  if (field.reference === 'text7') return readText7(reader, bits, LONGEST_KEY - companyDigits)
  if (field.reference === 'text6') {
    const text = readText6(reader, LONGEST_KEY - companyDigits)
    if (text === '') reader.fail('value', 'the reference is empty')
    return text
  }
  if (field.reference === 'number') {
    const text = reader.decimal(bits)
    if (text.length > digits) reader.fail('value', `reference ${text} has more than ${digits} digits`)
    return text
  }
  const reference = reader.number(bits)
  if (reference < (TEN[digits] as number) && (digits > 0 || reference === 0)) return padded(reference, digits)
  reader.fail('value', `reference ${reference} has more than ${digits} digits`)
  return ''
}

function readNumber(reader: BitReader, field: NumberField): string {
  const text = reader.decimal(field.bits)
  if (field.max !== undefined && above(text, field.max)) reader.fail('value', `${text} is above ${field.max}`)
  return field.digits === undefined ? text : text.padStart(field.digits, '0')
}

/** Compares decimal numbers without leading zeros. */
function above(text: string, max: string): boolean {
  return text.length === max.length ? text > max : text.length > max.length
}

function readPrefixedDigits(reader: BitReader, bits: number, max: number): string {
  const text = reader.decimal(bits)
  if (text[0] !== '1' || text.length < 2 || text.length > max + 1) {
    reader.fail('value', `${text} is not a 1 before 1 to ${max} digits`)
  }
  return text.slice(1)
}

function readAdiText(reader: BitReader, max: number, may: 'be empty' | 'start with #'): string {
  const text = readText6(reader, max)
  checkAdiText(reader, text, may)
  return text
}

/** ADI: only the serial number may have a `#`, and only in front, with something behind it. TDS 2.3 section 6.3.15. */
function checkAdiText(faults: BitReader | BitWriter, text: string, may: 'be empty' | 'start with #'): void {
  const first = may === 'start with #' && text[0] === '#' ? 1 : 0
  if (text.includes('#', first)) faults.fail('character', 'a # where none is allowed')
  else if (may === 'start with #' && text.length <= first) faults.fail('value', 'the serial number is empty')
}

function readCage(reader: BitReader, bits: 6 | 8): string {
  let text = ''
  for (let i = 0; i < 6; i++) text += bits === 6 ? ascii(reader.number(6)) : String.fromCharCode(reader.number(8))
  if (!CAGE.test(text)) reader.fail('character', `${JSON.stringify(text)} is no CAGE code or DoDAAC`)
  return text.trimStart()
}

/** Writes the URI fields that belong to `field`; @returns how many those are */
export function writeField(writer: BitWriter, field: EpcField, values: readonly string[]): number {
  const text = values[0] ?? ''
  switch (field.kind) {
    case 'company':
      writeCompany(writer, field, values)
      return 2
    case 'number':
      writeNumber(writer, field, text)
      return 1
    case 'digits':
      if (!/^\d+$/.test(text) || text.length > field.max)
        writer.fail('value', `${text} is not 1 to ${field.max} digits`)
      else writer.decimal(`1${text}`, field.bits)
      return 1
    case 'text7':
      writeText7(writer, text, field)
      return 1
    case 'text6':
      checkAdiText(writer, text, field.may)
      writeText6(writer, text, field.max)
      return 1
    case 'cage':
      writeCage(writer, text, field.bits)
      return 1
    case 'zero':
      writer.number(0, field.bits)
      return 0
  }
}

function writeCompany(writer: BitWriter, field: CompanyField, values: readonly string[]): void {
  const [company = '', reference = ''] = values
  const partition = 12 - company.length
  const companyBits = COMPANY_BITS[partition]
  if (companyBits === undefined || /\D/.test(company)) {
    writer.fail('value', `company prefix ${JSON.stringify(company)} is not 6 to 12 digits`)
    return
  }
  writer.number(partition, 3)
  writer.number(Number(company), companyBits)
  writeReference(writer, field, { reference, companyBits, companyDigits: company.length })
}

function writeReference(
  writer: BitWriter,
  field: CompanyField,
  { reference, companyBits, companyDigits }: CompanySize & { readonly reference: string },
): void {
  const bits = field.bits - companyBits
  const digits = field.digits - companyDigits
  const max = LONGEST_KEY - companyDigits
  if (reference === '' && digits > 0) writer.fail('value', 'the reference is empty')
  switch (field.reference) {
    case 'text7':
      writeText7(writer, reference, { bits, max })
      break
    case 'text6':
      writeText6(writer, reference, max)
      break
    case 'number':
      if (reference.length > digits) writer.fail('value', `reference ${reference} has more than ${digits} digits`)
      writeNumber(writer, { kind: 'number', bits }, reference)
      break
    case 'padded':
      if (digits > 0) writeNumber(writer, { kind: 'number', bits, digits }, reference)
      else if (reference === '') writer.number(0, bits)
      else writer.fail('value', `reference ${reference} where there is none`)
  }
}

function writeNumber(writer: BitWriter, field: NumberField, text: string): void {
  const { bits, digits, max } = field
  const right = digits === undefined ? /^(?:0|[1-9]\d*)$/.test(text) : text.length === digits && !/\D/.test(text)
  if (!right) {
    const form = digits === undefined ? 'a number without leading zeros' : `${digits} digits`
    writer.fail('value', `${JSON.stringify(text)} is not ${form}`)
  } else if (digits === undefined && max !== undefined && above(text, max)) {
    writer.fail('value', `${text} is above ${max}`)
  } else writer.decimal(text, bits)
}

function writeCage(writer: BitWriter, text: string, bits: 6 | 8): void {
  const six = text.padStart(6, ' ')
  if (text.length < 5 || !CAGE.test(six)) writer.fail('character', `${JSON.stringify(text)} is no CAGE code or DoDAAC`)
  else for (let i = 0; i < 6; i++) writer.number(six.charCodeAt(i) & (bits === 6 ? 63 : 255), bits)
}

/** Whether a field may carry characters that URIs escape. */
export function isText(field: EpcField): boolean {
  return field.kind === 'company' ? field.reference.startsWith('text') : field.kind.startsWith('text')
}

/** How many texts the fields of a scheme have in a URI. */
export function countTexts(fields: readonly EpcField[]): number {
  return fields.reduce((sum, { kind }) => sum + (kind === 'company' ? 2 : kind === 'zero' ? 0 : 1), 0)
}

/** Texts that dots separate; the last may have dots of its own. @returns undefined for too few */
export function splitTexts(joined: string, count: number): string[] | undefined {
  const texts: string[] = []
  let from = 0
  while (texts.length < count - 1) {
    const dot = joined.indexOf('.', from)
    if (dot < 0) return undefined
    texts.push(joined.slice(from, dot))
    from = dot + 1
  }
  texts.push(joined.slice(from))
  return texts
}
