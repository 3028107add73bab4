import { afterEach, describe, expect, it } from 'vitest'

import { openProfiles } from '../profile-store.ts'
import { systemClock } from '../system-clock.ts'
import { probePort } from './readers.ts'
import { createLineDevice, createLlrpDevice, type Device } from './simulate-device.ts'
import { listenTcp } from './simulate-wire.ts'

const store = openProfiles()
const clean: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const task of clean.splice(0)) await task()
})

const OPTIONS = { tags: () => [], readsPerSecond: 10, noise: 0, clock: systemClock, random: Math.random }

/** A simulated reader, with every byte that it was sent. */
async function plugIn(profile: string) {
  const device = store.isBuiltIn(profile) ? createLlrpDevice(OPTIONS) : createLineDevice(store.load(profile), OPTIONS)
  const asked: Uint8Array[] = []
  const watched: Device = {
    ...device,
    receive(host, bytes) {
      asked.push(Uint8Array.from(bytes))
      return device.receive(host, bytes)
    },
  }
  const wire = await listenTcp(watched, { host: '127.0.0.1', port: 0 }, systemClock)
  clean.push(() => wire.stop())
  return { address: wire.address, asked }
}

const probe = (address: string, ...profiles: string[]) =>
  probePort(address, { profiles, withinMs: 4_000, clock: systemClock })

describe('asking a port which reader is there', () => {
  it('finds the one whose profile it speaks, and sends it nothing that switches a radio on', async () => {
    const driver = store.load('thingmagic-mercury')
    const { address, asked } = await plugIn(driver.id)
    expect(await probe(address, 'gexin-5a', driver.id)).toMatchObject({ reader: { profile: driver.id } })
    const commands = asked.flatMap((bytes) => driver.reader.decodeCommand(bytes)?.command ?? [])
    expect(commands.length).toBeGreaterThan(0)
    expect(commands.filter((name) => driver.commands.get(name)?.radiates)).toEqual([])
  })

  it('tells model and firmware of an LLRP reader', async () => {
    const { address } = await plugIn('llrp')
    expect(await probe(address, 'llrp')).toEqual({
      reader: { profile: 'llrp', vendor: 'maker 32473', model: 'model 1', firmware: '1.0.0 simulated' },
    })
  })

  it('says when nobody answers, when the port is out of reach, and when it cannot be one', async () => {
    const { address } = await plugIn('rdm6300')
    expect(await probePort(address, { profiles: ['gexin-5a'], withinMs: 300, clock: systemClock })).toEqual({
      reader: null,
    })
    expect(await probe('tcp://127.0.0.1:1', 'gexin-5a', 'llrp')).toEqual({
      problem: expect.stringContaining('cannot connect to 127.0.0.1:1'),
    })
    expect(await probe('127.0.0.1', 'llrp')).toEqual({ problem: expect.stringContaining('neither serial:') })
  })
})
