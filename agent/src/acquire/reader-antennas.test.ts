import type { ReceivedCommand } from '@biotrakr/firmware-profiles'
import { describe, expect, it } from 'vitest'

import { Bench, driverOf } from './reader-fixtures.ts'

const chafon288 = driverOf('chafon-uhfreader288')
const rodinbell = driverOf('rodinbell-r2000')
const gexin = driverOf('gexin-5a')

/** A bench whose reader notes which antenna each of these commands was for, and refuses as told. */
function bench(driver: typeof gexin, command: string, antennas: readonly number[]) {
  const made = new Bench(driver, { region: 'FCC', powerDbm: 25, antennas })
  const heard: unknown[] = []
  const refuse = new Map<number, () => Uint8Array>()
  made.reader.answers.set(command, (received: ReceivedCommand) => {
    const antenna = Number(received.params['antenna'])
    heard.push(antenna)
    const refusal = refuse.get(antenna)
    return refusal ? [refusal()] : driver.reader.answer(received)
  })
  return { made, heard, refuse }
}

function run(made: Bench, ms: number): void {
  made.open()
  made.advance(ms)
}

function timesOf(heard: readonly unknown[]): Record<string, number> {
  return Object.fromEntries(
    [...new Set(heard)].map((one) => [String(one), heard.filter((other) => other === one).length]),
  )
}

describe('rounds for one antenna at a time', () => {
  it.each([
    ['a 288', chafon288, 'inventory'],
    ['a Rodinbell', rodinbell, 'setAntenna'],
  ] as const)('are for the only antenna in use, whichever it is: %s', (_name, driver, command) => {
    const { made, heard } = bench(driver, command, [2])
    run(made, 5_000)
    expect([made.status.phase, timesOf(heard)]).toEqual(['running', { 2: heard.length }])
    expect(heard.length).toBeGreaterThan(10)
  })

  it.each([
    ['a 288', chafon288, 'inventory'],
    ['a Rodinbell', rodinbell, 'setAntenna'],
  ] as const)('take turns over the antennas in use: %s', (_name, driver, command) => {
    const { made, heard } = bench(driver, command, [1, 3])
    run(made, 5_000)
    expect(heard.slice(0, 6)).toEqual([1, 3, 1, 3, 1, 3])
    const { 1: first = 0, 3: third = 0 } = timesOf(heard)
    expect(Math.abs(first - third)).toBeLessThanOrEqual(1)
    expect(made.status).toMatchObject({ phase: 'running', antennaTroubles: [] })
  })

  it.each([
    ['a 288', chafon288, 'inventory', () => chafon288.reader.encodeMessage('error', { cmd: 1, status: 0xf8 })],
    ['a Rodinbell', rodinbell, 'setAntenna', () => rodinbell.reader.encodeMessage('result', { cmd: 0x74, code: 0x22 })],
  ] as const)('leave out one that is refused, say so, and try it again: %s', (_name, driver, command, refusal) => {
    const { made, heard, refuse } = bench(driver, command, [1, 3])
    refuse.set(3, refusal)
    run(made, 35_000)
    expect(made.status).toMatchObject({ phase: 'running', antennaTroubles: [{ antenna: 3 }] })
    expect(made.status.antennaTroubles[0]?.text).toMatch(/antenna/i)
    const { 1: first = 0, 3: third = 0 } = timesOf(heard)
    expect([third >= 3 && third <= 5, first > 100]).toEqual([true, true])
    refuse.clear()
    made.advance(11_000)
    expect(made.status.antennaTroubles).toEqual([])
  })

  it('of a Rodinbell are not started when the antenna could not be chosen', () => {
    const { made, refuse } = bench(rodinbell, 'setAntenna', [2])
    refuse.set(2, () => rodinbell.reader.encodeMessage('result', { cmd: 0x74, code: 0x22 }))
    run(made, 3_000)
    expect(made.reader.commands).not.toContain('inventory')
  })

  it('without a tag are no refusal', () => {
    const { made } = bench(chafon288, 'setAntennas', [1, 3])
    made.reader.answers.set('inventory', () => [chafon288.reader.encodeMessage('error', { cmd: 1, status: 0xfa })])
    run(made, 5_000)
    expect(made.status).toMatchObject({ phase: 'running', antennaTroubles: [] })
  })
})

describe('settings for one antenna at a time', () => {
  function started(antennas: readonly number[]) {
    const { made, heard, refuse } = bench(gexin, 'setPower', antennas)
    let mask: unknown
    made.reader.answers.set('start', (received) => {
      mask = received.params['antennas']
      return gexin.reader.answer(received)
    })
    return { made, heard, refuse, mask: () => mask }
  }

  it.each([[[2]], [[1, 3]]])(
    'are made for each antenna in use of a Gexin, which then starts on these: %j',
    (antennas) => {
      const { made, heard, mask } = started(antennas)
      run(made, 2_000)
      expect([made.status.phase, heard, mask()]).toEqual(['running', antennas, antennas])
    },
  )

  it('that are refused leave their antenna out, which does not transmit without them', () => {
    const { made, refuse, mask } = started([1, 3])
    refuse.set(3, () => gexin.reader.encodeMessage('result', { id: 1, code: 1 }))
    run(made, 2_000)
    expect([made.status.phase, mask()]).toEqual(['running', [1]])
    expect(made.status.antennaTroubles).toEqual([{ antenna: 3, text: 'no reason given' }])
    expect(made.last('notice')?.text).toContain('antenna 3 is not used')
  })

  it('that are refused for every antenna keep the reader from being started', () => {
    const { made, refuse } = started([1, 3])
    for (const antenna of [1, 3]) refuse.set(antenna, () => gexin.reader.encodeMessage('result', { id: 1, code: 1 }))
    run(made, 2_000)
    expect([made.last('fail')?.failure, made.reader.commands.includes('start')]).toEqual(['refused', false])
  })
})
