import {
  ACKED,
  ALL,
  at,
  EPOCH,
  GAP,
  HELD,
  liveStores,
  NETWORK,
  RECORDS,
  SEQ,
  SLOT,
  type State,
  UNSYNCED,
} from './layout.ts'

interface Item {
  readonly record: number
  readonly isGap: boolean
}

/** A batch: consecutive sequence numbers of one epoch. */
export interface Message {
  readonly epoch: number
  readonly first: number
  readonly last: number
  readonly items: readonly Item[]
}

const MOST = 64

/** Gives every different batch of one exploration a number, the bit that stands for it in a state. */
export class Messages {
  readonly #numbers = new Map<number, number>()
  readonly #messages: Message[] = []

  get(number: number): Message {
    return this.#messages[number] as Message
  }

  get size(): number {
    return this.#messages.length
  }

  numberOf(message: Message): number {
    const code = codeOf(message)
    const known = this.#numbers.get(code)
    if (known !== undefined) return known
    if (this.#messages.length === MOST) throw new Error('more different batches than a state has bits')
    this.#numbers.set(code, this.#messages.length)
    return this.#messages.push(message) - 1
  }

  /**
   * Puts on the network every batch that a live store could send now. A batch on the network may be delivered at any
   * time, any number of times and in any order, or never, so that sending as early as possible leaves no behaviour out:
   * delay, loss, repetition and every cut of a run are deliveries of this set.
   */
  offer(state: State): void {
    for (const store of liveStores(state)) {
      for (const epoch of ALL) {
        for (const message of runs(state, store, epoch)) {
          const number = this.numberOf(message)
          const place = NETWORK + (number >> 3)
          state[place] = at(state, place) | (1 << (number & 7))
        }
      }
    }
  }
}

export function isOnNetwork(state: State, number: number): boolean {
  return (at(state, NETWORK + (number >> 3)) & (1 << (number & 7))) !== 0
}

/** Every run of unconfirmed sequence numbers that the store can send, in every cut. */
function runs(state: State, store: number, epoch: number): Message[] {
  const found: Message[] = []
  for (let first = at(state, store + ACKED + epoch) + 1; first <= RECORDS; first++) {
    const items: Item[] = []
    for (let seq = first; seq <= RECORDS; seq++) {
      const item = itemAt(state, store, { epoch, seq })
      if (!item) break
      items.push(item)
      found.push({ epoch, first, last: seq, items: [...items] })
    }
  }
  return found
}

interface Place {
  readonly epoch: number
  readonly seq: number
}

/** What a store can send at a place of its ledger. */
function itemAt(state: State, store: number, { epoch, seq }: Place): Item | undefined {
  for (const record of ALL) {
    const slot = at(state, store + SLOT + record)
    if (slot !== HELD && slot !== GAP && slot !== UNSYNCED) continue
    if (at(state, store + EPOCH + record) !== epoch || at(state, store + SEQ + record) !== seq) continue
    return { record, isGap: slot === GAP }
  }
  return undefined
}

function codeOf({ epoch, first, items }: Message): number {
  return items.reduce(
    (code, { record, isGap }, i) => code | (((record << 1) | Number(isGap)) << (6 + 3 * i)),
    epoch | (first << 2) | (items.length << 4),
  )
}
