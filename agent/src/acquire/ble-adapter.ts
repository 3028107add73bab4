import { existsSync } from 'node:fs'

import { BioTrakrError, type Clock, explainError, type ReceiverId, type Timer } from '@biotrakr/shared'
import type { Logger } from 'pino'

import type { BluetoothKernel } from './ble-kernel.ts'
import { Link } from './ble-link.ts'
import type { NobleOptions, ScanMode } from './ble-noble-tap.ts'
import { AdvertReader, type AdvertReport, type ReportCounts } from './ble-reports.ts'
import { createSoftDriver, type SoftController } from './ble-soft-driver.ts'
import { bleTrouble } from './ble-troubles.ts'
import { Watchdog, type WatchdogAction, type WatchdogStatus } from './ble-watchdog.ts'

/** Which adapter: its BD_ADDR (the same in any port), its index today, a serial port, or one that is no device. */
type BleTarget =
  | { readonly address: string }
  | { readonly index: number }
  | { readonly uart: string; readonly baudRate?: number }
  | { readonly controller: SoftController; readonly label: string }

export interface BleAdapterOptions {
  /** The adapter's name on the site map. */
  readonly receiver: ReceiverId
  readonly target: BleTarget
  /** Take the adapter away from the kernel while it scans, so that nothing else can change the scan. Kernel adapters only. */
  readonly userChannel?: boolean
  /**
   * `passive` (the default) sends nothing; `active` asks every advertiser for its scan response; `windows` is passive
   * with 10 s of active in every 5 min, for tags that say their state in scan responses.
   */
  readonly mode?: ScanMode | 'windows'
  /** Addresses (12 hex digits) of beacons installed near it: their silence is the adapter's, not the floor's. */
  readonly references?: readonly string[]
  /** Use noble's public events only, should the tap ever be in doubt: they merge and lose reports. */
  readonly publicEventsOnly?: boolean
}

export interface BleAdapterStatus extends WatchdogStatus {
  readonly receiver: ReceiverId
  readonly target: string
  /** BD_ADDR once known. */
  readonly address?: string
  readonly scanning: boolean
  /** Scan mode in force. */
  readonly mode: ScanMode
  /** Set while reports are taken from noble's public events, which merge and lose some; says why. */
  readonly degraded?: string
  /** Why it is not in use, with the next step; the newest failure. */
  readonly failure?: string
  readonly failures: number
  readonly connectsRefused: number
  readonly counts: Readonly<ReportCounts>
}

export interface BleAdapter {
  start(): void
  stop(): void
  status(): BleAdapterStatus
}

interface Surroundings {
  readonly kernel: BluetoothKernel
  readonly clock: Clock
  readonly log: Logger
  readonly onReport: (report: AdvertReport) => void
}

const BEAT_MS = 1_000
const ACTIVE_WINDOW_MS = 10_000
const ACTIVE_EVERY_MS = 300_000
const POWER_OFF_MS = 2_000
/** How often to look for an adapter that is not there: it must be back in use within 10 s of being plugged in. */
const LOOK_AGAIN_MS = 5_000
const DEFAULT_BAUD_RATE = 1_000_000
const LOOKED_FOR = new Set(['BLE_NO_ADAPTER', 'BLE_DRIVER'])

/** Keeps one adapter scanning: opens it, watches what it delivers, and climbs from a new scan to a power cycle. */
export function createBleAdapter(options: BleAdapterOptions, surroundings: Surroundings): BleAdapter {
  return new SupervisedAdapter(options, surroundings)
}

class SupervisedAdapter implements BleAdapter {
  readonly #options: BleAdapterOptions
  readonly #with: Surroundings
  readonly #name: string
  readonly #references: ReadonlySet<number>
  readonly #reader: AdvertReader
  readonly #watchdog: Watchdog
  /** Made once: the same class for each opening. */
  readonly #softDriver: unknown
  #link: Link | undefined
  #beat: Timer | undefined
  #opening = 0
  #kernelIndex: number | undefined
  #address: string | undefined
  #isScanning = false
  #mode: ScanMode
  #nextSwitchMs = 0
  #publicBecause: string | undefined
  #failure: BioTrakrError | undefined
  #failures = 0
  #connectsRefused = 0

  constructor(options: BleAdapterOptions, surroundings: Surroundings) {
    this.#options = options
    this.#with = surroundings
    this.#name = nameOf(options.target)
    this.#references = new Set(options.references?.map((address) => Number.parseInt(plainAddress(address), 16)))
    this.#watchdog = new Watchdog({ hasReference: this.#references.size > 0 })
    this.#reader = new AdvertReader((report) => this.#heard(report))
    this.#mode = options.mode === 'active' ? 'active' : 'passive'
    this.#publicBecause = options.publicEventsOnly ? 'configured so' : undefined
    this.#softDriver = 'controller' in options.target ? createSoftDriver(options.target.controller) : undefined
  }

  start(): void {
    if (this.#beat) return
    this.#beat = this.#with.clock.every(BEAT_MS, () => this.#tick())
    this.#tick()
  }

  stop(): void {
    this.#beat?.cancel()
    this.#beat = undefined
    this.#close()
  }

  status(): BleAdapterStatus {
    const { receiver } = this.#options
    return {
      ...this.#watchdog.status(this.#nowMs()),
      receiver,
      target: this.#name,
      ...(this.#address !== undefined && { address: this.#address }),
      scanning: this.#isScanning,
      mode: this.#mode,
      ...(this.#link?.degraded !== undefined && { degraded: this.#link.degraded }),
      ...(this.#failure && { failure: explainError(this.#failure) }),
      failures: this.#failures,
      connectsRefused: this.#connectsRefused,
      counts: this.#reader.counts,
    }
  }

  #nowMs(): number {
    return this.#with.clock.monoMs()
  }

  #tick(): void {
    const action = this.#watchdog.due(this.#nowMs())
    if (action) this.#act(action)
    else this.#switchMode()
  }

  #act(action: WatchdogAction): void {
    if (action !== 'open') {
      const { silentMs } = this.#watchdog.status(this.#nowMs())
      this.#with.log.warn({ event: 'ble.watchdog', adapter: this.#name, action, silentMs }, 'the adapter is not heard')
    }
    switch (action) {
      case 'open':
        void this.#open()
        break
      case 'giveUp':
        this.#close()
        this.#failed(bleTrouble.silent(this.#name))
        break
      case 'restartScan':
        this.#link?.scan(this.#mode)
        break
      case 'reopen':
        this.#close()
        void this.#open()
        break
      case 'powerCycle':
        this.#close()
        void this.#powerOff()
        break
    }
  }

  /** Opens it, or says why not. A newer opening, or a close, makes an older one stop where it is. */
  async #open(): Promise<void> {
    const opening = ++this.#opening
    this.#watchdog.opening(this.#nowMs())
    try {
      const driver = await this.#driver()
      if (opening !== this.#opening) return
      this.#link = this.#openLink(driver)
    } catch (error) {
      if (opening === this.#opening) this.#failed(asTrouble(this.#name, error))
    }
  }

  #openLink(driver: NobleOptions): Link {
    const { clock, log } = this.#with
    if (this.#options.mode === 'windows') this.#mode = 'passive'
    const link: Link = new Link({
      name: this.#name,
      driver,
      mode: this.#mode,
      ...(this.#publicBecause !== undefined && { publicBecause: this.#publicBecause }),
      clock,
      log,
      events: {
        adverts: (packet) => this.#reader.take(packet, { wallMs: clock.wallMs(), monoMs: clock.monoMs() }),
        discovered: (report) => this.#reader.pass(report),
        scanning: () => this.#scanning(link),
        ended: (failure) => this.#ended(link, failure),
        full: () => this.#replace(link),
        connectRefused: () => {
          this.#connectsRefused += 1
        },
      },
    })
    return link
  }

  #scanning(link: Link): void {
    if (link !== this.#link) return
    this.#address = link.address() ?? this.#address
    this.#watchdog.listening(this.#nowMs())
    this.#failure = undefined
    if (this.#isScanning) return
    this.#isScanning = true
    this.#nextSwitchMs = this.#nowMs() + ACTIVE_EVERY_MS
    const { log } = this.#with
    log.info({ event: 'ble.scanning', adapter: this.#name, address: this.#address, mode: this.#mode }, 'adapter scans')
  }

  #ended(link: Link, failure: BioTrakrError): void {
    if (link !== this.#link) return
    this.#close()
    if (failure.code === 'BLE_UNTAPPED') this.#publicBecause = failure.message
    this.#failed(failure)
  }

  #replace(link: Link): void {
    if (link !== this.#link) return
    this.#close()
    this.#watchdog.pause(this.#nowMs(), 0)
  }

  #failed(failure: BioTrakrError): void {
    if (failure.code !== this.#failure?.code) {
      this.#with.log.error({ event: 'ble.failed', adapter: this.#name, err: failure }, explainError(failure))
    }
    this.#failure = failure
    this.#failures += 1
    this.#watchdog.failed(this.#nowMs(), LOOKED_FOR.has(failure.code) ? { longestMs: LOOK_AGAIN_MS } : {})
  }

  #close(): void {
    this.#opening += 1
    this.#isScanning = false
    const link = this.#link
    this.#link = undefined
    link?.close()
  }

  #heard(report: AdvertReport): void {
    const isReference = this.#references.size > 0 && this.#references.has(addressNumber(report.address))
    this.#watchdog.heard(this.#nowMs(), isReference)
    this.#with.onReport(report)
  }

  #switchMode(): void {
    if (this.#options.mode !== 'windows' || !this.#isScanning || this.#nowMs() < this.#nextSwitchMs) return
    const isOpening = this.#mode === 'passive'
    this.#mode = isOpening ? 'active' : 'passive'
    this.#nextSwitchMs = this.#nowMs() + (isOpening ? ACTIVE_WINDOW_MS : ACTIVE_EVERY_MS - ACTIVE_WINDOW_MS)
    this.#link?.scan(this.#mode)
  }

  /** A serial or software controller has no power switch of ours: closing and waiting is all there is. */
  async #powerOff(): Promise<void> {
    this.#watchdog.pause(this.#nowMs(), POWER_OFF_MS)
    if (this.#kernelIndex === undefined) return
    try {
      await this.#with.kernel.setPowered(this.#kernelIndex, false)
    } catch (err) {
      this.#with.log.warn({ event: 'ble.power_off', adapter: this.#name, err }, 'the adapter could not be switched off')
    }
  }

  async #driver(): Promise<NobleOptions> {
    const { target, userChannel = false } = this.#options
    if ('controller' in target) return { hciDriver: this.#softDriver }
    if ('uart' in target) {
      if (!existsSync(target.uart)) throw bleTrouble.absent(this.#name)
      const uart = { port: target.uart, baudRate: target.baudRate ?? DEFAULT_BAUD_RATE }
      return { hciDriver: 'uart', bindParams: { uart } }
    }
    return { hciDriver: 'native', userChannel, deviceId: await this.#kernelAdapter(target, userChannel) }
  }

  /** Finds the adapter wherever it is plugged in, and gives it the power state that the channel wants. */
  async #kernelAdapter(
    target: { readonly address: string } | { readonly index: number },
    userChannel: boolean,
  ): Promise<number> {
    const { kernel } = this.#with
    const present = await kernel.adapters()
    const wanted = 'address' in target ? plainAddress(target.address) : undefined
    const found = present.find(({ index, address }) =>
      'index' in target ? index === target.index : address === wanted,
    )
    if (!found) {
      throw bleTrouble.absent(
        this.#name,
        present.map(({ index, address }) => `${address} (hci${index})`),
      )
    }
    const missing = kernel.missingCapability(userChannel)
    if (missing) throw bleTrouble.capability(this.#name, missing)
    // The user channel is given for adapters that are down, the raw one is of use for those that are up.
    if (found.powered === userChannel) await kernel.setPowered(found.index, !userChannel)
    this.#kernelIndex = found.index
    this.#address = found.address
    return found.index
  }
}

function nameOf(target: BleTarget): string {
  if ('controller' in target) return target.label
  if ('uart' in target) return target.uart
  return 'address' in target ? plainAddress(target.address) : `hci${target.index}`
}

function plainAddress(address: string): string {
  return address.replace(/[:-]/g, '').toLowerCase()
}

/** Exact: 48 bits. */
function addressNumber(address: Uint8Array): number {
  return address.reduce((value, byte) => value * 256 + byte, 0)
}

function asTrouble(name: string, error: unknown): BioTrakrError {
  return error instanceof BioTrakrError ? error : bleTrouble.driver(name, error)
}
