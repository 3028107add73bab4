import { BioTrakrError } from '@biotrakr/shared'

const MINUTE_MS = 60_000

/**
 * Reads local times of a zone. One that there was twice, when clocks went back, is the first of the two; one that there
 * was never is none.
 * @param zone IANA name; @throws BioTrakrError INPUT_INVALID for a zone that is not known
 */
export function createLocalTime(zone: string): (local: string) => number | undefined {
  const format = formatOf(zone)
  const offsets = new Map<number, number>()
  // Zones change at whole quarters of an hour.
  const offsetAt = (ms: number) => {
    const quarter = Math.floor(ms / (15 * MINUTE_MS))
    const known = offsets.get(quarter)
    if (known !== undefined) return known
    const start = quarter * 15 * MINUTE_MS
    const parts = Object.fromEntries(format.formatToParts(start).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    const offset = Date.UTC(year, month - 1, day, hour, minute, second) - start
    if (offsets.size > 100_000) offsets.clear()
    offsets.set(quarter, offset)
    return offset
  }
  return (local) => {
    const asUtc = Date.parse(`${local}Z`)
    if (Number.isNaN(asUtc)) return undefined
    const candidates = [asUtc - offsetAt(asUtc - 86_400_000), asUtc - offsetAt(asUtc + 86_400_000)]
    const fits = candidates.filter((ms) => ms + offsetAt(ms) === asUtc)
    return fits.length === 0 ? undefined : Math.min(...fits)
  }
}

function formatOf(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (cause) {
    throw new BioTrakrError(`There is no time zone "${zone}"`, {
      code: 'INPUT_INVALID',
      next: 'Give its IANA name, such as Europe/Berlin.',
      cause,
    })
  }
}
