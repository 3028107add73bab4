import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import type { Clock } from '@biotrakr/shared'

import { bleTrouble, troubleOf } from './ble-troubles.ts'

/** An adapter as the kernel knows it, whether in use or not. */
interface KernelAdapter {
  /** N of hciN: where it is plugged in today. */
  readonly index: number
  /** BD_ADDR, 12 lower-case hex digits: which adapter it is. */
  readonly address: string
  readonly powered: boolean
}

/** Linux's Bluetooth management: who is there, and power. It looks at adapters without opening them. */
export interface BluetoothKernel {
  /** @throws BioTrakrError BLE_UNSUPPORTED, BLE_SILENT */
  adapters(): Promise<readonly KernelAdapter[]>
  /** @throws BioTrakrError BLE_BLOCKED (rfkill), BLE_FORBIDDEN, BLE_ADAPTER_DOWN, BLE_SILENT */
  setPowered(index: number, powered: boolean): Promise<void>
  /** Names of what this process lacks for a channel; none when it cannot be known. */
  missingCapability(userChannel: boolean): string | undefined
}

/** The control channel, as the driver package gives it. */
export interface ControlSocket {
  bindControl(): unknown
  start(): void
  stop(): void
  write(packet: Buffer): void
  on(event: 'data', listener: (packet: Buffer) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Commands and events of the management interface (Linux, doc/mgmt-api.txt of BlueZ). */
const READ_INDEX_LIST = 0x0003
const READ_CONTROLLER_INFORMATION = 0x0004
const SET_POWERED = 0x0005
const COMMAND_COMPLETE = 0x0001
const COMMAND_STATUS = 0x0002
const NO_CONTROLLER = 0xffff
const HEADER_BYTES = 6
const CURRENT_SETTINGS_AT = 13
const POWERED = 1
const RFKILLED = 0x12
const PERMISSION_DENIED = 0x14
const ANSWER_MS = 5_000

const CAP_NET_ADMIN = 12n
const CAP_NET_RAW = 13n

interface Request {
  readonly opcode: number
  readonly index: number
  readonly parameters: readonly number[]
}

interface Answer {
  readonly status: number
  readonly result: Buffer
}

interface KernelOptions {
  readonly clock: Clock
  /** Default: the driver package's native socket. */
  readonly open?: () => ControlSocket
  /** Default: this process's own status file. */
  readonly processStatus?: () => string
}

export function createBluetoothKernel({
  clock,
  open = openNative,
  processStatus = ownStatus,
}: KernelOptions): BluetoothKernel {
  return {
    async adapters() {
      const list = await ask({ opcode: READ_INDEX_LIST, index: NO_CONTROLLER, parameters: [] }, { clock, open })
      const count = list.result.length < 2 ? 0 : list.result.readUInt16LE(0)
      const found: KernelAdapter[] = []
      for (let i = 0; i < count && 4 + 2 * i <= list.result.length; i++) {
        const index = list.result.readUInt16LE(2 + 2 * i)
        const { status, result } = await ask(
          { opcode: READ_CONTROLLER_INFORMATION, index, parameters: [] },
          { clock, open },
        )
        if (status === 0 && result.length > CURRENT_SETTINGS_AT) found.push(adapterOf(index, result))
      }
      return found
    },
    async setPowered(index, powered) {
      const { status } = await ask({ opcode: SET_POWERED, index, parameters: [powered ? 1 : 0] }, { clock, open })
      if (status === 0) return
      const name = `hci${index}`
      if (status === RFKILLED) throw bleTrouble.blocked(name)
      if (status === PERMISSION_DENIED) throw bleTrouble.capability(name, 'CAP_NET_ADMIN')
      throw bleTrouble.down(name)
    },
    missingCapability: (userChannel) => missingCapability(processStatus(), userChannel),
  }
}

function adapterOf(index: number, information: Buffer): KernelAdapter {
  const address = Buffer.from(information.subarray(0, 6)).reverse().toString('hex')
  return { index, address, powered: (information.readUInt8(CURRENT_SETTINGS_AT) & POWERED) !== 0 }
}

/** One question, one socket: the control channel is asked some times an hour at most. */
function ask(
  request: Request,
  { clock, open }: { readonly clock: Clock; readonly open: () => ControlSocket },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = open()
    let isSettled = false
    const finish = (settle: () => void) => {
      if (isSettled) return
      isSettled = true
      timer.cancel()
      // After the driver's own call has returned: its thread cannot be joined from within.
      queueMicrotask(() => socket.stop())
      settle()
    }
    const timer = clock.after(ANSWER_MS, () => finish(() => reject(bleTrouble.silent('control channel'))))
    socket.on('error', (error) => finish(() => reject(troubleOf('control channel', error))))
    socket.on('data', (packet) => {
      const answer = answerTo(request, packet)
      if (answer) finish(() => resolve(answer))
    })
    try {
      socket.bindControl()
      socket.start()
      socket.write(requestBytes(request))
    } catch (error) {
      finish(() => reject(troubleOf('control channel', error instanceof Error ? error : new Error(String(error)))))
    }
  })
}

function requestBytes({ opcode, index, parameters }: Request): Buffer {
  const packet = Buffer.alloc(HEADER_BYTES + parameters.length)
  packet.writeUInt16LE(opcode, 0)
  packet.writeUInt16LE(index, 2)
  packet.writeUInt16LE(parameters.length, 4)
  packet.set(parameters, HEADER_BYTES)
  return packet
}

/** Event, controller, length; then the command's opcode, its status, its result. Other events are others' business. */
function answerTo({ opcode, index }: Request, packet: Buffer): Answer | undefined {
  if (packet.length < HEADER_BYTES + 3) return undefined
  const event = packet.readUInt16LE(0)
  if (event !== COMMAND_COMPLETE && event !== COMMAND_STATUS) return undefined
  if (packet.readUInt16LE(2) !== index || packet.readUInt16LE(HEADER_BYTES) !== opcode) return undefined
  return { status: packet.readUInt8(HEADER_BYTES + 2), result: packet.subarray(HEADER_BYTES + 3) }
}

function missingCapability(status: string, userChannel: boolean): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  if (effective === undefined) return undefined
  const held = BigInt(`0x${effective}`)
  if (userChannel && ((held >> CAP_NET_ADMIN) & 1n) === 0n) return 'CAP_NET_ADMIN'
  return ((held >> CAP_NET_RAW) & 1n) === 0n ? 'CAP_NET_RAW' : undefined
}

function openNative(): ControlSocket {
  // Late, as its native part may not be there for this kind of machine.
  const require = createRequire(import.meta.url)
  const drivers = require('@stoprocent/bluetooth-hci-socket') as { loadDriver(kind: string): new () => ControlSocket }
  const Socket = drivers.loadDriver('native')
  return new Socket()
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    return ''
  }
}
