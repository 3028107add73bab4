import { begin, type Centre, finish } from './centre-moves.ts'
import { takeMarks } from './gateway-moves.ts'
import {
  ABSENT,
  ACCEPTED,
  ACKED,
  ACKS,
  ALL,
  at,
  BACKED_UP,
  BACKUP,
  BUDGET,
  DATABASE,
  EXCUSED,
  FAULTS,
  GAPS,
  GONE,
  IMAGE,
  INGESTER,
  INGESTER_BYTES,
  INGESTERS,
  liveStores,
  NETWORK,
  NO_IMAGE,
  QUARANTINE,
  ROWS,
  SLOT,
  STORE_A,
  STORE_B,
  type State,
  VOLATILE,
} from './layout.ts'
import { isOnNetwork } from './messages.ts'

export type Fate = 'lost' | 'duplicated' | 'stuck'

/** @returns what is wrong with a state that must never be reached */
export function unsafe(state: State, centre: Centre): Fate | undefined {
  for (const record of ALL) {
    const copies = copiesOf(state, record)
    if (copies > 1) return 'duplicated'
    const isDue = record < at(state, ACCEPTED) && (at(state, EXCUSED) & (1 << record)) === 0
    if (isDue && copies === 0 && !isSomewhere(state, record, centre)) return 'lost'
  }
  return undefined
}

/** Places in the database, or in quarantine, where a record stands or is known to be missing. */
function copiesOf(state: State, record: number): number {
  const inDatabase = at(state, DATABASE + ROWS + record) + at(state, DATABASE + GAPS + record)
  return inDatabase + at(state, DATABASE + QUARANTINE + record) + at(state, VOLATILE + record)
}

/** In a store, in an image that may be put back, or on its way. */
function isSomewhere(state: State, record: number, { messages }: Centre): boolean {
  const stores = at(state, IMAGE) === NO_IMAGE ? [STORE_A] : [STORE_A, STORE_B]
  const isStored = stores.some((store) => {
    const slot = at(state, store + SLOT + record)
    return slot !== ABSENT && slot !== GONE
  })
  if (isStored) return true
  const carries = (number: number) => messages.get(number).items.some((item) => item.record === record)
  for (let ingester = 0; ingester < INGESTERS; ingester++) {
    const number = at(state, INGESTER + ingester * INGESTER_BYTES) - 1
    if (number >= 0 && carries(number)) return true
  }
  for (let number = 0; number < messages.size; number++) {
    if (isOnNetwork(state, number) && carries(number)) return true
  }
  return false
}

/**
 * Whether plain work leads to the goal from here: nothing else goes wrong, but all that was on its way is lost. What it
 * depends on is remembered, since very many states differ only in their messages.
 */
export function createDrain(centre: Centre): (state: State) => boolean {
  const known = new Map<string, boolean>()
  return (state) => {
    const start = state.slice()
    start.fill(0, NETWORK, NETWORK + 8)
    start.fill(0, ACKS, ACKS + 3)
    start.fill(0, BUDGET, BUDGET + FAULTS.length)
    start.fill(0, BACKUP, ACKS)
    start[BACKED_UP] = 0
    for (const store of [STORE_A, STORE_B]) start.fill(0, store + ACKED, store + ACKED + ALL.length)
    const key = String.fromCharCode(...start)
    const before = known.get(key)
    if (before !== undefined) return before
    const drains = isDone(work(start, centre))
    known.set(key, drains)
    return drains
  }
}

/** Ingesters end what they have begun; gateways say hello and send what is unconfirmed, until nothing changes. */
function work(start: State, centre: Centre): State {
  let state = start
  for (let ingester = INGESTERS - 1; ingester >= 0; ingester--) state = ended(state, centre)
  for (let round = 0; round < 12; round++) {
    for (const store of liveStores(state)) takeMarks(state, store)
    state.fill(0, NETWORK, NETWORK + 8)
    centre.messages.offer(state)
    for (let number = 0; number < centre.messages.size; number++) {
      if (isOnNetwork(state, number)) state = ended(begin(state, number, centre) ?? state, centre)
    }
  }
  return state
}

function ended(state: State, centre: Centre): State {
  let next = state
  for (let step = 0; step < 2 * INGESTERS; step++) next = finish(next, INGESTERS - 1, centre) ?? next
  return next
}

function isDone(state: State): boolean {
  return ALL.every((record) => {
    const isDue = record < at(state, ACCEPTED) && (at(state, EXCUSED) & (1 << record)) === 0
    return !isDue || copiesOf(state, record) === 1
  })
}
