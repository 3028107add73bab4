import type { BioTrakrError, Clock } from '@biotrakr/shared'
import type { Logger } from 'pino'

import { type Peripheral, reportOfPeripheral } from './ble-discover.ts'
import {
  loadNoble,
  type Noble,
  type NobleOptions,
  type ScanMode,
  startPublic,
  startTapped,
  type Tap,
  type TapOptions,
} from './ble-noble-tap.ts'
import type { AdvertReport } from './ble-reports.ts'
import { bleTrouble, troubleOf } from './ble-troubles.ts'

interface LinkEvents {
  /** A packet with adverts; good during the call only. */
  adverts(packet: Uint8Array): void
  /** An advert the public way, where the library cannot be tapped. */
  discovered(report: AdvertReport): void
  /** The controller has confirmed that it scans. */
  scanning(): void
  /** The link is closed and does not come back; at most once. */
  ended(failure: BioTrakrError): void
  /** Without the tap: the library's tables are full, it is time for a new link. */
  full(): void
  connectRefused(): void
}

interface LinkOptions {
  /** For messages: address, index or port. */
  readonly name: string
  readonly driver: NobleOptions
  readonly mode: ScanMode
  /** Why the public way only; absent to tap. */
  readonly publicBecause?: string
  readonly clock: Clock
  readonly log: Logger
  readonly events: LinkEvents
}

/** 60 ms, in the middle of what scanners use; interval = window, so the radio always listens. */
const SCAN_UNITS = 0x60
/** Addresses after which an untapped library is replaced: it forgets nothing, some 1.5 kB each. */
const MAX_UNTAPPED_ADDRESSES = 10_000

/**
 * One instance of noble on one adapter, from opening to closing. It scans as soon as the adapter is ready, and never
 * connects.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #noble: Noble
  readonly #tap: Tap | undefined
  /** Why only the public way is open; undefined when tapped. */
  readonly degraded: string | undefined
  #mode: ScanMode
  #isReady = false
  #isEnded = false
  #isStopping = false

  /**
   * Opens it: a link is one opening. No event comes before this has returned.
   * @throws BioTrakrError BLE_UNSUPPORTED when the library's native parts cannot be loaded
   */
  constructor(options: LinkOptions) {
    this.#options = options
    this.#mode = options.mode
    const noble = newNoble(options.driver)
    this.#noble = noble
    noble.removeAllListeners('warning')
    noble.on('warning', (text: string) => this.#print(text))
    const { publicBecause } = options
    const started = keepProcess(() =>
      publicBecause === undefined ? startTapped(noble, this.#tapOptions()) : startPublic(noble, publicBecause),
    )
    if (typeof started === 'string') {
      this.degraded = started
      listenPublicly(noble, options)
    } else this.#tap = started
    stopAtExit(noble)
    noble.on('stateChange', (state: string) => this.#stateChanged(state))
    // It may have spoken before anyone could listen.
    queueMicrotask(() => this.#stateChanged(noble.state))
  }

  /** BD_ADDR, 12 lower-case hex digits, once known. */
  address(): string | undefined {
    const { address } = this.#noble
    return address === 'unknown' ? undefined : address.replaceAll(':', '')
  }

  /** Scans in this mode, stopping first; `scanning` follows. Does nothing before the adapter is ready. */
  scan(mode: ScanMode): void {
    if (this.#isEnded || !this.#isReady) return
    this.#mode = mode
    this.#isStopping = true
    this.#noble.stopScanning(() => {
      this.#isStopping = false
      if (!this.#isEnded) this.#begin()
    })
  }

  close(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    open.delete(this.#noble)
    try {
      this.#noble.stop()
    } catch (err) {
      const { log, name } = this.#options
      log.debug({ event: 'ble.stop_failed', adapter: name, err }, 'the adapter could not be stopped in order')
    }
    this.#noble.removeAllListeners()
    this.#tap?.close()
  }

  #end(failure: BioTrakrError): void {
    if (this.#isEnded) return
    this.close()
    this.#options.events.ended(failure)
  }

  #begin(): void {
    this.#tap?.setMode(this.#mode)
    this.#noble.startScanning([], true, (error) => {
      if (error) this.#end(bleTrouble.driver(this.#options.name, error))
      else if (!this.#tap && !this.#isEnded) this.#options.events.scanning()
    })
  }

  #answered(enable: boolean, status: number): void {
    if (this.#isEnded) return
    // A stop that is refused leaves the library scanning in its own eyes. It also sends stops when nothing scans, and
    // some controllers refuse those: they mean nothing.
    if (status !== 0 && (enable || this.#isStopping)) this.#end(bleTrouble.refused(this.#options.name, status))
    else if (enable && this.#isReady) this.#options.events.scanning()
  }

  #stateChanged(state: string): void {
    if (this.#isEnded) return
    const { name } = this.#options
    if (state === 'poweredOn' && !this.#isReady) {
      this.#isReady = true
      const wrong = this.#tap?.check()
      if (wrong) this.#end(bleTrouble.untapped(name, wrong))
      else this.#begin()
    } else if (state === 'poweredOff' && this.#isReady) this.#end(bleTrouble.gone(name))
    else if (state === 'unsupported') this.#end(bleTrouble.driver(name))
    else if (state === 'unauthorized') this.#end(bleTrouble.capability(name, 'CAP_NET_RAW'))
  }

  #tapOptions(): TapOptions {
    const { name, events } = this.#options
    return {
      scanUnits: SCAN_UNITS,
      onAdverts: (packet) => events.adverts(packet),
      onScanAnswer: (enable, status) => this.#answered(enable, status),
      onHardwareError: (code) => this.#end(bleTrouble.crashed(name, code)),
      // A driver may fail while this is still being constructed.
      onDriverError: (error) => queueMicrotask(() => this.#end(troubleOf(name, error))),
      onConnectRefused: () => events.connectRefused(),
      onPrint: (text) => this.#print(text),
    }
  }

  #print(text: string): void {
    this.#options.log.debug({ event: 'ble.library', adapter: this.#options.name, text }, 'noble says')
  }
}

function newNoble(driver: NobleOptions): Noble {
  try {
    return loadNoble().withBindings('hci', driver)
  } catch (cause) {
    throw bleTrouble.noLibrary(cause)
  }
}

/** The library is told to hold nothing back; it reads this on each report. */
function listenPublicly(noble: Noble, { clock, events }: LinkOptions): void {
  process.env['NOBLE_REPORT_ALL_HCI_EVENTS'] = '1'
  const addresses = new Set<string>()
  noble.on('discover', (peripheral: Peripheral) => {
    addresses.add(peripheral.address ?? '')
    events.discovered(reportOfPeripheral(peripheral, clock.wallMs()))
    if (addresses.size < MAX_UNTAPPED_ADDRESSES) return
    addresses.clear()
    events.full()
  })
}

/** Instances to stop when the process ends without having closed them: else their adapters would scan on. */
const open = new Set<Noble>()

function stopAtExit(noble: Noble): void {
  if (open.size === 0) process.removeListener('exit', stopOpen).on('exit', stopOpen)
  open.add(noble)
}

function stopOpen(): void {
  for (const noble of open) noble.stop()
}

/**
 * Noble ends the process at SIGINT when its listener comes last; ending is the agent's own business. Its listeners for
 * the exit would be one per adapter, of which Node suspects a leak.
 */
function keepProcess<T>(start: () => T): T {
  const before = new Set<unknown>([...process.listeners('SIGINT'), ...process.listeners('exit')])
  try {
    return start()
  } finally {
    for (const listener of process.listeners('SIGINT')) {
      if (!before.has(listener)) process.removeListener('SIGINT', listener)
    }
    for (const listener of process.listeners('exit')) {
      if (!before.has(listener)) process.removeListener('exit', listener)
    }
  }
}
