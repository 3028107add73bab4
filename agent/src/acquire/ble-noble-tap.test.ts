import { Controller, createControllerPort } from '@biotrakr/sim'
import { describe, expect, it, vi } from 'vitest'

import { loadNoble, type Noble, startTapped, type Tap } from './ble-noble-tap.ts'
import { createSoftDriver } from './ble-soft-driver.ts'

/**
 * The contract with the private parts of the installed noble: what fails here after an upgrade is what the tap has to
 * be taught anew.
 */
async function tapped({ extended = false } = {}) {
  const port = createControllerPort(new Controller({ address: '001122334455', extended }))
  const noble: Noble = loadNoble().withBindings('hci', { hciDriver: createSoftDriver(port) })
  const seen = {
    adverts: 0,
    answers: [] as (readonly [boolean, number])[],
    crashes: [] as number[],
    refused: 0,
    prints: '',
  }
  const discovered = vi.fn()
  noble.on('discover', discovered)
  const tap = startTapped(noble, {
    scanUnits: 0x60,
    onAdverts: () => {
      seen.adverts += 1
    },
    onScanAnswer: (enable, status) => seen.answers.push([enable, status]),
    onHardwareError: (code) => seen.crashes.push(code),
    onDriverError: () => undefined,
    onConnectRefused: () => {
      seen.refused += 1
    },
    onPrint: (text) => {
      seen.prints += text
    },
  })
  if (typeof tap === 'string') throw new Error(tap)
  noble.on('stateChange', () => undefined)
  await settled()
  return { port, noble, tap, seen, discovered }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

async function scan(noble: Noble, tap: Tap, mode: 'passive' | 'active'): Promise<void> {
  tap.setMode(mode)
  noble.startScanning([], true, () => undefined)
  await settled()
}

const advert = { address: 'c12233445566', data: Uint8Array.of(2, 1, 6), rssiDbm: -61 }

describe('tap below the events of the installed noble', () => {
  it.each([false, true])('gets every advert and leaves noble none (extended: %s)', async (extended) => {
    const { port, noble, tap, seen, discovered } = await tapped({ extended })
    expect(noble.state).toBe('poweredOn')
    expect(tap.check()).toBeUndefined()
    await scan(noble, tap, 'passive')
    for (let i = 0; i < 100; i++) port.air(advert)
    expect(seen.adverts).toBe(100)
    expect(discovered).not.toHaveBeenCalled()
    noble.stop()
    tap.close()
  })

  it.each([false, true])('decides on mode, interval and window of the scan (extended: %s)', async (extended) => {
    const { port, noble, tap } = await tapped({ extended })
    await scan(noble, tap, 'passive')
    expect(port.controller.state()).toMatchObject({ scanning: true, mode: 'passive', interval: 0x60, window: 0x60 })
    noble.stopScanning(() => undefined)
    await settled()
    await scan(noble, tap, 'active')
    expect(port.controller.state()).toMatchObject({ scanning: true, mode: 'active', interval: 0x60, window: 0x60 })
    noble.stop()
    tap.close()
  })

  it('hears the true answer to a scan and a Hardware Error, where noble does not', async () => {
    const { port, noble, tap, seen } = await tapped()
    seen.answers.length = 0
    port.controller.refuse(0x200c)
    await scan(noble, tap, 'passive')
    expect(seen.answers).toEqual([
      [false, 0x0c],
      [true, 0x0c],
    ])
    port.crash()
    expect(seen.crashes).toEqual([0])
    noble.stop()
    tap.close()
  })

  it('lets no connection out', async () => {
    const { port, noble, tap, seen } = await tapped()
    const connect = noble as unknown as { connect(address: string, options: object, done: () => void): void }
    connect.connect('c12233445566', { addressType: 'random' }, () => undefined)
    await settled()
    expect(seen.refused).toBe(1)
    expect(port.controller.state().connections).toBe(0)
    noble.stop()
    tap.close()
  })

  it('keeps what noble prints away from the console', async () => {
    const log = vi.spyOn(console, 'log')
    const port = createControllerPort(new Controller({ address: '001122334455' }))
    port.unplug()
    const noble = loadNoble().withBindings('hci', { hciDriver: createSoftDriver(port) })
    const prints: string[] = []
    startTapped(noble, {
      scanUnits: 0x60,
      onAdverts: () => undefined,
      onScanAnswer: () => undefined,
      onHardwareError: () => undefined,
      onDriverError: () => undefined,
      onConnectRefused: () => undefined,
      onPrint: (text) => prints.push(text),
    })
    expect(noble.state).toBe('unsupported')
    expect(prints.join()).toContain('noble warning')
    expect(log).not.toHaveBeenCalled()
    log.mockRestore()
  })

  it('says so, in words, when the parts are not where they were', () => {
    const other = { state: 'unknown', on: () => undefined } as unknown as Noble
    expect(startTapped(other, {} as never)).toBe('its bindings are not where they were')
  })
})
