import type { Fix, RoomId, TagEvent, TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { LiveBoard } from './live-board.ts'

const tag = (n: number) => `ble:c3000000000${n}` as TagId

function fix(n: number, room: string, atMs: number): Fix {
  const base = { kind: 'fix', reason: 'none', method: 'BLE', confidence: 900, spanMs: 0, mapVersion: 1 } as const
  return { ...base, tag: tag(n), room: room as RoomId, atMs }
}

function press(n: number, atMs: number): TagEvent {
  return { kind: 'event', event: 'button', tag: tag(n), room: null, value: 1, atMs }
}

describe('the board of newest places', () => {
  it('keeps the newest place of each tag, and no more tags than it was made for', () => {
    const board = new LiveBoard(2)
    board.take([fix(1, 'A', 1), fix(2, 'A', 1)])
    const told = board.take([fix(1, 'B', 2), fix(3, 'C', 2)])
    expect(told.map(({ tag: id, room }) => [id, room])).toEqual([
      [tag(1), 'B'],
      [tag(3), 'C'],
    ])
    expect(board.places().map(({ tag: id, room }) => [id, room])).toEqual([
      [tag(1), 'B'],
      [tag(2), 'A'],
    ])
  })

  it('keeps the last 100 alarms', () => {
    const board = new LiveBoard(1)
    for (let n = 0; n < 130; n++) board.raise([press(1, n)])
    expect([board.alarms().length, board.alarms()[0]?.atMs, board.alarms().at(-1)?.atMs]).toEqual([100, 30, 129])
    expect(board.alarms()[0]).toEqual({ tag: tag(1), room: null, event: 'button', value: 1, atMs: 30 })
  })

  it('counts tags that were heard of late', () => {
    const board = new LiveBoard(3)
    board.heard([tag(1), tag(2)], 1_000)
    board.heard([tag(2)], 5_000)
    expect([board.heardSince(0), board.heardSince(1_001), board.heardSince(5_001)]).toEqual([2, 1, 0])
  })
})
