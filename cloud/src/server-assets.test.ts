import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'

interface Item {
  readonly id: string
  readonly asset_tag: string
  readonly row_version: number
}

let centre: TestCentre
beforeAll(async () => {
  centre = await createTestCentre()
})
afterAll(() => centre.stop())

async function send(method: string, path: string, body?: object) {
  const response = await fetch(`${centre.server.url}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

const pump = (asset_tag: string, more: object = {}) => ({
  asset_tag,
  name: 'Infusion pump',
  facility: '4-east',
  category: 'pumps',
  ...more,
})

describe('assets over HTTP', () => {
  beforeAll(async () => {
    expect((await send('POST', 'asset-categories', { code: 'pumps', name: 'Pumps' })).status).toBe(201)
    await send('POST', 'asset-attributes', { key: 'max_flow', name: 'Flow', type: 'integer', unit: 'mL/h' })
  })

  it('are made, shown by id and by tag, changed, retired, restored and deleted', async () => {
    const made = await send('POST', 'assets', pump('P-1', { attrs: { max_flow: 999 } }))
    expect(made).toMatchObject({ status: 201, body: { asset_tag: 'P-1', status: 'active', row_version: 1 } })
    const path = `assets/${made.body.id}`
    expect(made.headers.get('location')).toBe(`/api/v1/${path}`)
    for (const address of [path, 'assets/P-1']) {
      expect(await send('GET', address)).toMatchObject({
        status: 200,
        body: { id: made.body.id, attrs: { max_flow: 999 } },
      })
    }
    const changed = await send('PATCH', path, { row_version: 1, status: 'in_repair' })
    expect(changed).toMatchObject({ status: 200, body: { status: 'in_repair', row_version: 2 } })
    const retired = await send('POST', `${path}/retire`, { row_version: 2, reason: 'worn out' })
    expect(retired.body).toMatchObject({ status: 'retired', retire_reason: 'worn out' })
    expect((await send('POST', `${path}/restore`, { row_version: 3 })).body).toMatchObject({ status: 'standby' })
    expect((await send('POST', `${path}/confirm`)).body).toMatchObject({ last_confirmed_by: 'token', row_version: 5 })
    expect((await send('DELETE', `${path}?row_version=5&reason=entered%20twice`)).status).toBe(204)
    expect((await send('GET', 'assets/P-1')).status).toBe(404)
    expect((await send('GET', path)).body).toMatchObject({ delete_reason: 'entered twice' })
    expect((await send('GET', 'assets?deleted=true')).body.items).toMatchObject([{ asset_tag: 'P-1' }])
    expect((await send('POST', `${path}/restore`, { row_version: 6 })).body).toMatchObject({ deleted_at: null })
  })

  it('answer 409 with both states to one who comes too late', async () => {
    const { body } = await send('POST', 'assets', pump('P-2'))
    await send('PATCH', `assets/${body.id}`, { row_version: 1, notes: 'first' })
    expect(await send('PATCH', `assets/${body.id}`, { row_version: 1, notes: 'second' })).toMatchObject({
      status: 409,
      body: {
        code: 'row-version',
        current: { notes: 'first', row_version: 2 },
        yours: { notes: 'second', row_version: 1 },
      },
    })
    expect(await send('POST', 'assets', pump('P-2'))).toMatchObject({ status: 409, body: { code: 'conflict' } })
  })

  it('answer 400 with everything that is wrong, and 404 for what is not there', async () => {
    const wrong = await send('POST', 'assets', { asset_tag: '', name: 'x', facility: '4-east', colour: 'red' })
    expect(wrong).toMatchObject({ status: 400, body: { code: 'validation' } })
    expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/asset_tag',
      '/category',
      '/colour',
    ])
    expect((await send('POST', 'assets')).status).toBe(400)
    for (const path of ['assets/nowhere', `assets/${crypto.randomUUID()}`, `asset-vendors/${crypto.randomUUID()}`]) {
      expect((await send('GET', path)).status).toBe(404)
    }
  })

  it('come in pages, filtered', async () => {
    for (const i of [1, 2, 3]) await send('POST', 'assets', pump(`Q-${i}`, { status: 'quarantined' }))
    const first = await send('GET', 'assets?status=quarantined&facility=4-east&category=pumps&limit=2')
    expect(first.body.items.map(({ asset_tag }: Item) => asset_tag)).toEqual(['Q-1', 'Q-2'])
    const second = await send('GET', `assets?status=quarantined&limit=2&cursor=${first.body.next}`)
    expect(second.body).toMatchObject({ items: [{ asset_tag: 'Q-3' }], next: null })
  })

  it('are searched by words and attributes', async () => {
    await send('POST', 'assets', pump('S-1', { name: 'Ventilator', attrs: { max_flow: 12 } }))
    for (const query of ['q=ventil', 'attr.max_flow=12', 'q=ventil&attr.max_flow=12&facility=4-east']) {
      expect((await send('GET', `assets/search?${query}`)).body.items).toMatchObject([{ asset_tag: 'S-1' }])
    }
    expect(await send('GET', 'assets/search')).toMatchObject({ status: 400, body: { errors: [{ pointer: '/q' }] } })
    expect(await send('GET', 'assets/search?attr.max_flow=much')).toMatchObject({ status: 400 })
  })
})

describe('biotrakr-cloud assets', () => {
  let folder: string
  let config: string
  const said: string[] = []

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'biotrakr-assets-'))
    config = join(folder, 'api.json')
    const { host, port, database, user, password } = centre.database.options('bt_api')
    writeFileSync(join(folder, 'password'), password ?? '', { mode: 0o600 })
    const access = { host, port, database, user, passwordFile: join(folder, 'password'), tls: 'off' }
    writeFileSync(config, JSON.stringify({ org: 'marlow', database: access }))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** @returns the exit code, and what was said on standard output */
  async function run(...words: string[]): Promise<{ code: number; out: string }> {
    said.length = 0
    const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
    const err = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
    try {
      return { code: await runCli(['node', 'biotrakr-cloud', 'assets', ...words, '-c', config]), out: said.join('') }
    } finally {
      out.mockRestore()
      err.mockRestore()
    }
  }

  it('lists, shows, retires, restores and deletes, with the operator in the audit chain', async () => {
    const { body } = await send('POST', 'assets', pump('CLI-1', { manufacturer: 'Acme', serial_no: '9' }))
    expect(await run('list', '--category', 'pumps')).toMatchObject({
      code: 0,
      out: expect.stringContaining('CLI-1  Infusion pump  pumps  Acme serial 9  4-east  active\n'),
    })
    expect((await run('show', 'CLI-1')).out).toContain('serial_no: 9\n')
    expect(await run('retire', 'CLI-1', '--reason', 'old')).toEqual({ code: 0, out: 'CLI-1 is retired\n' })
    expect(await run('restore', 'CLI-1')).toEqual({ code: 0, out: 'CLI-1 is back: standby\n' })
    expect((await run('delete', 'CLI-1', '--reason', 'twice')).code).toBe(0)
    expect((await run('show', 'CLI-1')).code).toBe(1)
    expect((await run('list', '--deleted')).out).toContain(body.id)
    const restored = await run('restore', body.id, '--json')
    expect(JSON.parse(restored.out)).toMatchObject({ asset_tag: 'CLI-1', deleted_at: null })
    const { rows } = await centre.database.ownerClient.query(
      `select distinct actor from audit.event where object_id = $1 and action = 'update'`,
      [body.id],
    )
    expect(rows).toEqual([{ actor: expect.stringMatching(/^operator:/) }])
  })

  it('mends misspelt words once the vocabulary is there', async () => {
    await send('POST', 'assets', pump('CLI-2', { name: 'Defibrillator' }))
    expect((await run('search', 'defibrilator')).out).toBe('no asset\n')
    expect((await run('reindex')).out).toMatch(/^\d+ words\n$/)
    expect((await run('search', 'defibrilator')).out).toContain('CLI-2')
  })

  it('ends with 2 for what was wrongly typed', async () => {
    expect((await run('list', '--facility', 'nowhere')).code).toBe(2)
    expect((await run('search')).code).toBe(2)
    expect((await run('retire', 'CLI-2')).code).toBe(2)
  })
})
