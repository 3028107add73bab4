import { describe, expect, it } from 'vitest'

import { drawPicture, drawSummary, plainPicture } from './display.ts'

const place = (tag: string, room: string | null) => ({ tag, room })
const picture = {
  second: 12,
  readings: 400,
  fixes: 44,
  committed: 40,
  unacknowledged: 4,
  ackP99Ms: 12.4,
  problems: [],
  places: [place('ble:c30000120001', '101'), place('ble:c30000120002', '101'), place('ble:c30000120003', null)],
}
const look = { rooms: ['101', '102'], colour: false, columns: 80 }

describe('the table of tags and rooms', () => {
  it('shows every room, its tags by their last characters, and those whose room is not known', () => {
    const text = drawPicture(picture, look)
    expect(text).toMatch(/101 +│ 2 +│ 0001 0002/)
    expect(text).toMatch(/102 +│ 0/)
    expect(text).toMatch(/\(unknown\) +│ 1 +│ 0003/)
    expect(text).toContain('12 s   readings 400   fixes 44   records committed 40   waiting 4   ack p99 12 ms')
  })

  it('has no colour codes where none are wanted', () => {
    expect(drawPicture({ ...picture, problems: ['broker is away'] }, look)).not.toContain('\x1b')
    expect(drawPicture({ ...picture, problems: ['broker is away'] }, { ...look, colour: true })).toContain('\x1b[33m')
  })

  it('counts the tags that do not fit', () => {
    const places = Array.from({ length: 40 }, (_, i) => place(`ble:c3000012${String(i).padStart(4, '0')}`, '101'))
    const text = drawPicture({ ...picture, places }, look)
    expect(text).toMatch(/101 +│ 40 +│ 0000 0001 .* \+\d+/)
    for (const line of text.split('\n').slice(0, -1)) expect(line.length).toBeLessThanOrEqual(80)
  })
})

describe('the lines for a pipe', () => {
  it('name the rooms that hold a tag, without frames', () => {
    const text = plainPicture({ ...picture, problems: ['broker is away'] }, look.rooms)
    expect(text.split('\n').slice(1)).toEqual(['  101: 0001 0002', '  (unknown): 0003', '! broker is away'])
  })
})

describe('the summary', () => {
  it('says in words what the figures are', () => {
    const text = drawSummary({
      mode: 'ward',
      seconds: 45,
      readings: 900,
      fixes: 50,
      committed: 50,
      records: 70,
      lost: 0,
      duplicated: 0,
      waiting: 0,
      gaps: 0,
      quarantined: 0,
      roomAccuracy: 0.8765,
      accuracySamples: 1600,
      ackP99Ms: 12,
      firstFixMs: 6000,
      speed: 1,
      restarts: 0,
      database: 'PostgreSQL 15',
      edition: 'plain',
      broker: 'mosquitto 2',
      data: '/d',
      lostRuns: [],
    })
    expect(text).toContain('50 fixes, of which 50 are in the database')
    expect(text).toContain('lost 0, duplicated 0, waiting 0, gaps 0, in quarantine 0 (counted over 70 record ids)')
    expect(text).toContain('right room in 87.6 % of 1600 tag-seconds')
  })
})
