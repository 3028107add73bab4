import type { DEPRECIATION_METHODS } from './service-lists.ts'

/** What a schedule is made from; amounts in minor units. */
export interface DepreciationBasis {
  readonly method: Exclude<(typeof DEPRECIATION_METHODS)[number], 'none'>
  readonly cost: bigint
  /** What it is still worth at the end, at most the cost. */
  readonly salvage: bigint
  /** At least 1. */
  readonly lifeMonths: number
  /** ISO 8601; its month is the first that counts. */
  readonly inServiceOn: string
  /** Of the declining balance: thousandths of the book value a year. */
  readonly decliningPermille: number | null
}

export interface DepreciationLine {
  /** First day of the month, ISO 8601. */
  readonly month: string
  readonly amount: bigint
  readonly accumulated: bigint
  readonly bookValue: bigint
}

/**
 * One line a month over the life of an asset. Whatever the method and the rounding, the lines add up to cost less salvage,
 * none is below nothing, and the book value never falls below salvage.
 */
export function depreciationSchedule(basis: DepreciationBasis): readonly DepreciationLine[] {
  const { cost, lifeMonths } = basis
  const lines: DepreciationLine[] = []
  let before = 0n
  for (const { months, amount } of yearsOf(basis)) {
    for (let month = 1; month <= months; month++) {
      const accumulated = before + share(amount, BigInt(month), BigInt(months))
      const last = lines.at(-1)?.accumulated ?? 0n
      lines.push({
        month: monthAfter(basis.inServiceOn, lines.length),
        amount: accumulated - last,
        accumulated,
        bookValue: cost - accumulated,
      })
    }
    before += amount
  }
  return lines.slice(0, lifeMonths)
}

interface Year {
  /** 12, or less in the last one. */
  readonly months: number
  readonly amount: bigint
}

function yearsOf(basis: DepreciationBasis): readonly Year[] {
  const { method, cost, salvage, lifeMonths } = basis
  const total = cost - salvage
  if (method === 'straight_line') return [{ months: lifeMonths, amount: total }]
  if (method === 'sum_of_years') return digitYears(total, lifeMonths)
  // Double declining is twice the straight line's rate: 2 / (life / 12).
  const [part, whole] =
    method === 'double_declining' ? [24n, BigInt(lifeMonths)] : [BigInt(basis.decliningPermille ?? 0), 1_000n]
  return decliningYears({ cost, total, lifeMonths, part, whole })
}

/** Each year weighs what is left of the life at its beginning: 5, 4, 3, 2, 1 for five years. */
function digitYears(total: bigint, lifeMonths: number): readonly Year[] {
  const lengths = yearLengths(lifeMonths)
  const weights = lengths.map((months, i) => BigInt(months * (lifeMonths - 12 * i)))
  const sum = weights.reduce((all, weight) => all + weight, 0n)
  let weight = 0n
  let before = 0n
  return lengths.map((months, i) => {
    weight += weights[i] ?? 0n
    const accumulated = share(total, weight, sum)
    const amount = accumulated - before
    before = accumulated
    return { months, amount }
  })
}

interface Declining {
  readonly cost: bigint
  readonly total: bigint
  readonly lifeMonths: number
  /** Rate of a year: `part` of `whole`. */
  readonly part: bigint
  readonly whole: bigint
}

/** A share of the book value each year; the straight line over what is left as soon as that is more, so that it ends. */
function decliningYears({ cost, total, lifeMonths, part, whole }: Declining): readonly Year[] {
  let accumulated = 0n
  return yearLengths(lifeMonths).map((months, i) => {
    const left = total - accumulated
    const declined = share((cost - accumulated) * part, BigInt(months), whole * 12n)
    const straight = share(left, BigInt(months), BigInt(lifeMonths - 12 * i))
    const amount = least(left, most(declined, straight))
    accumulated += amount
    return { months, amount }
  })
}

const least = (a: bigint, b: bigint) => (a < b ? a : b)
const most = (a: bigint, b: bigint) => (a > b ? a : b)

function yearLengths(lifeMonths: number): readonly number[] {
  return Array.from({ length: Math.ceil(lifeMonths / 12) }, (_, i) => Math.min(12, lifeMonths - 12 * i))
}

/** `amount` times `part` of `whole`, rounded half up. */
function share(amount: bigint, part: bigint, whole: bigint): bigint {
  return (2n * amount * part + whole) / (2n * whole)
}

function monthAfter(day: string, months: number): string {
  const [year = 0, month = 1] = day.split('-').map(Number)
  const count = year * 12 + month - 1 + months
  return `${String(Math.floor(count / 12)).padStart(4, '0')}-${String((count % 12) + 1).padStart(2, '0')}-01`
}
