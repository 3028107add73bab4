import type { Clock, Compression, Timer } from '@biotrakr/shared'

import { classify, type Delivery, type Stray } from './classify.ts'
import type { Arrival, Intake } from './intake.ts'

export interface AssemblyLimits {
  /** A set is full at so many batches or records. */
  readonly batches: number
  readonly records: number
  /** How long the oldest batch of a set waits for company, when batches of several gateways come in, milliseconds. */
  readonly lingerMs: number
}

interface Options {
  readonly intake: Intake
  readonly clock: Clock
  readonly compression: Compression
  readonly onStray: (stray: Stray) => void
}

export interface Assembly {
  /** Decodes what waits in the intake as far as the next set has room: the next set grows while one is committed. */
  fill(): void
  /** Puts batches in again that had to wait for others. */
  again(arrivals: readonly Arrival[]): void
  /** @returns the next set, never empty; undefined once stopped */
  next(): Promise<readonly Delivery[] | undefined>
  stop(): void
}

/**
 * Joins batches of many gateways to one set for one transaction: a commit costs the same for one batch as for many.
 * A single gateway is never made to wait, because nothing but its own next batch could come.
 */
export function createAssembly(limits: AssemblyLimits, options: Options): Assembly {
  const { intake, clock, compression, onStray } = options
  let ready: Delivery[] = []
  let records = 0
  let several = false
  let stopped = false
  let wake: (() => void) | undefined

  const isFull = () => ready.length >= limits.batches || records >= limits.records

  const add = (arrival: Arrival) => {
    const classified = classify(arrival, compression)
    if ('stray' in classified) {
      onStray(classified.stray)
      return
    }
    const { delivery } = classified
    ready.push(delivery)
    records += delivery.content.ok ? delivery.content.records.length : 1
  }

  const fill = () => {
    while (!isFull()) {
      const arrival = intake.next()
      if (!arrival) break
      add(arrival)
    }
    if (ready.length > 0) wake?.()
  }

  const changed = (timeoutMs?: number) =>
    new Promise<void>((resolve) => {
      let timer: Timer | undefined
      wake = () => {
        timer?.cancel()
        wake = undefined
        resolve()
      }
      if (timeoutMs !== undefined) timer = clock.after(timeoutMs, wake)
    })

  const lingerLeft = () => {
    const oldestMs = ready[0]?.atMs ?? 0
    return several && !isFull() ? oldestMs + limits.lingerMs - clock.monoMs() : 0
  }

  return {
    fill,
    again: (arrivals) => {
      for (const arrival of arrivals) add(arrival)
    },
    next: async () => {
      fill()
      while (!stopped && ready.length === 0) await changed()
      for (let left = lingerLeft(); !stopped && left > 0; left = lingerLeft()) await changed(left)
      if (stopped) return undefined
      const set = ready
      ready = []
      records = 0
      several = set.some((delivery) => delivery.gateway !== set[0]?.gateway)
      return set
    },
    stop: () => {
      stopped = true
      wake?.()
    },
  }
}
