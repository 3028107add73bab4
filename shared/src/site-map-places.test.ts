import { describe, expect, it } from 'vitest'

import { parseWhole } from './parse.ts'
import { type SiteMap, siteMapSchema } from './site-map.ts'

const read = (value: unknown): SiteMap =>
  parseWhole(siteMapSchema, value, { origin: 'site.yaml', code: 'SITE_INVALID', next: 'Correct the file.' })

const square = (x: number): [number, number][] => [
  [x, 0],
  [x + 4, 0],
  [x + 4, 3],
  [x, 3],
]
const map = {
  version: 1,
  rooms: [
    { id: 'Bay 1', transit: false, floor: '2', polygon: square(0), marks: ['kontakt-17:0c01'] },
    { id: 'Hall', transit: true, floor: '2', polygon: square(4) },
  ],
  receivers: [
    { id: 'p/1', medium: 'RFID', room: 'Bay 1' },
    { id: 'p/2', medium: 'RFID', room: 'Hall' },
  ],
  adjacency: [],
  doors: [{ between: ['Bay 1', 'Hall'], at: [4, 1.5] }],
  portals: [{ id: 'p', antennas: ['p/1', 'p/2'], between: ['Bay 1', 'Hall'] }],
  zones: [{ id: 'Ward', rooms: ['Bay 1', 'Hall'] }],
  references: [{ tag: 'ble:c30000123456', room: 'Bay 1', at: [1, 1] }],
}

describe('places in a site map', () => {
  it('are taken as written: floors, polygons, doors, portals, zones, marks and reference tags', () => {
    expect(read(map)).toEqual(map)
  })

  it('may all be left out', () => {
    const { version, receivers, adjacency } = map
    const plain = {
      version,
      rooms: [
        { id: 'Bay 1', transit: false },
        { id: 'Hall', transit: true },
      ],
      receivers,
      adjacency,
    }
    expect(read(plain)).toEqual(plain)
  })

  it('that lead nowhere, stand twice or mean two things are reported at once', () => {
    const wrong = {
      ...map,
      rooms: [map.rooms[0], { ...map.rooms[1], marks: ['kontakt-17:0c01'], polygon: square(0).toSorted() }],
      doors: [{ between: ['Bay 1', 'Bay 9'] }],
      portals: [...map.portals, { id: 'p', antennas: ['p/1', 'p/3'], between: ['Bay 8', 'Hall'] }],
      zones: [{ id: 'Ward', rooms: ['Bay 7'] }],
      references: [...map.references, { tag: 'ble:c30000123456', room: 'Bay 6' }],
    }
    const message = [
      'site.yaml has 10 problems:',
      '  rooms\\[1\\]\\.polygon: must hold an area, and its edges must not cross',
      '  rooms\\[1\\]\\.marks\\[0\\]: mark "kontakt-17:0c01" is that of room "Bay 1"',
      '  portals\\[1\\]\\.antennas\\[0\\]: antenna "p/1" is in portal "p" already',
      '  portals\\[1\\]\\.antennas\\[1\\]: receiver "p/3" is not in receivers',
      '  doors\\[0\\]\\.between\\[1\\]: room "Bay 9" is not in rooms',
      '  portals\\[1\\]\\.between\\[0\\]: room "Bay 8" is not in rooms',
      '  zones\\[0\\]\\.rooms\\[0\\]: room "Bay 7" is not in rooms',
      '  references\\[1\\]\\.room: room "Bay 6" is not in rooms',
      '  portals\\[1\\]\\.id: "p" is named twice',
      '  references\\[1\\]\\.tag: "ble:c30000123456" is named twice',
    ]
    expect(() => read(wrong)).toThrow(new RegExp(message.join('.*\n')))
  })

  it.each([
    [
      'a polygon of two corners',
      {
        rooms: [
          {
            id: 'A',
            polygon: [
              [0, 0],
              [1, 1],
            ],
          },
        ],
      },
      'polygon',
    ],
    [
      'a reference that is no tag',
      { references: [{ tag: 'badge 7', room: 'Bay 1' }] },
      'is not a canonical tag identity',
    ],
    ['a portal without antennas', { portals: [{ id: 'p', antennas: [] }] }, 'antennas'],
  ])('refuse %s', (_, wrong, message) => {
    expect(() => read({ ...map, ...wrong })).toThrow(message)
  })
})
