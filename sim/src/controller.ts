import {
  type Advert,
  extendedReports,
  HCI_EVENT,
  hardwareError,
  legacyReport,
  type ScanMode,
  tooLongForLegacy,
} from './controller-events.ts'

/** Commands by opcode (Bluetooth Core 5.4, Vol 4 Part E 7). */
const OP = {
  reset: 0x0c03,
  readLocalVersion: 0x1001,
  readBufferSize: 0x1005,
  readAddress: 0x1009,
  readLeHostSupport: 0x0c6c,
  readLeBufferSize: 0x2002,
  readLeFeatures: 0x2003,
  setScanParameters: 0x200b,
  setScanEnable: 0x200c,
  createConnection: 0x200d,
  setExtendedScanParameters: 0x2041,
  setExtendedScanEnable: 0x2042,
  extendedCreateConnection: 0x2043,
} as const

const COMMAND_PACKET = 0x01
const COMMAND_HEADER_BYTES = 4
/** Longest command: header and 255 bytes of parameters. */
const MAX_PENDING_BYTES = COMMAND_HEADER_BYTES + 255
const FEATURE_EXTENDED_ADVERTISING = 0x10
const SUCCESS = 0x00
export const COMMAND_DISALLOWED = 0x0c

interface ControllerOptions {
  /** 12 hex digits, most significant byte first. */
  readonly address: string
  /** Extended advertising (Bluetooth 5), default false. */
  readonly extended?: boolean
}

export interface ControllerState {
  readonly scanning: boolean
  readonly mode: ScanMode
  /** Scan interval and window, units of 0.625 ms; 0 before the host has set them. */
  readonly interval: number
  readonly window: number
  /** Opcodes that the host sent, oldest first, at most the newest 256. */
  readonly commands: readonly number[]
  /** Commands that would have opened a connection. A scanner must not. */
  readonly connections: number
}

/**
 * A Bluetooth controller in arithmetic: what the host writes goes in, what the controller would send comes out, both as
 * H4 bytes (Bluetooth Core 5.4, Vol 4 Part A 2). It answers what a scanning host asks, and reports adverts while its scan
 * is on; it can be told to refuse, to fall silent and to lose its mind as real ones do.
 */
export class Controller {
  readonly #address: Uint8Array
  readonly #extended: boolean
  readonly #refused = new Map<number, number>()
  #pending: Uint8Array = new Uint8Array(0)
  #silent = false
  #scanning = false
  #mode: ScanMode = 'passive'
  #interval = 0
  #window = 0
  #commands: number[] = []
  #connections = 0

  constructor({ address, extended = false }: ControllerOptions) {
    this.#address = Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(address.slice(10 - 2 * i, 12 - 2 * i), 16))
    this.#extended = extended
  }

  /** Bytes from the host, cut anywhere; @returns the answers, one packet each. Bytes that start no command are skipped. */
  receive(bytes: Uint8Array): readonly Uint8Array[] {
    this.#pending = joined(this.#pending, bytes)
    const answers: Uint8Array[] = []
    for (let command = this.#nextCommand(); command !== undefined; command = this.#nextCommand()) {
      const answer = this.#answer(command)
      if (answer !== undefined) answers.push(answer)
    }
    return answers
  }

  /** What the host gets to hear of an advert: nothing without a scan, several packets for a long one. */
  hear(advert: Advert): readonly Uint8Array[] {
    if (!this.#scanning || this.#silent) return []
    if (advert.scanResponse && this.#mode === 'passive') return []
    if (this.#extended) return extendedReports(advert)
    return tooLongForLegacy(advert) ? [] : [legacyReport(advert)]
  }

  /** The firmware crashed and started again: scanning is over, and nobody says so but this one event. */
  crash(code = 0): Uint8Array {
    this.#scanning = false
    return hardwareError(code)
  }

  /** Power off and on: everything the host had set is gone. */
  reboot(): void {
    this.#scanning = false
    this.#pending = new Uint8Array(0)
    this.#silent = false
  }

  /** Answers nothing and reports nothing until told otherwise: hung firmware. */
  silence(silent: boolean): void {
    this.#silent = silent
  }

  /** The scan has ended without a word to the host: the state that looks healthy and hears nothing. */
  deafen(): void {
    this.#scanning = false
  }

  /** From now on a command is answered with this status; 0 takes it back. */
  refuse(opcode: number, status = COMMAND_DISALLOWED): void {
    if (status === SUCCESS) this.#refused.delete(opcode)
    else this.#refused.set(opcode, status)
  }

  state(): ControllerState {
    return {
      scanning: this.#scanning,
      mode: this.#mode,
      interval: this.#interval,
      window: this.#window,
      commands: this.#commands,
      connections: this.#connections,
    }
  }

  #nextCommand(): { readonly opcode: number; readonly parameters: Uint8Array } | undefined {
    const start = this.#pending.indexOf(COMMAND_PACKET)
    this.#pending = start < 0 ? new Uint8Array(0) : this.#pending.subarray(start)
    const [, low = 0, high = 0, length] = this.#pending
    if (length === undefined || this.#pending.length < COMMAND_HEADER_BYTES + length) return undefined
    const parameters = this.#pending.slice(COMMAND_HEADER_BYTES, COMMAND_HEADER_BYTES + length)
    this.#pending = this.#pending.subarray(COMMAND_HEADER_BYTES + length)
    return { opcode: low | (high << 8), parameters }
  }

  #answer({
    opcode,
    parameters,
  }: {
    readonly opcode: number
    readonly parameters: Uint8Array
  }): Uint8Array | undefined {
    this.#commands = [...this.#commands.slice(-255), opcode]
    if (opcode === OP.createConnection || opcode === OP.extendedCreateConnection) this.#connections += 1
    if (this.#silent) return undefined
    const refusal = this.#refused.get(opcode)
    if (refusal !== undefined) return commandComplete(opcode, [refusal])
    this.#obey(opcode, parameters)
    return commandComplete(opcode, [SUCCESS, ...this.#result(opcode)])
  }

  #obey(opcode: number, parameters: Uint8Array): void {
    if (opcode === OP.reset) this.#scanning = false
    else if (opcode === OP.setScanEnable || opcode === OP.setExtendedScanEnable) this.#scanning = parameters[0] === 1
    else if (opcode === OP.setScanParameters) this.#setScan(parameters, 0)
    else if (opcode === OP.setExtendedScanParameters) this.#setScan(parameters, 3)
  }

  #setScan(parameters: Uint8Array, at: number): void {
    this.#mode = parameters[at] === 1 ? 'active' : 'passive'
    this.#interval = (parameters[at + 1] ?? 0) | ((parameters[at + 2] ?? 0) << 8)
    this.#window = (parameters[at + 3] ?? 0) | ((parameters[at + 4] ?? 0) << 8)
  }

  #result(opcode: number): readonly number[] {
    switch (opcode) {
      case OP.readLeFeatures:
        return [0, this.#extended ? FEATURE_EXTENDED_ADVERTISING : 0, 0, 0, 0, 0, 0, 0]
      case OP.readLocalVersion:
        // Bluetooth 5.1, company 0x0059.
        return [0x0a, 0, 0, 0x0a, 0x59, 0, 0x01, 0]
      case OP.readAddress:
        return [...this.#address]
      case OP.readLeBufferSize:
        return [0xfb, 0, 8]
      case OP.readLeHostSupport:
        return [1, 0]
      case OP.readBufferSize:
        return [0xfb, 0, 0, 8, 0, 0, 0]
      default:
        return []
    }
  }
}

function commandComplete(opcode: number, result: readonly number[]): Uint8Array {
  return Uint8Array.of(HCI_EVENT, 0x0e, 3 + result.length, 1, opcode & 0xff, opcode >> 8, ...result)
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both.length > MAX_PENDING_BYTES * 64 ? both.subarray(-MAX_PENDING_BYTES) : both
}
