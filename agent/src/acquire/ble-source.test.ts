import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'
import { type Advert, COMMAND_DISALLOWED, Controller, type ControllerPort, createControllerPort } from '@biotrakr/sim'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'

import type { BleAdapterOptions } from './ble-adapter.ts'
import { loadNoble } from './ble-noble-tap.ts'
import { type BleReport, type BleSource, createBleSource } from './ble-source.ts'
import { createManualClock } from './manual-clock.ts'

const receiver = 'ward-3-a' as ReceiverId
const address = '001122334455'
const badge = 'c12233445566'
const iBeacon = Buffer.from('0201061aff4c0002150102030405060708090a0b0c0d0e0f1000010002c5', 'hex')
const sources: BleSource[] = []

afterEach(async () => {
  for (const source of sources.splice(0)) await source.stop()
})

/** A real noble over a simulated controller, with a clock of ours. */
function bench({ extended = false, ...adapter }: Partial<BleAdapterOptions> & { extended?: boolean } = {}) {
  const port = createControllerPort(new Controller({ address, extended }))
  const clock = createManualClock(1_700_000_000_000)
  const reports: BleReport[] = []
  const readings: Reading[] = []
  const source = createBleSource({
    adapters: [{ receiver, target: { controller: port, label: 'sim-0' }, ...adapter }],
    recognise(report) {
      reports.push({ ...report, bytes: report.bytes.slice() })
      const { atMs, rssiDbm } = report
      if (hex(report) !== badge) return undefined
      return { tag: `ble:${badge}` as TagId, receiver, atMs, medium: 'BLE', ...(rssiDbm !== undefined && { rssiDbm }) }
    },
    clock,
    log: pino({ level: 'silent' }),
  })
  sources.push(source)
  return {
    port,
    clock,
    reports,
    readings,
    source,
    adapter: () => source.status().adapters[0]!,
    async start() {
      await source.start((reading) => readings.push(reading))
      await settled()
    },
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 1_000) {
        clock.advance(Math.min(1_000, left))
        await settled()
      }
    },
    hear: (advert: Partial<Advert> = {}) => port.air({ address: badge, data: iBeacon, rssiDbm: -61, ...advert }),
  }
}

type Bench = ReturnType<typeof bench>

const hex = ({ address: bytes }: BleReport) => Buffer.from(bytes).toString('hex')

/** Lets noble and its driver exchange all they have to say. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

/** Ten adverts a second for 20 s: the floor's habit. */
async function busyFloor(bench: Bench): Promise<void> {
  for (let i = 0; i < 20; i++) {
    for (let n = 0; n < 10; n++) bench.hear()
    await bench.pass(1_000)
  }
}

function commandsSince({ port }: { readonly port: ControllerPort }, count: number): readonly number[] {
  return port.controller.state().commands.slice(count)
}

describe('BLE source on the real noble over a simulated controller', () => {
  it('scans passively, interval equal to window, and hands on what is recognised', async () => {
    const ble = bench()
    await ble.start()
    expect(ble.port.controller.state()).toMatchObject({ scanning: true, mode: 'passive', interval: 0x60, window: 0x60 })
    ble.hear()
    ble.hear({ address: 'd00000000001' })
    expect(ble.reports).toHaveLength(2)
    expect(ble.readings).toEqual([
      { tag: `ble:${badge}`, receiver, rssiDbm: -61, atMs: 1_700_000_000_000, medium: 'BLE' },
    ])
    expect(ble.source.status()).toMatchObject({ state: 'up', readings: 1, errors: 0 })
    expect(ble.adapter()).toMatchObject({ address, scanning: true, connectsRefused: 0 })
    expect(ble.adapter().degraded).toBeUndefined()
  })

  it.each([false, true])('keeps every frame of one address apart and as it was (extended: %s)', async (extended) => {
    const ble = bench({ extended, mode: 'active' })
    await ble.start()
    const frames = ['0303e1ff0416e1ffa1', '02010605ff39060102', '0201060303aafe'].map((hex) => Buffer.from(hex, 'hex'))
    for (const data of frames) ble.hear({ data })
    ble.hear({ data: frames[0]!, scanResponse: true })
    ble.hear({ data: frames[1]! })
    expect(ble.reports.map(({ bytes }) => Buffer.from(bytes))).toEqual([...frames, frames[0], frames[1]])
  })

  it('puts extended adverts together and keeps the kind of address', async () => {
    const ble = bench({ extended: true })
    await ble.start()
    const long = Uint8Array.from({ length: 700 }, (_, i) => i & 0xff)
    ble.hear({ data: long, addressType: 3 })
    ble.hear({ address: '000000000000', addressType: 0xff })
    expect(ble.reports[0]).toMatchObject({ addressType: 'randomIdentity', rssiDbm: -61, bytes: long })
    expect(ble.reports[1]).toMatchObject({ addressType: 'anonymous' })
  })

  it('says nothing of power where the controller knows none', async () => {
    const ble = bench()
    await ble.start()
    ble.port.air({ address: badge, data: iBeacon })
    expect(ble.reports).toHaveLength(1)
    expect(ble.reports[0]).not.toHaveProperty('rssiDbm')
  })

  it('asks for scan responses for 10 s in every 5 min where told so', async () => {
    const ble = bench({ mode: 'windows', references: [badge] })
    await ble.start()
    const modes: string[] = []
    for (let second = 0; second < 620; second += 5) {
      ble.hear()
      await ble.pass(5_000)
      modes.push(ble.port.controller.state().mode)
    }
    expect(modes.filter((mode) => mode === 'active')).toHaveLength(4)
    expect(modes.indexOf('active')).toBe(59)
    expect(modes.at(-1)).toBe('passive')
    expect(ble.adapter().attempts).toEqual({ giveUp: 0, restartScan: 0, reopen: 0, powerCycle: 0 })
  })

  it('starts the scan again when the controller has stopped it in silence', async () => {
    const ble = bench()
    await ble.start()
    await busyFloor(ble)
    ble.port.controller.deafen()
    expect(ble.hear()).toBe(false)
    await ble.pass(11_000)
    expect(ble.hear()).toBe(true)
    expect(ble.adapter()).toMatchObject({ verdict: 'ok', attempts: { restartScan: 1, reopen: 0 } })
  })

  it('opens the adapter anew after a Hardware Error', async () => {
    const ble = bench()
    await ble.start()
    const before = ble.port.controller.state().commands.length
    ble.port.crash()
    await ble.pass(2_000)
    expect(commandsSince(ble, before)).toContain(0x0c03)
    expect(ble.hear()).toBe(true)
    expect(ble.readings).toHaveLength(1)
    expect(ble.adapter()).toMatchObject({ failures: 1, scanning: true })
  })

  it('is back within 10 s of being plugged in again', async () => {
    const ble = bench()
    await ble.start()
    ble.port.unplug()
    await ble.pass(60_000)
    expect(ble.source.status()).toMatchObject({ state: 'failed', detail: expect.stringContaining('BLE_') })
    expect(ble.adapter()).toMatchObject({ scanning: false, alarm: true })
    ble.port.plug()
    await ble.pass(6_000)
    expect(ble.hear()).toBe(true)
    expect(ble.source.status().state).toBe('up')
  })

  it('does not believe a scan that the controller refused, and retries ever more slowly', async () => {
    const ble = bench()
    ble.port.controller.refuse(0x200c, COMMAND_DISALLOWED)
    await ble.start()
    expect(ble.source.status()).toMatchObject({ state: 'failed', detail: expect.stringContaining('status 0x0c') })
    await ble.pass(200_000)
    expect(ble.adapter().failures).toBeLessThan(10)
    ble.port.controller.refuse(0x200c, 0)
    await ble.pass(300_000)
    expect(ble.source.status().state).toBe('up')
  })

  it('climbs to a power cycle when the adapter hangs, raises the alarm, and recovers', async () => {
    const ble = bench({ references: [badge] })
    await ble.start()
    ble.port.controller.silence(true)
    await ble.pass(45_000)
    expect(ble.source.status()).toMatchObject({ state: 'failed', detail: expect.stringContaining('does not answer') })
    ble.port.controller.silence(false)
    await ble.pass(60_000)
    expect(ble.hear()).toBe(true)
    expect(ble.source.status().state).toBe('up')
  })

  it('does not let one broken adapter touch the other', async () => {
    const ports = ['0a0000000001', '0a0000000002'].map((own) => createControllerPort(new Controller({ address: own })))
    const clock = createManualClock()
    const heard: string[] = []
    const source = createBleSource({
      adapters: ports.map((controller, i) => ({
        receiver: `r${i}` as ReceiverId,
        target: { controller, label: `sim-${i}` },
      })),
      recognise: (report) => void heard.push(report.receiver),
      clock,
      log: pino({ level: 'silent' }),
    })
    sources.push(source)
    await source.start(() => undefined)
    await settled()
    ports[0]!.unplug()
    await settled()
    for (const port of ports) port.air({ address: badge, data: iBeacon })
    expect(heard).toEqual(['r1'])
    expect(source.status()).toMatchObject({ state: 'up', detail: expect.stringContaining('r0: Bluetooth adapter') })
  })

  it('survives a recogniser that throws', async () => {
    const port = createControllerPort(new Controller({ address }))
    const source = createBleSource({
      adapters: [{ receiver, target: { controller: port, label: 'sim-0' } }],
      recognise: () => {
        throw new Error('broken')
      },
      clock: createManualClock(),
      log: pino({ level: 'silent' }),
    })
    sources.push(source)
    await source.start(() => undefined)
    await settled()
    port.air({ address: badge, data: iBeacon })
    expect(source.status()).toMatchObject({ state: 'up', errors: 1, readings: 0 })
  })

  it('falls back to public events, says that it is degraded, and replaces a full library', async () => {
    const ble = bench({ publicEventsOnly: true })
    await ble.start()
    ble.hear()
    expect(ble.readings).toHaveLength(1)
    expect(Buffer.from(ble.reports[0]!.bytes).toString('hex')).toBe(iBeacon.subarray(3).toString('hex'))
    expect(ble.source.status().detail).toContain('degraded')
    for (let i = 0; i < 10_000; i++) ble.hear({ address: `d0${i.toString(16).padStart(10, '0')}` })
    await ble.pass(2_000)
    ble.hear()
    expect(ble.readings).toHaveLength(2)
  })

  it('falls back by itself when the parts it taps are not as they were', async () => {
    const library = loadNoble()
    const { withBindings } = library
    library.withBindings = (kind, options) => {
      const noble = withBindings(kind, options)
      const { _bindings: bindings } = noble as unknown as {
        _bindings: { start(): void; _hci: { on(event: string, listener: () => void): void } }
      }
      const { start } = bindings
      bindings.start = () => {
        start.call(bindings)
        bindings._hci.on('leAdvertisingReport', () => undefined)
      }
      return noble
    }
    try {
      const ble = bench()
      await ble.start()
      ble.hear()
      expect(ble.readings).toHaveLength(1)
      expect(ble.source.status().detail).toContain('degraded, reports may be merged or lost: reports go another way')
    } finally {
      library.withBindings = withBindings
    }
  })

  it('says in its status that this machine has no adapter, and does not fail', async () => {
    const source = createBleSource({
      adapters: [{ receiver, target: { address: 'aa:bb:cc:dd:ee:ff' } }],
      recognise: () => undefined,
      kernel: {
        adapters: async () => [{ index: 1, address, powered: true }],
        setPowered: async () => undefined,
        missingCapability: () => undefined,
      },
      clock: createManualClock(),
      log: pino({ level: 'silent' }),
    })
    sources.push(source)
    await source.start(() => undefined)
    await settled()
    expect(source.status().detail).toBe(
      'ward-3-a: Bluetooth adapter aabbccddeeff is not there. There is 001122334455 (hci1). Correct the configuration or plug the adapter in. [BLE_NO_ADAPTER]',
    )
  })

  it('leaves nothing behind: no signal listener, no scan, nothing heard after stop', async () => {
    const listeners = process.listenerCount('SIGINT')
    const ble = bench()
    await ble.start()
    expect(process.listenerCount('SIGINT')).toBe(listeners)
    await ble.source.stop()
    await settled()
    ble.hear()
    expect(ble.reports).toHaveLength(0)
    expect(ble.source.status().state).toBe('finished')
    expect(ble.port.controller.state().scanning).toBe(false)
    expect(ble.port.controller.state().connections).toBe(0)
  })
})
