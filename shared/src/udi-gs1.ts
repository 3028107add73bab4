import { fullYear, isoDay, refuseUdi, setPart, type UdiParts, type UdiVerdict } from './udi-verdict.ts'

const SEPARATOR = '\u001d'
/** Symbology prefixes of the GS1 carriers (GS1 General Specifications, 5.1.3). */
const PREFIX = /^\](?:C1|e[0-3]|d2|Q3|J1)/
/** Character set 82 (GS1 General Specifications, figure 7.11-1). */
const CHARACTERS = /^[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+$/

interface Identifier {
  readonly length: number
  /** Ends by its length alone; another ends by the separator or the end. */
  readonly fixed: boolean
  readonly digits: boolean
  readonly means?: keyof UdiParts
}

const fixed = (length: number, means?: Identifier['means']): Identifier => ({
  length,
  fixed: true,
  digits: true,
  ...(means && { means }),
})
const upTo = (length: number, means?: Identifier['means']): Identifier => ({
  length,
  fixed: false,
  digits: false,
  ...(means && { means }),
})

/** The application identifiers that stand on devices (GS1 General Specifications, 3.2). */
const IDENTIFIERS = new Map<string, Identifier>([
  ['00', fixed(18)],
  ['01', fixed(14, 'di')],
  ['10', upTo(20, 'lot')],
  ['11', fixed(6, 'madeOn')],
  ['12', fixed(6)],
  ['13', fixed(6)],
  ['15', fixed(6)],
  ['16', fixed(6)],
  ['17', fixed(6, 'expiresOn')],
  ['20', fixed(2)],
  ['21', upTo(20, 'serial')],
  ['22', upTo(20)],
  ['30', { length: 8, fixed: false, digits: true }],
  ['37', { length: 8, fixed: false, digits: true }],
  ['240', upTo(30)],
  ['241', upTo(30)],
  ['250', upTo(30)],
  ['251', upTo(30)],
  ['8012', upTo(20)],
  ...['90', '91', '92', '93', '94', '95', '96', '97', '98', '99'].map((code) => [code, upTo(90)] as const),
])

interface Element {
  readonly code: string
  readonly value: string
}

export function parseGs1Udi(text: string, year: number): UdiVerdict {
  if (/^\d+$/.test(text) && [8, 12, 13, 14].includes(text.length)) return bareGtin(text)
  const elements = text.startsWith('(') ? bracketed(text) : elementString(withoutSeparator(text.replace(PREFIX, '')))
  if (!elements) return refuseUdi('UNKNOWN_FORMAT', 'it is not of GS1, HIBCC or ICCBBA')
  const parts: UdiParts = {}
  for (const { code, value } of elements) {
    const problem = checkValue(code, value) ?? keep(code, value, { parts, year })
    if (problem) return problem
  }
  const { di } = parts
  if (di === undefined) return refuseUdi('NO_DEVICE', 'it names no device: there is no (01)')
  const pi = elements.filter(({ code }) => code !== '01').map(({ code, value }) => `(${code})${value}`)
  return { ok: true, issuer: 'gs1', ...parts, di, pi: pi.join('') }
}

interface Target {
  readonly parts: UdiParts
  readonly year: number
}

function keep(code: string, value: string, { parts, year }: Target): UdiVerdict | undefined {
  const means = IDENTIFIERS.get(code)?.means
  if (!means) return undefined
  const isDate = means === 'madeOn' || means === 'expiresOn'
  return setPart(parts, means, isDate ? dayOf(value, year) : value)
}

/** A scanner may give the start character of the symbol as a separator. */
function withoutSeparator(text: string): string {
  return text.startsWith(SEPARATOR) ? text.slice(1) : text
}

function bareGtin(text: string): UdiVerdict {
  const di = text.padStart(14, '0')
  if (!hasCheckDigit(di)) return refuseUdi('CHECK_DIGIT', 'the check digit of its GTIN is wrong')
  return { ok: true, issuer: 'gs1', di, pi: '' }
}

function checkValue(code: string, value: string): UdiVerdict | undefined {
  const rule = IDENTIFIERS.get(code)
  if (!rule) return refuseUdi('UNKNOWN_FORMAT', 'it has an application identifier that is not known')
  const lengthFits = rule.fixed ? value.length === rule.length : value.length > 0 && value.length <= rule.length
  const characters = rule.digits ? /^\d+$/ : CHARACTERS
  if (!lengthFits || !characters.test(value))
    return refuseUdi('CONTENT', `(${code}) in it has a content it cannot have`)
  if (code === '01' && !hasCheckDigit(value)) {
    return refuseUdi('CHECK_DIGIT', 'the check digit of its GTIN is wrong')
  }
  return undefined
}

/** Weights 3 and 1 from the left of 14 digits (GS1 General Specifications, 7.9). */
function hasCheckDigit(gtin: string): boolean {
  const sum = [...gtin].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0)
  return sum % 10 === 0
}

/** Day 00 of an expiry or a date of make stands for the whole month: its last day (GS1 General Specifications, 3.4). */
function dayOf(value: string, year: number): string | undefined {
  const [years = 0, month = 0, day = 0] = [0, 2, 4].map((at) => Number(value.slice(at, at + 2)))
  return isoDay(fullYear(years, year), month, day)
}

/** An identifier begins only where one is known, so that a bracket within a lot stays part of it. */
function bracketed(text: string): Element[] | undefined {
  const marks = [...text.matchAll(/\((\d{2,4})\)/g)].filter(([, code = '']) => IDENTIFIERS.has(code))
  if (marks[0]?.index !== 0) return undefined
  return marks.map((mark, index) => ({
    code: mark[1] ?? '',
    value: text.slice(mark.index + mark[0].length, marks[index + 1]?.index).trim(),
  }))
}

function elementString(text: string): Element[] | undefined {
  const elements: Element[] = []
  let rest = text
  while (rest !== '') {
    const code = [2, 3, 4].map((width) => rest.slice(0, width)).find((start) => IDENTIFIERS.has(start))
    const rule = code === undefined ? undefined : IDENTIFIERS.get(code)
    if (code === undefined || !rule) return undefined
    const separator = rest.indexOf(SEPARATOR)
    const end = rule.fixed ? code.length + rule.length : separator < 0 ? rest.length : separator
    elements.push({ code, value: rest.slice(code.length, end) })
    rest = withoutSeparator(rest.slice(end))
  }
  return elements
}
