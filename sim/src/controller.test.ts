import { describe, expect, it } from 'vitest'

import { COMMAND_DISALLOWED, Controller } from './controller.ts'

const enable = Uint8Array.of(1, 0x0c, 0x20, 2, 1, 0)
const advert = { address: 'c12233445566', data: Uint8Array.of(2, 1, 6), rssiDbm: -61 }
const hex = (packets: readonly Uint8Array[]) => packets.map((packet) => Buffer.from(packet).toString('hex'))

describe('simulated Bluetooth controller', () => {
  it('answers commands wherever the bytes are cut', () => {
    const controller = new Controller({ address: '001122334455' })
    const commands = [1, 0x03, 0x0c, 0, 1, 0x09, 0x10, 0, ...enable]
    const answers = commands.flatMap((byte) => hex(controller.receive(Uint8Array.of(byte))))
    expect(answers).toEqual(['040e0401030c00', '040e0a01091000554433221100', '040e04010c2000'])
    expect(controller.state()).toMatchObject({ scanning: true, commands: [0x0c03, 0x1009, 0x200c] })
  })

  it('reports adverts only while it scans, scan responses only when it scans actively', () => {
    const controller = new Controller({ address: '001122334455' })
    expect(controller.hear(advert)).toEqual([])
    controller.receive(enable)
    expect(hex(controller.hear(advert))).toEqual(['043e0f020103016655443322c103020106c3'])
    expect(controller.hear({ ...advert, scanResponse: true })).toEqual([])
    controller.receive(Uint8Array.of(1, 0x0b, 0x20, 7, 1, 0x60, 0, 0x60, 0, 0, 0))
    expect(controller.hear({ ...advert, scanResponse: true })).toHaveLength(1)
    expect(controller.state()).toMatchObject({ mode: 'active', interval: 0x60, window: 0x60 })
  })

  it('cuts a long advert into fragments, and does not hear it without extended advertising', () => {
    const long = { ...advert, data: new Uint8Array(500) }
    const old = new Controller({ address: '001122334455' })
    old.receive(enable)
    expect(old.hear(long)).toEqual([])
    const modern = new Controller({ address: '001122334455', extended: true })
    modern.receive(Uint8Array.of(1, 0x42, 0x20, 6, 1, 0, 0, 0, 0, 0))
    expect(modern.hear(long).map((packet) => [packet[2], packet[5]])).toEqual([
      [255, 0x20],
      [255, 0x20],
      [68, 0x00],
    ])
  })

  it('refuses, falls silent, goes deaf and crashes as told', () => {
    const controller = new Controller({ address: '001122334455' })
    controller.refuse(0x200c)
    expect(hex(controller.receive(enable))).toEqual(['040e04010c200c'])
    expect(COMMAND_DISALLOWED).toBe(0x0c)
    controller.refuse(0x200c, 0)
    controller.receive(enable)
    controller.silence(true)
    expect([...controller.hear(advert), ...controller.receive(enable)]).toEqual([])
    controller.silence(false)
    expect(controller.hear(advert)).toHaveLength(1)
    expect(hex([controller.crash(3)])).toEqual(['04100103'])
    expect(controller.hear(advert)).toEqual([])
  })

  it('counts attempts to connect', () => {
    const controller = new Controller({ address: '001122334455' })
    controller.receive(Uint8Array.of(1, 0x0d, 0x20, 0))
    expect(controller.state().connections).toBe(1)
  })
})
