import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { type Client, type ClientBase, Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { compareMaps } from './map-diff.ts'
import { facilityOfGateway, listMaps, mapReaders, publishMap, readMap, returnToMap } from './map-versions.ts'
import { applySite } from './site-apply.ts'
import { wholeSite } from './test-site.ts'

let database: TestDatabase
let owner: Client
let pool: Pool
let api: Pool
let orgId: number

beforeAll(async () => {
  database = await createTestDatabase()
  owner = database.ownerClient
  pool = new Pool({ ...database.options('owner') })
  api = new Pool({ ...database.options('bt_api'), max: 1 })
  orgId = (await applySite(pool, wholeSite())).orgId
})
afterAll(async () => {
  await pool.end()
  await api.end()
  await database.stop()
})

async function asApi<T>(work: (client: ClientBase) => Promise<T>, org = orgId, facilities = 'all'): Promise<T> {
  const client = await api.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.org', $1, true), set_config('app.facilities', $2, true), set_config('app.actor', 'operator:anna', true)`,
      [String(org), facilities],
    )
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

const publish = (change: Partial<Parameters<typeof publishMap>[1]> = {}) =>
  asApi((client) => publishMap(client, { facility: 'main', ...change }))

const SURVEY = {
  rooms: [{ room: 'R1', rounds: 1, visits: 1, seconds: 60 }],
  cells: [],
  noise: [],
  changes: [],
  spots: [],
  points: [],
  trust: { second: 1, stay: 1, spots: 0, heard: 1, error: 0.1 },
} as never

describe('a map from the database', () => {
  it('says of rooms, ways, receivers, portals and zones what is written down, in one order', async () => {
    const { version, isNew, siteMap } = await publish({ note: 'first' })
    expect([version, isNew]).toEqual([1, true])
    expect(siteMap).toEqual({
      version: 1,
      rooms: [
        { id: 'HALL', transit: true, exit: true, floor: 'A0' },
        {
          id: 'R1',
          transit: false,
          floor: 'A0',
          polygon: [
            [0, 0],
            [4.25, 0],
            [4.25, 5],
            [0, 5],
          ],
          marks: ['kontakt-17:0c01'],
        },
        { id: 'R2', transit: false, floor: 'A0' },
      ],
      receivers: [
        { id: 'ble-1', medium: 'BLE', room: 'R1', at: [1, 2, 2.5] },
        { id: 'dock-1', medium: 'RFID', room: 'R2', exact: true },
        { id: 'gate-a', medium: 'RFID', room: 'R2' },
        { id: 'gate-b', medium: 'RFID', room: 'HALL' },
      ],
      adjacency: [['R2', 'HALL']],
      doors: [{ between: ['R1', 'HALL'], at: [4.25, 2] }],
      portals: [{ id: 'P1', antennas: ['gate-a', 'gate-b'], between: ['R2', 'HALL'] }],
      zones: [{ id: 'STORE', rooms: ['R2'] }],
    })
  })

  it('has a new version only when the facility says something else, and keeps the survey', async () => {
    expect(await publish()).toMatchObject({ version: 1, isNew: false })
    expect(await publish({ survey: SURVEY })).toMatchObject({ version: 2, isNew: true })
    await applySite(pool, { ...wholeSite(), rooms: [{ code: 'R3' }], doors: [{ between: ['HALL', 'R3'] }] })
    const third = await publish()
    expect(third).toMatchObject({ version: 3, isNew: true, siteMap: { survey: SURVEY } })
    const changes = await asApi(async (client) =>
      compareMaps(
        await readMap(client, { facility: 'main', version: 1 }),
        await readMap(client, { facility: 'main', version: 3 }),
      ),
    )
    expect(changes).toEqual({
      rooms: { added: ['R3'], removed: [], changed: [] },
      doors: { added: ['HALL - R3'], removed: [], changed: [] },
      survey: { added: ['survey'], removed: [], changed: [] },
    })
  })

  it('goes back to a version as it was, and forward with another number', async () => {
    const back = await asApi((client) => returnToMap(client, { facility: 'main', version: 1 }))
    expect(back).toMatchObject({ version: 1, isNew: true, siteMap: { version: 1 } })
    expect(back.siteMap.rooms.map(({ id }) => id)).toEqual(['HALL', 'R1', 'R2'])
    expect(await asApi((client) => returnToMap(client, { facility: 'main', version: 1 }))).toMatchObject({
      isNew: false,
    })
    expect(await publish()).toMatchObject({ version: 4, isNew: true })
    const versions = await asApi((client) => listMaps(client, 'main'))
    expect(
      versions.map(({ version, isCurrent, publishedBy, note }) => [version, isCurrent, publishedBy, note]),
    ).toEqual([
      [4, true, 'operator:anna', null],
      [3, false, 'operator:anna', null],
      [2, false, 'operator:anna', null],
      [1, false, 'operator:anna', 'first'],
    ])
    expect(versions[0]?.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('stays as it was published, whoever tries', async () => {
    const change = `update site.map_version set document = '{}'`
    await expect(owner.query(change)).rejects.toThrow('does not change')
    await expect(owner.query('delete from site.map_version')).rejects.toThrow('does not change')
    await expect(owner.query('truncate site.map_version cascade')).rejects.toThrow('does not change')
    await expect(asApi((client) => client.query(change))).rejects.toMatchObject({ code: '42501' })
  })

  it('is numbered once when two people publish at once', async () => {
    const two = new Pool({ ...database.options('bt_api'), max: 2 })
    await applySite(pool, { ...wholeSite(), rooms: [{ code: 'R4' }] })
    const results = await Promise.all(
      [1, 2].map(async () => {
        const client = await two.connect()
        await client.query('begin')
        await client.query(
          `select set_config('app.org', $1, true), set_config('app.facilities', 'all', true), set_config('app.actor', 'x', true)`,
          [String(orgId)],
        )
        const result = await publishMap(client, { facility: 'main' })
        await client.query('commit')
        client.release()
        return result
      }),
    )
    await two.end()
    expect(results.map(({ version, isNew }) => [version, isNew]).sort()).toEqual([
      [5, false],
      [5, true],
    ])
  })

  it('names what it cannot be made of, and publishes nothing', async () => {
    await applySite(pool, {
      ...wholeSite('bare'),
      rooms: [],
      beds: [],
      zones: [],
      doors: [],
      gateways: [],
      receivers: [],
      floors: [],
      tags: [],
    })
    const { rows } = await owner.query(`select id from iam.org where slug = 'bare'`)
    const empty = asApi((client) => publishMap(client, { facility: 'main' }), rows[0].id)
    await expect(empty).rejects.toMatchObject({ code: 'SITE_INVALID', message: expect.stringContaining('rooms: ') })
    expect(await asApi((client) => listMaps(client, 'main'), rows[0].id)).toEqual([])
  })

  it('is for the gateways and tags of its facility, and for nobody who does not reach it', async () => {
    expect(await asApi((client) => mapReaders(client, 'main'))).toEqual({
      gateways: ['st-anna-gw'],
      tags: ['ble:c30000000001', 'epc:urn:epc:id:giai:4012345.6'],
    })
    expect(await asApi((client) => facilityOfGateway(client, 'st-anna-gw'))).toBe('main')
    expect(await asApi((client) => facilityOfGateway(client, 'nobody-gw'))).toBeUndefined()
    const foreign = asApi((client) => publishMap(client, { facility: 'main' }), orgId, '{2000000000}')
    await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(asApi((client) => readMap(client, { facility: 'main', version: 99 }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})
