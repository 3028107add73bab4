import type { Random } from '@biotrakr/shared'

/** From the first answer to answering every time, dB: a passive tag at the edge is read now and then. */
const EDGE_DB = 3

/**
 * Whether a passive tag answers this time.
 * @param needsDbm power at which it begins to answer; undefined: at any
 * @param powerDbm what the antenna sends with; undefined: as much as it can
 */
export function answersAt(needsDbm: number | undefined, powerDbm: number | undefined, random: Random): boolean {
  if (needsDbm === undefined || powerDbm === undefined) return true
  return random() < (powerDbm - needsDbm + 1) / EDGE_DB
}
