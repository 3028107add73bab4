import type { ReceiverId, Telemetry } from '@biotrakr/shared'

import { Controller } from './controller.ts'
import { type ControllerPort, createControllerPort } from './controller-port.ts'
import type { Ward } from './ward.ts'

/** BTHome version 2, not encrypted, and its objects by identifier (bthome.io/format). */
const FLAGS = [0x02, 0x01, 0x06]
const SERVICE_DATA = 0x16
const BTHOME = [0xd2, 0xfc, 0x40]
const OBJECT = { packetId: 0x00, battery: 0x01, temperature: 0x02, moving: 0x22, button: 0x3a } as const
const PRESS = 0x01

/** The ward as its adapters meet it: one Bluetooth controller for each receiver, and adverts as bytes. */
export interface WardAir {
  readonly controllers: readonly { readonly receiver: ReceiverId; readonly port: ControllerPort }[]
  /**
   * Lets every controller hear what comes its way in [fromMs, toMs), in time order.
   * @param at is told the time of each advert, wall milliseconds, before it is heard
   */
  play(fromMs: number, toMs: number, at: (atMs: number) => void): void
}

export function createWardAir(ward: Ward): WardAir {
  const controllers = ward.siteMap.receivers.map(({ id }, index) => ({
    receiver: id as ReceiverId,
    port: createControllerPort(new Controller({ address: `02b10a0000${index.toString(16).padStart(2, '0')}` })),
  }))
  const ports = new Map(controllers.map(({ receiver, port }) => [receiver, port]))
  return {
    controllers,
    play(fromMs, toMs, at) {
      for (const { tag, receiver, rssiDbm, telemetry, atMs } of ward.readingsBetween(fromMs, toMs)) {
        at(atMs)
        const address = tag.slice(tag.indexOf(':') + 1)
        const data = bthomePayload(telemetry ?? {})
        ports.get(receiver)?.air({ address, data, ...(rssiDbm !== undefined && { rssiDbm }) })
      }
    },
  }
}

/** What a tag says of itself, as advertising data. A press that is over says nothing: its number is the packet's. */
export function bthomePayload(telemetry: Telemetry): Uint8Array {
  const { batteryPercent, temperatureC, moving, pressed, pressCount = 0 } = telemetry
  const objects: number[] = []
  if (pressed) objects.push(OBJECT.packetId, pressCount & 0xff)
  if (batteryPercent !== undefined) objects.push(OBJECT.battery, batteryPercent)
  if (temperatureC !== undefined) {
    const hundredths = Math.round(temperatureC * 100)
    objects.push(OBJECT.temperature, hundredths & 0xff, (hundredths >> 8) & 0xff)
  }
  if (moving !== undefined) objects.push(OBJECT.moving, Number(moving))
  if (pressed) objects.push(OBJECT.button, PRESS)
  const service = [SERVICE_DATA, ...BTHOME, ...objects]
  return Uint8Array.from([...FLAGS, service.length, ...service])
}
