import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import { createTestCentre, FOREIGN_TAG, OWN_TAGS, type TestCentre } from './test-centre.ts'

const [FIRST = '', SECOND = ''] = OWN_TAGS
const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()

let centre: TestCentre
let asset: string
beforeAll(async () => {
  centre = await createTestCentre()
  await send('POST', 'asset-categories', { code: 'pumps', name: 'Pumps' })
  const wish = { asset_tag: 'P-1', name: 'Infusion pump', facility: '4-east', category: 'pumps' }
  asset = (await send('POST', 'assets', wish)).body.id
  await centre.commit('marlow', { tag: FIRST, room: 'R1', atMs: Date.now() - 60_000 })
  await centre.database.ownerClient.query(
    `with fix as (
       insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method,
         reason, confidence, map_version)
       select now() - m * interval '1 minute', t.org_id, t.facility_id, t.id, r.id, w.id, 100 - m, 60000, 2, 0, 900, 1
       from rtls.tag t join rtls.watermark w on w.org_id = t.org_id
         join site.room r on r.facility_id = t.facility_id and r.code = 'R1', generate_series(1, 30) m
       where t.identity = $1
       returning t, seq, stream_id)
     insert into telemetry.stay (t, leave_t, org_id, facility_id, tag_id, room_id, stream_id, continued)
     select now() - interval '30 minutes', now() - interval '1 minute', t.org_id, t.facility_id, t.id, r.id, 1, false
     from rtls.tag t join site.room r on r.facility_id = t.facility_id and r.code = 'R1' where t.identity = $1`,
    [FIRST],
  )
})
afterAll(() => centre.stop())

async function send(method: string, path: string, body?: object) {
  const response = await fetch(`${centre.server.url}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

describe('tags and places over HTTP', () => {
  it('lead from a tag to the place of its asset, now and before', async () => {
    const wish = { asset: 'P-1', from: hoursAgo(2), reason: 'put on at the workshop' }
    const made = await send('POST', `tags/${FIRST}/assign`, wish)
    expect(made).toMatchObject({ status: 201, body: { tag: FIRST, asset_tag: 'P-1', to: null, row_version: 1 } })
    expect((await send('GET', `assets/${asset}/location`)).body).toMatchObject({
      tag: FIRST,
      facility: { code: '4-east' },
      room: { code: 'R1', name: 'Room 1' },
      minutes_unseen: 1,
    })
    const window = `from=${hoursAgo(1)}&to=${hoursAgo(0)}`
    const fixes = await send('GET', `assets/P-1/history?${window}&limit=5`)
    expect(fixes.body.items).toHaveLength(5)
    expect(fixes.body.items[0]).toMatchObject({ tag: FIRST, room: 'R1', method: 'BLE', reason: 'none' })
    const stays = await send('GET', `assets/P-1/stays?${window}`)
    expect(stays.body.items).toMatchObject([{ room: 'R1', continued: false }])
    const then = await send('GET', `facilities/4-east/where-at?t=${hoursAgo(0.1)}`)
    expect(then.body.items).toMatchObject([{ tag: FIRST, asset_tag: 'P-1', room: 'R1' }])
    const near = await send('GET', 'facilities/4-east/rooms/R1/nearest?category=pumps')
    expect(near.body.items).toMatchObject([{ asset_tag: 'P-1', room: 'R1', metres: 0, doors: 0 }])
    expect((await send('GET', `tags/${FIRST}`)).body).toMatchObject({ identity: FIRST, asset_tag: 'P-1' })
  })

  it('say who is in the way, swap, correct and take back', async () => {
    const taken = await send('POST', `tags/${SECOND}/assign`, { asset: 'P-1' })
    expect(taken).toMatchObject({ status: 409, body: { code: 'conflict', holder: { tag: FIRST, assetTag: 'P-1' } } })
    const swapped = await send('POST', 'assets/P-1/swap-tag', { tag: SECOND, status: 'lost' })
    expect(swapped).toMatchObject({ status: 200, body: { tag: SECOND } })
    const { items } = (await send('GET', 'assets/P-1/assignments')).body
    expect(items.map(({ tag }: { tag: string }) => tag)).toEqual([SECOND, FIRST])
    const correction = { row_version: 2, from: hoursAgo(3), reason: 'was on earlier' }
    const path = `tag-assignments/${items[1].id}`
    expect(await send('PATCH', path, correction)).toMatchObject({ status: 200, body: { row_version: 3 } })
    expect(await send('PATCH', path, correction)).toMatchObject({ status: 409, body: { code: 'row-version' } })
    expect((await send('DELETE', `${path}?row_version=3&reason=never%20was`)).status).toBe(204)
    expect((await send('GET', `tags/${FIRST}/assignments`)).body.items).toEqual([])
    expect(await send('POST', `tags/${SECOND}/unassign`, {})).toMatchObject({ status: 200, body: { tag: SECOND } })
  })

  it('register and retire', async () => {
    const tag = { identity: 'ble:c30000000aaa', facility: '4-east' }
    expect(await send('POST', 'tags', tag)).toMatchObject({ status: 201, body: { status: 'active' } })
    expect((await send('POST', 'tags', tag)).status).toBe(409)
    expect((await send('POST', `tags/${tag.identity}/retire`, { reason: 'broken' })).body).toMatchObject({
      status: 'retired',
    })
  })

  it.each([
    ['GET', `tags/${FOREIGN_TAG}`, undefined, 404],
    ['GET', `tags/${FOREIGN_TAG}/assignments`, undefined, 404],
    ['POST', `tags/${FOREIGN_TAG}/assign`, { asset: 'P-1' }, 404],
    ['GET', 'assets/nothing/location', undefined, 404],
    ['GET', 'facilities/nowhere/where-at?t=2026-01-01T00:00:00Z', undefined, 404],
    ['GET', 'facilities/4-east/where-at', undefined, 400],
    ['GET', 'facilities/4-east/where-at?t=noon', undefined, 400],
    ['GET', 'assets/P-1/history?from=2026-01-01T00:00:00Z', undefined, 400],
    ['GET', 'assets/P-1/stays?from=2026-01-01T00:00:00&to=2026-01-02T00:00:00', undefined, 400],
    ['POST', `tags/${FIRST}/assign`, { asset: 'P-1', colour: 'red' }, 400],
    ['PATCH', 'tag-assignments/7', { row_version: 1, reason: 'x' }, 400],
  ])('refuse %s %s', async (method, path, body, status) => {
    expect((await send(method, path, body)).status).toBe(status)
  })
})

describe('tags and where on the command line', () => {
  let folder: string
  let config: string
  const said: string[] = []
  beforeAll(async () => {
    const wish = { asset_tag: 'P-2', name: 'Infusion pump', facility: '4-east', category: 'pumps' }
    expect((await send('POST', 'assets', wish)).status).toBe(201)
    folder = mkdtempSync(join(tmpdir(), 'biotrakr-history-'))
    config = join(folder, 'cloud.yaml')
    const { host, port, database, user, password } = centre.database.options('bt_api')
    writeFileSync(join(folder, 'password'), String(password), { mode: 0o600 })
    const access = { host, port, database, user, passwordFile: join(folder, 'password'), tls: 'off' }
    writeFileSync(config, JSON.stringify({ org: 'marlow', database: access }))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function run(...words: string[]): Promise<{ readonly code: number; readonly out: string }> {
    said.length = 0
    const keep = (text: unknown) => said.push(String(text)) > 0
    const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(keep))
    try {
      return { code: await runCli(['node', 'biotrakr-cloud', ...words, '-c', config]), out: said.join('') }
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  }

  it('put a tag on, say where the asset is, swap it, take it off and show who wore what', async () => {
    expect((await run('tags', 'list')).out).toContain(`${FIRST}  ble  lost  free  seen`)
    const on = await run('tags', 'assign', FIRST, 'P-2', '--from', hoursAgo(1), '--reason', 'list')
    expect(on).toMatchObject({ code: 0, out: expect.stringContaining(`${FIRST}  on P-2  since`) })
    expect((await run('where', 'P-2')).out).toMatch(
      /^P-2 Infusion pump: 4-east R1 Room 1, since .*, heard \d min ago\n$/,
    )
    expect((await run('where', 'P-2', '--stays')).out).toMatch(/ {2}29 min {2}4-east R1\n$/)
    expect((await run('where', '--facility', '4-east')).out).toMatch(/^R1 {2}P-2 {2}ble:c30000000001 {2}heard /)
    expect((await run('tags', 'swap', 'P-2', SECOND)).code).toBe(0)
    expect((await run('where', 'P-2')).out).toContain('was never placed')
    expect((await run('tags', 'unassign', SECOND)).code).toBe(0)
    const rows = JSON.parse((await run('tags', 'history', 'P-2', '--asset', '--json')).out)
    expect(rows).toHaveLength(2)
    const { id, rowVersion } = rows.find(({ tag }: { tag: string }) => tag === FIRST)
    const words = ['tags', 'correct', id, '--row-version', String(rowVersion), '--reason', 'x']
    expect((await run(...words, '--from', hoursAgo(2))).out).toContain(`version ${rowVersion + 1}`)
    const late = await run(...words, '--remove')
    expect(late).toMatchObject({ code: 1, out: expect.stringContaining('[ROW_VERSION]') })
  })

  it('register and retire, and explain what is wrong', async () => {
    expect((await run('tags', 'add', 'ble:c30000000bbb', '--model', 'K5')).out).toBe('ble:c30000000bbb is registered\n')
    expect((await run('tags', 'retire', 'ble:c30000000bbb', '--reason', 'lost')).code).toBe(0)
    expect((await run('tags', 'add', 'nonsense')).out).toContain('/identity: must be the identity of a tag')
    expect((await run('where')).code).toBe(2)
    expect((await run('where', 'P-9')).out).toContain('There is no asset P-9')
  })
})
