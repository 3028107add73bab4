import { decodeLive, type RoomId, type TagEvent } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createLiveLane, type LiveOptions } from './live.ts'
import { compression, fixOf, GATEWAY, handClock } from './test-centre.ts'

function lane(changes: Partial<LiveOptions> = {}) {
  const clock = handClock()
  const sent: number[][] = []
  const told: (readonly TagEvent[])[] = []
  const live = createLiveLane({
    gateway: GATEWAY,
    clock,
    compression,
    everyMs: 1_000,
    maxTags: 100,
    isOpen: () => true,
    isOpenForEvents: () => true,
    maxBytes: () => 100_000,
    send(message) {
      const verdict = decodeLive(message, compression)
      if (!verdict.ok) throw new Error(verdict.detail)
      if (verdict.fixes.length > 0) sent.push(verdict.fixes.map(({ atMs }) => atMs))
      if (verdict.events.length > 0) told.push(verdict.events)
      return true
    },
    ...changes,
  })
  return { live, clock, sent, told }
}

function press(value: number, room: RoomId | null = null): TagEvent {
  return { kind: 'event', tag: fixOf(1).tag, room, event: 'button', value, atMs: 1_000 + value }
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

  it('sends events at once, each of them, whatever was sent a moment ago and without what waits', () => {
    const { live, clock, sent, told } = lane()
    live.offer([fixOf(1, { atMs: 10 })])
    live.offer([fixOf(1, { atMs: 11 })])
    const events = [press(1), press(2, 'Bay 2' as RoomId), press(3)]
    for (const event of events) live.raise([event])
    live.raise([press(4), press(4)])
    live.raise([])
    expect(told).toEqual([...events.map((event) => [event]), [press(4), press(4)]])
    expect(sent).toEqual([[10]])
    clock.advance(1_000)
    expect(sent).toEqual([[10], [11]])
    clock.advance(60_000)
    expect(told).toHaveLength(4)
    expect(live.droppedEvents).toBe(0)
  })

  it('drops and counts events that cannot go out, and sends none of them later', () => {
    let isOpenForEvents = false
    const { live, clock, told } = lane({ isOpenForEvents: () => isOpenForEvents })
    live.raise([press(1), press(2)])
    isOpenForEvents = true
    clock.advance(60_000)
    expect(told).toEqual([])
    const refused = lane({ send: () => false }).live
    refused.raise([press(3)])
    expect([live.droppedEvents, refused.droppedEvents, live.dropped]).toEqual([2, 1, 0])
  })

  it('sends events on a line that is too far behind for positions', () => {
    const { live, sent, told } = lane({ isOpen: () => false })
    live.offer([fixOf(1)])
    live.raise([press(1)])
    expect([sent.length, told.length, live.dropped]).toEqual([0, 1, 1])
  })

  it('splits events that are too large for one message', () => {
    const { live, told } = lane({ maxBytes: () => 300 })
    const events = Array.from({ length: 100 }, (_, n) => press(n * 7_919 * 104_729))
    live.raise(events)
    expect(told.length).toBeGreaterThan(1)
    expect(told.flat()).toEqual(events)
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
