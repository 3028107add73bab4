import { type ChildProcess, spawn } from 'node:child_process'
import { constants, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReadStream } from 'node:tty'

import type { ReceiverId } from '@biotrakr/shared'
import { Controller } from '@biotrakr/sim'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type BleReport, type BleSource, createBleSource } from './ble-source.ts'
import { createManualClock } from './manual-clock.ts'

const hasSocat = (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'socat')))
const runs = hasSocat || process.env['BIOTRAKR_REQUIRE_ALL'] === '1'
const title = 'BLE source on the real noble and its serial driver, over a pseudo terminal'
const iBeacon = Buffer.from('0201061aff4c0002150102030405060708090a0b0c0d0e0f1000010002c5', 'hex')

/** A cable with a controller at its far end, to be pulled out and put back. */
class Cable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ble-uart-'))
  readonly port = join(this.#folder, 'host')
  readonly #far = join(this.#folder, 'controller')
  readonly controller = new Controller({ address: '001122334455', extended: true })
  #socat: ChildProcess | undefined
  #stream: ReadStream | undefined
  #fd = -1

  async plug(): Promise<void> {
    const end = (link: string) => `pty,raw,echo=0,link=${link}`
    this.#socat = spawn('socat', [end(this.port), end(this.#far)], { stdio: 'ignore' })
    while (!existsSync(this.#far) || !existsSync(this.port)) await sleep(5)
    this.#fd = openSync(this.#far, constants.O_RDWR | constants.O_NOCTTY)
    this.#stream = new ReadStream(this.#fd)
    this.#stream.on('error', () => undefined)
    this.#stream.on('data', (bytes: Buffer) => this.#send(this.controller.receive(bytes)))
  }

  async unplug(): Promise<void> {
    const socat = this.#socat
    this.#socat = undefined
    this.#stream?.destroy()
    this.controller.reboot()
    if (!socat) return
    const ended = new Promise((resolve) => socat.once('exit', resolve))
    socat.kill()
    await ended
  }

  air(data: Uint8Array = iBeacon): void {
    this.#send(this.controller.hear({ address: 'c12233445566', data, rssiDbm: -61 }))
  }

  crash(): void {
    this.#send([this.controller.crash()])
  }

  garbage(bytes: Uint8Array): void {
    this.#send([bytes])
  }

  async remove(): Promise<void> {
    await this.unplug()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #send(packets: readonly Uint8Array[]): void {
    for (const packet of packets) if (this.#socat) writeSync(this.#fd, packet)
  }
}

describe.skipIf(!runs)(runs ? title : `${title} (SKIPPED: socat is not on this machine)`, () => {
  const clock = createManualClock(1_700_000_000_000)
  let cable: Cable
  let source: BleSource
  let reports: BleReport[]

  beforeEach(() => {
    cable = new Cable()
    reports = []
    source = createBleSource({
      adapters: [{ receiver: 'ward-3-a' as ReceiverId, target: { uart: cable.port } }],
      recognise: (report) => void reports.push({ ...report, bytes: report.bytes.slice() }),
      clock,
      log: pino({ level: 'silent' }),
    })
  })

  afterEach(async () => {
    await source.stop()
    await cable.remove()
  })

  const scans = () => source.status().adapters[0]?.scanning === true

  /** The cable takes real time; ours runs five times as fast beside it. @returns what passed of ours, milliseconds */
  async function until(isSo: () => boolean): Promise<number> {
    const startMs = clock.monoMs()
    while (!isSo()) {
      if (clock.monoMs() - startMs > 120_000) throw new Error(source.status().detail)
      await sleep(10)
      clock.advance(50)
    }
    return clock.monoMs() - startMs
  }

  it('comes up, scans, and hears long adverts whole', async () => {
    await cable.plug()
    await source.start(() => undefined)
    await until(scans)
    const long = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff)
    cable.air()
    cable.air(long)
    await until(() => reports.length === 2)
    expect(reports.map(({ bytes }) => Buffer.from(bytes))).toEqual([iBeacon, Buffer.from(long)])
    expect(cable.controller.state()).toMatchObject({ mode: 'passive', interval: 0x60, connections: 0 })
    expect(source.status().adapters[0]).toMatchObject({ address: '001122334455' })
  })

  it('says that the port is not there, and takes it within 10 s of its coming, again and again', async () => {
    await source.start(() => undefined)
    expect(source.status().detail).toContain('is not there')
    const comesAtMs = clock.monoMs() + 12_000
    await until(() => clock.monoMs() >= comesAtMs)
    const exits = process.listenerCount('exit')
    for (let round = 0; round < 3; round++) {
      await cable.plug()
      expect(await until(scans)).toBeLessThanOrEqual(10_000)
      cable.air()
      await until(() => reports.length === round + 1)
      await cable.unplug()
      await until(() => !scans())
    }
    expect(process.listenerCount('exit')).toBe(exits)
  })

  it('starts a controller again that crashed, and one that refused', async () => {
    await cable.plug()
    await source.start(() => undefined)
    await until(scans)
    cable.crash()
    await until(() => !scans())
    cable.controller.refuse(0x2042)
    await until(() => source.status().detail.includes('refused to scan'))
    cable.controller.refuse(0x2042, 0)
    await until(scans)
    cable.air()
    await until(() => reports.length === 1)
  })

  it('gives up a controller that says nothing, and comes back when it speaks', async () => {
    await cable.plug()
    cable.controller.silence(true)
    await source.start(() => undefined)
    await until(() => source.status().detail.includes('does not answer'))
    cable.controller.silence(false)
    await until(scans)
  })

  it('loses no more than the packet that garbage is glued to', async () => {
    await cable.plug()
    await source.start(() => undefined)
    await until(scans)
    cable.garbage(Uint8Array.of(0xff))
    await sleep(20)
    for (let i = 0; i < 3; i++) cable.air()
    await until(() => reports.length >= 2)
    expect(scans()).toBe(true)
  })
})
