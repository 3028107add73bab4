import type { Driver, Fields } from '@biotrakr/firmware-profiles'
import { describe, expect, it } from 'vitest'

import { Bench, driverOf } from './reader-fixtures.ts'

const HOUR_MS = 3_600_000
const chafon18 = driverOf('chafon-uhfreader18')
const chafon288 = driverOf('chafon-uhfreader288')
const cfPrime = driverOf('chafon-cfprime')
const rodinbell = driverOf('rodinbell-r2000')

/** Opens and loses the line so many times; a reader that answers needs less than 3 s. */
function flap(bench: Bench, times: number): void {
  for (let n = 0; n < times; n++) {
    bench.open()
    bench.advance(3_000)
    expect(bench.status.phase).toBe('running')
    bench.tell('closed')
  }
}

/** A reader that keeps what is written, and says so when asked. */
function keeping(driver: Driver, { set, query, message, kept }: Keeping): Bench {
  const bench = new Bench(driver, { region: 'FCC', powerDbm: 25 })
  let state: Fields = {}
  bench.reader.answers.set(set, (received) => {
    state = kept(received.frame)
    return driver.reader.answer(received)
  })
  bench.reader.answers.set(query, () => [driver.reader.encodeMessage(message, state)])
  return bench
}

interface Keeping {
  readonly set: string
  readonly query: string
  readonly message: string
  readonly kept: (frame: Uint8Array) => Fields
}

function count(bench: Bench, name: string): number {
  return bench.reader.commands.filter((command) => command === name).length
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase()

describe('a reader that keeps its settings in memory that wears out', () => {
  it.each([
    [
      chafon18,
      {
        set: 'setRegion',
        query: 'identify',
        message: 'info',
        kept: (frame: Uint8Array) => ({ cmd: 0x21, fre: (frame[3] ?? 0) * 256 + (frame[4] ?? 0) }),
      },
    ],
    [
      rodinbell,
      {
        set: 'setRegion',
        query: 'getRegion',
        message: 'value',
        kept: (frame: Uint8Array) => ({ cmd: 0x79, value: hexOf(frame.subarray(4, 7)) }),
      },
    ],
  ] as const)('is written to once, however often the line comes and goes: $id', (driver, keeps) => {
    const bench = keeping(driver, { ...keeps })
    flap(bench, 1)
    expect(count(bench, keeps.set)).toBe(1)
    flap(bench, 10)
    expect([count(bench, keeps.set), bench.status.spared >= 10]).toEqual([1, true])
  })

  it('is not told at each end to leave a mode that it was found not to be in', () => {
    const bench = new Bench(chafon18, { region: 'ETSI', powerDbm: 26 })
    flap(bench, 1)
    bench.open()
    bench.advance(3_000)
    bench.tell('stop')
    bench.advance(3_000)
    expect([count(bench, 'answerMode'), bench.kinds.at(-1)]).toEqual([0, 'stopped'])
  })

  it('is told to leave it when it is in it', () => {
    const bench = new Bench(chafon18, { region: 'ETSI', powerDbm: 26 })
    bench.reader.answers.set('workMode', () => [
      chafon18.reader.encodeMessage('workMode', { cmd: 0x36, readMode: 'scan' }),
    ])
    bench.open()
    bench.advance(3_000)
    expect(count(bench, 'answerMode')).toBe(1)
  })

  it.each([
    ['as wanted', '000C00030001', 0],
    ['with one byte that is another', '000C00030005', 1],
  ] as const)('and has its settings %s, is written to as a whole only when they differ', (_what, more, writes) => {
    const bench = new Bench(cfPrime, { region: 'ETSI', powerDbm: 26 })
    bench.reader.answers.set('settings', () => [cfPrime.reader.encodeMessage('settings', { cmd: 0x72, more })])
    flap(bench, 1)
    expect(count(bench, 'configure')).toBe(writes)
  })

  it('and cannot be asked is not written to again within 12 hours when its serial number is the same', () => {
    const bench = new Bench(chafon288, { region: 'ETSI', powerDbm: 26 })
    flap(bench, 5)
    expect(count(bench, 'answerMode')).toBe(1)
    bench.advance(12 * HOUR_MS)
    flap(bench, 2)
    expect(count(bench, 'answerMode')).toBe(2)
    bench.reader.answers.set('serialNumber', () => [
      chafon288.reader.encodeMessage('serialNumber', { cmd: 0x4c, serial: '00000002' }),
    ])
    flap(bench, 1)
    expect(count(bench, 'answerMode')).toBe(3)
  })

  it('and can neither be asked nor told from another is written to at each opening', () => {
    const bench = new Bench(chafon288, { region: 'ETSI', powerDbm: 26 })
    bench.reader.answers.set('serialNumber', () => [])
    for (let n = 0; n < 3; n++) {
      bench.open()
      bench.advance(6_000)
      bench.tell('closed')
    }
    expect(count(bench, 'answerMode')).toBe(3)
  })
})
