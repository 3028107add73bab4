import type { EpcFault } from './epc-bits.ts'
import { isHostname } from './epc-hostname.ts'
import { type GsKey, LINK_SCHEMES } from './epc-schemes.ts'
import { checkDigit, escapeLink, fitsAlphabet, unescapeUri } from './epc-text.ts'

/** A GS1 key as a GS1 Digital Link has it: with check digit, without any split into company prefix and reference. */
export interface GsValue {
  readonly key: string
  readonly serial?: string
}

/** A date of DSGTIN: AI and YYMMDD. */
export interface EpcDate {
  readonly ai: string
  readonly digits: string
}

/** By the date type indicator of TDS 2.3 section 14.5.3. */
export const DATE_AIS: readonly string[] = ['11', '13', '15', '16', '17', '7006', '7007']

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** @param digits YYMMDD; day 00 stands for a whole month */
export function isDate(digits: string): boolean {
  const days = DAYS[Number(digits.slice(2, 4)) - 1]
  return /^\d{6}$/.test(digits) && days !== undefined && Number(digits.slice(4)) <= days
}

/** The host of canonical GS1 Digital Links: GS1 Digital Link URI syntax section 4.12. */
const CANONICAL_HOST = 'id.gs1.org'

/** An extension of 0 says that a location has none: TDS 2.3 section 6.3.3. */
const NO_EXTENSION = '0'

export function linkOf(gs: GsKey, value: GsValue, host: string = CANONICAL_HOST, date?: EpcDate): string {
  const { serial } = gs
  const link = `https://${host}/${gs.ai}/${gs.digits === undefined ? escapeLink(value.key) : value.key}`
  if (!serial || value.serial === undefined) return link
  if (gs.ai === '414' && value.serial === NO_EXTENSION) return link
  const text = serial.kind === 'text' ? escapeLink(value.serial) : value.serial
  const whole = serial.ai === undefined ? link + text : `${link}/${serial.ai}/${text}`
  return date ? `${whole}?${date.ai}=${date.digits}` : whole
}

/** Fields of a pure identity URI to a key. */
export function valueOfFields(gs: GsKey, fields: readonly string[]): GsValue {
  const [company = '', reference = ''] = fields
  const key = keyOfFields(gs, company, reference) + (gs.ai === '8006' ? `${fields[2]}${fields[3]}` : '')
  return gs.serial ? { key, serial: fields[fields.length - 1] ?? '' } : { key }
}

function keyOfFields({ checked, company: place }: GsKey, company: string, reference: string): string {
  if (checked === undefined) return company + reference
  let digits = company + reference
  if (place === 'second') digits = (reference[0] ?? '') + company + reference.slice(1)
  else if (place === 'after 0') digits = `0${digits}`
  return digits + checkDigit(digits)
}

/** The other way round; only who knows the length of the company prefix can tell where it ends. */
export function fieldsOfValue(gs: GsKey, { key, serial }: GsValue, companyDigits: number): string[] {
  const unchecked = gs.checked === undefined ? key : key.slice(0, gs.checked - 1)
  const start = gs.company === 'first' ? 0 : 1
  const company = unchecked.slice(start, start + companyDigits)
  const reference = (gs.company === 'second' ? unchecked.slice(0, 1) : '') + unchecked.slice(start + companyDigits)
  const pieceAndTotal = gs.ai === '8006' ? [key.slice(14, 16), key.slice(16)] : []
  return [company, reference, ...pieceAndTotal, ...(serial === undefined ? [] : [serial])]
}

/** What is wrong with a key by itself. */
export function keyFault(gs: GsKey, key: string): EpcFault | undefined {
  if (gs.digits === undefined) {
    if (/^\d{4}./.test(key) && key.length <= 30 && fitsAlphabet(key, gs.alphabet ?? 82)) return undefined
    return { code: 'value', why: `${JSON.stringify(key)} is not 4 digits and up to 26 characters` }
  }
  if (key.length !== gs.digits || /\D/.test(key))
    return { code: 'value', why: `${JSON.stringify(key)} is not ${gs.digits} digits` }
  if (gs.company === 'after 0' && key[0] !== '0') return { code: 'value', why: `${key} does not start with 0` }
  const checked = gs.checked ?? gs.digits
  const digit = checkDigit(key.slice(0, checked - 1))
  if (key[checked - 1] !== digit) return { code: 'check', why: `the check digit of ${key} should be ${digit}` }
  return undefined
}

export interface ParsedLink {
  readonly gs: GsKey
  readonly value: GsValue
  /** Only a host that is not the canonical one. */
  readonly host?: string
  readonly date?: EpcDate
}

const KEYS = new Map(LINK_SCHEMES.map(({ key }) => [key.ai, key]))

/**
 * Reads `https://host/…/01/…/21/…`, or the path alone. Other attributes of the query than the date of DSGTIN are passed
 * over, for an EPC cannot carry them.
 */
export function parseLink(uri: string): ParsedLink | EpcFault {
  const [, host, path = '', query = ''] = /^(?:https?:\/\/([^/?#]+))?(\/[^?#]*)(?:\?([^#]*))?(?:#.*)?$/i.exec(uri) ?? []
  const segments = path.split('/').slice(1)
  const at = segments.findIndex((segment, i) => KEYS.has(segment) && [2, 4].includes(segments.length - i))
  const gs = KEYS.get(segments[at] ?? '')
  if (!gs) return { code: 'uri', why: 'no GS1 Digital Link with one key and its serial number' }
  const texts = segments.slice(at + 1).map(unescapeUri)
  if (texts.includes(undefined)) return { code: 'uri', why: 'a % in it is not followed by an ASCII code' }
  const value = valueOfSegments(gs, texts as string[])
  if (!value) return { code: 'uri', why: `no serial number as AI ${gs.ai} needs it` }
  const fault = keyFault(gs, value.key)
  if (fault) return fault
  if (host !== undefined && !isHostname(host)) return { code: 'uri', why: `${JSON.stringify(host)} is no host name` }
  const own = host !== undefined && host.toLowerCase() !== CANONICAL_HOST ? { host } : {}
  const date = gs.ai === '01' ? dateOf(query) : undefined
  return { gs, value, ...own, ...(date && { date }) }
}

/** @param segments what follows the AI of the key: its value, and perhaps AI and value of the serial number */
function valueOfSegments(gs: GsKey, segments: readonly string[]): GsValue | undefined {
  const [text = '', ai, serial = ''] = segments
  if (!gs.serial) return ai === undefined ? { key: text } : undefined
  if (gs.serial.ai === undefined) {
    if (ai !== undefined) return undefined
    return { key: text.slice(0, gs.digits), serial: text.slice(gs.digits) }
  }
  if (ai === gs.serial.ai) return { key: text, serial }
  return ai === undefined && gs.ai === '414' ? { key: text, serial: NO_EXTENSION } : undefined
}

function dateOf(query: string): EpcDate | undefined {
  for (const pair of query.split('&')) {
    const [ai = '', digits = ''] = pair.split('=')
    if (DATE_AIS.includes(ai) && isDate(digits)) return { ai, digits }
  }
  return undefined
}
