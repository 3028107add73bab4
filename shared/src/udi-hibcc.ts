import { fullYear, isoDay, isoOrdinal, refuseUdi, setPart, type UdiParts, type UdiVerdict } from './udi-verdict.ts'

/** Values 0 to 42 of the check character (ANSI/HIBC 2.6, appendix B). */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%'

/** Labeler (a letter and three more), product or catalogue number of 1 to 18, and the unit of measure. */
const PRIMARY = /^[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}\d$/

/** ANSI/HIBC 2.6: `+` primary, alone or with `/` and secondary data, and one check character at the end. */
export function parseHibccUdi(text: string, year: number): UdiVerdict {
  // Stars are the start and stop of Code 39 as people print them.
  const symbol = text.replace(/^\*(.*)\*$/s, '$1')
  const body = symbol.slice(0, -1)
  const check = checkCharacter(body)
  if (check === undefined) return refuseUdi('CONTENT', 'it has a character that HIBCC does not use')
  if (check !== symbol.at(-1)) return refuseUdi('CHECK_DIGIT', 'its check character is wrong')
  const [primary = '', ...secondary] = body.slice(1).split('/')
  if (!PRIMARY.test(primary)) return refuseUdi('NO_DEVICE', 'it names no device: it lacks the primary data of HIBCC')
  const parts: UdiParts = {}
  for (const [index, field] of secondary.entries()) {
    const problem = index === 0 && !/^(?:16D|14D|Q\d|S)/.test(field) ? first(field, parts, year) : more(field, parts)
    if (problem) return problem
  }
  return { ok: true, issuer: 'hibcc', ...parts, di: primary, pi: secondary.join('/') }
}

/** @returns undefined where a character has no value */
function checkCharacter(body: string): string | undefined {
  let sum = 0
  for (const character of body) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return undefined
    sum += value
  }
  return ALPHABET[sum % 43]
}

/** How a date may be written after `$$`, by the figure before it; without one it is a month (MMYY) (ANSI/HIBC 2.6, table 2). */
const DATES: Readonly<Record<string, RegExp>> = {
  2: /^(?<month>\d\d)(?<day>\d\d)(?<year>\d\d)/,
  3: /^(?<year>\d\d)(?<month>\d\d)(?<day>\d\d)/,
  4: /^(?<year>\d\d)(?<month>\d\d)(?<day>\d\d)\d\d/,
  5: /^(?<year>\d\d)(?<ordinal>\d{3})/,
  6: /^(?<year>\d\d)(?<ordinal>\d{3})\d\d/,
  7: /^/,
}
const MONTH = /^(?<month>\d\d)(?<year>\d\d)/

/** The field after the primary data: a lot, or a serial number where it begins with a plus, perhaps with its expiry. */
function first(field: string, parts: UdiParts, year: number): UdiVerdict | undefined {
  const dated = /^\$\$(\+?)(.*)$/.exec(field)
  if (dated) return datedField(dated[2] ?? '', { name: dated[1] ? 'serial' : 'lot', parts, year })
  const plain = /^\$(\+?)(.*)$/.exec(field)
  if (plain) return setPart(parts, plain[1] ? 'serial' : 'lot', plain[2] ?? '')
  const julian = /^(\d\d)(\d{3})(.*)$/.exec(field)
  if (!julian) return refuseUdi('CONTENT', 'its production data are not as HIBCC writes them')
  const problem = setPart(parts, 'expiresOn', isoOrdinal(fullYear(Number(julian[1]), year), Number(julian[2])))
  return problem ?? (julian[3] ? setPart(parts, 'lot', julian[3]) : undefined)
}

interface Target {
  readonly name: 'lot' | 'serial'
  readonly parts: UdiParts
  readonly year: number
}

function datedField(text: string, { name, parts, year }: Target): UdiVerdict | undefined {
  // A quantity of two or five figures may come first.
  const rest = text.replace(/^(?:8\d\d|9\d{5})/, '')
  const format = DATES[rest[0] ?? '']
  const dated = format ? rest.slice(1) : rest
  const match = (format ?? MONTH).exec(dated)
  if (!match) return refuseUdi('DATE', 'a date in it does not exist')
  const found = match.groups
  if (found) {
    const full = fullYear(Number(found['year']), year)
    const day = found['ordinal']
      ? isoOrdinal(full, Number(found['ordinal']))
      : isoDay(full, Number(found['month']), Number(found['day'] ?? 0))
    const problem = setPart(parts, 'expiresOn', day)
    if (problem) return problem
  }
  const value = dated.slice(match[0].length)
  return value === '' ? undefined : setPart(parts, name, value)
}

/** The fields after: serial number, date of make, expiry; a quantity is not kept. */
function more(field: string, parts: UdiParts): UdiVerdict | undefined {
  const dated = /^(16|14)D(\d{4})(\d\d)(\d\d)$/.exec(field)
  if (dated) {
    const day = isoDay(Number(dated[2]), Number(dated[3]), Number(dated[4]))
    return setPart(parts, dated[1] === '16' ? 'madeOn' : 'expiresOn', day)
  }
  if (/^Q\d{1,5}$/.test(field)) return undefined
  if (field.startsWith('S')) return setPart(parts, 'serial', field.slice(1))
  return refuseUdi('CONTENT', 'its production data are not as HIBCC writes them')
}
