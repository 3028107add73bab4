import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ReceiverId, RoomId, SiteMap, TagId } from '@biotrakr/shared'
import { createSurveyWalk } from '@biotrakr/sim'
import { afterAll, describe, expect, it } from 'vitest'

import {
  compareCalibrations,
  fitCalibration,
  openCalibrations,
  readCalibration,
  reportOn,
  type SurveyedPlace,
} from './calibrate.ts'
import { createFilter } from './filter/filter.ts'
import { emptyState, locate } from './locate/locate.ts'

const root = mkdtempSync(join(tmpdir(), 'calibrate-'))
afterAll(() => rmSync(root, { recursive: true }))
let count = 0
const store = () => openCalibrations(join(root, String(count++)))

const startMs = 1_000_000_000_000
interface Walk {
  readonly seed?: number
  readonly places?: number
  /** Number of the first place. */
  readonly from?: number
  readonly without?: readonly string[]
  readonly receivers?: ReadonlySet<ReceiverId>
  readonly curtains?: readonly (readonly [RoomId, RoomId])[]
  readonly wallLossDb?: number
}

function walkWard({ seed = 7, places = 8, from = 0, without = [], ...rest }: Walk = {}): {
  map: SiteMap
  walked: SurveyedPlace[]
} {
  const walk = createSurveyWalk({ seed, startMs, tags: 1, ...rest })
  let nowMs = startMs
  const rooms = walk.siteMap.rooms.filter(({ id }) => !without.includes(id))
  const walked = rooms.flatMap(({ id: room }) =>
    Array.from({ length: places }, (_, n): SurveyedPlace => {
      walk.goTo(room, from + n)
      const filter = createFilter()
      for (const reading of walk.readingsBetween(nowMs, nowMs + 10_000))
        if (reading.tag === walk.tag) filter.add(reading)
      nowMs += 60_000
      return { id: `${room} ${n}`, room, name: `place ${n}`, seconds: filter.close(nowMs).windows }
    }),
  )
  return { map: walk.siteMap, walked }
}

const request = { add: false, by: 'ann', note: '', atMs: 1 }
/** How often the engine finds rooms at places that the survey never saw: only a simulation can ask. */
function trueQuality(map: SiteMap, survey: NonNullable<SiteMap['survey']>): { room: RoomId; right: number }[] {
  const surveyed = { ...map, survey }
  const fresh = walkWard({ ...weak, places: 30, from: 500 }).walked
  return map.rooms.map(({ id: room }) => {
    const own = fresh.filter((place) => place.room === room)
    const right = own.filter(({ seconds }) => {
      let state = emptyState()
      let answer: RoomId | null = null
      for (const { atMs, sightings } of seconds) {
        const next = locate(surveyed, state, { tag: 'ble:c20000000001' as TagId, medium: 'BLE', atMs, sightings })
        state = next.state
        answer = next.located.likeliest
      }
      return answer === room
    })
    return { room, right: right.length / own.length }
  })
}

/** No receiver north of the corridor, and no wall between two of the rooms there. */
const weak: Walk = {
  seed: 9,
  receivers: new Set(
    ['101', '102', '103', '104', 'corridor-w', 'corridor-e'].map((room) => `rx-${room}` as ReceiverId),
  ),
  curtains: [['105' as RoomId, '106' as RoomId]],
  wallLossDb: 8,
}
const NORTH = ['105', '106', '107', '108']

describe('the fit', () => {
  it('writes a version that reads back whole, and the same survey gives the same hash anywhere', () => {
    const { map, walked } = walkWard({ places: 4 })
    const [here, there] = [store(), store()]
    const { calibration } = fitCalibration({ ...request, map, store: here, walked })
    expect(here.current()).toEqual(calibration)
    expect(fitCalibration({ ...request, map, store: there, walked, by: 'bob', note: 'x' }).calibration.hash).toBe(
      calibration.hash,
    )
  })

  it('works without any survey, and a survey of one second does no harm', () => {
    const { map, walked } = walkWard({ places: 1 })
    const empty = fitCalibration({ ...request, map, store: store(), walked: [] })
    expect(empty.without).toEqual(map.rooms.map(({ id }) => id))
    expect(reportOn(map, empty.calibration)).toMatchObject({ quality: { sure: null, curve: [] }, places: 0 })
    const single = walked.slice(0, 1).map((place) => ({ ...place, seconds: place.seconds.slice(0, 1) }))
    const { calibration } = fitCalibration({ ...request, map, store: store(), walked: single })
    expect(JSON.stringify(reportOn(map, calibration))).not.toMatch(/NaN|Infinity/)
  })

  it('replaces the places of a room walked anew, keeps those of the others, and adds when told to', () => {
    const { map, walked } = walkWard({ places: 2 })
    const versions = store()
    fitCalibration({ ...request, map, store: versions, walked })
    const again = walkWard({ seed: 7, places: 1, without: map.rooms.slice(1).map(({ id }) => id) }).walked
    const { calibration, renewed, kept } = fitCalibration({ ...request, map, store: versions, walked: again })
    const places = (room: string) => calibration.places.filter((place) => place.room === room).length
    expect([places('101'), places('102'), renewed, kept.length]).toEqual([1, 2, ['101'], 9])
    const added = fitCalibration({ ...request, map, store: versions, walked: again, add: true }).calibration
    expect(added.places.filter(({ room }) => room === '101').length).toBe(2)
    expect(new Set(added.places.map(({ id }) => id)).size).toBe(added.places.length)
    expect([calibration.parent, added.parent, added.version]).toEqual([1, 2, 3])
  })
})

describe('the report', () => {
  it('names the rooms that truly are weak, why, and what to do', () => {
    const { map, walked } = walkWard(weak)
    const { calibration } = fitCalibration({ ...request, map, store: store(), walked })
    const { verdicts, quality } = reportOn(map, calibration)
    const named = verdicts.filter(({ grade }) => grade === 'red' || grade === 'amber')
    expect(named.length).toBeGreaterThanOrEqual(2)
    for (const { room, code, next } of named.slice(0, 2)) {
      expect(NORTH).toContain(room)
      expect(code).toBe('no_receiver')
      expect(next).toContain(`Hang a receiver in ${room}`)
    }
    // The zones of the corridor have no wall between them either.
    for (const { room } of named) expect([...NORTH, 'corridor-w', 'corridor-e']).toContain(room)
    const weakRooms = new Set(named.map(({ room }) => room))
    const truth = trueQuality(map, calibration.survey)
    const mean = (isWeak: boolean) => {
      const own = truth.filter(({ room }) => weakRooms.has(room) === isWeak)
      return own.reduce((sum, { right }) => sum + right, 0) / own.length
    }
    expect(quality.sure).toBeGreaterThan(0.6)
    expect(mean(true)).toBeLessThan(mean(false) - 0.1)
  })

  it('shows that more places help', () => {
    const { map, walked } = walkWard()
    const { calibration } = fitCalibration({ ...request, map, store: store(), walked })
    const { curve, sure } = reportOn(map, calibration).quality
    expect(curve.map(({ places }) => places)).toEqual([1, 2, 3, 4, 6])
    expect(curve.at(-1)?.sure).toBeGreaterThan(curve[0]?.sure ?? 1)
    expect(curve.at(-1)?.sure).toBeCloseTo(sure ?? 0, 5)
  })

  it('finds two receivers whose names were swapped on the map', () => {
    const { map, walked } = walkWard({ places: 5 })
    const swap = new Map([
      ['rx-101', '104'],
      ['rx-104', '101'],
    ])
    const wrong: SiteMap = {
      ...map,
      receivers: map.receivers.map((receiver) => ({
        ...receiver,
        room: (swap.get(receiver.id) ?? receiver.room) as RoomId,
      })),
    }
    const { calibration } = fitCalibration({ ...request, map: wrong, store: store(), walked })
    const remarks = reportOn(wrong, calibration).remarks.join('\n')
    expect(remarks).toMatch(/by the map rx-101 hangs in 104, .* louder in 101/)
    expect(remarks).toMatch(/by the map rx-104 hangs in 101, .* louder in 104/)
  })

  it('names rooms that were left out, and remarks on receivers that nobody heard', () => {
    const { map, walked } = walkWard({ places: 4, without: ['103'] })
    const more = { ...map, receivers: [...map.receivers, { id: 'rx-new' as ReceiverId, medium: 'BLE' as const }] }
    const { calibration } = fitCalibration({ ...request, map: more, store: store(), walked })
    const report = reportOn({ ...more, version: 2 }, calibration)
    expect(report.verdicts[0]).toMatchObject({ room: '103', grade: 'unsurveyed', code: 'not_surveyed' })
    expect(report.remarks.join()).toMatch(/version 2.*rx-new/)
  })
})

describe('versions', () => {
  it('are never overwritten; one of them counts, and any other can count again', () => {
    const { map, walked } = walkWard({ places: 2 })
    const versions = store()
    fitCalibration({ ...request, map, store: versions, walked: walked.slice(0, 4) })
    fitCalibration({ ...request, map, store: versions, walked: walked.slice(4) })
    versions.use(1, { by: 'ann', note: 'worse', atMs: 2 })
    expect(versions.list().map(({ version, isCurrent }) => [version, isCurrent])).toEqual([
      [1, true],
      [2, false],
    ])
    expect(versions.current()?.version).toBe(1)
    expect(fitCalibration({ ...request, map, store: versions, walked: [] }).calibration).toMatchObject({
      version: 3,
      parent: 1,
    })
    expect(() => versions.load(9)).toThrow(/no version 9/)
  })

  it('differ in what diff says', () => {
    const { map, walked } = walkWard({ places: 4 })
    const versions = store()
    const before = fitCalibration({ ...request, map, store: versions, walked }).calibration
    const louder = walked.slice(0, 4).map((place) => ({
      ...place,
      seconds: place.seconds.map((one) => ({
        ...one,
        sightings: one.sightings.map((own) => ({ ...own, rssiDbm: Math.min(-1, (own.rssiDbm ?? 0) + 5) })),
      })),
    }))
    const after = fitCalibration({ ...request, map, store: versions, walked: louder }).calibration
    const { moved, isSame } = compareCalibrations(map, before, { after })
    expect(isSame).toBe(false)
    expect(moved.length).toBeGreaterThan(5)
    for (const { room, db } of moved) expect([room, Math.round(db)]).toEqual(['101', 5])
    expect(compareCalibrations(map, before, { after: before })).toMatchObject({ isSame: true, rooms: [], moved: [] })
  })

  it('that were changed, cut or are something else are refused in plain words', () => {
    const { map, walked } = walkWard({ places: 1 })
    const versions = store()
    fitCalibration({ ...request, map, store: versions, walked })
    const file = join(versions.dir, 'v0001.json')
    const text = readFileSync(file, 'utf8')
    const wrong: [string, RegExp][] = [
      [text.replace('"ticks":', '"ticks":1'), /changed after it was written/],
      [text.slice(0, 500), /no JSON, or was cut off/],
      ['{"version":1,"rooms":[]}', /is no calibration/],
      [text.replace('biotrakr-calibration-1', 'biotrakr-calibration-9'), /format/],
    ]
    for (const [content, why] of wrong) {
      writeFileSync(file, content)
      expect(() => readCalibration(file)).toThrow(why)
    }
    expect(() => readCalibration(join(root, 'nowhere'))).toThrow(/cannot read/)
  })
})
