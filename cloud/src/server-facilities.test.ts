import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publishMap } from './sites/map-versions.ts'
import { applySite } from './sites/site-apply.ts'
import { siteDesk } from './sites/site-desk.ts'
import { wholeSite } from './sites/test-site.ts'
import { createScopedDatabase } from './tenancy/scope.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'

let centre: TestCentre
let orgId: number
let facilityId: number
let api: Pool

beforeAll(async () => {
  centre = await createTestCentre()
  const pool = new Pool({ ...centre.database.options('owner') })
  const { org: _org, ...rest } = wholeSite('marlow')
  const org = { slug: 'marlow', name: 'Marlow Bay General' }
  const done = await applySite(pool, { ...rest, org, tags: [] })
  orgId = done.orgId
  facilityId = done.facilityId
  const other = { slug: 'other', name: 'Another hospital' }
  await applySite(pool, { ...wholeSite('other'), org: other, tags: [] })
  await pool.end()
  api = new Pool({ ...centre.database.options('bt_api'), max: 2 })
})
afterAll(async () => {
  await api.end()
  await centre.stop()
})

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: never }> {
  const response = await fetch(`${centre.server.url}/api/v1/facilities${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, body: (await response.json()) as never }
}

interface Item {
  readonly id: number
  readonly code: string
  readonly row_version: number
  readonly [field: string]: unknown
}

async function find(list: string, code: string): Promise<Item> {
  const { body } = await ask('GET', `/main/${list}?limit=200`)
  const { items } = body as { items: Item[] }
  const item = items.find((each) => each.code === code)
  if (!item) throw new Error(`no ${code} in ${list}`)
  return item
}

describe('facilities over HTTP', () => {
  it('are listed with everything that they consist of, page by page', async () => {
    const { body } = await ask('GET', '')
    expect((body as { items: Item[] }).items.map(({ code }) => code)).toEqual(['4-east', 'main'])
    expect(await ask('GET', '/main')).toMatchObject({ status: 200, body: { code: 'main', time_zone: 'Europe/Berlin' } })
    expect(await find('rooms', 'R1')).toMatchObject({ floor: 'A0', department: 'WARD', area_m2: 21.25, row_version: 1 })
    expect(await find('receivers', 'gate-a')).toMatchObject({ gateway: 'marlow-gw', portal: 'P1', portal_place: 1 })
    expect(await find('zones', 'STORE')).toMatchObject({ kind: 'storage', rooms: ['R2'] })
    for (const [list, count] of [
      ['buildings', 1],
      ['floors', 2],
      ['departments', 2],
      ['beds', 2],
      ['doors', 4],
      ['gateways', 1],
    ]) {
      expect((await ask('GET', `/main/${list}`)).body).toHaveProperty('items.length', count)
    }
    const codes: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const page = (await ask('GET', `/main/rooms?limit=2${next && `&cursor=${next}`}`)).body as {
        items: Item[]
        next: string | null
      }
      codes.push(...page.items.map(({ code }) => code))
      next = page.next
    }
    expect(codes).toEqual(['R1', 'R2', 'HALL', 'YARD', 'OFFICE'])
  })

  it('are not changed by a page of another site', async () => {
    const path = `${centre.server.url}/api/v1/facilities/main/rooms`
    const send = (site: string) => fetch(path, { method: 'POST', headers: { 'sec-fetch-site': site } })
    for (const site of ['cross-site', 'same-site']) expect((await send(site)).status).toBe(421)
    expect((await send('same-origin')).status).not.toBe(421)
    expect((await fetch(path, { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(200)
  })

  it('are not found where there is none, of another organisation least of all', async () => {
    for (const path of [
      '/nowhere',
      '/nowhere/rooms',
      '/main/cellars',
      '/main/rooms/0',
      '/main/rooms/x',
      '/main/maps/9',
    ]) {
      expect(await ask('GET', path)).toMatchObject({ status: 404, body: { code: 'not-found' } })
    }
    const { rows } = await centre.database.ownerClient.query(
      `select r.id from site.room r join iam.org o on o.id = r.org_id where o.slug = 'other' and r.code = 'R2'`,
    )
    expect((await ask('GET', `/main/rooms/${rows[0].id}`)).status).toBe(404)
    expect((await ask('PATCH', `/main/rooms/${rows[0].id}`, { row_version: 1, name: 'x' })).status).toBe(404)
    expect((await ask('GET', '/main/rooms?limit=0&colour=red')).body).toMatchObject({
      code: 'validation',
      errors: [{ pointer: '/limit' }, { pointer: '/colour', code: 'unknown' }],
    })
  })

  it('take a change of a room, and tell the second of two people what the first has written', async () => {
    const room = await find('rooms', 'R2')
    const change = {
      row_version: room.row_version,
      name: 'Store',
      kind: 'clean_utility',
      x: 1,
      y: 2,
      department: 'MED',
    }
    const changed = await ask('PATCH', `/main/rooms/${room.id}`, change)
    expect(changed).toMatchObject({ status: 200, body: { ...change, row_version: room.row_version + 1 } })
    expect(await ask('PATCH', `/main/rooms/${room.id}`, { ...change, name: 'Other' })).toMatchObject({
      status: 409,
      body: { code: 'row-version', current: { name: 'Store' }, yours: { name: 'Other' } },
    })
    const polygon = {
      row_version: room.row_version + 1,
      polygon: [
        [0, 0],
        [1, 0],
        [0, 1],
      ],
      department: null,
      x: null,
      y: null,
    }
    expect(await ask('PATCH', `/main/rooms/${room.id}`, polygon)).toMatchObject({
      status: 200,
      body: { polygon: polygon.polygon, department: null, x: null },
    })
    const { rows } = await centre.database.ownerClient.query(
      `select actor, new from audit.event where org_id = $1 and object = 'site.room' and object_id = $2 and action = 'update'
       order by n limit 1`,
      [orgId, String(room.id)],
    )
    expect(rows[0]).toMatchObject({ actor: 'token', new: { name: 'Store', kind: 'clean_utility' } })
  })

  it('name everything that is wrong with a change at once', async () => {
    const room = await find('rooms', 'R1')
    const crossed = [
      [0, 0],
      [1, 1],
      [1, 0],
      [0, 1],
    ]
    const wrong = { row_version: 1, kind: 'palace', polygon: crossed, x: 1, colour: 'red' }
    const { status, body } = await ask('PATCH', `/main/rooms/${room.id}`, wrong)
    expect(status).toBe(400)
    expect((body as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer).sort()).toEqual([
      '/colour',
      '/kind',
      '/polygon',
    ])
    const half = await ask('PATCH', `/main/rooms/${room.id}`, { row_version: 1, x: 1 })
    expect(half.body).toMatchObject({ errors: [{ pointer: '/y' }] })
    const lost = await ask('PATCH', `/main/rooms/${room.id}`, { row_version: 1, floor: 'A9', department: 'NONE' })
    expect(lost.body).toMatchObject({
      errors: [{ pointer: '/floor', code: 'UNKNOWN_REF' }, { pointer: '/department' }],
    })
    expect(await find('rooms', 'R1')).toMatchObject({ row_version: 1 })
  })

  it('take new departments, and none that would be above itself', async () => {
    const made = await ask('POST', '/main/departments', { code: 'ICU', name: 'Intensive Care', parent: 'WARD' })
    expect(made).toMatchObject({ status: 201, body: { code: 'ICU', parent: 'WARD', row_version: 1 } })
    expect((await ask('POST', '/main/departments', { code: 'ICU', name: 'Again' })).body).toMatchObject({
      code: 'conflict',
    })
    const top = await find('departments', 'MED')
    const loop = await ask('PATCH', `/main/departments/${top.id}`, { row_version: top.row_version, parent: 'ICU' })
    expect(loop.body).toMatchObject({ errors: [{ pointer: '/parent', code: 'cycle' }] })
    const renamed = { row_version: top.row_version, name: 'Internal Medicine', phone: '7', cost_center: null }
    expect(await ask('PATCH', `/main/departments/${top.id}`, renamed)).toMatchObject({
      status: 200,
      body: { phone: '7' },
    })
    expect((await ask('POST', '/main/rooms', { code: 'R9', name: 'Room 9' })).status).toBe(404)
  })

  it('take beds that move and close', async () => {
    expect((await ask('POST', '/main/beds', { code: '3', room: 'R9' })).body).toMatchObject({
      errors: [{ pointer: '/room' }],
    })
    const made = await ask('POST', '/main/beds', { code: '3', room: 'R1' })
    const { id } = made.body as Item
    expect(await ask('PATCH', `/main/beds/${id}`, { row_version: 1, room: 'R2', state: 'closed' })).toMatchObject({
      status: 200,
      body: { room: 'R2', state: 'closed', row_version: 2 },
    })
  })

  it('take zones with all their rooms', async () => {
    const made = await ask('POST', '/main/zones', {
      code: 'COLD',
      name: 'Cold',
      kind: 'cold_store',
      rooms: ['R1', 'R2'],
    })
    expect(made).toMatchObject({ status: 201, body: { rooms: ['R1', 'R2'], row_version: 1 } })
    const { id } = made.body as Item
    expect(await ask('PATCH', `/main/zones/${id}`, { row_version: 1, rooms: ['HALL', 'R2'] })).toMatchObject({
      status: 200,
      body: { rooms: ['HALL', 'R2'], row_version: 2 },
    })
    expect((await ask('PATCH', `/main/zones/${id}`, { row_version: 2, rooms: ['R2', 'R77'] })).body).toMatchObject({
      errors: [{ pointer: '/rooms/1', code: 'UNKNOWN_REF' }],
    })
    expect((await ask('PATCH', `/main/zones/${id}`, { row_version: 1, rooms: [] })).status).toBe(409)
    expect((await ask('PATCH', `/main/zones/${id}`, { row_version: 2, rooms: [] })).body).toMatchObject({ rooms: [] })
  })

  it('show which maps were published, and what each says', async () => {
    const database = createScopedDatabase(api)
    const scope = { orgId, facilities: 'all', actor: 'operator:anna' } as const
    await database.write(scope, (client) => publishMap(client, { facility: 'main' }))
    expect((await ask('GET', '/main/maps')).body).toMatchObject({
      items: [{ version: 1, is_current: true, published_by: 'operator:anna' }],
    })
    expect(await ask('GET', '/main/maps/1')).toMatchObject({
      status: 200,
      body: { version: 1, adjacency: [['R2', 'HALL']] },
    })
  })

  it('are reached and changed only within the facilities of the caller', async () => {
    const database = createScopedDatabase(api)
    const room = await find('rooms', 'R1')
    const scope = (facilities: number[]) => ({ orgId, facilities, actor: 'account:test' })
    const change = (facilities: number[]) =>
      database.write(scope(facilities), (client) =>
        siteDesk.change(
          client,
          { facility: 'main', list: 'rooms', id: String(room.id) },
          { row_version: 1, name: 'Mine' },
        ),
      )
    await expect(change([])).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(change([facilityId + 1_000])).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await change([facilityId])).toMatchObject({ name: 'Mine' })
    const listed = await database.read(scope([facilityId]), siteDesk.facilities)
    expect(listed).toMatchObject({ items: [{ code: 'main' }] })
  })
})
