export interface SideLane {
  /** Runs tasks one after another. @returns false when too many wait already; the task is then not run */
  run(task: () => Promise<void>): boolean
  dropped(): number
  idle(): Promise<void>
}

/**
 * Small work beside the ledger (hellos, evidence) on one connection at a time, so that a crowd of reconnecting gateways
 * does not starve the recording of batches.
 * @param onError told what a task threw; the lane goes on
 */
export function createSideLane(limit: number, onError: (error: unknown) => void): SideLane {
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  let dropped = 0
  return {
    run: (task) => {
      if (waiting >= limit) {
        dropped += 1
        return false
      }
      waiting += 1
      last = last
        .then(task)
        .catch(onError)
        .finally(() => {
          waiting -= 1
        })
      return true
    },
    dropped: () => dropped,
    idle: () => last,
  }
}
