import {
  type BioTrakrError,
  type Clock,
  type Compression,
  type DownMessage,
  type Fix,
  type GatewayId,
  type Hello,
  parseDownMessage,
  type Random,
  type TagEvent,
  type Timer,
  topics,
} from '@biotrakr/shared'
import mqtt from 'mqtt'

import { type CentreTime, type CentreView, createCentreView } from './centre-view.ts'
import type { BrokerAccess } from './connect-options.ts'
import { createGreeter, type Greeter, type Told } from './greeter.ts'
import { LedgerLane, type SyncOutbox } from './ledger-lane.ts'
import { type Connect, Link } from './link.ts'
import { createLiveLane, type LiveLane } from './live.ts'
import { DEFAULT_PACE, type PaceLimits } from './pace.ts'
import { createProblemBoard, type Log, type ProblemBoard } from './problem-board.ts'
import { noAnswer, publishRefused, RC, refusedByCentre, tooLarge } from './reasons.ts'
import { createSilenceWatch, type SilenceWatch } from './silence.ts'
import type { SyncState, SyncStatus } from './sync-status.ts'
import type { HeldEpoch } from './window.ts'

export interface SyncOptions {
  readonly gateway: GatewayId
  readonly software: string
  readonly broker: BrokerAccess
  readonly outbox: SyncOutbox
  readonly compression: Compression
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Stays the same when this box has to begin a new store; tells the centre that it is no other box. */
  readonly box?: string
  /** Whether somebody has confirmed this machine's time: tells a wrong clock from a wrong certificate. */
  readonly isTimeConfirmed?: () => boolean
  /** Key and certificate for the next connection, where they change while the agent runs; else those of `broker`. */
  readonly credentials?: () => Pick<BrokerAccess, 'cert' | 'key'>
  /** The broker has let us in with what `credentials` gave last. */
  readonly onConnected?: () => void
  /** Told what the centre's clock says, with every welcome and ack. */
  readonly onCentreTime?: (time: CentreTime) => void
  /** Batches sent and not yet committed, 1 or more; default 8. */
  readonly window?: number
  /** Most records in a batch; default 1,000. */
  readonly batchRecords?: number
  /** Shortest time between two messages of the live lane; default 1,000 ms. */
  readonly liveMs?: number
  /** Default 30; a line that has died is noticed within 1.5 times this. */
  readonly keepaliveSeconds?: number
  /** How long a connect may take; default 10,000 ms. */
  readonly connectTimeoutMs?: number
  /** Default: first within 4 s, then in intervals of up to 60 s, never more than 6 connects in a minute. */
  readonly pace?: PaceLimits
  /** Opens one connection; default `mqtt.connect`. */
  readonly connect?: Connect
}

export interface Sync {
  start(): void
  /** Sends what is held until all is committed at the centre or `flushMs` have passed, then says goodbye. */
  stop(flush: { readonly flushMs: number }): Promise<void>
  /** The outbox has committed something new. */
  notifyCommitted(): void
  /** Newest positions; not kept when they cannot be sent. */
  publishLive(fixes: readonly Fix[]): void
  /** Presses and the like, on the live lane at once; sent once or counted as dropped. */
  raiseLive(events: readonly TagEvent[]): void
  /** Ends the connection properly and makes a new one; nothing of the ledger is lost by it. */
  reconnect(): void
  status(): SyncStatus
}

/**
 * Carries the ledger to the centre over MQTT 5. Records leave the outbox only by the centre's commit ack or welcome,
 * both sent after the database's commit; the broker's PUBACK proves nothing.
 */
export function createSync(options: SyncOptions): Sync {
  return new Uplink(options)
}

type Stage = 'connecting' | 'greeting' | 'open' | 'refused' | 'denied' | 'stopped'

const SILENCE_MS = 30_000
/** How soon a store that could not be opened is asked for again. */
const STORE_RETRY_MS = 1_000
const SLOW_RETRY_MS = 60_000
/** How long a box stays away that the centre takes for the second one of its name: each visit throws the first one out. */
const TWIN_AWAY_MS = 600_000
const TWIN_CODES = new Set(['STORE_TWIN', 'STORE_RETIRED'])
/** A hello that nobody took in this time is of no use: another one follows. */
const HELLO_EXPIRY_S = 10
/** How often the centre is asked what of this gateway waits in quarantine, and what time it is. */
const REFRESH_MS = 600_000
const MAX_BEHIND = 20
const LIVE_TAGS = 10_000
/** A line this far behind carries the ledger only. */
const LIVE_BACKLOG_BYTES = 256 * 1024
/** Events still go out on it, up to here. */
const EVENTS_BACKLOG_BYTES = 1024 * 1024

class Uplink implements Sync {
  readonly #options: SyncOptions
  readonly #link: Link
  readonly #ledger: LedgerLane
  readonly #live: LiveLane
  readonly #greeter: Greeter
  readonly #board: ProblemBoard
  readonly #silence: SilenceWatch
  readonly #view: CentreView
  readonly #behind = new Set<string>()
  #stage: Stage = 'connecting'
  #state: { readonly name: SyncState; readonly sinceMs: number }
  #lastAckMs: number | undefined
  #nacks = 0
  #strays = 0
  #slowRetry: Timer | undefined
  #refresh: Timer | undefined
  /** Topic of which the broker said that nobody reads it. */
  #unheard: string | undefined
  #drained: (() => void) | undefined
  #stopping: Promise<void> | undefined

  constructor(options: SyncOptions) {
    const { clock, random } = options
    this.#options = options
    this.#state = { name: 'connecting', sinceMs: clock.wallMs() }
    this.#board = createProblemBoard(options.log)
    this.#silence = createSilenceWatch(clock, SILENCE_MS, () => {
      this.#board.report(noAnswer(SILENCE_MS / 1000, topics.ack(options.gateway), this.#unheard))
    })
    this.#view = createCentreView(options)
    this.#greeter = createGreeter({
      clock,
      random,
      send: (epochs) => this.#sendHello(epochs),
      welcomed: (held, told) => this.#welcomed(held, told),
    })
    this.#ledger = this.#createLedgerLane()
    this.#live = this.#createLiveLane()
    this.#link = this.#createLink()
  }

  #createLedgerLane(): LedgerLane {
    const { gateway, window: size = 8, batchRecords = 1_000 } = this.#options
    const topic = topics.ledger(gateway)
    return new LedgerLane(
      { ...this.#options, size, batchRecords },
      {
        isFree: () => this.#stage === 'open' && this.#link.isFree,
        publish: (message, taken) =>
          this.#link.publish(topic, message, {
            answered: (code) => {
              if (this.#answered(topic, code)) taken()
            },
          }),
        greet: () => this.#greet(),
        stuck: (bytes) => this.#block('denied', tooLarge(bytes, topic)),
        ahead: (epoch) => {
          if (this.#behind.size < MAX_BEHIND) this.#behind.add(epoch)
        },
      },
    )
  }

  #createLiveLane(): LiveLane {
    const { gateway, clock, compression, liveMs = 1_000 } = this.#options
    return createLiveLane({
      gateway,
      clock,
      compression,
      everyMs: liveMs,
      maxTags: LIVE_TAGS,
      isOpen: () => this.#isOpenUpTo(LIVE_BACKLOG_BYTES),
      isOpenForEvents: () => this.#isOpenUpTo(EVENTS_BACKLOG_BYTES),
      send: (message) => this.#link.publishOnce(topics.live(gateway), message),
      maxBytes: () => this.#ledger.maxBytes,
    })
  }

  #isOpenUpTo(backlogBytes: number): boolean {
    return this.#stage !== 'refused' && this.#link.isUp && this.#link.backlogBytes < backlogBytes
  }

  #createLink(): Link {
    const {
      connect = (wanted) => mqtt.connect(wanted),
      pace = DEFAULT_PACE,
      keepaliveSeconds = 30,
      connectTimeoutMs = 10_000,
    } = this.#options
    return new Link(
      { ...this.#options, connect, pace, keepaliveSeconds, connectTimeoutMs },
      {
        up: ({ packetBytes }) => {
          this.#options.onConnected?.()
          this.#ledger.connected(packetBytes)
          this.#board.settle(['BROKER_UNREACHABLE', 'BROKER_REFUSED', 'SYNC_SUBSCRIBE_DENIED'])
          this.#options.log.info({ event: 'sync.connected', connects: this.#link.connects }, 'connected to the broker')
          this.#greet()
        },
        down: () => this.#pause('connecting'),
        message: (text) => this.#heard(text),
        trouble: (problem) => this.#board.report(problem),
        dropped: (code) => {
          if (code === RC.packetTooLarge) this.#ledger.shrink()
        },
      },
    )
  }

  start(): void {
    this.#link.start()
  }

  stop({ flushMs }: { readonly flushMs: number }): Promise<void> {
    this.#stopping ??= this.#finish(flushMs)
    return this.#stopping
  }

  notifyCommitted(): void {
    this.#ledger.pump()
    this.#settle()
  }

  publishLive(fixes: readonly Fix[]): void {
    if (this.#stopping === undefined) this.#live.offer(fixes)
  }

  raiseLive(events: readonly TagEvent[]): void {
    this.#live.raise(events)
  }

  reconnect(): void {
    this.#link.leave(0)
  }

  status(): SyncStatus {
    return {
      state: this.#state.name,
      since: this.#state.sinceMs,
      lastAckMs: this.#lastAckMs,
      inFlight: this.#ledger.inFlight,
      unacknowledged: this.#options.outbox.status().unacknowledged,
      ackMs: this.#ledger.ackMs,
      connects: this.#link.connects,
      published: this.#ledger.published,
      nacks: this.#nacks,
      resends: this.#ledger.resends,
      strays: this.#strays,
      liveDropped: this.#live.dropped,
      liveEventsDropped: this.#live.droppedEvents,
      quarantined: this.#view.quarantined,
      storeBehind: [...this.#behind],
      problem: this.#board.current,
    }
  }

  async #finish(flushMs: number): Promise<void> {
    this.#live.clear()
    await new Promise<void>((resolve) => {
      const deadline = this.#options.clock.after(flushMs, resolve)
      this.#drained = () => {
        deadline.cancel()
        resolve()
      }
      this.notifyCommitted()
    })
    this.#drained = undefined
    this.#pause('stopped')
    await this.#link.stop()
  }

  /** Stops sending. What is in flight is forgotten: the next welcome tells what of it was committed. */
  #pause(stage: Stage): void {
    if (this.#stage === 'stopped') return
    this.#stage = stage
    this.#greeter.cancel()
    this.#slowRetry?.cancel()
    this.#refresh?.cancel()
    this.#silence.stop()
    this.#ledger.close()
    this.#settle()
  }

  /** Keeps everything and asks again later, slowly: only a person can change the answer. */
  #block(stage: 'refused' | 'denied', problem: BioTrakrError): void {
    const { clock, random } = this.#options
    if (this.#stage === 'stopped') return
    this.#board.report(problem)
    this.#pause(stage)
    this.#slowRetry = clock.after(SLOW_RETRY_MS * (1 + random() / 4), () => this.#greet())
  }

  #greet(): void {
    if (this.#stage === 'stopped') return
    this.#pause('greeting')
    const { outbox, clock } = this.#options
    // A store that its disk does not let open has no nonce and no epoch to greet with.
    if (outbox.status().store === '') {
      this.#slowRetry = clock.after(STORE_RETRY_MS, () => this.#greet())
      return
    }
    this.#silence.ask()
    this.#greeter.begin(outbox.held())
  }

  #sendHello(epochs: Hello['epochs']): void {
    const { gateway, software, outbox, box } = this.#options
    const { store, epoch: opening } = outbox.status()
    const hello: Hello = { software, store, opening, ...(box !== undefined && { box }), epochs }
    const topic = topics.hello(gateway)
    if (!this.#link.isFree) return
    this.#view.asked(hello)
    const answered = (code: number) => void this.#answered(topic, code)
    this.#link.publish(topic, JSON.stringify(hello), { answered, expirySeconds: HELLO_EXPIRY_S })
  }

  #welcomed(held: readonly HeldEpoch[], told: Told): void {
    this.#stage = 'open'
    this.#silence.answered()
    this.#board.settle(['SYNC_REFUSED', 'SYNC_NO_ACK', 'SYNC_TWIN'])
    this.#options.log.info({ event: 'sync.welcome', epochs: held.length }, 'the centre has answered, sending')
    this.#ledger.open(held, told)
    this.#refreshLater()
  }

  /** A hello that asks for no epoch: its answer changes nothing in what is being sent. */
  #refreshLater(): void {
    this.#refresh?.cancel()
    this.#refresh = this.#options.clock.after(REFRESH_MS, () => {
      this.#sendHello([])
      if (this.#stage === 'open') this.#refreshLater()
    })
  }

  #heard(text: string): void {
    const message = parseDownMessage(text)
    if (message === undefined || this.#stage === 'stopped' || !this.#view.isForUs(message)) this.#strays += 1
    else this.#obey(message)
    this.#settle()
  }

  #obey(message: DownMessage): void {
    switch (message.type) {
      case 'ack':
        this.#lastAckMs = this.#options.clock.wallMs()
        this.#silence.answered()
        if (this.#stage === 'open') this.#board.settle()
        this.#view.acknowledged(message, this.#ledger.acknowledged(message.epoch, message.hw))
        break
      case 'nack':
        this.#nacks += 1
        this.#ledger.refused(message.epoch, message.need)
        break
      case 'welcome':
        if (this.#greeter.answer(message.epochs) || message.epochs.length === 0) this.#view.welcomed(message)
        else this.#strays += 1
        break
      case 'refuse':
        this.#block('refused', refusedByCentre(message.code, message.detail))
        if (TWIN_CODES.has(message.code)) this.#link.leave(TWIN_AWAY_MS)
        break
    }
  }

  /** The broker's answer to one message; @returns true when it took it */
  #answered(topic: string, code: number): boolean {
    if (code < 0x80) {
      this.#unheard = code === RC.noMatchingSubscribers ? topic : undefined
      return true
    }
    if (code === RC.packetTooLarge) {
      this.#ledger.shrink()
      this.#greet()
    } else {
      this.#block('denied', publishRefused(code, topic))
    }
    return false
  }

  /** Brings the reported state, the watch for silence and a waiting stop up to date. */
  #settle(): void {
    const isSending = this.#ledger.inFlight > 0
    if (isSending) this.#silence.ask()
    const name = this.#stage === 'open' ? (isSending ? 'sending' : 'idle') : this.#stage
    if (name !== this.#state.name) this.#state = { name, sinceMs: this.#options.clock.wallMs() }
    if (this.#drained === undefined) return
    const isHopeless = this.#stage === 'refused' || this.#stage === 'denied'
    if (isHopeless || this.#options.outbox.status().unacknowledged === 0) this.#drained()
  }
}
