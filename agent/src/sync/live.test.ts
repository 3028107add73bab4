import { decodeLive } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createLiveLane, type LiveOptions } from './live.ts'
import { compression, fixOf, GATEWAY, handClock } from './test-centre.ts'

function lane(changes: Partial<LiveOptions> = {}) {
  const clock = handClock()
  const sent: number[][] = []
  const live = createLiveLane({
    gateway: GATEWAY,
    clock,
    compression,
    everyMs: 1_000,
    maxTags: 100,
    isOpen: () => true,
    maxBytes: () => 100_000,
    send(message) {
      const verdict = decodeLive(message, compression)
      if (!verdict.ok) throw new Error(verdict.detail)
      sent.push(verdict.fixes.map(({ atMs }) => atMs))
      return true
    },
    ...changes,
  })
  return { live, clock, sent }
}

describe('the live lane', () => {
  it('sends at once when it was quiet, then once a second with the newest of each tag', () => {
    const { live, clock, sent } = lane()
    live.offer([fixOf(1, { atMs: 10 })])
    live.offer([fixOf(1, { atMs: 11 })])
    live.offer([fixOf(1, { atMs: 13 }), fixOf(2, { atMs: 14 })])
    live.offer([fixOf(1, { atMs: 12 })])
    expect(sent).toEqual([[10]])
    clock.advance(999)
    expect(sent).toHaveLength(1)
    clock.advance(1)
    expect(sent).toEqual([[10], [13, 14]])
    clock.advance(10_000)
    expect(sent).toHaveLength(2)
    expect(live.dropped).toBe(0)
  })

  it('sends what is urgent at once, with all that waits', () => {
    const { live, clock, sent } = lane()
    live.offer([fixOf(1, { atMs: 10 })])
    live.offer([fixOf(1, { atMs: 11 })])
    live.offer([fixOf(2, { atMs: 12 })], { isUrgent: true })
    expect(sent).toEqual([[10], [11, 12]])
    clock.advance(999)
    live.offer([fixOf(1, { atMs: 13 })])
    expect(sent).toHaveLength(2)
    clock.advance(1)
    expect(sent).toHaveLength(3)
  })

  it('drops and counts what it cannot send, and keeps nothing for later', () => {
    let isOpen = false
    const { live, clock, sent } = lane({ isOpen: () => isOpen })
    live.offer([fixOf(1), fixOf(2)])
    live.offer([fixOf(3)])
    clock.advance(1_000)
    isOpen = true
    clock.advance(10_000)
    expect(sent).toEqual([])
    expect(live.dropped).toBe(3)
  })

  it('lets go of the tag that waits longest when too many wait', () => {
    const { live, clock, sent } = lane({ maxTags: 2 })
    live.offer([fixOf(0, { atMs: 1 })])
    live.offer([fixOf(1, { atMs: 1 }), fixOf(2, { atMs: 2 }), fixOf(3, { atMs: 3 })])
    clock.advance(1_000)
    expect(sent).toEqual([[1], [2, 3]])
    expect(live.dropped).toBe(1)
  })

  it('splits what is too large for one message', () => {
    const { live, sent } = lane({ maxBytes: () => 300 })
    live.offer(Array.from({ length: 100 }, (_, n) => fixOf(n * 7_919 * 104_729, { atMs: n })))
    expect(sent.length).toBeGreaterThan(1)
    expect(sent.flat()).toHaveLength(100)
    expect(live.dropped).toBe(0)
  })

  it('counts what waits as dropped when it is cleared, and sends none of it', () => {
    const { live, clock, sent } = lane()
    live.offer([fixOf(1)])
    live.offer([fixOf(1), fixOf(2)])
    live.clear()
    clock.advance(5_000)
    expect(sent).toHaveLength(1)
    expect(live.dropped).toBe(2)
  })
})
