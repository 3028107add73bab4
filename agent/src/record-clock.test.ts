import type { Clock, ClockAnchor, Fix, TagId } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createRecordClock, steadyClock } from './record-clock.ts'

const YEAR_MS = 365.25 * 86_400_000
const BOOT_ID = '00000000000000b1'
const TRUE_START_MS = Date.UTC(2026, 5, 1)

/** A box whose clock can be set to anything, and a centre that knows the time. */
function box({ wrongMs = 0, isSynced = false } = {}) {
  let passedMs = 0
  let offMs = wrongMs
  let synced = isSynced
  const base: Clock = {
    wallMs: () => TRUE_START_MS + passedMs + offMs,
    monoMs: () => passedMs + 0.25,
    after: () => ({ cancel: () => undefined }),
    every: () => ({ cancel: () => undefined }),
  }
  const clock = steadyClock(base)
  const records = createRecordClock({
    clock,
    machineMs: base.wallMs,
    bootMs: () => passedMs + 30_000,
    bootId: BOOT_ID,
    isMachineSynced: () => synced,
  })
  return {
    records,
    trueMs: () => TRUE_START_MS + passedMs,
    pass: (ms: number) => {
      passedMs += ms
    },
    setWrong: (ms: number) => {
      offMs = ms
    },
    setSynced: (value: boolean) => {
      synced = value
    },
    hearCentre: (delayMs = 20) => {
      const serverMs = TRUE_START_MS + passedMs - delayMs / 2
      records.heard({ serverMs, askedMs: passedMs + 0.25 - delayMs, heardMs: passedMs + 0.25 })
    },
    fix: () => records.stamp({ kind: 'fix', tag: 'ble:c30000123456' as TagId, atMs: clock.wallMs() } as Fix),
  }
}

const isUnsynced = (anchor: ClockAnchor | undefined) => anchor?.unsynced ?? false

describe('the time that records carry', () => {
  it('is that of the machine, once a time server has set it', () => {
    const { records, fix, trueMs } = box({ isSynced: true })
    expect(records.beat('1')).toEqual({
      kind: 'anchor',
      bootId: BOOT_ID,
      monoMs: 30_000,
      atMs: trueMs(),
      errorMs: 0,
    })
    expect(fix().atMs).toBe(trueMs())
    expect(records.status()).toEqual({ state: 'synced', source: 'machine', aheadMs: undefined, isWrong: false })
  })

  it('only counts up while nobody has confirmed it, even when the clock steps', () => {
    const { records, fix, pass, setWrong } = box({ wrongMs: -TRUE_START_MS })
    expect(isUnsynced(records.beat('1'))).toBe(true)
    const before = fix().atMs
    pass(5_000)
    setWrong(YEAR_MS)
    expect(records.beat('1')).toBeUndefined()
    expect(fix().atMs).toBe(before + 5_000)
  })

  it('becomes right when the machine is set, with an anchor that says so', () => {
    const { records, fix, pass, setWrong, setSynced, trueMs } = box({ wrongMs: -TRUE_START_MS })
    records.beat('1')
    pass(5_000)
    setWrong(0)
    setSynced(true)
    expect(records.beat('1')).toMatchObject({ monoMs: 35_000, atMs: trueMs() })
    expect(fix().atMs).toBe(trueMs())
    expect(records.beat('1')).toBeUndefined()
  })

  it('is that of the centre when the machine is far off, whatever the machine says of itself', () => {
    const { records, fix, pass, hearCentre, trueMs } = box({ wrongMs: 70 * YEAR_MS, isSynced: true })
    records.beat('1')
    pass(1_000)
    hearCentre()
    expect(isUnsynced(records.beat('1'))).toBe(false)
    expect(Math.abs(fix().atMs - trueMs())).toBeLessThanOrEqual(1)
    expect(records.status()).toMatchObject({ state: 'synced', source: 'centre', isWrong: true })
    expect(Math.abs((records.status().aheadMs ?? 0) - 70 * YEAR_MS)).toBeLessThan(2)
  })

  it("is the machine's own again when that is near the centre's, since the network delays what the centre says", () => {
    const { records, fix, pass, hearCentre, trueMs } = box({ wrongMs: 1_500 })
    records.beat('1')
    pass(1_000)
    hearCentre(900)
    records.beat('1')
    expect(fix().atMs).toBe(trueMs() + 1_500)
    expect(records.status()).toMatchObject({ source: 'machine', isWrong: false })
  })

  it('begins every epoch with an anchor, and repeats it once an hour', () => {
    const { records, pass } = box({ isSynced: true })
    expect(records.beat('1')).toBeDefined()
    expect(records.beat('1')).toBeUndefined()
    expect(records.beat('2')).toBeDefined()
    pass(3_600_000)
    expect(records.beat('2')).toBeDefined()
  })

  it('stays right through any steps of the clock from -56 to +70 years, once the centre was heard', () => {
    const step = fc.record({
      years: fc.double({ min: -56, max: 70, noNaN: true }),
      passMs: fc.integer({ min: 0, max: 7_200_000 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const { records, fix, pass, setWrong, hearCentre, trueMs } = box({ wrongMs: -TRUE_START_MS })
        records.beat('1')
        hearCentre()
        for (const { years, passMs } of steps) {
          setWrong(Math.round(years * YEAR_MS))
          records.beat('1')
          expect(Math.abs(fix().atMs - trueMs())).toBeLessThanOrEqual(60_000 + 1_000)
          pass(passMs)
        }
      }),
    )
  })

  it('lets every record be placed by an anchor of its boot: differences of time are those of the time since boot', () => {
    const { records, fix, pass, hearCentre, trueMs } = box({ wrongMs: -TRUE_START_MS })
    const opening = records.beat('1')
    const made: { readonly atMs: number; readonly trueMs: number }[] = []
    for (let i = 0; i < 10; i++) {
      pass(1_234)
      made.push({ atMs: fix().atMs, trueMs: trueMs() })
    }
    hearCentre()
    const set = records.beat('1')
    for (const { atMs, trueMs: really } of made) {
      const monoMs = (opening?.monoMs ?? 0) + atMs - (opening?.atMs ?? 0)
      expect(Math.abs((set?.atMs ?? 0) + monoMs - (set?.monoMs ?? 0) - really)).toBeLessThanOrEqual(1)
    }
  })
})
