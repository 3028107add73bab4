import { EventEmitter } from 'node:events'

import { describe, expect, it } from 'vitest'

import { type ControlSocket, createBluetoothKernel } from './ble-kernel.ts'
import { createManualClock } from './manual-clock.ts'

const clock = createManualClock()
const answer = (index: number, opcode: number, status: number, result: readonly number[] = []) =>
  Buffer.from([1, 0, index & 0xff, index >> 8, 3 + result.length, 0, opcode & 0xff, opcode >> 8, status, ...result])

const information = (address: readonly number[], settings: number) => [
  ...address,
  10,
  0x59,
  0,
  0xff,
  0xff,
  0,
  0,
  settings,
]

/** A kernel's control channel: answers by the request's opcode and index. */
function channel(answers: (opcode: number, index: number) => Buffer | undefined) {
  return (): ControlSocket => {
    const socket = new EventEmitter()
    return Object.assign(socket, {
      bindControl: () => undefined,
      start: () => undefined,
      stop: () => undefined,
      write(packet: Buffer) {
        const data = answers(packet.readUInt16LE(0), packet.readUInt16LE(2))
        // Others' events come on the same channel.
        queueMicrotask(() => socket.emit('data', Buffer.from([6, 0, 0, 0, 4, 0, 1, 0, 0, 0])))
        if (data) queueMicrotask(() => socket.emit('data', data))
      },
    }) as unknown as ControlSocket
  }
}

describe('kernel side of Bluetooth', () => {
  it('lists adapters by their address, on or off', async () => {
    const open = channel((opcode, index) => {
      if (opcode === 3) return answer(0xffff, 3, 0, [2, 0, 0, 0, 4, 0])
      return answer(index, 4, 0, information([index, 0x44, 0x33, 0x22, 0x11, 0xaa], index === 0 ? 1 : 0))
    })
    expect(await createBluetoothKernel({ clock, open }).adapters()).toEqual([
      { index: 0, address: 'aa1122334400', powered: true },
      { index: 4, address: 'aa1122334404', powered: false },
    ])
  })

  it.each([
    [0x12, 'BLE_BLOCKED'],
    [0x14, 'BLE_FORBIDDEN'],
    [0x03, 'BLE_ADAPTER_DOWN'],
  ])('says why an adapter cannot be switched on: status %i is %s', async (status, code) => {
    const kernel = createBluetoothKernel({ clock, open: channel((opcode, index) => answer(index, opcode, status)) })
    await expect(kernel.setPowered(0, true)).rejects.toMatchObject({ code })
  })

  it('says that there is no Bluetooth where the kernel has none', async () => {
    const open = () => {
      const socket = new EventEmitter()
      const bindControl = () => socket.emit('error', new Error('Address family not supported by protocol'))
      return Object.assign(socket, {
        bindControl,
        start: bindControl,
        stop() {},
        write() {},
      }) as unknown as ControlSocket
    }
    await expect(createBluetoothKernel({ clock, open }).adapters()).rejects.toMatchObject({ code: 'BLE_UNSUPPORTED' })
  })

  it('does not wait for ever', async () => {
    const listing = createBluetoothKernel({ clock, open: channel(() => undefined) }).adapters()
    clock.advance(5_000)
    await expect(listing).rejects.toMatchObject({ code: 'BLE_SILENT' })
  })

  it.each([
    ['0000000000000000', false, 'CAP_NET_RAW'],
    ['0000000000002000', false, undefined],
    ['0000000000002000', true, 'CAP_NET_ADMIN'],
    ['0000000000003000', true, undefined],
  ])('reads from CapEff %s, user channel %s, that %s is missing', (mask, userChannel, missing) => {
    const kernel = createBluetoothKernel({ clock, processStatus: () => `Name:\tnode\nCapEff:\t${mask}\n` })
    expect(kernel.missingCapability(userChannel)).toBe(missing)
  })
})
