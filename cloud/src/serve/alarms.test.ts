import type { GatewayId, RoomId, TagEvent, TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createAlarmBook } from './alarms.ts'
import { createBoard } from './board.ts'

const NOW = 1_800_000_000_000
const [EAST, EAST_2] = ['gw-a', 'gw-b'] as GatewayId[] as [GatewayId, GatewayId]
const TAG = 'ble:c30000000001' as TagId
const R1 = 'R1' as RoomId

function book() {
  const board = createBoard()
  const source = {
    gateways: [EAST, EAST_2].map((name) => ({ name, facility: 'east' })),
    rooms: [{ facility: 'east', code: R1, name: 'Room 1' }],
    tags: [{ identity: TAG, label: null }],
    places: [],
  }
  board.replace(source)
  return { alarms: createAlarmBook(board), board, source }
}

function press(change: Partial<TagEvent> = {}): TagEvent {
  return { kind: 'event', tag: TAG, room: R1, event: 'button', value: 7, atMs: NOW, ...change }
}

describe('the book of alarms', () => {
  it('takes every event of a gateway, the same counter included, each with its own id', () => {
    const { alarms } = book()
    expect(alarms.hear(EAST, [press(), press({ atMs: NOW + 1 })], NOW + 1)).toBe(true)
    expect(alarms.since(0, NOW + 1).map(({ id, number }) => [id, number])).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(alarms.since(1, NOW + 1)).toHaveLength(1)
    expect(alarms.since(2, NOW + 1)).toEqual([])
  })

  it('takes what two gateways heard within a minute as one, in the room that one of them knew', () => {
    const { alarms } = book()
    alarms.hear(EAST, [press({ room: null })], NOW)
    expect(alarms.hear(EAST_2, [press({ atMs: NOW + 300 })], NOW + 300)).toBe(true)
    expect(alarms.since(0, NOW + 300)).toMatchObject([{ id: 1, number: 2, room: R1, atMs: NOW }])
    expect(alarms.hear(EAST_2, [press({ room: null, atMs: NOW + 400 })], NOW + 400)).toBe(false)
    expect(alarms.hear(EAST_2, [press({ atMs: NOW + 60_000 })], NOW + 60_000)).toBe(true)
    expect(alarms.counters).toMatchObject({ taken: 2, repeated: 2 })
  })

  it('keeps out tags it does not know, gateways without a facility and what is long past', () => {
    const { alarms } = book()
    const late = press({ atMs: NOW - 30 * 60_000 })
    expect(alarms.hear(EAST, [press({ tag: 'ble:c300000000ff' as TagId }), late], NOW)).toBe(false)
    expect(alarms.hear('stranger' as GatewayId, [press()], NOW)).toBe(false)
    expect(alarms.counters).toMatchObject({ taken: 0, unknownTag: 1, stale: 1 })
    expect(alarms.since(0, NOW)).toEqual([])
  })

  it('rather tells of a press without a place than not at all, and never dates it in the future', () => {
    const { alarms } = book()
    alarms.hear(EAST, [press({ room: 'R9' as RoomId, atMs: NOW + 3_600_000 })], NOW)
    expect(alarms.since(0, NOW)).toMatchObject([{ room: null, atMs: NOW }])
    expect(alarms.counters.unknownRoom).toBe(1)
  })

  it('forgets after half an hour, when the tag goes, and the oldest beyond 200', () => {
    const { alarms, board, source } = book()
    for (let value = 0; value < 203; value++) alarms.hear(EAST, [press({ value })], NOW)
    expect(alarms.since(0, NOW)).toHaveLength(200)
    expect(alarms.since(0, NOW)[0]?.value).toBe(3)
    expect(alarms.counters.evicted).toBe(3)
    expect(alarms.since(0, NOW + 30 * 60_000)).toEqual([])
    alarms.hear(EAST, [press({ atMs: NOW + 30 * 60_000 })], NOW + 30 * 60_000)
    board.replace({ ...source, tags: [] })
    expect(alarms.since(0, NOW + 30 * 60_000)).toEqual([])
  })
})
