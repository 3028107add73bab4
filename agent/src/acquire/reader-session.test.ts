import { describe, expect, it } from 'vitest'

import { allDrivers, Bench, driverOf, TAG } from './reader-fixtures.ts'
import { needsRegion } from './reader-plan.ts'

const mercury = driverOf('thingmagic-mercury')
const r200 = driverOf('magicrf-r200')

function running(driver = mercury, options = {}) {
  const bench = new Bench(driver, { region: 'ETSI', powerDbm: 20, ...options })
  bench.open()
  bench.advance(2_000, () => bench.hear(bench.reader.tags()))
  return bench
}

/** A Mercury error reply to a command that asks for it, or on its own. */
function mercuryError(status: number, opcode = 0x22): Uint8Array {
  return mercury.reader.encodeMessage('error', { opcode, status, data: '' })
}

describe('the way to a running inventory', () => {
  it('stops, identifies, boots, sets everything up and starts a Mercury reader, and then reports its tags', () => {
    const bench = running()
    expect(bench.reader.commands).toEqual([...mercury.lifecycle.identify, ...mercury.lifecycle.open, 'start'])
    expect(bench.kinds.filter((kind) => kind !== 'tags')).toEqual(['identified', 'running'])
    expect(bench.last('tags')?.tags[0]).toMatchObject({ epc: TAG.epc, rssiDbm: -56, antenna: 1 })
    expect(bench.status).toMatchObject({ phase: 'running', restarts: 0, complaints: 0, withheld: 0 })
  })

  it('issues the rounds of an R200 again and again', () => {
    const bench = running(r200)
    bench.advance(1_900_000, () => bench.hear(bench.reader.tags()))
    const rounds = bench.reader.commands.filter((name) => name === 'multiPoll').length
    expect([rounds >= 4, bench.status.phase]).toEqual([true, 'running'])
    expect(bench.kinds.filter((kind) => kind === 'running')).toHaveLength(1)
  })

  it('sets no power when the site names none, so that the reader keeps its own', () => {
    const bench = running(mercury, { powerDbm: undefined })
    expect([bench.reader.commands.includes('setReadPower'), bench.status.phase]).toEqual([false, 'running'])
  })

  it('finds the rate that the reader speaks, and begins with it the next time', () => {
    const bench = new Bench(mercury, { region: 'ETSI', bauds: mercury.serial.baud })
    bench.readerBaud = 921_600
    bench.open()
    bench.advance(30_000, () => bench.reader.isRunning && bench.hear(bench.reader.tags()))
    expect([bench.status.phase, bench.session.line.baud]).toEqual(['running', 921_600])
    bench.tell('closed')
    bench.open()
    bench.advance(2_000)
    expect([bench.status.phase, bench.kinds.filter((kind) => kind === 'baud').length]).toEqual(['running', 2])
  })

  it('stops a reader that was left running before it asks again', () => {
    const bench = running()
    bench.tell('closed')
    expect(bench.reader.isRunning).toBe(true)
    bench.open()
    bench.advance(3_000, () => bench.reader.isRunning && bench.hear(bench.reader.tags()))
    expect(bench.reader.commands.slice(-9)).toContain('stop')
    expect(bench.status.phase).toBe('running')
  })
})

describe('a region', () => {
  const withRegions = allDrivers().filter(needsRegion)

  it('is needed by the profiles of all readers that transmit on UHF', () => {
    expect(withRegions.map(({ id }) => id)).toEqual(expect.arrayContaining(['thingmagic-mercury', 'magicrf-r200']))
  })

  it.each(withRegions.map((driver) => [driver.id, driver] as const))(
    'not given, %s gets nothing but questions and stops, whatever the reader does',
    (_id, driver) => {
      const bench = new Bench(driver)
      bench.open()
      bench.advance(120_000, () => bench.hear(bench.reader.tags()))
      for (const name of driver.commands.keys()) bench.reader.answers.set(name, () => [])
      bench.advance(120_000)
      bench.open()
      bench.advance(60_000)
      bench.tell('stop')
      bench.advance(10_000)
      const stops = driver.lifecycle.close.filter((name) => driver.commands.get(name)?.effect === 'stop')
      const allowed = new Set([...driver.lifecycle.identify, ...stops])
      expect(bench.reader.commands.length).toBeGreaterThan(0)
      expect(bench.reader.commands.filter((name) => !allowed.has(name))).toEqual([])
      expect(bench.reader.commands.filter((name) => driver.commands.get(name)?.radiates)).toEqual([])
      expect([bench.kinds.includes('running'), bench.kinds.includes('tags')]).toEqual([false, false])
    },
  )

  const inTable = withRegions.filter(({ limits }) => limits.regions.size > 0)
  it.each(inTable.map((driver) => [driver.id, driver] as const))(
    'given, it is set in %s before anything is sent that switches the radio on',
    (_id, driver) => {
      // Not the one that a simulated reader has already.
      const region = [...driver.limits.regions.keys()].at(-1)
      const min = driver.limits.powerDbm?.min
      const bench = new Bench(driver, { region, ...(min !== undefined && { powerDbm: min }) })
      bench.open()
      bench.advance(5_000)
      const { commands } = bench.reader
      const sets = commands.findIndex((name) => driver.commands.get(name)?.needs.includes('region'))
      const starts = commands.findIndex((name) => driver.commands.get(name)?.radiates)
      expect(starts).toBeGreaterThan(sets)
      expect(sets).toBeGreaterThanOrEqual(0)
    },
  )

  it('not given, a reader that transmits by itself is told to stop, and its tags are not taken', () => {
    const bench = new Bench(mercury)
    bench.open()
    bench.advance(25_000, () => bench.hear(bench.reader.tags()))
    expect([bench.status.phase, bench.kinds.includes('tags')]).toEqual(['held', false])
    expect(bench.reader.commands.filter((name) => name === 'stop').length).toBeGreaterThanOrEqual(3)
  })
})

describe('a reader that does not do as it should', () => {
  it('that says nothing at any rate ends the session as silent', () => {
    const bench = new Bench(mercury, { region: 'ETSI', bauds: mercury.serial.baud })
    bench.isDead = true
    bench.open()
    bench.advance(60_000)
    expect(bench.last('fail')).toMatchObject({ failure: 'silent' })
    expect(bench.session.wakeAtMs).toBeUndefined()
  })

  it('of which only noise comes ends the session as noise', () => {
    const bench = new Bench(mercury, { region: 'ETSI' })
    bench.isDead = true
    bench.open()
    bench.advance(60_000, () => bench.hear(Uint8Array.of(0x00, 0xfe, 0xff, 0x80, 0x00)))
    expect(bench.last('fail')).toMatchObject({ failure: 'noise' })
    expect(bench.status.framer.frames).toBe(0)
  })

  it('that refuses its region is not started', () => {
    const bench = new Bench(mercury, { region: 'ETSI' })
    bench.reader.answers.set('setRegion', () => [mercuryError(0x010b, 0x97)])
    bench.open()
    bench.advance(5_000)
    expect(bench.last('fail')?.failure).toBe('refused')
    expect(bench.last('fail')?.why).toMatch(/refused setRegion: ./)
    expect(bench.reader.commands).not.toContain('start')
  })

  it('that falls silent while running ends the session, and is told to stop all the same', () => {
    const bench = running()
    bench.isDead = true
    bench.advance(6_000)
    expect(bench.last('fail')).toMatchObject({ failure: 'silent', why: 'nothing came from the reader for 5 s' })
    expect(bench.reader.commands.at(-1)).toBe('stop')
  })

  it('that starts anew by itself is set up from the beginning', () => {
    const bench = running()
    const before = bench.reader.commands.length
    bench.hear(mercury.reader.encodeMessage('boot', { opcode: 4 }))
    bench.advance(2_000, () => bench.hear(bench.reader.tags()))
    expect(bench.reader.commands.slice(before)).toEqual([...mercury.lifecycle.identify, ...mercury.lifecycle.onBoot])
    expect(bench.status).toMatchObject({ phase: 'running', restarts: 1 })
  })

  it('that keeps starting anew ends the session', () => {
    const bench = running()
    for (let n = 0; n < 6; n++) {
      bench.hear(mercury.reader.encodeMessage('boot', { opcode: 4 }))
      bench.advance(1_500, () => bench.hear(bench.reader.tags()))
    }
    expect(bench.last('fail')?.failure).toBe('restarts')
  })

  it('that is too hot is reported once, with what to do, until it has been well for a minute', () => {
    const bench = running()
    for (let n = 0; n < 3; n++) bench.hear(mercuryError(0x0504))
    expect(bench.kinds.filter((kind) => kind === 'alarm')).toHaveLength(1)
    expect(bench.status.alarm).toMatchObject({ count: 3 })
    bench.advance(61_000, () => bench.hear(bench.reader.tags()))
    expect([bench.status.alarm, bench.status.complaints]).toEqual([undefined, 3])
  })

  it('that answers only the second time is asked a second time', () => {
    const bench = new Bench(mercury, { region: 'ETSI' })
    let asked = 0
    bench.reader.answers.set('setProtocol', (received) => (asked++ === 0 ? [] : mercury.reader.answer(received)))
    bench.open()
    bench.advance(4_000, () => bench.reader.isRunning && bench.hear(bench.reader.tags()))
    expect([bench.status.phase, asked]).toEqual(['running', 2])
  })
})

describe('the way out', () => {
  it('stops the radio before it says so', () => {
    const bench = running()
    bench.tell('stop')
    bench.advance(100)
    expect([bench.reader.isRunning, bench.reader.commands.at(-1), bench.kinds.at(-1)]).toEqual([
      false,
      'stop',
      'stopped',
    ])
  })

  it('does not wait longer than its deadline for a reader that answers nothing', () => {
    const bench = running()
    bench.isDead = true
    bench.tell('stop')
    bench.advance(3_100)
    expect([bench.kinds.at(-1), bench.session.wakeAtMs]).toEqual(['stopped', undefined])
  })

  it('is short when nothing was begun', () => {
    const bench = new Bench(mercury, { region: 'ETSI' })
    bench.open()
    bench.tell('stop')
    expect(bench.kinds).toEqual(['stopped'])
  })
})
