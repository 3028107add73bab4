import { isoOrdinal, refuseUdi, setPart, type UdiParts, type UdiVerdict } from './udi-verdict.ts'

interface Structure {
  readonly start: string
  readonly content: RegExp
  readonly means: keyof UdiParts | 'donation'
}

/**
 * Data structures of ISBT 128 that make up a UDI, as ICCBBA's format approved by FDA has them ("UDI formats by
 * FDA-accredited issuing agency", 1.3): first of products of human origin, then of blood bags.
 */
const STRUCTURES: readonly Structure[] = [
  { start: '=/', content: /^[A-Z0-9]{16}/, means: 'di' },
  { start: '=)', content: /^[A-Z0-9]{10}/, means: 'di' },
  { start: '=,', content: /^[A-Z0-9]{6}/, means: 'serial' },
  { start: '=>', content: /^\d{6}/, means: 'expiresOn' },
  { start: '=}', content: /^\d{6}/, means: 'madeOn' },
  { start: '&,1', content: /^[A-Z0-9]{18}/, means: 'lot' },
  { start: '&)', content: /^[A-Z0-9]{10}/, means: 'lot' },
  { start: '=', content: /^[A-NP-Z1-9][A-Z0-9]{4}\d{10}/, means: 'donation' },
]

/** The format has no check character of its own; each structure must be whole. */
export function parseIccbbaUdi(text: string, year: number): UdiVerdict {
  let rest = text
  let pi = ''
  const parts: UdiParts = {}
  while (rest !== '') {
    const structure = STRUCTURES.find(({ start }) => rest.startsWith(start))
    const content = structure?.content.exec(rest.slice(structure.start.length))?.[0]
    if (!structure || content === undefined) return refuseUdi('CONTENT', 'a structure of ISBT 128 in it is not whole')
    const { start, means } = structure
    rest = rest.slice(start.length + content.length).trimStart()
    if (means !== 'di') pi += start + content
    const isDate = means === 'expiresOn' || means === 'madeOn'
    const problem = means === 'donation' ? undefined : setPart(parts, means, isDate ? dayOf(content, year) : content)
    if (problem) return problem
  }
  const { di } = parts
  if (di === undefined) return refuseUdi('NO_DEVICE', 'it names no device: there is no =/ or =)')
  return { ok: true, issuer: 'iccbba', ...parts, di, pi }
}

/** CYYJJJ: the last digit of the century, the year and the day of it (ISBT 128 Standard, data structure 004). */
function dayOf(value: string, year: number): string | undefined {
  const millennium = Math.floor(year / 1_000) * 1_000
  const full = millennium + Number(value.slice(0, 3))
  // The digit 9 stood for the years before 2000.
  return isoOrdinal(full > year + 100 ? full - 1_000 : full, Number(value.slice(3)))
}
