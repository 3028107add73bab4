/** Sequence numbers `first` to `last`. */
export interface Run {
  readonly first: number
  readonly last: number
}

/** What the gateway's store says of one epoch. */
export interface OutboxEpoch {
  readonly epoch: string
  /** Newest sequence number given, that is the number of ids, since they begin at 1 and have no hole. */
  readonly last: number
  /** Up to here the centre has confirmed everything; what is above, the store still keeps for sending. */
  readonly acked: number
  readonly fixes: number
}

/** What the database holds of one epoch. */
export interface StoredEpoch {
  readonly epoch: string
  /** Rows over all history tables, repeated ids included. */
  readonly rows: number
  readonly fixes: number
  /** Distinct ids of those rows, as runs in rising order. */
  readonly runs: readonly Run[]
  /** Ids that a gap record stands for. */
  readonly gaps: readonly Run[]
  /** Ids that wait in quarantine for a person's decision. */
  readonly quarantined: readonly Run[]
}

export interface LedgerTally {
  /** Ids given by the gateway, and the fixes among them. */
  readonly records: number
  readonly fixes: number
  /** Fixes in the database. */
  readonly committed: number
  /** Ids that are nowhere in the database, although the gateway holds them for confirmed. */
  readonly lost: number
  /** Ids that are not in the database yet and that the gateway still keeps. */
  readonly waiting: number
  /** Copies beyond the first, over all ids. */
  readonly duplicated: number
  readonly gaps: number
  readonly quarantined: number
  /** The first few lost runs, for the person who looks for them. */
  readonly lostRuns: readonly (Run & { readonly epoch: string })[]
}

const NAMED_RUNS = 10

/** Compares a gateway's store with the database, id by id. Epochs of which the store knows nothing are left out. */
export function tallyLedger(outbox: readonly OutboxEpoch[], stored: readonly StoredEpoch[]): LedgerTally {
  const known = new Map(stored.map((epoch) => [epoch.epoch, epoch]))
  const parts = outbox.map((epoch) => tallyEpoch(epoch, known.get(epoch.epoch)))
  const sum = (key: Exclude<keyof LedgerTally, 'lostRuns'>) => parts.reduce((total, part) => total + part[key], 0)
  return {
    records: sum('records'),
    fixes: sum('fixes'),
    committed: sum('committed'),
    lost: sum('lost'),
    waiting: sum('waiting'),
    duplicated: sum('duplicated'),
    gaps: sum('gaps'),
    quarantined: sum('quarantined'),
    lostRuns: parts.flatMap(({ lostRuns }) => lostRuns).slice(0, NAMED_RUNS),
  }
}

function tallyEpoch({ epoch, last, acked, fixes }: OutboxEpoch, stored: StoredEpoch | undefined): LedgerTally {
  const lists = stored ? [stored.runs, stored.gaps, stored.quarantined] : []
  const everywhere = lists.flat()
  const missing = holes(everywhere, acked)
  const ids = stored ? size(stored.runs) : 0
  return {
    records: last,
    fixes,
    committed: stored?.fixes ?? 0,
    lost: size(missing),
    waiting: size(holes(everywhere, last)) - size(missing),
    // An id that is both a row and a gap, or in quarantine as well, is there twice.
    duplicated: stored ? stored.rows - ids + (size(everywhere) - union(everywhere)) : 0,
    gaps: stored ? size(stored.gaps) : 0,
    quarantined: stored ? size(stored.quarantined) : 0,
    lostRuns: missing.map((run) => ({ ...run, epoch })),
  }
}

const size = (runs: readonly Run[]): number => runs.reduce((total, { first, last }) => total + last - first + 1, 0)

/** Runs of [1, last] that none of `runs` covers. */
function holes(runs: readonly Run[], last: number): Run[] {
  const missing: Run[] = []
  let next = 1
  for (const run of inOrder(runs)) {
    if (run.first > next && next <= last) missing.push({ first: next, last: Math.min(last, run.first - 1) })
    next = Math.max(next, run.last + 1)
  }
  if (next <= last) missing.push({ first: next, last })
  return missing
}

/** How many different ids the runs cover. */
function union(runs: readonly Run[]): number {
  let covered = 0
  let next = Number.NEGATIVE_INFINITY
  for (const run of inOrder(runs)) {
    covered += Math.max(0, run.last - Math.max(run.first, next) + 1)
    next = Math.max(next, run.last + 1)
  }
  return covered
}

const inOrder = (runs: readonly Run[]): Run[] => [...runs].sort((a, b) => a.first - b.first)
