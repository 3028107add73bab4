const DAY_MS = 86_400_000
const SOON_DAYS = 7

interface CertificateDates {
  readonly isEarly: boolean
  readonly isOver: boolean
  /** Valid now, and no longer in a week. */
  readonly isSoonOver: boolean
  readonly words: string
}

/** @param nowMs wall milliseconds */
export function certificateDates(from: Date, to: Date, nowMs: number): CertificateDates {
  const left = Math.floor((to.getTime() - nowMs) / DAY_MS)
  const [isEarly, isOver] = [nowMs < from.getTime(), nowMs > to.getTime()]
  const words = `valid ${day(from)} to ${day(to)}${isEarly || isOver ? `; here it is ${day(new Date(nowMs))}` : `, ${left} days left`}`
  return { isEarly, isOver, isSoonOver: !isEarly && !isOver && left < SOON_DAYS, words }
}

const day = (date: Date): string => (Number.isNaN(date.getTime()) ? 'an unknown day' : date.toISOString().slice(0, 10))
