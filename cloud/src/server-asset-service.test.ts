import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'

let centre: TestCentre
let folder: string
let asset: string

async function send(method: string, path: string, body?: object) {
  const response = await fetch(`${centre.server.url}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

/** @returns the exit code, and what was said on standard output */
async function run(...words: string[]): Promise<{ code: number; out: string }> {
  const said: string[] = []
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  try {
    const code = await runCli(['node', 'biotrakr-cloud', ...words, '-c', join(folder, 'cloud.yaml')])
    return { code, out: said.join('') }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

beforeAll(async () => {
  centre = await createTestCentre()
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-service-'))
  const { host, port, database, user, password } = centre.database.options('bt_api')
  writeFileSync(join(folder, 'password'), password ?? '', { mode: 0o600 })
  const access = { host, port, database, user, passwordFile: join(folder, 'password'), tls: 'off' }
  writeFileSync(join(folder, 'cloud.yaml'), JSON.stringify({ org: 'marlow', database: access }))
  await send('POST', 'asset-categories', { code: 'pumps', name: 'Pumps' })
  const pump = { asset_tag: 'P-1', name: 'Pump', facility: '4-east', category: 'pumps', manufacturer: 'Acme' }
  asset = (await send('POST', 'assets', pump)).body.id
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await centre.stop()
})

describe('the service of assets over HTTP', () => {
  it('writes sections, shows them, and keeps money apart', async () => {
    const changed = await send('PATCH', `assets/${asset}/service`, { row_version: 0, pm_days: 90 })
    expect(changed).toMatchObject({ status: 200, body: { pm_days: 90, row_version: 1 } })
    await send('PATCH', `assets/${asset}/finance`, { row_version: 0, currency: 'EUR', purchase_cost: 5_000 })
    expect((await send('GET', `assets/${asset}/full`)).body).toMatchObject({ asset_tag: 'P-1', pm_days: 90 })
    expect((await send('GET', `assets/${asset}/full`)).body).not.toHaveProperty('purchase_cost')
    expect((await send('GET', `assets/${asset}/finance`)).body).toMatchObject({ purchase_cost: 5_000 })
  })

  it('answers 201 for what is new, 400 with every field, 404 for what is not there and 409 with both states', async () => {
    const made = await send('POST', 'work-orders', { asset_id: asset, kind: 'corrective', title: 'Beeps' })
    expect(made).toMatchObject({ status: 201, body: { state: 'open' } })
    const path = `work-orders/${made.body.id}`
    expect(await send('POST', `${path}/start`, { row_version: 1 })).toMatchObject({ status: 200 })
    expect(await send('PATCH', path, { row_version: 1, title: 'Other' })).toMatchObject({
      status: 409,
      body: { code: 'row-version', current: { state: 'in_progress' }, yours: { title: 'Other' } },
    })
    expect(await send('POST', `${path}/verify`, { row_version: 2 })).toMatchObject({ status: 409 })
    expect(await send('POST', 'work-orders', { asset_id: asset, kind: 'x', colour: 'red' })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/kind' }, { pointer: '/title' }, { pointer: '/colour' }] },
    })
    expect((await send('GET', 'work-orders/nothing')).status).toBe(404)
    expect((await send('GET', 'work-orders?open=true')).body.items).toHaveLength(1)
  })
})

describe('the commands', () => {
  it('open, move and show work orders', async () => {
    const opened = await run('work-orders', 'open', 'P-1', '--kind', 'cleaning', '--title', 'Wipe', '--json')
    const { number } = JSON.parse(opened.out)
    expect((await run('work-orders', 'list')).out).toContain(`${number}  cleaning  open  normal  Wipe\n`)
    expect((await run('work-orders', 'assign', String(number), '--to', 'Ada')).out).toContain('assigned')
    expect((await run('work-orders', 'start', String(number))).code).toBe(0)
    expect((await run('work-orders', 'finish', String(number))).code).toBe(2)
    expect((await run('work-orders', 'finish', String(number), '--action', 'wiped')).out).toContain('done')
    expect((await run('work-orders', 'show', String(number))).out).toContain('action: wiped\n')
    expect((await run('work-orders', 'show', '999')).code).toBe(1)
    expect((await run('work-orders', 'list', '--asset', 'P-1', '--state', 'verified')).out).toBe('no work order\n')
  })

  it('register a recall from a file, look for what it concerns, decide and close', async () => {
    const file = join(folder, 'recall.yaml')
    writeFileSync(
      file,
      'number: Z-1\nauthority: FDA\nclass: II\ntitle: Fuse\nmanufacturer: ACME\naction: Change it\nissued_on: "2026-03-01"\n',
    )
    expect((await run('recalls', 'add', file)).out).toContain('Z-1  FDA  class II  in_action  Fuse')
    expect((await run('recalls', 'assets', 'Z-1')).out).toBe('P-1  Pump  suspect  by manufacturer\n')
    expect((await run('recalls', 'match', 'Z-1')).out).toBe('0 assets more, 0 no longer concerned\n')
    expect((await run('recalls', 'close', 'Z-1')).code).toBe(1)
    expect((await run('recalls', 'decide', 'Z-1', 'P-1', 'cleared', '--note', 'other fuse')).out).toBe(
      'P-1 is cleared\n',
    )
    expect((await run('recalls', 'close', 'Z-1')).out).toContain('closed')
    expect((await run('recalls', 'show', 'Z-1')).out).toContain('assets: {"cleared":1}\n')
    expect((await run('recalls', 'list', '--state', 'new')).out).toBe('no recall\n')
    expect((await run('recalls', 'add', join(folder, 'none.yaml'))).code).toBe(2)
  })

  it('bring an asset to another facility', async () => {
    const { ownerClient } = centre.database
    await ownerClient.query(
      `insert into site.facility (org_id, code, name, time_zone) select id, 'west', 'West', 'UTC' from iam.org where slug = 'marlow'`,
    )
    const asked = await run('transfers', 'request', 'P-1', 'west', '--loan', '--due-back', '2026-05-01', '--json')
    const { id } = JSON.parse(asked.out)
    for (const step of ['approve', 'send', 'receive']) expect((await run('transfers', step, id)).code).toBe(0)
    expect((await run('transfers', 'list')).out).toBe(`${id}  P-1 Pump  loan  received  due back 2026-05-01\n`)
    expect((await run('assets', 'show', 'P-1')).out).toContain('west')
    expect((await run('transfers', 'cancel', id)).code).toBe(1)
    expect((await run('transfers', 'list', '--state', 'approved')).out).toBe('no transfer\n')
  })
})
