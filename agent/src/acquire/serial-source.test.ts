import { randomBytes } from 'node:crypto'
import { realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'

import type { Reading, TagId } from '@biotrakr/shared'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createManualClock } from './manual-clock.ts'
import { driverOf, ObedientReader, receiver, TAG, tagOf } from './reader-fixtures.ts'
import type { OpenPort } from './reader-port.ts'
import { attach, attachByCable, overPty, plugIn, realClock, scratchFolder, until } from './serial-fixtures.ts'
import { createSerialSource, type SerialSource, type SerialSourceOptions } from './serial-source.ts'

const itOverPty = overPty(it)
const mercury = driverOf('thingmagic-mercury')
const r200 = driverOf('magicrf-r200')
const clean: (() => unknown)[] = []
let folder = ''

beforeEach(() => {
  folder = scratchFolder()
  clean.push(() => rmSync(folder, { recursive: true, force: true }))
})
afterEach(async () => {
  for (const task of clean.splice(0).reverse()) await task()
})

function source(address: string, options: Partial<SerialSourceOptions> = {}): SerialSource {
  const made = createSerialSource({
    name: 'door',
    address,
    driver: mercury,
    receivers: new Map([[1, receiver('door/1')]]),
    settings: { region: 'ETSI', powerDbm: 20, baud: 115_200 },
    tagOf,
    clock: realClock,
    eventClock: realClock,
    random: Math.random,
    allow: new Set([tagOf(TAG) as TagId]),
    log: pino({ enabled: false }),
    ...options,
  })
  clean.push(() => made.stop())
  return made
}

async function cable(name: string, driver = mercury) {
  const plugged = await plugIn(folder, name)
  const reader = new ObedientReader(driver)
  const end = await attachByCable(reader, plugged.reader)
  const unplug = async () => {
    await end.close()
    await plugged.unplug()
  }
  clean.push(unplug)
  return { reader, unplug, host: plugged.host, silence: end.close, path: plugged.reader }
}

describe('a reader at a serial device', () => {
  itOverPty('is identified, started and read, and its radio is off after the stop', async () => {
    const { reader, host } = await cable('line')
    const heard: Reading[] = []
    const { start, stop, status } = bound(source(`serial:${host}`))
    await start((reading) => heard.push(reading))
    await until(() => heard.length >= 3)
    expect(heard[0]).toMatchObject({ tag: tagOf(TAG), receiver: 'door/1', rssiDbm: -56, medium: 'RFID' })
    expect(status()).toMatchObject({
      state: 'up',
      errors: 0,
      opens: 1,
      baud: 115_200,
      region: 'ETSI',
      powerDbm: 20,
      profile: { id: 'thingmagic-mercury', fingerprint: mercury.fingerprint },
    })
    await stop()
    const after = heard.length
    expect([reader.isRunning, reader.commands.at(-1), status().state]).toEqual([false, 'stop', 'finished'])
    expect(heard).toHaveLength(after)
  })

  itOverPty('that is unplugged and comes back under another name is running again within 5 s', async () => {
    const name = join(folder, 'by-id')
    const first = await cable('first')
    symlinkSync(realpathSync(first.host), name)
    const { start, status } = bound(source(`serial:${name}`))
    await start(() => undefined)
    await until(() => status().state === 'up')
    await first.unplug()
    rmSync(name)
    await until(() => status().state === 'failed' && status().problem === 'PORT_MISSING')
    expect(status().detail).toContain('is not there')
    const second = await cable('second')
    symlinkSync(realpathSync(second.host), `${name}.new`)
    renameSync(`${name}.new`, name)
    await until(() => status().state === 'up', 5_000)
    expect([second.reader.isRunning, status().opens]).toEqual([true, 2])
  })

  itOverPty('of which garbage comes is told apart from a dead one, and runs once it speaks', async () => {
    const driver = r200
    const { host, silence, path } = await cable('line', driver)
    await silence()
    const noise = await attachByCable(new ObedientReader(driver), path)
    await noise.close()
    const { start, status } = bound(source(`serial:${host}`, { driver }))
    await start(() => undefined)
    await until(() => status().problem === 'silent', 15_000)
    expect(status().detail).toContain('nothing comes from the reader')
    const noisy = new ObedientReader(driver)
    for (const name of driver.commands.keys()) noisy.answers.set(name, () => [randomBytes(40).fill(0xf7, 0, 8)])
    const talker = await attachByCable(noisy, path)
    await until(() => status().problem === 'noise', 20_000)
    expect(status().detail).toContain('none of them make a frame')
    await talker.close()
    const reader = new ObedientReader(driver)
    const well = await attachByCable(reader, path)
    clean.push(() => well.close())
    await until(() => status().state === 'up' && status().readings > 0, 15_000)
    expect(status().framer.bytesDropped).toBeGreaterThan(0)
  })
})

describe('a reader at a serial device server', () => {
  async function serve(reader: ObedientReader) {
    const connections: { destroy(): void }[] = []
    const server = createServer((socket) => {
      const end = attach(reader, (bytes) => void socket.write(bytes))
      connections.push(socket)
      socket.on('data', (bytes) => end.hear(bytes))
      socket.on('error', () => undefined)
      socket.on('close', () => end.detach())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    clean.push(() => {
      for (const connection of connections) connection.destroy()
      return new Promise((resolve) => server.close(resolve))
    })
    return { address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, connections }
  }

  it.each([
    ['a Mercury', mercury],
    ['an R200', r200],
  ])('is run like one at a cable, and connected to again when the line breaks: %s', async (_name, driver) => {
    const reader = new ObedientReader(driver)
    const { address, connections } = await serve(reader)
    // A pause of half its bound: a shorter one could be over before anybody looked.
    const { start, stop, status } = bound(source(address, { driver, random: () => 0.5 }))
    await start(() => undefined)
    await until(() => status().readings > 0)
    connections[0]?.destroy()
    await until(() => status().state === 'failed')
    expect(status().detail).toContain('closed the connection')
    await until(() => status().state === 'up' && status().opens === 2)
    await stop()
    expect(reader.isRunning).toBe(false)
  })

  it('that repeats a card by itself is believed at once, and read five times a second', async () => {
    const reader = new ObedientReader(driverOf('generic-line'))
    reader.isRunning = true
    const { address } = await serve(reader)
    const { start, status } = bound(source(address, { driver: reader.driver, settings: {} }))
    await start(() => undefined)
    await until(() => status().readings >= 2)
    expect([status().firstSightings, status().repeats > 0, status().errors]).toEqual([0, true, 0])
  })

  it('without a region is identified, and never started', async () => {
    const reader = new ObedientReader(mercury)
    const { address } = await serve(reader)
    const { start, status } = bound(source(address, { settings: {} }))
    await start(() => undefined)
    await until(() => status().phase === 'held')
    expect(status()).toMatchObject({
      state: 'failed',
      problem: 'region',
      detail: expect.stringContaining('no region is set'),
    })
    expect(reader.commands.filter((name) => !mercury.lifecycle.identify.includes(name))).toEqual([])
  })
})

describe('a reader that cannot be reached', () => {
  it('is tried again with pauses of up to 4 s, for ever, without holding up the start', async () => {
    const clock = createManualClock()
    let tries = 0
    const open: OpenPort = () => {
      tries += 1
      return Promise.reject(new Error('no'))
    }
    const { start, status, stop } = bound(
      source('serial:/dev/serial/by-id/none', { open, clock, eventClock: clock, random: () => 0.999_999 }),
    )
    await start(() => undefined)
    for (let n = 0; n < 100; n++) {
      await Promise.resolve()
      await Promise.resolve()
      clock.advance(4_000)
    }
    await until(() => status().state === 'failed')
    expect(tries).toBeGreaterThanOrEqual(100)
    await stop()
    clock.advance(60_000)
    expect([status().state, tries <= 102]).toEqual(['finished', true])
  })

  it('for its settings is refused before anything is opened', () => {
    expect(() => source('serial:/dev/ttyUSB0')).toThrow(/order of discovery/)
    expect(() => source('tcp://127.0.0.1:1', { settings: { region: 'ETSI', powerDbm: 99 } })).toThrow(/powerDbm 99/)
  })
})

function bound(made: SerialSource) {
  return {
    start: (onReading: (reading: Reading) => void) => made.start(onReading),
    stop: () => made.stop(),
    status: () => made.status(),
  }
}
