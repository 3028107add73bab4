import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  BED_STATES,
  DEFAULT_DEPARTMENTS,
  DEFAULT_ZONES,
  DOORS,
  RECEIVER_KINDS,
  RECEIVER_STATUSES,
  ROOM_KINDS,
  TAG_KINDS,
  ZONE_KINDS,
} from './lists.ts'
import { applySite } from './site-apply.ts'
import { wholeSite } from './test-site.ts'

describe('a whole facility', () => {
  let database: TestDatabase
  let pool: Pool
  let statements = 0

  beforeAll(async () => {
    database = await createTestDatabase()
    pool = new Pool({ ...database.options('owner') })
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...values: unknown[]) => unknown
      client.query = ((...values: unknown[]) => {
        statements += 1
        return query(...values)
      }) as typeof client.query
    })
  })
  afterAll(async () => {
    await pool.end()
    await database.stop()
  })

  const rowsOf = async (sql: string, ...values: unknown[]) =>
    (await pool.query({ text: sql, values, rowMode: 'array' })).rows as unknown[][]

  it('is set up with its departments in one transaction of few statements, and stays as it is when repeated', async () => {
    const site = { org: wholeSite().org, facility: wholeSite().facility }
    await pool.query('select 1')
    statements = 0
    const first = await applySite(pool, site, { actor: 'operator:anna', withDefaults: true })
    // Begin and commit, the names of tenant and actor, and a look and a write for each of four kinds of rows.
    expect(statements).toBeLessThan(40)
    expect(first.created).toBe(2 + DEFAULT_DEPARTMENTS.length + DEFAULT_ZONES.length)
    await pool.query(`update site.department set name = 'Clinical Engineering' where code = 'BME'`)
    const again = await applySite(pool, site, { actor: 'operator:anna', withDefaults: true })
    expect(again).toEqual({ ...first, created: 0, updated: 0, unchanged: first.created })
    expect(await rowsOf(`select name from site.department where code in ('BME', 'RAD') order by code`)).toEqual([
      ['Clinical Engineering'],
      ['Radiology'],
    ])
  })

  it('leaves an entry in the audit chain for each of its rows, by whoever imported it', async () => {
    const { orgId, created } = await applySite(pool, wholeSite('audited'), { actor: 'operator:anna' })
    const entries = await rowsOf(
      `select object, count(*)::int from audit.event where org_id = $1 and actor = 'operator:anna'
       and object like 'site.%' group by object order by 1`,
      orgId,
    )
    expect(entries).toEqual([
      ['site.adjacency', 4],
      ['site.bed', 2],
      ['site.building', 1],
      // Its parent is written after all of them are there.
      ['site.department', 3],
      ['site.facility', 1],
      ['site.floor', 2],
      ['site.gateway', 1],
      ['site.receiver', 6],
      ['site.room', 5],
      ['site.zone', 2],
      ['site.zone_room', 1],
    ])
    // With the organisation and two tags, and without the room of the zone and what was written of a parent.
    expect(created).toBe(29)
  })

  it('changes what differs in any list, moves and takes away, and counts each entry once', async () => {
    const { orgId } = await applySite(pool, wholeSite('moving'))
    const result = await applySite(pool, {
      org: wholeSite('moving').org,
      facility: wholeSite('moving').facility,
      departments: [
        { code: 'WARD', parent: null, phone: '1' },
        { code: 'MED' },
        { code: 'NEW', parent: 'WARD', phone: '2' },
      ],
      rooms: [{ code: 'R1', polygon: null, at: null, floor: 'A1' }],
      beds: [{ room: 'R1', code: '1', state: 'closed' }],
      zones: [{ code: 'STORE', rooms: ['R1'] }],
      doors: [
        { between: ['HALL', 'R1'], door: 'closed' },
        { between: ['HALL', 'R2'], portal: 'P1' },
      ],
      receivers: [{ code: 'gate-a', kind: 'rfid_portal', portal: null }],
    })
    // Unchanged: organisation, facility, MED, and the zone's own row; its rooms are another count.
    expect(result).toMatchObject({ created: 1, updated: 7, unchanged: 4 })
    const [room] = await rowsOf(
      `select r.polygon, r.x, f.code from site.room r join site.floor f on f.id = r.floor_id where r.org_id = $1 and r.code = 'R1'`,
      orgId,
    )
    expect(room).toEqual([null, null, 'A1'])
    const portal = await rowsOf(
      `select a.code from site.adjacency d join site.room a on a.id = d.room_a where d.org_id = $1 and d.portal = 'P1'`,
      orgId,
    )
    expect(portal).toEqual([['HALL']])
    expect(
      await rowsOf(
        `select r.code from site.zone_room z join site.room r on r.id = z.room_id where z.org_id = $1`,
        orgId,
      ),
    ).toEqual([['R1']])
  })

  it('names every loose end at once, and applies nothing', async () => {
    const site = wholeSite('loose')
    const error = await applySite(pool, {
      ...site,
      floors: [
        { code: 'A0', building: 'B', level: 0 },
        { code: 'A1', building: 'A', level: 1 },
        { code: 'A2', building: 'A', level: 1 },
      ],
      departments: [
        { code: 'X', parent: 'Y' },
        { code: 'Y', parent: 'X' },
        { code: 'Z', parent: 'Q' },
      ],
      rooms: [{ code: 'R1', floor: 'A9' }, { code: 'R2', department: 'NONE' }, { code: 'HALL' }],
      beds: [{ room: 'R9', code: '1' }],
      zones: [{ code: 'STORE', rooms: ['R2', 'R8'] }],
      doors: [
        { between: ['R1', 'R7'] },
        { between: ['R1', 'R2'], portal: 'P' },
        { between: ['R2', 'HALL'], portal: 'P' },
      ],
      gateways: [{ name: 'loose-gw', room: 'R6' }],
      receivers: [{ code: 'x', kind: 'ble_adapter', gateway: 'no-gw', room: 'R5' }],
    }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SITE_INVALID' })
    for (const problem of [
      'floors[0].building: there is no "B"',
      'floors[2].level: level 1 is that of floor "A1"',
      'departments[0].parent: "X" would be above itself',
      'departments[1].parent: "Y" would be above itself',
      'departments[2].parent: there is no "Q"',
      'rooms[0].floor: there is no "A9"',
      'rooms[1].department: there is no "NONE"',
      'beds[0].room: there is no "R9"',
      'zones[0].rooms[1]: there is no "R8"',
      'doors[0].between[1]: there is no "R7"',
      'doors[2].portal: portal "P" hangs at another door as well',
      'gateways[0].room: there is no "R6"',
      'receivers[0].gateway: there is no "no-gw"',
      'receivers[0].room: there is no "R5"',
    ]) {
      expect(String(error)).toContain(problem)
    }
    expect(await rowsOf(`select from iam.org where slug = 'loose'`)).toEqual([])
  })

  it('names every wrong form at once', async () => {
    const error = await applySite(pool, {
      ...wholeSite('wrong'),
      floors: [{ code: 'A0', building: 'A', level: 999 }],
      rooms: [
        {
          code: 'R1',
          polygon: [
            [0, 0],
            [2, 2],
            [2, 0],
            [0, 2],
          ],
        },
      ],
      doors: [{ between: ['R1', 'R1'] }, { between: ['R1', 'R2'] }, { between: ['R2', 'R1'] }],
      beds: [
        { room: 'R1', code: '1' },
        { room: 'R1', code: '1' },
      ],
      receivers: [{ code: 'x', kind: 'ble_adapter', portal: 'P' }],
    }).catch((thrown: unknown) => thrown)
    for (const problem of [
      'floors[0].level: ',
      'rooms[0].polygon: must hold an area, and its edges must not cross',
      'doors[0].between: must be two rooms',
      'doors[2].between: "R1 - R2" is named twice',
      'beds[1].code: "R1/1" is named twice',
      'receivers[0].portalPlace: goes together with portal',
    ]) {
      expect(String(error)).toContain(problem)
    }
  })

  it('tells that a portal of this name hangs at another door', async () => {
    await applySite(pool, wholeSite('portal'))
    const other = { ...wholeSite('portal'), doors: [{ between: ['R1', 'HALL'] as [string, string], portal: 'P1' }] }
    await expect(applySite(pool, other)).rejects.toThrow('doors[0].portal: portal "P1" hangs at another door as well')
    // Taken off there, in whatever order.
    const moved = { ...other, doors: [...other.doors, { between: ['R2', 'HALL'] as [string, string], portal: null }] }
    expect(await applySite(pool, moved)).toMatchObject({ created: 0, updated: 2 })
  })

  it('has the value lists of the database', async () => {
    const lists: readonly (readonly [string, string, readonly string[]])[] = [
      ['site.room', 'kind', ROOM_KINDS],
      ['site.bed', 'state', BED_STATES],
      ['site.adjacency', 'door', DOORS],
      ['site.zone', 'kind', ZONE_KINDS],
      ['site.receiver', 'kind', RECEIVER_KINDS],
      ['site.receiver', 'status', RECEIVER_STATUSES],
      ['rtls.tag', 'kind', TAG_KINDS],
    ]
    for (const [table, column, list] of lists) {
      const [found] = await rowsOf(
        `select pg_get_constraintdef(oid) from pg_constraint where conrelid = $1::regclass and contype = 'c'
         and pg_get_constraintdef(oid) like '%((' || $2 || ' = ANY%'`,
        table,
        column,
      )
      const stored = [...String(found).matchAll(/'([a-z_]+)'::text/g)].map(([, value]) => value)
      expect([table, column, stored]).toEqual([table, column, [...list]])
    }
  })
})

describe('rows of a facility', () => {
  const TABLES = [
    'building',
    'floor',
    'department',
    'room',
    'bed',
    'adjacency',
    'zone',
    'zone_room',
    'gateway',
    'receiver',
  ]
  let database: TestDatabase
  let pool: Pool
  let api: Pool
  const orgs: number[] = []
  const facilities: number[] = []

  beforeAll(async () => {
    database = await createTestDatabase()
    pool = new Pool({ ...database.options('owner') })
    api = new Pool({ ...database.options('bt_api'), max: 1 })
    for (const [slug, code] of [
      ['one', 'main'],
      ['one', 'annex'],
      ['two', 'main'],
    ] as const) {
      const site = wholeSite(slug)
      const gateway = `${slug}-${code}`
      const rename = <T extends { gateway?: string | null | undefined }>(each: T) => ({
        ...each,
        ...(each.gateway && { gateway }),
      })
      const done = await applySite(pool, {
        ...site,
        facility: { ...site.facility, code },
        gateways: [{ name: gateway, room: 'HALL' }],
        receivers: (site.receivers ?? []).map(rename),
        tags: [],
      })
      orgs.push(done.orgId)
      facilities.push(done.facilityId)
    }
    await pool.query(
      `insert into site.map_version (org_id, facility_id, version, document, sha256, published_by)
       select org_id, id, 1, '{}', sha256(''), 'test' from site.facility`,
    )
  })
  afterAll(async () => {
    await pool.end()
    await api.end()
    await database.stop()
  })

  async function facilitiesSeen(table: string, org: number | undefined, reach: string): Promise<unknown[]> {
    const client = await api.connect()
    await client.query('begin')
    await client.query(`select set_config('app.org', $1, true), set_config('app.facilities', $2, true)`, [
      org === undefined ? '' : String(org),
      reach,
    ])
    const { rows } = await client.query(`select distinct facility_id as id from site.${table} order by 1`)
    await client.query('commit')
    client.release()
    return rows.map(({ id }) => id)
  }

  it.each([...TABLES, 'map_version'])(
    'of site.%s are seen by their tenant, within the facilities it reaches',
    async (table) => {
      const [first, annex, other] = facilities
      const [one, , two] = orgs
      expect(await facilitiesSeen(table, one, 'all')).toEqual([first, annex])
      expect(await facilitiesSeen(table, one, `{${annex}}`)).toEqual([annex])
      expect(await facilitiesSeen(table, one, `{${other}}`)).toEqual([])
      expect(await facilitiesSeen(table, one, '')).toEqual([])
      expect(await facilitiesSeen(table, two, 'all')).toEqual([other])
      expect(await facilitiesSeen(table, undefined, 'all')).toEqual([])
    },
  )

  it('cannot point into another facility', async () => {
    const [first, annex] = facilities
    const [one] = orgs
    const bed = pool.query(
      `insert into site.bed (org_id, facility_id, room_id, code)
       select $1, $2, id, 'stray' from site.room where facility_id = $3 limit 1`,
      [one, annex, first],
    )
    await expect(bed).rejects.toMatchObject({ code: '23503' })
  })
})
