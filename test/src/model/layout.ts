/**
 * The state of the protocol model as plain bytes: gateway store, copy of it, database, backup, messages in flight and what
 * may still go wrong. One state is a copy of 84 bytes, so that hundreds of thousands of them fit into memory and compare
 * fast.
 */
export const RECORDS = 3
export const INGESTERS = 2

/** Where one store begins. The second place is an image of the first, or the store of a second box. */
export const STORE_A = 0
export const STORE_B = 14
/** Offsets within a store. Records, epochs and sequence numbers are per record; marks are per epoch. */
export const SLOT = 0
export const EPOCH = 3
export const SEQ = 6
export const ACKED = 9
export const CURRENT = 12
export const LAST = 13

/** Where the database and its backup begin, and the offsets within each. */
export const DATABASE = 28
export const BACKUP = 40
export const HW = 0
export const ROWS = 3
export const GAPS = 6
export const QUARANTINE = 9
const DATABASE_BYTES = 12

/** Highest commit ack of each epoch on its way to the gateway. */
export const ACKS = 52
/** Quarantined records that exist in an ingester's memory only. */
export const VOLATILE = 55
/** Records accepted so far. They are numbered in the order of acceptance, over all boxes. */
export const ACCEPTED = 58
/** Bit per record that a restored image has taken away: it may be missing, but not be there twice. */
export const EXCUSED = 59
/** Per ingester: message + 1 (0 = idle), watermark that it read, phase. */
export const INGESTER = 60
export const INGESTER_BYTES = 3
/** Faults that may still happen, in the order of `FAULTS`. */
export const BUDGET = 66
export const NETWORK = 74
export const IMAGE = 82
export const BACKED_UP = 83
export const STATE_BYTES = 84

export const FAULTS = ['kill', 'power', 'broker', 'ingester', 'image', 'twin', 'database', 'evict'] as const
export type Fault = (typeof FAULTS)[number]

export const NO_IMAGE = 0
export const TAKEN = 1
/** The image runs as a second box. */
export const TWIN = 2

/** What a store has of a record. */
export const ABSENT = 0
export const HELD = 1
export const GAP = 2
export const GONE = 3
/** Stored, but a power cut takes it away. */
export const UNSYNCED = 4
/** Evicted; only the gateway knows. */
export const NOTED = 5

/** Epoch of a store that has been opened and has stored nothing since. */
export const FRESH = 3

export type State = Uint8Array

export function firstState(faults: Partial<Record<Fault, number>>): State {
  const state = new Uint8Array(STATE_BYTES)
  state[STORE_A + CURRENT] = FRESH
  FAULTS.forEach((fault, i) => {
    state[BUDGET + i] = faults[fault] ?? 0
  })
  return state
}

export const at = (state: State, place: number): number => state[place] as number

export const left = (state: State, fault: Fault): number => at(state, BUDGET + FAULTS.indexOf(fault))

/** @returns a copy in which one fault of this kind has been used up */
export function spend(state: State, fault: Fault): State {
  const next = state.slice()
  const place = BUDGET + FAULTS.indexOf(fault)
  next[place] = at(next, place) - 1
  return next
}

export function copyStore(state: State, from: number, to: number): void {
  state.copyWithin(to, from, from + STORE_B - STORE_A)
}

export function copyDatabase(state: State, from: number, to: number): void {
  state.copyWithin(to, from, from + DATABASE_BYTES)
}

/** Stores that run and send. */
export function liveStores(state: State): readonly number[] {
  return at(state, IMAGE) === TWIN ? BOTH : FIRST
}
const FIRST = [STORE_A]
const BOTH = [STORE_A, STORE_B]

export const ALL = [0, 1, 2] as const
