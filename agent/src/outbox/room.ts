import { coverWithGap, type Draft, runAt } from './loss.ts'
import { type Entry, RANK, type Rank } from './rank.ts'
import { type RunStore, SWEEPS } from './run-store.ts'
import { reportLost, sweepOnce, type Terms } from './sweep.ts'
import { describe, joinGaps, sumOf, thin } from './thin.ts'

/** Sweep steps in one transaction: with its group and what it lets go, it stays within the pages of the log's bound. */
const STEPS = 3

/**
 * `stored`; `again`: room was made, but not enough yet, and the transaction should end here; `full`: nothing is left
 * that may give way.
 */
export type Stored = 'stored' | 'again' | 'full'

interface Newcomers {
  readonly entries: readonly Entry[]
  /** Epoch of this opening. */
  readonly epoch: number
  readonly terms: Terms
  /** False while the disk is full and there is still place in memory: then only confirmed records give way. */
  readonly mayEvict: boolean
}

/**
 * Stores a group, and lets go of as little as gives it a place: confirmed runs, oldest first; then small runs are
 * joined, which loses nothing; then, oldest first, telemetry, fixes in the same room, room changes. When nothing older
 * of a rank is left, the newcomers' own records of that rank become gaps. Records of rank `kept` never give way.
 */
export function storeGroup<Body>(store: RunStore<Body>, draft: Draft, newcomers: Newcomers): Stored {
  const group = new Group(store, draft, newcomers)
  if (!group.pack()) group.mend()
  let steps = 0
  while (group.lacksRoom()) {
    if (releaseOldest(store, draft, newcomers.terms) > 0) continue
    if (!newcomers.mayEvict) return 'full'
    if (steps++ >= STEPS) return 'again'
    if (!sweepNext(store, draft, { terms: newcomers.terms, group })) return 'full'
  }
  group.store()
  return 'stored'
}

/** @returns false when no sweep has anything left to do, and neither have the newcomers */
function sweepNext<Body>(store: RunStore<Body>, draft: Draft, { terms, group }: { terms: Terms; group: Group<Body> }) {
  for (const sweep of SWEEPS) {
    if (sweepOnce(store, draft, { sweep, terms }) === 'moved') return true
    if (sweep !== 'join' && group.giveWay(RANK[sweep])) return true
  }
  return false
}

/** A group on its way into the store. */
class Group<Body> {
  readonly #store: RunStore<Body>
  readonly #draft: Draft
  readonly #newcomers: Newcomers
  #entries: readonly Entry[]
  #body: Body | undefined
  #gaveWay: Rank | undefined
  #isMended = false
  /** The newcomers, what could not be encoded already replaced. */
  #sound: readonly Entry[]

  constructor(store: RunStore<Body>, draft: Draft, newcomers: Newcomers) {
    this.#store = store
    this.#draft = draft
    this.#newcomers = newcomers
    this.#entries = newcomers.entries
    this.#sound = newcomers.entries
  }

  pack(): boolean {
    const mark = this.#mark()
    this.#body = mark && this.#store.pack(this.#run(mark.last + 1), mark.epoch, this.#entries)
    return this.#body !== undefined
  }

  /** A record that the model does not allow becomes a gap of its own and takes no other record along. */
  mend(): void {
    this.#isMended = true
    this.#entries = this.#sound = joinGaps(this.#soundOf(this.#entries))
    this.pack()
  }

  #soundOf(entries: readonly Entry[]): readonly Entry[] {
    const mark = this.#mark()
    if (!mark) return entries
    const { nowMs } = this.#newcomers.terms
    if (this.#store.pack(this.#run(mark.last + 1, entries), mark.epoch, entries)) return entries
    const half = entries.length >> 1
    if (half > 0) return [...this.#soundOf(entries.slice(0, half)), ...this.#soundOf(entries.slice(half))]
    const record = { kind: 'gap', count: sumOf(entries).count, reason: 'corrupt', fromMs: nowMs, toMs: nowMs } as const
    return [{ record, rank: RANK.kept }]
  }

  /** A gap alone always finds a place: joined with the one before it, or in the pages kept free for such. */
  lacksRoom(): boolean {
    const isGap = this.#entries.length === 1 && this.#entries[0]?.record.kind === 'gap'
    return !isGap && this.#body !== undefined && this.#store.lacksRoom(this.#body)
  }

  /** @returns false when no record of the group has that rank or a lower one */
  giveWay(rank: Rank): boolean {
    if (!this.#entries.some((entry) => entry.rank <= rank)) return false
    this.#gaveWay = rank
    this.#entries = thin(this.#entries, rank, this.#newcomers.terms.nowMs)
    return this.pack()
  }

  store(): void {
    const mark = this.#mark()
    if (!mark || this.#body === undefined) return
    const { epoch, terms } = this.#newcomers
    const entries = this.#sound
    const run = this.#run(mark.last + 1)
    this.#draft.marks.set(epoch, { ...mark, last: run.last, fixes: mark.fixes + sumOf(entries).fixes })
    this.#draft.committedFixes += run.fixes
    const { gap: reason, first, last } = run
    if (reason) coverWithGap(this.#store, mark, { epoch, first, last, reason, times: run, nowMs: terms.nowMs })
    else this.#store.insert(run, this.#body)
    const rank = this.#gaveWay
    if (rank !== undefined) {
      reportLost(this.#draft, { entries, isLost: (entry) => entry.rank <= rank, reason: 'evicted', epoch, first })
    }
    if (this.#isMended) reportLost(this.#draft, { entries, isLost: isBad, reason: 'corrupt', epoch, first })
  }

  #run(first: number, entries = this.#entries) {
    const { epoch, terms } = this.#newcomers
    return describe(entries, { epoch, first, storedMs: terms.nowMs, nowMs: terms.nowMs })
  }

  #mark() {
    return this.#draft.marks.get(this.#newcomers.epoch)
  }
}

/** @returns how many runs were let go of */
function releaseOldest<Body>(store: RunStore<Body>, draft: Draft, terms: Terms): number {
  let runs = 0
  while (runs < store.releaseRuns && releaseOne(store, draft, terms)) runs++
  return runs
}

function releaseOne<Body>(store: RunStore<Body>, draft: Draft, { nowMs, graceMs }: Terms): boolean {
  for (const mark of draft.marks.values()) {
    if (mark.first > mark.acked) continue
    const run = runAt(store, mark.epoch.counter, mark.first)
    if (!run || run.last > mark.acked) continue
    store.remove(run)
    draft.marks.set(mark.epoch.counter, {
      ...mark,
      first: run.last + 1,
      releasedFromMs: mark.releasedToMs === 0 ? run.fromMs : Math.min(mark.releasedFromMs, run.fromMs),
      releasedToMs: Math.max(mark.releasedToMs, run.toMs),
    })
    if (run.storedMs + graceMs > nowMs) draft.releasedEarly += run.last - run.first + 1
    return true
  }
  return false
}

function isBad({ record }: Entry): boolean {
  return record.kind === 'gap' && record.reason === 'corrupt'
}
