import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

import { loadLlrpProfile } from '@biotrakr/firmware-profiles'
import type { Reading, TagId } from '@biotrakr/shared'
import { createLlrpReader, type LlrpReaderOutput } from '@biotrakr/sim'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'

import { createLlrpSource, type LlrpSource, type LlrpSourceOptions } from './llrp-source.ts'
import { receiver, TAG, tagOf } from './reader-fixtures.ts'
import { realClock, until } from './serial-fixtures.ts'

const document: unknown = JSON.parse(
  readFileSync(new URL('../../../firmware-profiles/llrp/profile.json', import.meta.url), 'utf8'),
)
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const profile = loadLlrpProfile('llrp', new Map([['llrp', document]]), { sha256 })

const clean: (() => unknown)[] = []
afterEach(async () => {
  for (const task of clean.splice(0).reverse()) await task()
})

const now = () => ({ monoMs: realClock.monoMs(), wallMs: realClock.wallMs() })

/** The simulated LLRP reader behind a port of its own, with one tag at antenna 2 that it hears at -61 dBm. */
async function plugIn(port = 0) {
  const reader = createLlrpReader({
    tags: () => [{ epc: TAG.epc, antenna: 2, rssiDbm: -61, pc: '3000' }],
    readsPerSecond: 50,
    random: Math.random,
  })
  const hosts = new Map<string, Socket>()
  const heard: Buffer[] = []
  const give = (outputs: readonly LlrpReaderOutput[]) => {
    for (const output of outputs) {
      const socket = hosts.get(output.client)
      if ('close' in output) socket?.end()
      else socket?.write(output.bytes)
    }
  }
  let count = 0
  const server: Server = createServer((socket) => {
    count += 1
    const client = `host ${count}`
    hosts.set(client, socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      heard.push(bytes)
      give(reader.receive(client, bytes, now()))
    })
    socket.on('close', () => {
      hosts.delete(client)
      reader.disconnect(client)
    })
    give(reader.connect(client, now()))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const timer = realClock.every(10, () => give(reader.advance(now())))
  const unplug = async () => {
    timer.cancel()
    for (const socket of hosts.values()) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  clean.push(unplug)
  const { port: bound } = server.address() as AddressInfo
  return { reader, give, unplug, heard, port: bound, address: `tcp://127.0.0.1:${bound}` }
}

function source(address: string, options: Partial<LlrpSourceOptions> = {}): LlrpSource {
  const made = createLlrpSource({
    name: 'portal',
    address,
    profile,
    receivers: new Map([
      [1, receiver('portal/1')],
      [2, receiver('portal/2')],
    ]),
    settings: { region: 'ETSI', powerDbm: 27 },
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

describe('an LLRP reader in the network', () => {
  it('is identified, started and read, and its radio is off after the stop', async () => {
    const { reader, address } = await plugIn()
    const portal = source(address)
    const heard: Reading[] = []
    await portal.start((reading) => heard.push(reading))
    await until(() => heard.length >= 3)
    expect(heard[0]).toMatchObject({ tag: tagOf(TAG), receiver: 'portal/2', rssiDbm: -61, medium: 'RFID' })
    expect(heard[0]).toHaveProperty('freqKHz')
    expect(portal.status()).toMatchObject({
      state: 'up',
      errors: 0,
      opens: 1,
      region: 'ETSI',
      powersDbm: { 1: 27, 2: 27 },
      profile: { id: 'llrp', fingerprint: profile.fingerprint },
      identity: { firmware: '1.0.0 simulated' },
    })
    expect(reader.radiating).toBe(true)
    await portal.stop()
    const after = heard.length
    expect([reader.radiating, portal.status().state]).toEqual([false, 'finished'])
    await until(() => true)
    expect(heard).toHaveLength(after)
  })

  it('that loses power and comes back is running again within 5 s', async () => {
    const first = await plugIn()
    const portal = source(first.address)
    await portal.start(() => undefined)
    await until(() => portal.status().state === 'up')
    await first.unplug()
    await until(() => portal.status().problem === 'PORT_UNREACHABLE')
    const second = await plugIn(first.port)
    await until(() => portal.status().state === 'up', 5_000)
    expect(second.reader.radiating).toBe(true)
  })

  it('that starts anew by itself is set up again', async () => {
    const { reader, give, address } = await plugIn()
    const portal = source(address)
    await portal.start(() => undefined)
    await until(() => portal.status().state === 'up')
    give(reader.reboot())
    expect(reader.radiating).toBe(false)
    await until(() => portal.status().opens === 2 && portal.status().state === 'up')
    expect(reader.radiating).toBe(true)
  })

  it('without a region is asked what it is and never made to transmit', async () => {
    const { reader, heard, address } = await plugIn()
    const portal = source(address, { settings: {} })
    await portal.start(() => undefined)
    await until(() => portal.status().phase === 'held')
    expect(portal.status()).toMatchObject({
      state: 'failed',
      problem: 'region',
      identity: { firmware: '1.0.0 simulated' },
      detail: expect.stringContaining('no region is set'),
    })
    await portal.stop()
    await until(() => heard.length > 1)
    // Message types 1 and 14: GET_READER_CAPABILITIES and CLOSE_CONNECTION (LLRP 1.0.1, table of message types).
    expect(heard.map((bytes) => bytes.readUInt16BE(0) & 0x3ff)).toEqual([1, 14])
    expect(reader.radiating).toBe(false)
  })

  it('that another host has, or that is set up for another region, is not started and says why', async () => {
    const { reader, address } = await plugIn()
    const owner = source(address)
    await owner.start(() => undefined)
    await until(() => owner.status().state === 'up')
    const second = source(address)
    await second.start(() => undefined)
    await until(() => second.status().problem === 'occupied')
    expect(second.status().detail).toContain('another host already has the reader')
    await second.stop()
    await owner.stop()
    const american = source(address, { settings: { region: 'FCC', powerDbm: 27 } })
    await american.start(() => undefined)
    await until(() => american.status().problem === 'region')
    expect(american.status().detail).toContain('the reader is set up for')
    expect(reader.radiating).toBe(false)
  })

  it('is refused with every setting that cannot be', () => {
    const settings = { region: 'EUROPE', parameters: { countryCode: 'de', speed: 3 } }
    expect(() => source('tcp://127.0.0.1', { settings })).toThrow(
      /no parameter speed; countryCode is no whole number; powerDbm is missing; .*"EUROPE" is none of/,
    )
    expect(() => source('serial:/dev/serial/by-id/x')).toThrow(/no network address/)
  })
})
