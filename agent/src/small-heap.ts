import { setFlagsFromString } from 'node:v8'

/** How much the heap may grow beyond what was alive at the last collection, percent. */
const GROWTH_PERCENT = 20

/**
 * V8 lets garbage pile up to several times of what is alive, more the faster it is made: an agent that catches up on a
 * backlog would take over 200 MB for what fits into 150 MB, on a gateway that has little. What collecting earlier costs
 * has not been measured. The flag is read at every collection, so it may be set while the process runs.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
