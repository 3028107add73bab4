import { describe, expect, it } from 'vitest'

import type { Clock } from './clock.ts'
import { createPulseWatch, type Pulse } from './pulse.ts'

/** Timers fire when the time is advanced; `block` lets time pass without any, as a busy loop does. */
function handClock() {
  let nowMs = 0
  let task = () => {}
  let dueMs = 0
  let everyMs = 0
  const clock: Clock = {
    wallMs: () => nowMs,
    monoMs: () => nowMs,
    after: () => ({ cancel() {} }),
    every(periodMs, work) {
      everyMs = periodMs
      dueMs = nowMs + periodMs
      task = work
      return { cancel: () => (task = () => {}) }
    },
  }
  return {
    clock,
    advance(ms: number) {
      const endMs = nowMs + ms
      while (dueMs <= endMs) {
        nowMs = Math.max(nowMs, dueMs)
        dueMs += everyMs
        task()
      }
      nowMs = endMs
    },
    block(ms: number) {
      nowMs += ms
      dueMs = nowMs
    },
  }
}

function rig(pulse: Partial<Pulse> = {}) {
  const time = handClock()
  const said: number[] = []
  const troubles: string[][] = []
  let count = 0
  const watch = createPulseWatch({
    clock: time.clock,
    everyMs: 5_000,
    pulses: [{ name: 'work', mark: () => count, limitMs: 10_000, ...pulse }],
    alive: () => said.push(time.clock.monoMs()),
    onStuck: (names) => troubles.push([...names]),
  })
  watch.start()
  return { ...time, said, troubles, watch, work: () => (count += 1) }
}

describe('pulse watch', () => {
  it('says alive at its interval while the work moves', () => {
    const { advance, work, said } = rig()
    for (let second = 0; second < 20; second++) {
      work()
      advance(1_000)
    }
    expect(said).toEqual([1_000, 6_000, 11_000, 16_000])
  })

  it('falls silent when the work stands still for longer than its limit, and speaks again when it moves', () => {
    const { advance, work, said, troubles, watch } = rig()
    advance(60_000)
    expect(said.at(-1)).toBe(11_000)
    expect(watch.stuck()).toEqual(['work'])
    work()
    advance(1_000)
    expect(said.at(-1)).toBe(61_000)
    expect(troubles).toEqual([['work'], []])
  })

  it('does not hold it against work that it has nothing to do', () => {
    const { advance, said } = rig({ isExcused: () => true })
    advance(60_000)
    expect(said.at(-1)).toBe(56_000)
  })

  it('says nothing at the end of a blocked loop, and goes on once the loop is on time', () => {
    const { advance, block, work, said } = rig({ isExcused: () => true })
    advance(2_000)
    block(30_000)
    work()
    advance(0)
    expect(said).toEqual([1_000])
    advance(1_000)
    expect(said).toEqual([1_000, 33_000])
  })

  it('says nothing more once stopped', () => {
    const { advance, said, watch } = rig()
    watch.stop()
    advance(60_000)
    expect(said).toEqual([])
  })
})
