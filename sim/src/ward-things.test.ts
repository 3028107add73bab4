import { isTagId, siteMapSchema, type TagId, tagIdFromEpc } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createWard } from './ward.ts'
import { createWardThings } from './ward-things.ts'

const startMs = 1_760_000_000_000
const things = createWardThings({ seed: 5, startMs })
const ward = createWard({ seed: 5, startMs })
const seconds = Array.from({ length: 1_200 }, (_, s) => startMs + s * 1_000)

describe('things with a passive tag', () => {
  it('have EPC identities of their own, and receivers that fit the map of the ward', () => {
    expect(things.tags[0]).toBe('epc:urn:epc:id:giai:0614141.10001')
    expect(new Set(things.tags.filter(isTagId)).size).toBe(4)
    const map = { ...ward.siteMap, receivers: [...ward.siteMap.receivers, ...things.receivers] }
    expect(siteMapSchema.parse(map)).toEqual(map)
    expect(things.receivers.map(({ id, room }) => [id, room])).toEqual([
      ['portal-108/1', '108'],
      ['portal-108/2', 'corridor-e'],
      ['bedside-101/1', '101'],
    ])
  })

  it('are pushed to and fro, half of them beginning at either end, so that a reader hears one at any time', () => {
    const rooms = new Set(seconds.flatMap((atMs) => things.tags.map((tag) => things.truthAt(tag, atMs).room)))
    expect([...rooms].sort()).toEqual(['101', '108', 'corridor-e', 'corridor-w'])
    const unheard = seconds.filter((atMs) => !things.tags.some((tag) => things.isReadAt(tag, atMs)))
    expect(unheard.length).toBeLessThan(seconds.length / 10)
  })

  it('are read by the antennas on their own side only, and by both of the portal one after the other', () => {
    const antennas = new Set<string>()
    for (const atMs of seconds) {
      for (const { name, antennas: receivers, fieldAt } of things.readers) {
        for (const { epc, antenna = 0, rssiDbm = 0 } of fieldAt(atMs)) {
          const tag = tagIdFromEpc(epc)?.tag as TagId
          antennas.add(`${name} ${antenna}`)
          expect(rssiDbm).toBeGreaterThan(-75)
          const { room } = things.truthAt(tag, atMs)
          expect(things.receivers.find(({ id }) => id === receivers[antenna])?.room).toBe(room)
        }
      }
    }
    expect([...antennas].sort()).toEqual(['bedside 1', 'portal 1', 'portal 2'])
  })

  it('are the same for the same seed', () => {
    const twin = createWardThings({ seed: 5, startMs })
    const field = ({ readers }: typeof things) => seconds.map((atMs) => readers.map((reader) => reader.fieldAt(atMs)))
    expect(field(twin)).toEqual(field(things))
    expect(field(createWardThings({ seed: 6, startMs }))).not.toEqual(field(things))
  })

  it('are refused in a number that cannot be, and do not know other tags', () => {
    expect(() => createWardThings({ seed: 1, startMs, count: 0 })).toThrow(/count must be/)
    expect(() => things.truthAt(ward.tags[0]!, startMs)).toThrow(/no thing of the simulated ward/)
  })
})
