import { type Batch, type Clock, type Compression, MAX_BATCH_BYTES, type Random, type Timer } from '@biotrakr/shared'

import { type Cut, type Cutter, createCutter } from './cutter.ts'
import type { Told } from './greeter.ts'
import { createLatencies } from './latency.ts'
import type { Log } from './problem-board.ts'
import {
  closedWindow,
  type HeldEpoch,
  mayRelease,
  type Position,
  step,
  type WindowAction,
  type WindowEvent,
} from './window.ts'

/** What this stage needs of the outbox. */
export interface SyncOutbox {
  peek(after: Position | undefined, limit: { readonly records: number }): Batch | undefined
  acknowledge(epoch: string, hw: number): void
  rewind(epoch: string, hw: number): void
  held(): readonly HeldEpoch[]
  status(): { readonly store: string; readonly epoch: string; readonly unacknowledged: number }
}

export interface LedgerLaneOptions {
  readonly outbox: SyncOutbox
  readonly compression: Compression
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Batches sent and not yet committed. */
  readonly size: number
  readonly batchRecords: number
}

export interface LedgerLaneHost {
  /** True when a batch may be handed to the broker now. */
  isFree(): boolean
  /** @returns false when there is no connection */
  publish(message: Uint8Array, taken: () => void): boolean
  /** The centre contradicts itself: ask it again what it has. */
  greet(): void
  /** One record alone makes a message that is too large for the broker. */
  stuck(bytes: number): void
  /** The centre has more of this epoch than the store. */
  ahead(epoch: string): void
}

const SMALLEST_BATCH_BYTES = 1_024
const ACK_SAMPLES = 4_096
/** Topic, lengths, packet id and properties of a PUBLISH, generously. */
const PACKET_OVERHEAD_BYTES = 256

/** Drives the window: cuts batches, keeps the resend timer, and lets the outbox know what is committed. */
export class LedgerLane {
  published = 0
  resends = 0
  readonly #options: LedgerLaneOptions
  readonly #host: LedgerLaneHost
  readonly #cutter: Cutter
  readonly #latencies = createLatencies(ACK_SAMPLES)
  #window = closedWindow()
  #packetBytes = Number.POSITIVE_INFINITY
  #byteCap = MAX_BATCH_BYTES
  #largestBytes = 0
  #ackedMs: number | undefined
  #resend: { readonly atMs: number; readonly timer: Timer } | undefined

  constructor(options: LedgerLaneOptions, host: LedgerLaneHost) {
    this.#options = options
    this.#host = host
    this.#cutter = createCutter(options.outbox, options.compression, options.batchRecords)
  }

  get inFlight(): number {
    return this.#window.flights.length
  }

  get ackMs() {
    return { ...this.#latencies.percentiles(), smoothed: this.#window.smoothedMs }
  }

  /** Largest message that may be sent now, bytes. */
  get maxBytes(): number {
    return Math.min(MAX_BATCH_BYTES, this.#byteCap, this.#packetBytes - PACKET_OVERHEAD_BYTES)
  }

  /** @param packetBytes largest packet the broker takes; undefined = not said */
  connected(packetBytes: number | undefined): void {
    this.#packetBytes = packetBytes ?? Number.POSITIVE_INFINITY
  }

  open(held: readonly HeldEpoch[], told: Told): void {
    this.#apply({ type: 'welcome', held, told })
    this.pump()
  }

  /** Stops sending and forgets what is in flight; the next welcome tells what of it was committed. */
  close(): void {
    this.#largestBytes = 0
    this.#apply({ type: 'closed' })
  }

  /** @returns time from sending to this ack, milliseconds, of the batch that was longest on its way */
  acknowledged(epoch: string, hw: number): number | undefined {
    this.#ackedMs = undefined
    this.#apply({ type: 'ack', epoch, hw })
    const ackMs = this.#ackedMs
    this.pump()
    return ackMs
  }

  refused(epoch: string, need: number): void {
    this.#apply({ type: 'nack', epoch, need })
    this.pump()
  }

  /** The broker found a message too large. */
  shrink(): void {
    const tried = Math.min(this.#byteCap, this.#largestBytes || MAX_BATCH_BYTES)
    this.#byteCap = Math.max(SMALLEST_BATCH_BYTES, Math.floor(tried / 2))
    this.#options.log.warn(
      { event: 'sync.batch.smaller', maxBytes: this.#byteCap },
      'the broker found a message too large, sending smaller ones',
    )
  }

  /** Sends while the window has room. */
  pump(): void {
    while (mayRelease(this.#window, this.#options.size) && this.#host.isFree()) {
      const cut = this.#cutter.next(this.#window.cursor, this.maxBytes)
      if (cut.kind === 'nothing') break
      if (cut.kind === 'too large') this.#host.stuck(cut.bytes)
      else if (!this.#send(cut)) break
    }
  }

  #send({ epoch, first, last, bytes }: Extract<Cut, { kind: 'batch' }>): boolean {
    const isSent = this.#host.publish(bytes, () => {
      this.#apply({ type: 'taken', epoch, last })
      this.pump()
    })
    if (!isSent) return false
    this.published += 1
    this.#largestBytes = Math.max(this.#largestBytes, bytes.length)
    this.#apply({ type: 'sent', epoch, first, last })
    return true
  }

  #apply(event: WindowEvent): void {
    const { clock, random } = this.#options
    const { state, actions } = step(this.#window, event, { nowMs: clock.monoMs(), random })
    this.#window = state
    for (const action of actions) this.#act(action)
    this.#armResend()
  }

  #act(action: WindowAction): void {
    const { outbox, log } = this.#options
    switch (action.do) {
      case 'acknowledge':
        outbox.acknowledge(action.epoch, action.hw)
        break
      case 'rewind':
        log.warn({ event: 'sync.rewind', ...action }, 'the centre has less than it had committed, sending again')
        outbox.rewind(action.epoch, action.hw)
        break
      case 'ahead':
        this.#host.ahead(action.epoch)
        log.error({ event: 'sync.ahead', ...action }, 'the centre has more of this epoch than was ever sent')
        break
      case 'greet':
        this.#host.greet()
        break
      case 'recalled':
        this.resends += action.batches
        log.debug({ event: 'sync.recalled', ...action }, 'sending again')
        break
      case 'measured':
        this.#latencies.add(action.ackMs)
        this.#ackedMs = Math.max(this.#ackedMs ?? 0, action.ackMs)
        break
      case 'ignored':
        log.debug({ event: 'sync.ignored', ...action }, 'nothing to do for this answer')
        break
    }
  }

  #armResend(): void {
    const atMs = this.#window.resendAtMs
    if (atMs === this.#resend?.atMs) return
    this.#resend?.timer.cancel()
    this.#resend = undefined
    if (atMs === undefined) return
    const { clock } = this.#options
    const timer = clock.after(Math.max(0, atMs - clock.monoMs()), () => {
      this.#resend = undefined
      this.#apply({ type: 'timer' })
      this.pump()
    })
    this.#resend = { atMs, timer }
  }
}
