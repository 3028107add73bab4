import type { BitReader, BitWriter } from './epc-bits.ts'
import { readHostname, writeHostname } from './epc-hostname.ts'
import { DATE_AIS, type EpcDate, type GsValue, isDate, keyFault } from './epc-link.ts'
import type { GsKey, LinkScheme } from './epc-schemes.ts'
import {
  readAlphanumeric,
  readDelimited,
  readFixedDigits,
  readNumericString,
  writeAlphanumeric,
  writeDelimited,
  writeFixedDigits,
  writeNumericString,
} from './epc-variable.ts'

const LONGEST_KEY = 30

export interface LinkContent {
  readonly filter: number
  /** Whether the tag says that more data follow the key (expiry date, lot and the like). */
  readonly aidcData: boolean
  readonly value: GsValue
  readonly date?: EpcDate
  readonly host?: string
}

/** What follows the header: TDS 2.3 section 14.6 for the schemes with `+` and `++`. */
export function readLinkScheme(reader: BitReader, scheme: LinkScheme): LinkContent {
  const aidcData = reader.number(1) === 1
  const filter = reader.number(3)
  const date = scheme.dated ? { date: readDate(reader) } : {}
  const value = readValue(reader, scheme.key)
  const host = scheme.hosted ? { host: readHostname(reader) } : {}
  return { aidcData, filter, value, ...date, ...host }
}

function readDate(reader: BitReader): EpcDate {
  const ai = DATE_AIS[reader.number(4)]
  const digits = [7, 4, 5].map((bits) => String(reader.number(bits)).padStart(2, '0')).join('')
  if (ai === undefined) reader.fail('reserved', 'a type of date that is reserved')
  else if (!isDate(digits)) reader.fail('value', `${digits} is no date`)
  return { ai: ai ?? '', digits }
}

function readValue(reader: BitReader, gs: GsKey): GsValue {
  const { digits, serial, alphabet = 82 } = gs
  const key =
    digits === undefined ? readDelimited(reader, { max: LONGEST_KEY, alphabet }) : readFixedDigits(reader, digits)
  const fault = reader.fault ?? keyFault(gs, key)
  if (fault) reader.fail(fault.code, fault.why)
  if (!serial || fault) return { key }
  const { kind, max } = serial
  return {
    key,
    serial: kind === 'text' ? readAlphanumeric(reader, { max, alphabet: 82 }) : readNumericString(reader, max),
  }
}

/** What follows the header; the bit for more data is never set, for none follow. */
export function writeLinkScheme(writer: BitWriter, scheme: LinkScheme, content: Omit<LinkContent, 'aidcData'>): void {
  const { filter, date, host, value } = content
  writer.number(0, 1)
  writer.number(filter, 3)
  if (scheme.dated) writeDate(writer, date)
  writeValue(writer, scheme.key, value)
  if (scheme.hosted && host === undefined)
    writer.fail('uri', `${scheme.name} needs a GS1 Digital Link with a host name`)
  else if (scheme.hosted) writeHostname(writer, host ?? '')
}

function writeDate(writer: BitWriter, date: EpcDate | undefined): void {
  const type = DATE_AIS.indexOf(date?.ai ?? '')
  if (!date || type < 0) {
    writer.fail('uri', 'a GS1 Digital Link with a date, as in ?17=270630, is needed')
    return
  }
  writer.number(type, 4)
  for (const [i, bits] of [7, 4, 5].entries()) writer.number(Number(date.digits.slice(2 * i, 2 * i + 2)), bits)
}

function writeValue(writer: BitWriter, gs: GsKey, { key, serial = '' }: GsValue): void {
  const fault = keyFault(gs, key)
  if (fault) writer.fail(fault.code, fault.why)
  if (fault) return
  if (gs.digits === undefined) writeDelimited(writer, key, { max: LONGEST_KEY, alphabet: gs.alphabet ?? 82 })
  else writeFixedDigits(writer, key)
  if (gs.serial?.kind === 'text') writeAlphanumeric(writer, serial, { max: gs.serial.max, alphabet: 82 })
  else if (gs.serial) writeNumericString(writer, serial, gs.serial.max)
}
