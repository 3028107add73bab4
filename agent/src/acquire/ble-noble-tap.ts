import { createRequire } from 'node:module'

import { isAdvertPacket } from './ble-reports.ts'
import { softDriver } from './ble-soft-driver.ts'

/**
 * All that this agent does with private parts of `@stoprocent/noble` 2.8.0 is in this file; a contract test runs it
 * against every new version. Reasons, each seen with the real library:
 * - above the HCI layer one advertisement object per address is shared by all frames, reports of connectable devices are
 *   held back after a scan response, and no table is ever pruned;
 * - the scan is always active, and its parameters are overwritten at each start;
 * - a refused Scan Enable counts as success, a Hardware Error is not looked at;
 * - it ends the process at SIGINT when its listener is the last, and prints to the console.
 */

/** What is used of the library's public interface. */
export interface Noble {
  readonly state: string
  readonly address: string
  on(event: string, listener: (...values: never[]) => void): unknown
  removeAllListeners(event?: string): unknown
  startScanning(services: readonly string[], duplicates: boolean, done: (error?: Error | null) => void): void
  stopScanning(done: () => void): void
  stop(): void
}

export interface NobleModule {
  withBindings(kind: 'hci', options: NobleOptions): Noble
}

export interface NobleOptions {
  readonly hciDriver?: unknown
  readonly deviceId?: number
  readonly userChannel?: boolean
  readonly bindParams?: { readonly uart: { readonly port: string; readonly baudRate: number } }
}

export type ScanMode = 'passive' | 'active'

export interface TapOptions {
  /** Units of 0.625 ms, 4 to 16384; interval and window are the same, so that no advert falls between windows. */
  readonly scanUnits: number
  /** Called for each packet with adverts, before anything else sees it; the bytes are good during the call only. */
  readonly onAdverts: (packet: Uint8Array) => void
  /** The controller's answer to a Scan Enable of ours; status 0 is success. */
  readonly onScanAnswer: (enable: boolean, status: number) => void
  readonly onHardwareError: (code: number) => void
  /** The driver could not open its device, or lost it. */
  readonly onDriverError: (error: Error) => void
  /** Something tried to open a connection from this adapter; it was not sent. */
  readonly onConnectRefused: () => void
  /** What the library would have printed. */
  readonly onPrint: (text: string) => void
}

export interface Tap {
  setMode(mode: ScanMode): void
  /** Checks with a packet of its own that adverts come here and nowhere else. @returns what is wrong */
  check(): string | undefined
  /** After `noble.stop()`: nothing of the driver may act or throw any more. */
  close(): void
}

type Listener = (...values: unknown[]) => void
interface Emitter {
  on(event: string, listener: Listener): unknown
  emit(event: string, ...values: unknown[]): unknown
  listeners(event: string): readonly Listener[]
  removeAllListeners(event: string): unknown
}
interface Socket extends Emitter {
  write(packet: Buffer): unknown
  setFilter(filter: Buffer): unknown
  readonly _serialDevice?: Emitter & { readonly isOpen: boolean; close(): void }
}
interface Hci extends Emitter {
  readonly _socket: Socket
  init(): void
  isUserChannel(): boolean
  setSocketFilter(): void
}
interface Bindings {
  readonly _hci: Hci | null
  onStateChange(state: string): void
}

const REPORT_EVENTS = ['leAdvertisingReport', 'leExtendedAdvertisingReport']

/** Commands by opcode (Bluetooth Core 5.4, Vol 4 Part E 7.8). */
const SET_SCAN_PARAMETERS = 0x200b
const SET_SCAN_ENABLE = 0x200c
const CREATE_CONNECTION = 0x200d
const SET_EXTENDED_SCAN_PARAMETERS = 0x2041
const SET_EXTENDED_SCAN_ENABLE = 0x2042
const EXTENDED_CREATE_CONNECTION = 0x2043

const COMMAND_PACKET = 0x01
const EVENT_PACKET = 0x04
const COMMAND_COMPLETE = 0x0e
const HARDWARE_ERROR = 0x10
const MAX_UNANSWERED = 32

/** A legacy report of nobody: no data, RSSI not available. */
const PROBE = Buffer.from('043e0c02010300000000000000007f', 'hex')

let library: NobleModule | undefined

/**
 * Loads noble, late, so that a machine without its native parts gets a status and not a crash. Its driver loader learns
 * to take a driver class as well as a name: that is how a simulated controller comes below the real library.
 * @throws whatever loading native code throws
 */
export function loadNoble(): NobleModule {
  if (library) return library
  const require = createRequire(import.meta.url)
  const sockets = require('@stoprocent/bluetooth-hci-socket') as { loadDriver(kind: unknown): unknown }
  const byName = sockets.loadDriver
  sockets.loadDriver = (kind) => (softDriver(kind) ? kind : byName(kind))
  library = require('@stoprocent/noble') as NobleModule
  return library
}

/**
 * Starts the library's adapter and taps it. To be called before anything else has touched `noble`.
 * @returns in words why it cannot be tapped: `noble` is then started and untouched
 */
export function startTapped(noble: Noble, options: TapOptions): Tap | string {
  const bindings = (noble as unknown as { readonly _bindings?: Bindings })._bindings
  if (typeof bindings?.onStateChange !== 'function') return startPublic(noble, 'its bindings are not where they were')
  const { onStateChange } = bindings
  bindings.onStateChange = (state) => quietly(options.onPrint, () => onStateChange.call(bindings, state))
  // Reading the state starts the adapter, and returns when the driver is bound.
  quietly(options.onPrint, () => startPublic(noble, ''))
  const hci = bindings._hci
  const wrong = shapeOf(hci)
  if (!hci || wrong) return wrong ?? 'it has no HCI layer'
  return tapHci(hci, options)
}

/** Starts the library's adapter, which reading the state does, and leaves it as it is. @returns why */
export function startPublic(noble: Noble, why: string): string {
  return noble.state === '' ? 'it has no state' : why
}

function shapeOf(hci: Hci | null): string | undefined {
  if (!hci) return 'it has no HCI layer'
  const socket = hci._socket
  const functions = [hci.init, hci.isUserChannel, hci.setSocketFilter, hci.emit, socket?.on, socket?.write]
  if (!functions.every((part) => typeof part === 'function')) return 'its HCI layer has other functions'
  if (!REPORT_EVENTS.every((event) => hci.listeners(event).length === 1)) return 'reports go another way'
  return undefined
}

function tapHci(hci: Hci, options: TapOptions): Tap {
  const socket = hci._socket
  const scan: ScanState = { mode: 'passive', unanswered: [], probed: false }
  guardWrites(socket, { options, scan })
  passHardwareErrors(socket)
  // The UART driver comes up a second time after its reset, with all listeners renewed.
  const init = hci.init
  hci.init = () => {
    quietly(options.onPrint, () => init.call(hci))
    redirect(hci, { options, scan })
  }
  redirect(hci, { options, scan })
  if (!hci.isUserChannel()) hci.setSocketFilter()
  return {
    setMode(mode) {
      scan.mode = mode
    },
    check: () => check(hci, scan),
    close: () => silence(socket),
  }
}

interface ScanState {
  mode: ScanMode
  /** Scan Enable commands without an answer, oldest first: what each asked for. */
  readonly unanswered: boolean[]
  probed: boolean
}

interface Taps {
  readonly options: TapOptions
  readonly scan: ScanState
}

/** Adverts go to us alone, everything else to the library after we have looked at it. */
function redirect(hci: Hci, { options, scan }: Taps): void {
  for (const event of REPORT_EVENTS) hci.removeAllListeners(event)
  const socket = hci._socket
  const theirs = socket.listeners('data')
  socket.removeAllListeners('data')
  socket.on('data', (value) => {
    const packet = value as Uint8Array
    if (packet === PROBE) scan.probed = true
    else if (isAdvertPacket(packet)) options.onAdverts(packet)
    else {
      look(packet, { options, scan })
      quietly(options.onPrint, () => {
        for (const listener of theirs) listener.call(socket, packet)
      })
    }
  })
  socket.on('error', (error) => options.onDriverError(error instanceof Error ? error : new Error(String(error))))
}

function look(packet: Uint8Array, { options, scan }: Taps): void {
  if (packet[0] !== EVENT_PACKET) return
  if (packet[1] === HARDWARE_ERROR) options.onHardwareError(packet[3] ?? 0)
  if (packet[1] !== COMMAND_COMPLETE) return
  const opcode = opcodeAt(packet, 4)
  if (opcode !== SET_SCAN_ENABLE && opcode !== SET_EXTENDED_SCAN_ENABLE) return
  const enable = scan.unanswered.shift()
  if (enable !== undefined) options.onScanAnswer(enable, packet[6] ?? 0xff)
}

/** Puts our mode and window into the scan parameters, remembers what is asked, and lets no connection out. */
function guardWrites(socket: Socket, { options, scan }: Taps): void {
  const write = socket.write
  socket.write = (packet) => {
    const opcode = packet[0] === COMMAND_PACKET ? opcodeAt(packet, 1) : 0
    if (opcode === CREATE_CONNECTION || opcode === EXTENDED_CREATE_CONNECTION) {
      options.onConnectRefused()
      return undefined
    }
    setScanParameters(packet, { opcode, mode: scan.mode, units: options.scanUnits })
    if (opcode === SET_SCAN_ENABLE || opcode === SET_EXTENDED_SCAN_ENABLE) {
      scan.unanswered.push(packet[4] === 1)
      if (scan.unanswered.length > MAX_UNANSWERED) scan.unanswered.shift()
    }
    return write.call(socket, packet)
  }
}

interface ScanSetting {
  readonly opcode: number
  readonly mode: ScanMode
  readonly units: number
}

function setScanParameters(packet: Buffer, setting: ScanSetting): void {
  if (setting.opcode === SET_SCAN_PARAMETERS) setScan(packet, 4, setting)
  if (setting.opcode !== SET_EXTENDED_SCAN_PARAMETERS) return
  // Type, interval and window for each PHY, 5 bytes, after own address, filter and the set of PHYs.
  for (let at = 7; at + 5 <= packet.length; at += 5) setScan(packet, at, setting)
}

function setScan(packet: Buffer, at: number, { mode, units }: ScanSetting): void {
  packet.writeUInt8(mode === 'active' ? 1 : 0, at)
  packet.writeUInt16LE(units, at + 1)
  packet.writeUInt16LE(units, at + 3)
}

function opcodeAt(packet: Uint8Array, at: number): number {
  return (packet[at] ?? 0) | ((packet[at + 1] ?? 0) << 8)
}

/** The library's kernel filter has no bit for Hardware Error (`struct hci_filter`: 4 bytes of types, then event bits). */
function passHardwareErrors(socket: Socket): void {
  const setFilter = socket.setFilter
  socket.setFilter = (filter) => {
    filter.writeUInt32LE((filter.readUInt32LE(4) | (1 << HARDWARE_ERROR)) >>> 0, 4)
    return setFilter.call(socket, filter)
  }
}

function check(hci: Hci, scan: ScanState): string | undefined {
  if (hci._socket.listeners('data').length !== 1) return 'somebody else listens to the adapter'
  if (REPORT_EVENTS.some((event) => hci.listeners(event).length > 0)) return 'reports go another way as well'
  scan.probed = false
  hci._socket.emit('data', PROBE)
  return scan.probed ? undefined : 'it passes no packets on'
}

/** A serial port that is still opening would throw its error at nobody, or stay open for ever. */
function silence(socket: Socket): void {
  const port = socket._serialDevice
  port?.on('error', () => undefined)
  port?.on('open', () => port.close())
  socket.removeAllListeners('data')
  socket.removeAllListeners('state')
  socket.removeAllListeners('error')
  socket.on('error', () => undefined)
}

/** Runs a synchronous piece of the library with the console turned aside: stdout belongs to the command's own output. */
function quietly(onPrint: (text: string) => void, work: () => void): void {
  const { console: shared } = globalThis
  const { log, warn } = shared
  const print = (...values: unknown[]) => onPrint(values.map(String).join(' '))
  shared.log = print
  shared.warn = print
  try {
    work()
  } finally {
    shared.log = log
    shared.warn = warn
  }
}
