import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { closedWindow, mayRelease, step, type WindowAction, type WindowEvent, type WindowState } from './window.ts'

const EPOCH = '1-00000000000000aa'
const SIZE = 4

/** A window with a clock that is moved by hand and a chance that never jitters. */
function bench(held = [{ epoch: EPOCH, first: 1, last: 400, acked: 0 }]) {
  const bench = {
    state: closedWindow() as WindowState,
    nowMs: 1_000,
    apply(event: WindowEvent): readonly WindowAction[] {
      const { state, actions } = step(bench.state, event, { nowMs: bench.nowMs, random: () => 0 })
      bench.state = state
      return actions
    },
    send(first: number, last: number, epoch = EPOCH) {
      bench.apply({ type: 'sent', epoch, first, last })
      bench.apply({ type: 'taken', epoch, last })
    },
    ack: (hw: number, epoch = EPOCH) => bench.apply({ type: 'ack', epoch, hw }),
    nack: (need: number, epoch = EPOCH) => bench.apply({ type: 'nack', epoch, need }),
    runs: () => bench.state.flights.map(({ first, last }) => [first, last]),
  }
  bench.apply({ type: 'welcome', held, told: held.map(({ epoch, acked }) => ({ epoch, hw: acked })) })
  return bench
}

describe('the sending window', () => {
  it('sends nothing before a welcome and nothing after the connection is lost', () => {
    expect(mayRelease(closedWindow(), SIZE)).toBe(false)
    const w = bench()
    expect(mayRelease(w.state, SIZE)).toBe(true)
    w.apply({ type: 'closed' })
    expect(mayRelease(w.state, SIZE)).toBe(false)
  })

  it('is full with as many batches in flight as its size', () => {
    const w = bench()
    for (let i = 0; i < SIZE; i++) w.send(i * 10 + 1, i * 10 + 10)
    expect(mayRelease(w.state, SIZE)).toBe(false)
    w.ack(10)
    expect(mayRelease(w.state, SIZE)).toBe(true)
  })

  it('acknowledges cumulatively: one ack stands for all batches up to it', () => {
    const w = bench()
    w.send(1, 10)
    w.send(11, 20)
    w.send(21, 30)
    expect(w.ack(20)).toContainEqual({ do: 'acknowledge', epoch: EPOCH, hw: 20 })
    expect(w.runs()).toEqual([[21, 30]])
  })

  it('ignores an ack that says nothing new, and one of an epoch that is not held', () => {
    const w = bench()
    w.send(1, 10)
    w.ack(10)
    expect(w.ack(10)).toEqual([{ do: 'ignored', why: 'already committed' }])
    expect(w.ack(10, '9-00000000000000ff')).toEqual([{ do: 'ignored', why: 'unknown epoch' }])
  })

  it('never acknowledges what was neither held nor sent, and says that the centre is ahead', () => {
    const w = bench([{ epoch: EPOCH, first: 1, last: 10, acked: 0 }])
    w.send(1, 10)
    expect(w.ack(500)).toEqual([
      { do: 'ahead', epoch: EPOCH, hw: 500, last: 10 },
      { do: 'acknowledge', epoch: EPOCH, hw: 10 },
      { do: 'measured', ackMs: 0 },
    ])
  })

  it('goes back to the record that a nack needs', () => {
    const w = bench()
    w.send(1, 10)
    w.send(11, 20)
    w.send(21, 30)
    expect(w.nack(11)).toEqual([{ do: 'recalled', why: 'nack', batches: 2 }])
    expect(w.state.cursor).toEqual({ epoch: EPOCH, seq: 10 })
    expect(w.runs()).toEqual([[1, 10]])
  })

  it('goes back at most once in 200 ms, or in the smoothed ack time when that is longer', () => {
    const w = bench()
    w.send(1, 10)
    w.nowMs += 500
    w.ack(10)
    expect(w.state.smoothedMs).toBe(500)
    w.send(11, 20)
    w.nack(11)
    w.send(11, 20)
    w.nowMs += 499
    expect(w.nack(11)).toEqual([{ do: 'ignored', why: 'too soon' }])
  })

  it('goes back ever more slowly, one batch at a time, when the centre refuses the same again and again', () => {
    const w = bench()
    let backs = 0
    for (let ms = 0; ms < 60_000; ms += 10) {
      w.nowMs += 10
      while (mayRelease(w.state, SIZE)) w.send(1, 10)
      if (w.nack(1).some((action) => action.do === 'recalled')) backs += 1
    }
    expect(backs).toBeLessThan(10)
    expect(w.state.flights).toHaveLength(1)
    w.ack(10)
    expect(mayRelease(w.state, SIZE)).toBe(true)
  })

  it('ignores a nack that needs what is already committed, and asks the centre when nothing follows', () => {
    const w = bench()
    w.send(1, 10)
    w.ack(10)
    w.send(11, 20)
    expect(w.nack(5)).toEqual([{ do: 'ignored', why: 'already committed' }])
    expect(w.runs()).toEqual([[11, 20]])
    w.nowMs += 2_000
    expect(w.apply({ type: 'timer' })).toEqual([{ do: 'greet' }])
    expect(w.state.open).toBe(false)
  })

  it('sends one batch alone after 2 s without an ack, then after 4 s, 8 s and so on up to 60 s', () => {
    const w = bench()
    const waits: number[] = []
    w.send(1, 10)
    w.send(11, 20)
    for (let i = 0; i < 8; i++) {
      waits.push((w.state.resendAtMs ?? 0) - w.nowMs)
      w.nowMs = w.state.resendAtMs ?? 0
      expect(w.apply({ type: 'timer' })).toMatchObject([{ do: 'recalled', why: 'timeout' }])
      expect(w.state.cursor).toBeUndefined()
      w.send(1, 10)
      expect(mayRelease(w.state, SIZE)).toBe(false)
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    w.ack(10)
    expect(w.state.timeouts).toBe(0)
    expect(mayRelease(w.state, SIZE)).toBe(true)
  })

  it('waits four smoothed ack times when the centre is slow', () => {
    const w = bench()
    w.send(1, 10)
    w.nowMs += 3_000
    w.ack(10)
    w.send(11, 20)
    expect(w.state.resendAtMs).toBe(w.nowMs + 12_000)
  })

  it('does not send again what the broker has not even taken yet', () => {
    const w = bench()
    w.apply({ type: 'sent', epoch: EPOCH, first: 1, last: 10 })
    w.nowMs += 100_000
    expect(w.apply({ type: 'timer' })).toEqual([])
    expect(w.runs()).toEqual([[1, 10]])
    w.apply({ type: 'taken', epoch: EPOCH, last: 10 })
    expect(w.state.resendAtMs).toBe(w.nowMs + 2_000)
  })

  it('measures from the first time a record was sent, but steers only by batches sent once', () => {
    const w = bench()
    w.send(1, 10)
    w.nowMs += 2_000
    w.apply({ type: 'timer' })
    w.send(1, 5)
    w.nowMs += 50
    expect(w.ack(5)).toContainEqual({ do: 'measured', ackMs: 2_050 })
    w.send(6, 10)
    w.send(11, 20)
    w.nowMs += 50
    expect(w.ack(10)).toContainEqual({ do: 'measured', ackMs: 2_100 })
    expect(w.state.smoothedMs).toBeUndefined()
    expect(w.ack(20)).toContainEqual({ do: 'measured', ackMs: 50 })
    expect(w.state.smoothedMs).toBe(50)
  })

  it('learns from a welcome: more is acknowledged, less is rewound, a restored image is noticed', () => {
    const w = bench()
    const held = [
      { epoch: 'a', first: 1, last: 100, acked: 10 },
      { epoch: 'b', first: 1, last: 100, acked: 80 },
      { epoch: 'c', first: 1, last: 100, acked: 0 },
      { epoch: 'd', first: 1, last: 100, acked: 7 },
    ]
    const told = [
      { epoch: 'a', hw: 60 },
      { epoch: 'b', hw: 20 },
      { epoch: 'c', hw: 300 },
      { epoch: 'd', hw: 7 },
    ]
    expect(w.apply({ type: 'welcome', held, told })).toEqual([
      { do: 'acknowledge', epoch: 'a', hw: 60 },
      { do: 'rewind', epoch: 'b', hw: 20, acked: 80 },
      { do: 'ahead', epoch: 'c', hw: 300, last: 100 },
      { do: 'acknowledge', epoch: 'c', hw: 100 },
    ])
  })

  it('heeds an ack for what an earlier connection sent', () => {
    const w = bench()
    w.send(1, 10)
    w.apply({ type: 'closed' })
    expect(w.ack(10)).toEqual([{ do: 'acknowledge', epoch: EPOCH, hw: 10 }])
  })
})

/** What may happen to one message, or to the whole, drawn by fast-check. */
const fate = fc.record({
  delayMs: fc.integer({ min: 1, max: 3_000 }),
  isLost: fc.boolean(),
  copies: fc.integer({ min: 1, max: 2 }),
})
const disturbance = fc.record({
  atMs: fc.integer({ min: 0, max: 60_000 }),
  kind: fc.constantFrom('reconnect', 'database restored', 'new records'),
})

interface Scheduled {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** An outbox, a network that obeys `fates`, and an ingester with nothing but a watermark per epoch. */
function world(epochs: readonly number[], fates: readonly { delayMs: number; isLost: boolean; copies: number }[]) {
  const names = epochs.map((_, i) => `${i + 1}-00000000000000aa`)
  const last = new Map(names.map((name, i) => [name, epochs[i] ?? 0]))
  const acked = new Map(names.map((name) => [name, 0]))
  const hw = new Map(names.map((name) => [name, 0]))
  const everCommitted = new Map(hw)
  const queue: Scheduled[] = []
  let order = 0
  let drawn = 0
  let nowMs = 0
  let connection = 0
  let state = closedWindow()
  let greetings = 0

  const at = (atMs: number, run: () => void) => {
    queue.push({ atMs, order: order++, run })
    queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
  }
  /** Bad luck ends some day, else nothing could be promised. */
  const carry = (run: () => void) => {
    const { delayMs, isLost, copies } = fates[drawn++] ?? { delayMs: 5, isLost: false, copies: 1 }
    if (!isLost) for (let i = 0; i < copies; i++) at(nowMs + delayMs * (i + 1), run)
  }
  const apply = (event: WindowEvent) => {
    const next = step(state, event, { nowMs, random: () => 0.5 })
    state = next.state
    for (const action of next.actions) {
      if (action.do === 'acknowledge') {
        expect(action.hw).toBeLessThanOrEqual(everCommitted.get(action.epoch) ?? 0)
        acked.set(action.epoch, Math.max(acked.get(action.epoch) ?? 0, action.hw))
      } else if (action.do === 'rewind') {
        acked.set(action.epoch, action.hw)
      } else if (action.do === 'greet') {
        greet()
      }
    }
    pump()
  }
  const ingest = (epoch: string, first: number, upTo: number) => {
    const mark = hw.get(epoch) ?? 0
    if (first > mark + 1) {
      carry(() => apply({ type: 'nack', epoch, need: mark + 1 }))
      return
    }
    hw.set(epoch, Math.max(mark, upTo))
    everCommitted.set(epoch, Math.max(everCommitted.get(epoch) ?? 0, upTo))
    const told = hw.get(epoch) ?? 0
    carry(() => apply({ type: 'ack', epoch, hw: told }))
  }
  const mark = (marks: ReadonlyMap<string, number>, epoch: string) => marks.get(epoch) ?? 0
  const peek = () => {
    const { cursor } = state
    const from = names.findIndex((name) => (cursor ? cursor.epoch === name : mark(acked, name) < mark(last, name)))
    for (const epoch of from < 0 ? [] : names.slice(from)) {
      const seq = epoch === cursor?.epoch ? cursor.seq : mark(acked, epoch)
      if (seq < mark(last, epoch)) return { epoch, first: seq + 1, last: Math.min(mark(last, epoch), seq + 7) }
    }
    return undefined
  }
  const pump = () => {
    while (mayRelease(state, SIZE)) {
      const run = peek()
      if (run === undefined) break
      const { state: next } = step(state, { type: 'sent', ...run }, { nowMs, random: () => 0.5 })
      state = next
      expect(state.flights.length).toBeLessThanOrEqual(SIZE)
      const sentOn = connection
      at(nowMs + 1, () => {
        if (sentOn === connection) apply({ type: 'taken', epoch: run.epoch, last: run.last })
      })
      carry(() => ingest(run.epoch, run.first, run.last))
    }
    if (state.resendAtMs !== undefined) at(state.resendAtMs, () => apply({ type: 'timer' }))
  }
  const greet = () => {
    greetings += 1
    const sentOn = connection
    const held = names.map((epoch) => ({ epoch, first: 1, last: last.get(epoch) ?? 0, acked: acked.get(epoch) ?? 0 }))
    at(nowMs + 20, () => {
      if (sentOn === connection)
        apply({ type: 'welcome', held, told: names.map((epoch) => ({ epoch, hw: hw.get(epoch) ?? 0 })) })
    })
  }
  return {
    disturb(atMs: number, kind: string) {
      at(atMs, () => {
        const name = names.at(-1) ?? ''
        if (kind === 'new records') {
          last.set(name, (last.get(name) ?? 0) + 15)
          pump()
        } else {
          if (kind === 'database restored') for (const [epoch, mark] of hw) hw.set(epoch, Math.floor(mark / 2))
          connection += 1
          apply({ type: 'closed' })
          greet()
        }
      })
    },
    run() {
      greet()
      for (let i = 0; i < 20_000 && queue.length > 0; i++) {
        const next = queue.shift()
        nowMs = Math.max(nowMs, next?.atMs ?? nowMs)
        next?.run()
      }
      return { acked, last, hw, flights: state.flights.length, left: queue.length, greetings }
    },
  }
}

describe('the sending window against a model of the centre', () => {
  it('gets everything committed and acknowledged, whatever the network loses, repeats and delays', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 3 }),
        fc.array(fate, { maxLength: 150 }),
        fc.array(disturbance, { maxLength: 4 }),
        (epochs, fates, disturbances) => {
          const model = world(epochs, fates)
          for (const { atMs, kind } of disturbances) model.disturb(atMs, kind)
          const end = model.run()
          expect(end.left).toBe(0)
          expect(end.flights).toBe(0)
          expect(end.acked).toEqual(end.last)
          expect(end.hw).toEqual(end.last)
        },
      ),
      { numRuns: 300 },
    )
  })
})
