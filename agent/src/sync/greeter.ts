import type { Clock, Hello, Random, Timer } from '@biotrakr/shared'

import type { HeldEpoch } from './window.ts'

export type Told = readonly { readonly epoch: string; readonly hw: number }[]

interface GreeterOptions {
  readonly clock: Clock
  readonly random: Random
  readonly send: (epochs: Hello['epochs']) => void
  readonly welcomed: (held: readonly HeldEpoch[], told: Told) => void
}

/** Asks the centre what it has of each epoch that is held, page by page, until every page is answered. */
export interface Greeter {
  begin(held: readonly HeldEpoch[]): void
  /** @returns false when this is no answer to what was asked: an old one, or one that names too little */
  answer(told: Told): boolean
  cancel(): void
}

const FIRST_WAIT_MS = 3_000
const MAX_WAIT_MS = 30_000
/** About 70 bytes each: well below the packet size of any broker. */
const EPOCHS_PER_HELLO = 1_000

export function createGreeter({ clock, random, send, welcomed }: GreeterOptions): Greeter {
  let held: readonly HeldEpoch[] = []
  let told: Told[number][] = []
  let timer: Timer | undefined
  let isAsking = false

  const page = () => held.slice(told.length, told.length + EPOCHS_PER_HELLO)
  const ask = (waitMs: number): void => {
    send(page().map(({ epoch, first, last }) => ({ epoch, first, last })))
    timer = clock.after(waitMs * (1 + random() / 4), () => ask(Math.min(MAX_WAIT_MS, waitMs * 2)))
  }
  const cancel = (): void => {
    isAsking = false
    timer?.cancel()
  }
  return {
    begin(all) {
      cancel()
      held = all
      told = []
      isAsking = true
      ask(FIRST_WAIT_MS)
    },
    answer(entries) {
      const marks = new Map(entries.map(({ epoch, hw }) => [epoch, hw]))
      const asked = page()
      if (!isAsking || !asked.every(({ epoch }) => marks.has(epoch))) return false
      for (const { epoch } of asked) told.push({ epoch, hw: marks.get(epoch) ?? 0 })
      timer?.cancel()
      if (told.length < held.length) {
        ask(FIRST_WAIT_MS)
      } else {
        cancel()
        welcomed(held, told)
      }
      return true
    },
    cancel,
  }
}
