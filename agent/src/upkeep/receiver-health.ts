import type { Reading, ReceiverHealth, ReceiverId, ReceiverState } from '@biotrakr/shared'

interface Tally {
  readings: number
  errors: number
  everHeard: boolean
}

/** Signal strengths no receiver can measure: 127 is "not available", -128 the least an int8 holds (Core 5.4, Vol 4 Part E 7.7.65.2). */
const isImpossible = (rssiDbm: number | undefined) => rssiDbm !== undefined && (rssiDbm >= 0 || rssiDbm <= -128)

/**
 * Counts what every receiver of the site map delivers and turns it into health records. Bounded by the map: readings
 * of a receiver the map does not name are counted together in `unmapped`.
 */
export class ReceiverWatch {
  readonly #tallies: Map<ReceiverId, Tally>
  unmapped = 0

  constructor(receivers: readonly ReceiverId[]) {
    this.#tallies = new Map(receivers.map((id) => [id, { readings: 0, errors: 0, everHeard: false }]))
  }

  /** Those it was made for, in their order. */
  receivers(): readonly ReceiverId[] {
    return [...this.#tallies.keys()]
  }

  heard({ receiver, rssiDbm }: Reading): void {
    const tally = this.#tallies.get(receiver)
    if (!tally) {
      this.unmapped += 1
      return
    }
    if (isImpossible(rssiDbm)) tally.errors += 1
    else tally.readings += 1
    tally.everHeard = true
  }

  /**
   * One health record per receiver for the time since the last call; the next count then starts.
   * `down` = never heard since the agent started, `silent` = heard before but not in this time.
   */
  report(nowMs: number): ReceiverHealth[] {
    return [...this.#tallies].map(([receiver, tally]) => {
      const state: ReceiverState = tally.readings > 0 ? 'up' : tally.everHeard ? 'silent' : 'down'
      const { readings, errors } = tally
      tally.readings = 0
      tally.errors = 0
      return { kind: 'health', receiver, state, readings, errors, atMs: nowMs }
    })
  }
}
