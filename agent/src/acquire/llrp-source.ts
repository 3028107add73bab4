import {
  createLlrpSession,
  type LlrpAction,
  type LlrpCounters,
  type LlrpFailure,
  type LlrpProfile,
  type LlrpReaderInfo,
  type LlrpSession,
} from '@biotrakr/firmware-profiles'
import {
  BioTrakrError,
  backoffMs,
  type Clock,
  explainError,
  type Random,
  type Reading,
  type ReceiverId,
  type Timer,
} from '@biotrakr/shared'
import type { Logger } from 'pino'

import { type LlrpReaderSettings, planLlrp } from './llrp-plan.ts'
import { parsePortAddress } from './port-address.ts'
import type { ReaderIdentity } from './reader-facts.ts'
import type { LineSettings, OpenPort, Port, PortEvents } from './reader-port.ts'
import { createReadings, type ReadingCounts, type Readings, reportsIn, type TagOf } from './reader-readings.ts'
import { identityWords } from './reader-words.ts'
import type { AllowList, Source, SourceStatus } from './source.ts'
import { openTcpPort } from './tcp-port.ts'

export interface LlrpSourceOptions {
  readonly name: string
  /** `tcp://host`, with `:port` where it is not the profile's. */
  readonly address: string
  readonly profile: LlrpProfile
  /** Receiver of each antenna port in use, by its number from 1. */
  readonly receivers: ReadonlyMap<number, ReceiverId>
  readonly settings: LlrpReaderSettings
  readonly tagOf: TagOf
  /** Real time: it drives the reader. */
  readonly clock: Clock
  /** The time in which readings happen. */
  readonly eventClock: Clock
  readonly random: Random
  readonly allow: AllowList
  readonly log: Logger
  /** How to connect, where not by the address alone. */
  readonly open?: OpenPort
}

interface LlrpSourceStatus extends SourceStatus, Omit<ReadingCounts, 'readings'> {
  readonly address: string
  readonly profile: { readonly id: string; readonly version: string; readonly fingerprint: string }
  readonly rssi: typeof RSSI
  readonly phase: Phase
  readonly identity: ReaderIdentity
  readonly region: string | undefined
  /** What each antenna sends with, dBm by its number; empty before the inventory runs. */
  readonly powersDbm: Readonly<Record<number, number>>
  /** Antennas that the reader finds disconnected. */
  readonly antennasOff: readonly number[]
  readonly llrp: LlrpCounters
  /** Times the connection was opened. */
  readonly opens: number
  /** Messages that the connection did not take. */
  readonly unsent: number
  /** What the reader complained of last. */
  readonly warning: string | undefined
  /** Stable code of what keeps it from running. */
  readonly problem: string | undefined
}

export interface LlrpSource extends Source {
  status(): LlrpSourceStatus
}

type Phase = 'closed' | 'setup' | 'held' | 'running'

/** As LLRP has it: PeakRSSI in dBm, by the reader's own scale. */
const RSSI = { unit: 'dBm', calibrated: false } as const
/** A network connection has no line to set. */
const NO_LINE: LineSettings = { baud: 0, dataBits: 8, parity: 'none', stopBits: 1, flow: 'none' }
/** Returned readers are found within 5 s: the longest wait and the time to connect. */
const RETRY = { firstMs: 500, maxMs: 4_000 }
/** What a person has to mend, at the reader perhaps, is looked at again now and then. */
const MENDED_RETRY = { firstMs: 30_000, maxMs: 300_000 }
const STOP_MS = 4_000

/**
 * One LLRP reader, kept running: connected, checked against the region and the settings, started, and connected again
 * after every kind of loss. It never transmits without a region.
 * @throws BioTrakrError PORT_ADDRESS or READER_SETTINGS
 */
export function createLlrpSource(options: LlrpSourceOptions): LlrpSource {
  return new Supervisor(options)
}

function openAt(address: string, { profile, clock }: Pick<LlrpSourceOptions, 'profile' | 'clock'>): OpenPort {
  const place = parsePortAddress(address, { defaultPort: profile.tcpPort })
  if (place.kind === 'tcp') return openTcpPort({ ...place, clock })
  throw new BioTrakrError(`${address} is no network address, and ${profile.name} has no other`, {
    code: 'PORT_ADDRESS',
    next: 'Write tcp://host, or tcp://host:port.',
  })
}

class Supervisor implements LlrpSource {
  readonly name: string
  readonly receivers: readonly ReceiverId[]
  readonly #options: LlrpSourceOptions
  readonly #openPort: OpenPort
  readonly #session: LlrpSession
  readonly #readings: Readings
  #state: 'idle' | 'on' | 'stopping' | 'off' = 'idle'
  #phase: Phase = 'closed'
  #onReading: (reading: Reading) => void = () => undefined
  #port: Port | undefined
  /** Ends an opening under way, and tells events of an earlier connection from those of this one. */
  #opening = new AbortController()
  #wake: Timer | undefined
  #retry: Timer | undefined
  #failures = 0
  #opens = 0
  #unsent = 0
  #errors = 0
  #identity: ReaderIdentity = {}
  #powersDbm: Readonly<Record<number, number>> = {}
  readonly #antennasOff = new Set<number>()
  #warning: string | undefined
  #trouble: { readonly code: string; readonly text: string } | undefined
  #onStopped: (() => void) | undefined

  constructor(options: LlrpSourceOptions) {
    this.#options = options
    this.name = options.name
    this.receivers = [...options.receivers.values()]
    this.#openPort = options.open ?? openAt(options.address, options)
    this.#session = createLlrpSession(planLlrp(options))
    this.#readings = createReadings({ ...options, driver: { rssi: RSSI } })
  }

  /** Returns at once: a reader that is not there yet is waited for. */
  start(onReading: (reading: Reading) => void): Promise<void> {
    if (this.#state === 'idle') {
      this.#state = 'on'
      this.#onReading = onReading
      void this.#open()
    }
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    if (this.#state !== 'on') return
    this.#state = 'stopping'
    this.#retry?.cancel()
    if (this.#port !== undefined) {
      const stopped = new Promise<void>((resolve) => {
        this.#onStopped = resolve
      })
      const deadline = this.#options.clock.after(STOP_MS, () => this.#onStopped?.())
      this.#tell('stop')
      await stopped
      deadline.cancel()
    }
    this.#state = 'off'
    await this.#drop()?.close()
  }

  status(): LlrpSourceStatus {
    const { profile, settings, address } = this.#options
    const { id, version, fingerprint } = profile
    const { counts } = this.#readings
    return {
      ...counts,
      state: this.#sourceState(),
      // The reader is told to send a keepalive every few seconds.
      watchesSilence: true,
      detail: this.#words(),
      errors:
        this.#errors + counts.unusable + counts.unmapped + counts.impossibleRssi + this.#session.counters.malformed,
      address,
      profile: { id, version, fingerprint },
      rssi: RSSI,
      phase: this.#phase,
      identity: this.#identity,
      region: settings.region,
      powersDbm: this.#powersDbm,
      antennasOff: [...this.#antennasOff].sort((a, b) => a - b),
      down: [...this.#antennasOff].flatMap((antenna) => this.#options.receivers.get(antenna) ?? []),
      llrp: { ...this.#session.counters },
      opens: this.#opens,
      reader: {
        frames: this.#session.counters.messages,
        // TCP brings whole messages: what cannot be read ends the connection.
        bytesDropped: 0,
        badChecksum: 0,
        resyncs: 0,
        tags: reportsIn(counts),
        unknownTags: counts.unknownTags,
        personalTags: counts.personalTags,
        reconnects: Math.max(0, this.#opens - 1),
        restarts: 0,
      },
      unsent: this.#unsent,
      warning: this.#warning,
      problem: this.#phase === 'held' ? 'region' : this.#trouble?.code,
    }
  }

  #sourceState(): SourceStatus['state'] {
    if (this.#state === 'off') return 'finished'
    if (this.#phase === 'running') return 'up'
    return this.#phase === 'held' || this.#trouble !== undefined ? 'failed' : 'starting'
  }

  #words(): string {
    const { profile, address } = this.#options
    const who = identityWords(this.#identity) || profile.name
    if (this.#phase === 'running') {
      const off = this.#antennasOff.size === 0 ? '' : `; antenna ${[...this.#antennasOff].join(', ')} is disconnected`
      return `${who} at ${address}, ${this.#readings.counts.readings} readings${off}`
    }
    if (this.#phase === 'held') {
      return `${who} at ${address} answers, but is not started: no region is set, and without one nothing may be transmitted`
    }
    return this.#trouble?.text ?? `${address} is being asked for a reader`
  }

  async #open(): Promise<void> {
    const opening = new AbortController()
    this.#opening = opening
    const isCurrent = () => this.#opening === opening && !opening.signal.aborted
    const events: PortEvents = {
      bytes: (bytes) => isCurrent() && this.#handle({ kind: 'bytes', monoMs: this.#options.clock.monoMs(), bytes }),
      closed: (why) => isCurrent() && this.#closed(why),
      warning: (text) => this.#warn(text),
    }
    try {
      const port = await this.#openPort(NO_LINE, events, opening.signal)
      if (!isCurrent()) {
        await port.close()
        return
      }
      this.#port = port
      this.#opens += 1
      this.#phase = 'setup'
      this.#tell('connected')
    } catch (error) {
      if (!isCurrent()) return
      const code = error instanceof BioTrakrError ? error.code : 'PORT_FAILED'
      this.#lost({ code, text: explainError(error), retry: RETRY })
    }
  }

  #tell(kind: 'connected' | 'closed' | 'timer' | 'stop'): void {
    this.#handle({ kind, monoMs: this.#options.clock.monoMs() })
  }

  #handle(event: Parameters<LlrpSession['handle']>[0]): void {
    for (const action of this.#session.handle(event)) this.#act(action)
    const { clock } = this.#options
    this.#wake?.cancel()
    const atMs = this.#session.wakeAtMs
    if (atMs !== undefined && this.#port) {
      this.#wake = clock.after(Math.max(0, atMs - clock.monoMs()), () => this.#tell('timer'))
    }
  }

  #act(action: LlrpAction): void {
    switch (action.kind) {
      case 'send':
        if (!this.#port?.write(action.bytes)) this.#unsent += 1
        break
      case 'tags':
        this.#take(action.tags)
        break
      case 'identified':
        this.#identify(action.reader)
        break
      case 'running':
        this.#phase = 'running'
        this.#failures = 0
        this.#trouble = undefined
        this.#powersDbm = Object.fromEntries(action.powers.map(({ port, dbm }) => [port, dbm]))
        this.#options.log.info({ event: 'reader.running', reader: this.name }, 'the inventory runs')
        break
      case 'antenna':
        this.#antenna(action)
        break
      case 'warning':
        this.#warn(action.text)
        break
      case 'fail':
        this.#failed(action)
        break
      case 'stopped':
        if (!action.confirmed) this.#warn('the reader did not say that its radio is off')
        this.#onStopped?.()
        break
      case 'close':
        // What follows, a failure or the end, closes the connection once everything sent has left.
        break
    }
  }

  #identify({ vendor, manufacturer, model, firmware }: LlrpReaderInfo): void {
    this.#identity = { vendor: vendor ?? `maker ${manufacturer}`, model: `model ${model}`, firmware }
    const words = identityWords(this.#identity)
    this.#options.log.info(
      { event: 'reader.identified', reader: this.name, ...this.#identity },
      `reader answers: ${words}`,
    )
  }

  #antenna({ port, connected }: Extract<LlrpAction, { kind: 'antenna' }>): void {
    if (connected) this.#antennasOff.delete(port)
    else if (this.#options.receivers.has(port)) this.#antennasOff.add(port)
    const words = `antenna ${port} is ${connected ? 'connected' : 'disconnected'}`
    this.#options.log.warn({ event: 'reader.antenna', reader: this.name, antenna: port, connected }, words)
  }

  #warn(text: string): void {
    this.#warning = text
    this.#options.log.warn({ event: 'reader.notice', reader: this.name }, text)
  }

  #take(reports: Extract<LlrpAction, { kind: 'tags' }>['tags']): void {
    const atMs = this.#options.eventClock.wallMs()
    for (const report of reports) {
      const reading = this.#readings.from(report, atMs)
      if (reading && this.#state === 'on') this.#onReading(reading)
    }
  }

  #failed({ failure, why, retry }: { failure: LlrpFailure; why: string; retry: boolean }): void {
    const { address, settings, log } = this.#options
    if (failure === 'region' && settings.region === undefined) {
      this.#phase = 'held'
      log.warn({ event: 'reader.held', reader: this.name }, 'no region is set: the reader is not started')
      void this.#drop()?.close()
      return
    }
    this.#lost({ code: failure, text: `${address}: ${why}`, retry: retry ? RETRY : MENDED_RETRY })
  }

  #closed(why: string): void {
    const before = this.#errors
    this.#port = undefined
    this.#tell('closed')
    this.#onStopped?.()
    // A session that had ended already has nothing to say to it.
    if (this.#errors === before) {
      this.#lost({ code: 'PORT_LOST', text: `${this.#options.address}: ${why}`, retry: RETRY })
    }
  }

  /** The connection is of no more use; another is made after a while. */
  #lost({ code, text, retry }: { code: string; text: string; retry: typeof RETRY }): void {
    const { clock, random, log } = this.#options
    const port = this.#drop()
    const closed = port?.close() ?? Promise.resolve()
    this.#phase = 'closed'
    this.#antennasOff.clear()
    if (this.#state !== 'on') return
    this.#errors += 1
    const isNews = this.#trouble?.text !== text
    this.#trouble = { code, text }
    const entry = { event: 'reader.lost', reader: this.name, code }
    if (isNews) log.warn(entry, text)
    else log.debug(entry, text)
    const delayMs = backoffMs(this.#failures, retry, random)
    this.#failures += 1
    this.#retry = clock.after(delayMs, () => void closed.then(() => this.#reopen()))
  }

  #reopen(): void {
    if (this.#state === 'on') void this.#open()
  }

  /** Lets go of the connection without a word to it. */
  #drop(): Port | undefined {
    const port = this.#port
    this.#port = undefined
    this.#wake?.cancel()
    this.#opening.abort()
    return port
  }
}
