import { type Centre, centreMoves } from './centre-moves.ts'
import type { Design } from './design.ts'
import { gatewayMoves } from './gateway-moves.ts'
import { createDrain, type Fate, unsafe } from './judge.ts'
import { type Fault, firstState, STATE_BYTES, type State } from './layout.ts'
import { Messages } from './messages.ts'

export interface Exploration {
  /** Different states that can be reached; all of them when nothing was found. */
  readonly states: number
  /** The first thing that is wrong, undefined when every state is right and leads to the goal. */
  readonly fate: Fate | undefined
  /** The shortest way there. */
  readonly steps: readonly string[]
}

interface World {
  readonly design: Design
  /** How often each fault may happen, in any order and at any moment. */
  readonly faults: Partial<Record<Fault, number>>
  /** The second record is one that the database refuses. */
  readonly hasPoison?: boolean
  /** Also find states from which plain work does not lead to the goal; true unless told. */
  readonly findsStuck?: boolean
}

/** Follows every order of events, breadth first, so that what is found is found by the shortest way. */
export function explore({ design, faults, hasPoison = false, findsStuck = true }: World): Exploration {
  const messages = new Messages()
  const centre: Centre = { design, hasPoison, messages }
  const drains = createDrain(centre)
  const seen = new States()
  const names: string[] = ['']
  const parents: number[] = [-1]
  seen.add(firstState(faults))
  for (let index = 0; index < seen.size; index++) {
    const state = seen.get(index)
    const fate = unsafe(state, centre) ?? (findsStuck && !drains(state) ? 'stuck' : undefined)
    if (fate) return { states: seen.size, fate, steps: path(index, parents, names) }
    const emit = (next: State, name: string) => {
      if (!seen.add(next)) return
      parents.push(index)
      names.push(name)
    }
    gatewayMoves(state, design, (next, name) => {
      messages.offer(next)
      emit(next, name)
    })
    centreMoves(state, centre, emit)
  }
  return { states: seen.size, fate: undefined, steps: [] }
}

function path(end: number, parents: readonly number[], names: readonly string[]): string[] {
  const steps: string[] = []
  for (let index = end; index > 0; index = parents[index] as number) steps.push(names[index] as string)
  return steps.reverse()
}

const WORDS = STATE_BYTES / 4

/** A set of states that keeps the order in which they were added: a hash table with open addressing over one buffer. */
class States {
  size = 0
  #bytes = new Uint8Array(STATE_BYTES << 14)
  #words = new Int32Array(this.#bytes.buffer)
  #table = new Int32Array(1 << 15)

  get(index: number): State {
    return this.#bytes.slice(index * STATE_BYTES, (index + 1) * STATE_BYTES)
  }

  /** @returns false when the state is there already */
  add(state: State): boolean {
    const words = new Int32Array(state.buffer)
    const mask = this.#table.length - 1
    let place = hash(words, 0) & mask
    for (let entry = this.#table[place]; entry; entry = this.#table[place]) {
      if (this.#isSame(words, entry - 1)) return false
      place = (place + 1) & mask
    }
    if ((this.size + 1) * STATE_BYTES > this.#bytes.length) this.#grow()
    this.#bytes.set(state, this.size * STATE_BYTES)
    this.size += 1
    this.#table[place] = this.size
    if (this.size * 2 > this.#table.length) this.#rehash()
    return true
  }

  #isSame(words: Int32Array, index: number): boolean {
    const from = index * WORDS
    for (let i = 0; i < WORDS; i++) if (words[i] !== this.#words[from + i]) return false
    return true
  }

  #grow(): void {
    const bytes = new Uint8Array(this.#bytes.length * 2)
    bytes.set(this.#bytes)
    this.#bytes = bytes
    this.#words = new Int32Array(bytes.buffer)
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2)
    const mask = this.#table.length - 1
    for (let index = 0; index < this.size; index++) {
      let place = hash(this.#words, index * WORDS) & mask
      while (this.#table[place]) place = (place + 1) & mask
      this.#table[place] = index + 1
    }
  }
}

function hash(words: Int32Array, from: number): number {
  let value = 0x811c9dc5
  for (let i = 0; i < WORDS; i++) {
    value = Math.imul(value ^ (words[from + i] as number), 0x85ebca6b)
    value ^= value >>> 15
  }
  return value >>> 0
}
