import type { Clock } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { assignTag } from './assignments.ts'
import { deriveStays } from './derive-stays.ts'
import { nearestAssets, shortestWays } from './nearest.ts'
import { assetHistory, assetLocation, assetStays, whereAt } from './reading.ts'
import { rollUp } from './roll-up.ts'
import { ASSETS, createTestHistory, FOREIGN_ASSET, type TestHistory } from './test-history.ts'
import { assetTrack } from './track.ts'

const MINUTE = 60_000
/** Noon of the day before yesterday where the facility is, five and a half hours ahead: no midnight comes in between. */
const START = Math.floor(Date.now() / (1_440 * MINUTE) - 2) * 1_440 * MINUTE + 390 * MINUTE
const clock = { wallMs: () => Date.now() } as Clock
const at = (minute: number) => new Date(START + minute * MINUTE).toISOString()

let history: TestHistory

beforeAll(async () => {
  history = await createTestHistory()
  const put = (tag: string, asset: string, from: number, to?: number) =>
    history.asApi((client) =>
      assignTag(client, { tag, asset, from: at(from), reason: 'list', ...(to && { to: at(to) }) }, clock),
    )
  await put('ble:c30000000001', 'A-1', 0, 30)
  await put('ble:c30000000002', 'A-1', 30)
  await put('ble:c30000000003', 'A-2', 0)
  const walk = (tag: number, rooms: readonly (number | null)[], seq: number) =>
    rooms.map((room, i) => ({
      tag,
      room,
      seq: seq + i,
      atMs: START + i * 10 * MINUTE,
      spanMs: i === 0 ? 0 : 10 * MINUTE,
    }))
  await history.write(1, [
    ...walk(1, [1, 1, 2, 2, 3, 3], 1),
    ...walk(2, [5, 5, 5, 5, 6, null], 11),
    ...walk(3, [7, 7, 7], 21),
  ])
  await history.write(4, walk(19, [10, 10], 1))
  await history.write(5, walk(20, [11, 11, 11], 1))
  const owner = history.database.ownerClient
  await owner.query(
    `insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, last_room_id, method, reason, confidence,
       stream_id, seq, map_version)
     values (1, 2, 1, null, $1, $1, 6, 2, 1, 900, 1, 16, 1), (1, 3, 1, 7, $2, $2, null, 2, 0, 900, 1, 23, 1)`,
    [at(50), at(20)],
  )
  await owner.query(
    `insert into site.adjacency (org_id, facility_id, room_a, room_b, distance_m) values (1, 1, 1, 2, 4), (1, 1, 2, 7, 5)`,
  )
  await deriveStays(history.jobs, clock)
  await rollUp(history.jobs, clock)
})
afterAll(() => history.stop())

describe('an asset', () => {
  const whole = { asset: 'A-1', from: at(-10), to: at(100) }

  it('is where the tag is that it wears now', async () => {
    const place = await history.asApi((client) => assetLocation(client, 'A-1'))
    expect(place).toMatchObject({
      assetId: ASSETS[0],
      tag: 'ble:c30000000002',
      facility: { code: 'main' },
      room: null,
      lastRoom: { code: 'R6', name: 'Room 6' },
      reason: 'not_heard',
      method: 'BLE',
      minutesUnseen: expect.any(Number),
    })
    const never = await history.asApi((client) => assetLocation(client, ASSETS[2]))
    expect(never).toMatchObject({ tag: null, room: null, at: null, reason: null })
  })

  it('has the history of each tag for as long as it wore it, newest first and as much as asked for', async () => {
    const fixes = await history.asApi((client) => assetHistory(client, whole))
    expect(fixes.map(({ tag, room }) => `${tag.slice(-1)} ${room}`)).toEqual([
      '2 null',
      '2 R6',
      '2 R5',
      '1 R2',
      '1 R1',
      '1 R1',
    ])
    const newest = await history.asApi((client) => assetHistory(client, { ...whole, limit: 2 }))
    expect(newest).toEqual(fixes.slice(0, 2))
  })

  it('has its whole track in columns, in the order of time, with the rooms of each tag that it wore', async () => {
    const track = await history.asApi((client) => assetTrack(client, whole))
    const rows = await history.asApi((client) => assetHistory(client, whole))
    expect(track.at).toEqual(rows.map(({ at: then }) => then.getTime()).reverse())
    expect(track.room.map((place) => track.rooms[place]?.code ?? null)).toEqual(rows.map(({ room }) => room).reverse())
    expect(track.confidence).toEqual(rows.map(({ confidence }) => confidence).reverse())
    expect(track).toMatchObject({ isCut: false })
    const empty = { asset: 'A-1', from: at(-500), to: at(-400) }
    expect(await history.asApi((client) => assetTrack(client, empty))).toMatchObject({ at: [], rooms: [] })
    const long = { asset: 'A-1', from: at(-100_000), to: at(0) }
    await expect(history.asApi((client) => assetTrack(client, long))).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const foreign = { ...whole, asset: FOREIGN_ASSET }
    await expect(history.asApi((client) => assetTrack(client, foreign))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('has stays that end where it changed its tag', async () => {
    const stays = await history.asApi((client) => assetStays(client, whole))
    const minutes = (time: Date) => (time.getTime() - START) / MINUTE
    expect(stays.map((stay) => [stay.room, minutes(stay.from), minutes(stay.to), stay.continued])).toEqual([
      ['R1', 0, 20, false],
      ['R2', 20, 30, false],
      ['R5', 30, 40, true],
      ['R6', 40, 50, false],
      [null, 50, 50, false],
    ])
  })

  it('is refused with a window that is turned round or endless, and not found when it is somebody else’s', async () => {
    const ask = (wish: object) => history.asApi((client) => assetHistory(client, { ...whole, ...wish }))
    await expect(ask({ to: at(-20) })).rejects.toThrow('/to: must be after')
    await expect(ask({ from: '2020-01-01T00:00:00Z' })).rejects.toThrow('at most 400 days')
    await expect(ask({ from: 'yesterday' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(ask({ asset: FOREIGN_ASSET })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a facility', () => {
  it('is shown as it was at a time, with the assets of that time', async () => {
    const then = await history.asApi((client) => whereAt(client, { facility: 'main', at: at(25) }))
    expect(then.map(({ tag, assetTag, room }) => [tag.slice(-1), assetTag, room])).toEqual([
      ['1', 'A-1', 'R2'],
      ['2', null, 'R5'],
      ['3', 'A-2', 'R7'],
    ])
    expect(await history.asApi((client) => whereAt(client, { facility: 'main', at: at(-1) }))).toEqual([])
    const foreign = history.asApi((client) => whereAt(client, { facility: 'other', at: at(25) }))
    await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('leaves out a tag while a person wears it', async () => {
    const owner = history.database.ownerClient
    await owner.query('begin')
    await owner.query('alter table rtls.tag_assignment drop constraint tag_assignment_subject')
    await owner.query(
      `insert into rtls.tag_assignment (id, org_id, tag_id, from_t) values (gen_random_uuid(), 1, 1, $1)`,
      [at(30)],
    )
    await owner.query(`select set_config('app.facilities', 'all', true)`)
    const then = await owner.query('select tag_id from rtls.where_at(1, $1)', [at(45)])
    expect(then.rows).toEqual([{ tag_id: 2 }, { tag_id: 3 }])
    const fixes = await owner.query('select from rtls.tag_history(1, $1, $2, 100)', [at(-1), at(100)])
    expect(fixes.rowCount).toBe(3)
    await owner.query('rollback')
  })

  it('says which asset of a category is nearest by the doors, and names no asset without a way to it', async () => {
    const near = await history.asApi((client) =>
      nearestAssets(client, { category: 'pump', facility: 'main', room: 'R1' }),
    )
    expect(near).toMatchObject([{ assetTag: 'A-2', room: 'R7', metres: 9, doors: 2 }])
    expect(
      await history.asApi((client) => nearestAssets(client, { category: 'pump', facility: 'main', room: 'R9' })),
    ).toEqual([])
    const nowhere = history.asApi((client) => nearestAssets(client, { category: 'pump', facility: 'main', room: 'F1' }))
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is crossed by the shortest way, not by the fewest doors', () => {
    const door = (a: number, b: number, metres: number | null) => ({ a, b, metres })
    const ways = shortestWays(1, [door(1, 4, 50), door(1, 2, 5), door(3, 2, 5), door(3, 4, null), door(8, 9, 1)])
    expect(ways.get(4)).toEqual({ metres: 20, doors: 3 })
    expect([...ways.keys()].sort()).toEqual([1, 2, 3, 4])
  })
})

describe('every view and function of history', () => {
  const questions = [
    'select org_id from rtls.location_history',
    'select org_id from rtls.asset_location_history',
    'select org_id from rtls.stay_history',
    'select org_id from rtls.asset_stay_history',
    'select org_id from rtls.room_hour',
    'select org_id from rtls.tag_day',
    'select org_id from rtls.asset_day',
    'select org_id from rtls.sensor_history',
    'select org_id from rtls.usage_history',
    'select org_id from rtls.ingest_status',
    'select org_id from rtls.tag_assignment',
    'select org_id from asset.asset_current',
    "select 1 from generate_series(1, 20) as i, rtls.tag_history(i, '-infinity', 'infinity', 10)",
    `select 1 from rtls.asset_history('${ASSETS[0]}', '-infinity', 'infinity', 10)`,
    'select 1 from generate_series(1, 3) as i, rtls.where_at(i, now())',
  ]
  beforeAll(async () => {
    await history.database.ownerClient.query(
      `insert into telemetry.sensor_reading values (now(), 1, 1, 1, 1, 1, 90, 1, 20000), (now(), 2, 3, 20, 11, 5, 90, 1, 20000);
       insert into telemetry.usage_interval values (now(), now(), 1, 1, 1), (now(), now(), 2, 3, 20)`,
    )
  })
  const count = (sql: string, scope: { org?: number; facilities?: string }) =>
    history.asApi(async (client) => {
      await client.query(`set local statement_timeout = '5s'`)
      return (await client.query(sql)).rows
    }, scope)

  it.each(questions)('shows a tenant its own rows only: %s', async (sql) => {
    const own = await count(sql, {})
    expect(own.length).toBeGreaterThan(0)
    expect(own.every((row) => (row.org_id ?? 1) === 1)).toBe(true)
    const other = await count(sql, { org: 2 })
    expect(other.every((row) => (row.org_id ?? 2) === 2)).toBe(true)
    expect(await count(sql, { org: 2_000_000_000 })).toEqual([])
  })

  it.each(questions.filter((sql) => !sql.includes('tag_assignment')))('shows no other facility: %s', async (sql) => {
    expect(await count(sql, { facilities: '' })).toEqual([])
    const all = await count(sql, {})
    const first = await count(sql, { facilities: '{1}' })
    const second = await count(sql, { facilities: '{2}' })
    expect(first.length + second.length).toBe(all.length)
  })

  it('gives a foreign tenant nothing by an id that it guesses', async () => {
    const asked = await count(`select from rtls.tag_history(1, '-infinity', 'infinity', 10)`, { org: 2 })
    expect(asked).toEqual([])
    expect(
      await count(`select from rtls.asset_history('${ASSETS[0]}', '-infinity', 'infinity', 10)`, { org: 2 }),
    ).toEqual([])
    expect(await count('select from rtls.where_at(1, now())', { org: 2 })).toEqual([])
  })
})
