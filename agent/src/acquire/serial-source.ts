import type { Driver } from '@biotrakr/firmware-profiles'
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

import { type PortAddress, parsePortAddress } from './port-address.ts'
import type { ReaderIdentity } from './reader-facts.ts'
import { planReader, type ReaderSettings } from './reader-plan.ts'
import type { OpenPort, Port, PortEvents } from './reader-port.ts'
import { createReadings, type ReadingCounts, type Readings, reportsIn, type TagOf } from './reader-readings.ts'
import { ReaderSession } from './reader-session.ts'
import type { SessionAction, SessionEvent, SessionFailure, SessionStatus } from './reader-session-types.ts'
import { createSightings, needsSecondSighting } from './reader-sightings.ts'
import { identityWords, readerWords } from './reader-words.ts'
import { openSerialPort } from './serial-port.ts'
import type { AllowList, Source, SourceStatus } from './source.ts'
import { openTcpPort } from './tcp-port.ts'

export interface SerialSourceOptions {
  readonly name: string
  /** `serial:/dev/serial/by-id/...` or `tcp://host:port`. */
  readonly address: string
  /** Takes a path such as /dev/ttyUSB0 as it is. */
  readonly allowUnstablePath?: boolean
  readonly driver: Driver
  /** Receiver of each antenna in use, by its number from 1. */
  readonly receivers: ReadonlyMap<number, ReceiverId>
  readonly settings: Omit<ReaderSettings, 'antennas'>
  readonly tagOf: TagOf
  /** Real time: it drives the reader. */
  readonly clock: Clock
  /** The time in which readings happen. */
  readonly eventClock: Clock
  readonly random: Random
  readonly allow: AllowList
  readonly log: Logger
  /** How to open the line, where not by the address alone. */
  readonly open?: OpenPort
}

interface SerialSourceStatus extends SourceStatus, Omit<SessionStatus, 'lastFrameMs'>, Omit<ReadingCounts, 'readings'> {
  readonly address: string
  readonly profile: { readonly id: string; readonly version: string; readonly fingerprint: string }
  /** Unit of the signal strength, and whether it was checked against an instrument. */
  readonly rssi: Driver['rssi']
  readonly region: string | undefined
  readonly powerDbm: number | undefined
  /** Milliseconds since the last whole frame; undefined before the first. */
  readonly lastFrameAgeMs: number | undefined
  /** Times the line was opened. */
  readonly opens: number
  /** Commands that the line did not take. */
  readonly unsent: number
  /** Stable code of what keeps it from running. */
  readonly problem: string | undefined
}

export interface SerialSource extends Source {
  status(): SerialSourceStatus
}

/** Returned devices are found within 5 s: the longest wait and the time to open. */
const RETRY = { firstMs: 500, maxMs: 4_000 }
/** A reader that refuses its settings will mostly do so again. */
const REFUSED_RETRY = { firstMs: 5_000, maxMs: 30_000 }
/** Longer than the session's own way out. */
const STOP_MS = 4_000
/** The latency timer of USB adapters is 16 ms (FTDI AN232B-04), and this process may be late as well. */
const SERIAL_GAP_MS = 50
/** A network delivers what it lost once more after 200 ms and later (RFC 6298 and Linux's least timeout). */
const TCP_GAP_MS = 400

/**
 * One reader at a serial device or a serial device server, kept running: opened, probed, set up by its profile, watched,
 * and opened again after every kind of loss. It never transmits without a region.
 * @throws BioTrakrError PORT_ADDRESS or READER_SETTINGS
 */
export function createSerialSource(options: SerialSourceOptions): SerialSource {
  return new Supervisor(options)
}

interface Trouble {
  readonly code: string
  readonly text: string
}

class Supervisor implements SerialSource {
  readonly name: string
  readonly receivers: readonly ReceiverId[]
  readonly #options: SerialSourceOptions
  readonly #address: PortAddress
  readonly #openPort: OpenPort
  readonly #session: ReaderSession
  readonly #readings: Readings
  #state: 'idle' | 'on' | 'stopping' | 'off' = 'idle'
  #onReading: (reading: Reading) => void = () => undefined
  #port: Port | undefined
  /** Ends an opening under way, and tells events of an earlier line from those of this one. */
  #opening = new AbortController()
  #wake: Timer | undefined
  #retry: Timer | undefined
  #failures = 0
  #opens = 0
  #unsent = 0
  #errors = 0
  #trouble: Trouble | undefined
  #onStopped: (() => void) | undefined

  constructor(options: SerialSourceOptions) {
    const { driver, receivers, settings, address, allowUnstablePath = false, clock } = options
    this.#options = options
    this.name = options.name
    this.receivers = [...receivers.values()]
    this.#address = parsePortAddress(address, { allowUnstablePath, defaultPort: driver.tcpPort })
    this.#openPort = options.open ?? openAt(this.#address, clock)
    const plan = planReader(driver, { ...settings, antennas: [...receivers.keys()] })
    const isTcp = this.#address.kind === 'tcp'
    // A device server sets its own line; there is nothing to probe.
    const bauds = settings.baud === undefined ? driver.serial.baud : [settings.baud]
    this.#session = new ReaderSession({
      driver,
      plan,
      bauds: isTcp ? bauds.slice(0, 1) : bauds,
      minGapMs: isTcp ? TCP_GAP_MS : SERIAL_GAP_MS,
    })
    const sightings = createSightings({ needsSecond: needsSecondSighting(driver.document), clock })
    this.#readings = createReadings({ ...options, sightings })
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
    if (this.#port === undefined) {
      this.#opening.abort()
    } else {
      const stopped = new Promise<void>((resolve) => {
        this.#onStopped = resolve
      })
      const deadline = this.#options.clock.after(STOP_MS, () => this.#onStopped?.())
      this.#tell('stop')
      await stopped
      deadline.cancel()
    }
    this.#state = 'off'
    this.#wake?.cancel()
    await this.#drop()?.close()
  }

  status(): SerialSourceStatus {
    const { driver, settings, clock, address } = this.#options
    const nowMs = clock.monoMs()
    const { lastFrameMs, ...session } = this.#session.status(nowMs)
    const { id, version, fingerprint } = driver
    const counts = this.#readings.counts
    return {
      ...session,
      ...counts,
      state: this.#sourceState(session.phase),
      detail: readerWords({
        profileName: driver.name,
        address,
        readings: counts.readings,
        problem: this.#trouble?.text,
        session: { ...session, lastFrameMs },
      }),
      errors: this.#errors + session.complaints + counts.unusable + counts.unmapped + counts.impossibleRssi,
      address,
      profile: { id, version, fingerprint },
      rssi: driver.rssi,
      region: settings.region,
      powerDbm: settings.powerDbm,
      lastFrameAgeMs: lastFrameMs === undefined ? undefined : nowMs - lastFrameMs,
      opens: this.#opens,
      reader: {
        ...session.framer,
        tags: reportsIn(counts),
        unknownTags: counts.unknownTags,
        personalTags: counts.personalTags,
        reconnects: Math.max(0, this.#opens - 1),
        restarts: session.restarts,
      },
      unsent: this.#unsent,
      problem: session.phase === 'held' ? 'region' : this.#trouble?.code,
    }
  }

  #sourceState(phase: SessionStatus['phase']): SourceStatus['state'] {
    if (this.#state === 'off') return 'finished'
    if (phase === 'running') return 'up'
    return phase === 'held' || this.#trouble ? 'failed' : 'starting'
  }

  async #open(): Promise<void> {
    const opening = new AbortController()
    this.#opening = opening
    const isCurrent = () => this.#opening === opening && !opening.signal.aborted
    const events: PortEvents = {
      bytes: (bytes) => isCurrent() && this.#handle({ kind: 'bytes', monoMs: this.#options.clock.monoMs(), bytes }),
      closed: (why) => isCurrent() && this.#closed(why),
      warning: (text) => this.#options.log.warn({ event: 'reader.port_warning', reader: this.name }, text),
    }
    try {
      const port = await this.#openPort(this.#session.line, events, opening.signal)
      if (!isCurrent()) {
        await port.close()
        return
      }
      this.#port = port
      this.#opens += 1
      this.#tell('opened')
    } catch (error) {
      if (isCurrent())
        this.#lost({ code: error instanceof BioTrakrError ? error.code : 'PORT_FAILED', text: explainError(error) })
    }
  }

  #tell(kind: 'opened' | 'closed' | 'timer' | 'stop'): void {
    this.#handle({ kind, monoMs: this.#options.clock.monoMs() })
  }

  #handle(event: SessionEvent): void {
    for (const action of this.#session.handle(event)) this.#act(action)
    this.#setWake()
  }

  #setWake(): void {
    const { clock } = this.#options
    this.#wake?.cancel()
    const atMs = this.#session.wakeAtMs
    if (atMs === undefined || !this.#port) return
    this.#wake = clock.after(Math.max(0, atMs - clock.monoMs()), () => this.#tell('timer'))
  }

  #act(action: SessionAction): void {
    const { log } = this.#options
    const reader = this.name
    switch (action.kind) {
      case 'send':
        if (!this.#port?.write(action.bytes)) this.#unsent += 1
        break
      case 'baud':
        this.#setBaud(action.baud)
        break
      case 'tags':
        this.#take(action.tags)
        break
      case 'identified':
        log.info(
          { event: 'reader.identified', reader, ...action.identity },
          `reader answers: ${nameOf(action.identity)}`,
        )
        break
      case 'running':
        this.#settled()
        log.info({ event: 'reader.running', reader }, 'the inventory runs')
        break
      case 'held':
        this.#settled()
        log.warn({ event: 'reader.held', reader }, 'no region is set: the reader is not started')
        break
      case 'alarm':
        log.warn({ event: 'reader.alarm', reader, ...action.alarm }, `the reader reports: ${action.alarm.text}`)
        break
      case 'notice':
        log.warn({ event: 'reader.notice', reader }, action.text)
        break
      case 'fail':
        this.#lost({ code: action.failure, text: `${this.#options.address}: ${action.why}` }, action.failure)
        break
      case 'stopped':
        this.#onStopped?.()
        break
    }
  }

  #settled(): void {
    this.#failures = 0
    this.#trouble = undefined
  }

  #take(reports: Extract<SessionAction, { kind: 'tags' }>['tags']): void {
    const atMs = this.#options.eventClock.wallMs()
    for (const report of reports) {
      const reading = this.#readings.from(report, atMs)
      if (reading && this.#state === 'on') this.#onReading(reading)
    }
  }

  #setBaud(baud: number): void {
    const port = this.#port
    port?.setBaud(baud).then(
      () => this.#port === port && this.#tell('opened'),
      (error) => {
        if (this.#port !== port) return
        this.#tell('closed')
        this.#lost({ code: 'PORT_FAILED', text: `${baud} baud cannot be set: ${explainError(error)}` })
      },
    )
  }

  #closed(why: string): void {
    this.#tell('closed')
    this.#onStopped?.()
    this.#lost({ code: 'PORT_LOST', text: `${this.#options.address}: ${why}` })
  }

  /** The line is of no more use; another is opened after a while. */
  #lost(trouble: Trouble, failure?: SessionFailure): void {
    const { clock, random, log } = this.#options
    const port = this.#drop()
    if (this.#state !== 'on') {
      void port?.close()
      return
    }
    this.#errors += 1
    const isNews = this.#trouble?.text !== trouble.text
    this.#trouble = trouble
    const entry = { event: 'reader.lost', reader: this.name, code: trouble.code }
    if (isNews) log.warn(entry, trouble.text)
    else log.debug(entry, trouble.text)
    const delayMs = backoffMs(this.#failures, failure === 'refused' ? REFUSED_RETRY : RETRY, random)
    this.#failures += 1
    const closed = port?.close() ?? Promise.resolve()
    this.#retry = clock.after(delayMs, () => void closed.then(() => this.#reopen()))
  }

  #reopen(): void {
    if (this.#state === 'on') void this.#open()
  }

  /** Lets go of the line without a word to it. */
  #drop(): Port | undefined {
    const port = this.#port
    this.#port = undefined
    this.#wake?.cancel()
    this.#opening.abort()
    return port
  }
}

function openAt(address: PortAddress, clock: Clock): OpenPort {
  return address.kind === 'tcp' ? openTcpPort({ ...address, clock }) : openSerialPort({ ...address, clock })
}

function nameOf(identity: ReaderIdentity): string {
  return identityWords(identity) || 'without a name of its own'
}
