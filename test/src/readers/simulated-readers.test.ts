import { openProfiles } from '@biotrakr/agent'
import type { Decoded, Driver, Params, TagReport } from '@biotrakr/firmware-profiles'
import { createReader, type ReaderOptions, type SimulatedReader } from '@biotrakr/sim'
import { describe, expect, it } from 'vitest'

import { seeded } from '../../fuzz/chance.ts'
import { randomTag } from '../../fuzz/frames.ts'

const store = openProfiles()
const drivers = store.ids.filter((id) => !store.isBuiltIn(id)).map((id) => store.load(id))

interface Bench {
  readonly driver: Driver
  readonly reader: SimulatedReader
  readonly tags: readonly TagReport[]
  /** Sends bytes and lets 50 ms pass. */
  send(bytes: Uint8Array): Decoded[]
  command(name: string): Decoded[]
  wait(ms: number): Decoded[]
}

function bench(driver: Driver, changes: Partial<ReaderOptions> = {}): Bench {
  const random = seeded(5)
  const tags = [randomTag(driver, random), randomTag(driver, random)]
  const reader = createReader(driver, { tags: () => tags, readsPerSecond: 50, noise: 0, random, ...changes })
  let nowMs = 0
  const read = (frames: readonly Uint8Array[]) => frames.map((frame) => driver.decode(frame))
  const wait = (ms: number) => {
    nowMs += ms
    return read(reader.advance(nowMs))
  }
  const send = (bytes: Uint8Array) => [...read(reader.receive(bytes, nowMs)), ...wait(50)]
  wait(0)
  return { driver, reader, tags, send, wait, command: (name) => send(driver.encode(name, settings(driver))) }
}

function settings({ limits }: Driver): Params {
  const [region = 'ETSI'] = limits.regions.keys()
  return { region, powerDbm: limits.powerDbm?.min ?? 20, antennas: [1] }
}

function tagsOf(decoded: readonly Decoded[]): Set<string> {
  return new Set(decoded.flatMap(({ tags }) => tags.map(({ epc }) => epc)))
}

/** A whole frame of a host that is no command, and what the protocol's document has a reader say to it. */
const UNKNOWN: [string, string, string[]][] = [
  ['thingmagic-mercury', 'ff00551d5a', ['ff005501018f91']],
  ['magicrf-r200', 'bb00990000997e', ['bb01ff000117187e']],
  ['rodinbell-r2000', 'a003ff5509', ['a004015541c5']],
  ['nxp-pn532', '0000ff02fed47eae00', ['0000ff00ff00', '0000ff01ff7f8100']],
]

describe('a simulated reader', () => {
  it.each(drivers)(
    'of $id answers each command of its start with success, and reports the tags in the field',
    (driver) => {
      const { command, wait, tags } = bench(driver)
      const { identify, open, start, poll } = driver.lifecycle
      const heard: Decoded[] = []
      for (const name of [...identify, ...open, ...start]) {
        const said = command(name)
        heard.push(...said)
        if (driver.commands.get(name)?.answered) expect(said.map((one) => driver.matches(name, one))).toContain('ok')
      }
      for (let round = 0; round < 20; round++) heard.push(...poll.flatMap(command), ...wait(50))
      expect(heard.filter(({ verdict }) => verdict === 'garbage')).toEqual([])
      expect(tagsOf(heard)).toEqual(new Set(tags.map(({ epc }) => epc)))
    },
  )

  it.each(drivers.filter(({ lifecycle }) => lifecycle.close.length > 0))('of $id is silent after a stop', (driver) => {
    const { command, wait, reader } = bench(driver)
    const { start, poll, close } = driver.lifecycle
    for (const name of [...start, ...poll, ...close]) command(name)
    wait(1_000)
    expect(reader.radiating).toBe(false)
    expect(wait(2_000)).toEqual([])
  })

  it.each(UNKNOWN)('of %s says in its own way that it does not know a command', (id, hex, told) => {
    const said = bench(store.load(id)).send(Buffer.from(hex, 'hex'))
    expect(said.map(({ frame }) => Buffer.from(frame).toString('hex'))).toEqual(told)
  })

  it.each(drivers)('of $id is found through its own noise', (driver) => {
    const { reader } = bench(driver, { noise: 0.2, readsPerSecond: 500 })
    const found: Decoded[] = []
    const framer = driver.createFramer((decoded) => found.push(decoded))
    const { open, start, poll } = driver.lifecycle
    for (let nowMs = 0; nowMs < 2_000; nowMs += 50) {
      const names = nowMs === 0 ? [...open, ...start, ...poll] : poll
      for (const name of names) {
        for (const piece of reader.receive(driver.encode(name, settings(driver)), nowMs)) framer.push(piece, 0)
      }
      for (const piece of reader.advance(nowMs + 45)) framer.push(piece, 0)
    }
    framer.flush()
    expect(found.some(({ verdict }) => verdict === 'garbage')).toBe(true)
    expect(tagsOf(found).size).toBeGreaterThanOrEqual(1)
  })
})
