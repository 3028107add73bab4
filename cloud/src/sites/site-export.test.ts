import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { isRoomId } from '@biotrakr/shared'
import fc from 'fast-check'
import { type ClientBase, Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'

import { BED_STATES, DOORS, RECEIVER_KINDS, RECEIVER_STATUSES, ROOM_KINDS, ZONE_KINDS } from './lists.ts'
import { applySite } from './site-apply.ts'
import { exportSite } from './site-export.ts'
import { parseSite, type SiteInput } from './site-file.ts'
import { wholeSite } from './test-site.ts'

let database: TestDatabase
let pool: Pool
let api: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = new Pool({ ...database.options('owner') })
  api = new Pool({ ...database.options('bt_api'), max: 1 })
})
afterAll(async () => {
  await pool.end()
  await api.end()
  await database.stop()
})

async function exported(orgId: number, facility: string): Promise<SiteInput> {
  const client: ClientBase & { release(): void } = await api.connect()
  try {
    await client.query('begin read only')
    await client.query(`select set_config('app.org', $1, true), set_config('app.facilities', 'all', true)`, [
      String(orgId),
    ])
    const site = await exportSite(client, facility)
    await client.query('commit')
    return site
  } finally {
    client.release()
  }
}

const code = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter(isRoomId)
const metres = fc.double({ min: -10_000, max: 10_000, noNaN: true })
const codes = (max: number) => fc.uniqueArray(code, { minLength: 2, maxLength: max })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

/** Every reference leads somewhere; what may be left out is there or not. */
const site = fc
  .record({ floors: codes(3), departments: codes(4), rooms: codes(6), receivers: codes(4), zones: codes(3) })
  .chain(({ floors, departments, rooms, receivers, zones }) => {
    const oneOf = (names: readonly string[]) => fc.constantFrom(...names)
    const each = <T>(names: readonly string[], make: (name: string, i: number) => fc.Arbitrary<T>) =>
      fc.tuple(...names.map(make))
    return fc.record({
      floors: each(floors, (name, i) =>
        fc.record({ code: fc.constant(name), building: fc.constant('A'), level: fc.constant(i) }),
      ),
      departments: each(departments, (name, i) =>
        fc.record({
          code: fc.constant(name),
          // Only upwards, so that nothing is above itself.
          parent: i === 0 ? fc.constant(undefined) : maybe(oneOf(departments.slice(0, i))),
          costCenter: maybe(code),
        }),
      ),
      rooms: each(rooms, (name) =>
        fc.record({
          code: fc.constant(name),
          kind: maybe(fc.constantFrom(...ROOM_KINDS)),
          floor: maybe(oneOf(floors)),
          department: maybe(oneOf(departments)),
          polygon: maybe(
            fc
              .tuple(metres, metres, fc.double({ min: 0.1, max: 50, noNaN: true }))
              .map(([x, y, side]): [number, number][] => [
                [Math.max(-9000, x) / 2, y / 2],
                [Math.max(-9000, x) / 2 + side, y / 2],
                [Math.max(-9000, x) / 2, y / 2 + side],
              ]),
          ),
          at: maybe(fc.tuple(metres, metres)),
          areaM2: maybe(fc.double({ min: 0, max: 1000, noNaN: true })),
          capacity: maybe(fc.nat(100)),
          tracked: maybe(fc.boolean()),
        }),
      ),
      beds: each(rooms, (room) =>
        fc.record({ room: fc.constant(room), code, state: maybe(fc.constantFrom(...BED_STATES)) }),
      ),
      zones: each(zones, (name) =>
        fc.record({
          code: fc.constant(name),
          kind: maybe(fc.constantFrom(...ZONE_KINDS)),
          rooms: maybe(fc.subarray(rooms)),
        }),
      ),
      doors: each(rooms.slice(1), (name, i) =>
        fc.record({
          between: fc
            .boolean()
            .map((swap): [string, string] => (swap ? [name, rooms[i] ?? ''] : [rooms[i] ?? '', name])),
          door: maybe(fc.constantFrom(...DOORS)),
          distanceM: maybe(fc.double({ min: 0, max: 100, noNaN: true })),
          at: maybe(fc.tuple(metres, metres)),
          portal: maybe(fc.constant(`portal ${i}`)),
        }),
      ),
      receivers: each(receivers, (name) =>
        fc
          .record({
            code: fc.constant(name),
            kind: fc.constantFrom(...RECEIVER_KINDS),
            room: maybe(oneOf(rooms)),
            at: maybe(fc.tuple(metres, metres, metres)),
            exact: maybe(fc.boolean()),
            status: maybe(fc.constantFrom(...RECEIVER_STATUSES)),
            place: fc.option(fc.integer({ min: 1, max: 8 })),
          })
          .map(({ place, ...rest }) => ({
            ...rest,
            ...(place !== null && { portal: 'portal 0', portalPlace: place }),
          })),
      ),
    })
  })

describe('an exported facility', () => {
  it('says all that the file said, and importing it changes nothing', async () => {
    const input = wholeSite()
    const first = await applySite(pool, input)
    const out = await exported(first.orgId, 'main')
    const again = await applySite(pool, out)
    expect(again).toMatchObject({ created: 0, updated: 0 })
    expect(again.unchanged).toBe(first.created)
    expect(out.rooms?.find((room) => room.code === 'R1')).toEqual({ ...input.rooms?.[0], tracked: true })
    expect(out.departments).toContainEqual(input.departments?.[0])
    expect(out.receivers).toContainEqual({ ...input.receivers?.[2], status: 'active', exact: false })
  })

  it('comes back as it is, whatever the facility (laws)', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(site, async (lists) => {
        run += 1
        const input = parseSite(
          {
            org: { slug: `law-${run}`, name: 'Law' },
            facility: { code: 'f', name: 'F', timeZone: 'UTC' },
            buildings: [{ code: 'A' }],
            ...JSON.parse(JSON.stringify(lists)),
          },
          'a made-up site',
        )
        const { orgId, created } = await applySite(pool, input)
        const out = await exported(orgId, 'f')
        const back = parse(stringify(out)) as SiteInput
        expect(back).toEqual(out)
        expect(await applySite(pool, back)).toMatchObject({ created: 0, updated: 0, unchanged: created })
        expect(await exported(orgId, 'f')).toEqual(out)
      }),
      { numRuns: 20 },
    )
  })

  it('is not there for who does not reach it', async () => {
    await expect(exported(2_000_000_000, 'main')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
