import { describe, expect, it } from 'vitest'

import { parseWhole } from './parse.ts'
import { type SiteMap, siteMapSchema } from './site-map.ts'

const origin = { origin: 'site.yaml', code: 'SITE_INVALID', next: 'Correct the file.' } as const
const read = (value: unknown): SiteMap => parseWhole(siteMapSchema, value, origin)

const map = {
  version: 3,
  rooms: [{ id: 'Bay 1' }, { id: 'Corridor', transit: true }],
  receivers: [
    { id: 'r1', medium: 'BLE', room: 'Bay 1', at: [1, 2.5, 2.2] },
    { id: 'r2', medium: 'RFID' },
  ],
  adjacency: [['Bay 1', 'Corridor']],
}

describe('siteMapSchema', () => {
  it('takes a map and fills in what may be left out', () => {
    expect(read(map)).toEqual({ ...map, rooms: [{ id: 'Bay 1', transit: false }, map.rooms[1]] })
    expect(read({ ...map, adjacency: undefined }).adjacency).toEqual([])
  })

  it('reports all names that stand twice or lead nowhere, and unknown keys, at once', () => {
    const wrong = {
      ...map,
      rooms: [...map.rooms, { id: 'Bay 1', transti: true }],
      receivers: [...map.receivers, { id: 'r1', medium: 'BLE', room: 'Bay 9' }],
      adjacency: [['Bay 1', 'Bay 8']],
    }
    const message = [
      'site.yaml has 5 problems:',
      '  rooms\\[2\\]\\.transti: unknown key',
      '  rooms\\[2\\]\\.id: room "Bay 1" is named twice',
      '  receivers\\[2\\]\\.id: receiver "r1" is named twice',
      '  receivers\\[2\\]\\.room: room "Bay 9" is not in rooms',
      '  adjacency\\[0\\]\\[1\\]: room "Bay 8" is not in rooms',
    ]
    expect(() => read(wrong)).toThrow(new RegExp(message.join('.*\n')))
  })

  it.each([
    ['no rooms', { ...map, rooms: [] }, 'rooms: '],
    ['a version of 0', { ...map, version: 0 }, 'version: '],
    ['a version beyond the database', { ...map, version: 2 ** 31 }, 'version: '],
    ['a room name with a line break', { ...map, rooms: [{ id: 'a\nb' }] }, 'rooms\\[0\\]\\.id: must be a name'],
    ['a receiver without a name', { ...map, receivers: [{ medium: 'BLE' }] }, 'receivers\\[0\\]\\.id: must be a name'],
    ['a medium that there is not', { ...map, receivers: [{ id: 'r', medium: 'WiFi' }] }, 'receivers\\[0\\]\\.medium: '],
    [
      'a place of two numbers',
      { ...map, receivers: [{ id: 'r', medium: 'BLE', at: [1, 2] }] },
      'receivers\\[0\\]\\.at',
    ],
    ['a place off the earth', { ...map, receivers: [{ id: 'r', medium: 'BLE', at: [1, 2, 1e9] }] }, 'at\\[2\\]: '],
  ])('refuses %s', (_, wrong, message) => {
    expect(() => read(wrong)).toThrow(new RegExp(message))
  })
})
