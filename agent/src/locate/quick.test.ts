import type { ReceiverId, RoomId, SiteMap, TagId, TagWindow } from '@biotrakr/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { rowLikelihood } from './emission.ts'
import { emptyHeard, hear } from './heard.ts'
import { listenTo, modelOf } from './model.ts'
import { curveFor, emptyQuickHeard, quickLikelihoods } from './quick.ts'

const ROOMS = ['a', 'b', 'c'] as RoomId[]
const map: SiteMap = {
  version: 1,
  rooms: ROOMS.map((id) => ({ id, transit: false })),
  receivers: ROOMS.map((room) => ({ id: `rx-${room}` as ReceiverId, medium: 'BLE', room })),
  adjacency: [[ROOMS[0]!, ROOMS[1]!]],
}
const model = modelOf(map)
const masked = new Uint8Array(ROOMS.length)
listenTo(model, masked)

describe('the packed tables', () => {
  it('say what the full tables say, for any number of adverts and any power', () => {
    const sighting = fc.record({ rssiDbm: fc.integer({ min: -100, max: -30 }), count: fc.integer({ min: 1, max: 40 }) })
    const heardBy = fc.array(sighting, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        heardBy,
        fc.integer({ min: 0, max: 3 }),
        fc.double({ min: -20, max: 20, noNaN: true }),
        (list, row, db) => {
          const sightings = list.map((own, i) => ({ receiver: `rx-${ROOMS[i]}` as ReceiverId, ...own }))
          const window: TagWindow = { tag: 'ble:1' as TagId, atMs: 0, medium: 'BLE', sightings }
          const heard = emptyHeard()
          hear(heard, window, { model, masked })
          const offset = { db, variance: 4 }
          const plain = { heard, offset, receivers: ROOMS.length, heardWeight: model.trust.heard }
          const full = rowLikelihood(model.rooms, row, plain)
          const rows = { rooms: Int32Array.of(row), count: 1, logLikelihood: new Float64Array(1) }
          quickLikelihoods(model.rooms, rows, {
            ...plain,
            curve: curveFor(model.curves, heard.rounds),
            quickHeard: emptyQuickHeard(),
          })
          const quick = rows.logLikelihood[0]!
          expect(Math.abs(quick - full)).toBeLessThan(0.02 * sightings.length)
        },
      ),
    )
  })

  it('keep no more curves than they need', () => {
    const curves = new Map<number, Float32Array>()
    for (let n = 0; n < 1000; n++) curveFor(curves, 1 + n / 10)
    expect(curves.size).toBeLessThanOrEqual(64)
  })
})
