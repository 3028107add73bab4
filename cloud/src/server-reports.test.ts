import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import { maintenanceJobs } from './maintenance-jobs.ts'
import { REPORTS } from './reports/catalogue.ts'
import { systemClock } from './system-clock.ts'
import { createTestCentre, OWN_TAGS, type TestCentre } from './test-centre.ts'
import { SYSTEM_ROLES } from './trust/lists.ts'
import { connectClient } from './upkeep/connection.ts'

const TAG = OWN_TAGS[0] ?? ''
let centre: TestCentre
let folder: string
let config: string

beforeAll(async () => {
  centre = await createTestCentre()
  await send('POST', 'asset-categories', { code: 'pumps', name: 'Pumps' })
  await send('POST', 'assets', { asset_tag: 'P-1', name: '=Pump', facility: '4-east', category: 'pumps' })
  await centre.commit('marlow', { tag: TAG, room: 'R1', atMs: Date.now() - 3 * 3_600_000 })
  await send('POST', `tags/${TAG}/assign`, { asset: 'P-1', from: new Date(Date.now() - 86_400_000), reason: 'was on' })
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-reports-'))
  config = join(folder, 'cloud.yaml')
  const { host, port, database, user, password } = centre.database.options('bt_api')
  writeFileSync(join(folder, 'password'), String(password), { mode: 0o600 })
  const access = { host, port, database, user, passwordFile: join(folder, 'password'), tls: 'off' }
  writeFileSync(config, JSON.stringify({ org: 'marlow', database: access }))
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await centre.stop()
})

async function send(method: string, path: string, body?: object) {
  const response = await fetch(`${centre.server.url}/api/v1/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, body: JSON.parse((await response.text()) || 'null') }
}

async function runJob(name: string): Promise<void> {
  const jobs = await connectClient(centre.database.options('bt_jobs'))
  try {
    const job = maintenanceJobs({ clock: systemClock }).find((one) => one.name === name)
    await job?.run(jobs, Date.now())
  } finally {
    await jobs.end()
  }
}

async function run(...words: string[]): Promise<{ readonly code: number; readonly out: string }> {
  const said: string[] = []
  const keep = (text: unknown) => said.push(String(text)) > 0
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(keep))
  try {
    return { code: await runCli(['node', 'biotrakr-cloud', ...words, '-c', config]), out: said.join('') }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

describe('reports over HTTP', () => {
  it('are listed with what they take, and run by name', async () => {
    const { items } = (await send('GET', 'reports')).body
    expect(items).toHaveLength(REPORTS.length)
    expect(items[0]).toMatchObject({ id: 'AS01', parameters: [{ name: 'code', required: true }] })
    expect(items[0]).not.toHaveProperty('sql')
    const { body } = await send('GET', 'reports/where-now?asset=P-1')
    expect(body).toMatchObject({ id: 'LO01', truncated: false, rows: [{ asset: 'P-1', room: 'R1', method: 'BLE' }] })
  })

  it.each([
    ['reports/nothing', 404],
    ['reports/where-now', 400],
    ['reports/where-now?asset=P-9', 400],
    ['reports/where-now?asset=P-1&colour=red', 400],
  ])('refuse %s with %i', async (path, status) => {
    expect((await send('GET', path)).status).toBe(status)
  })

  it('show what a rule raised, until somebody acknowledges it and the tag is heard again', async () => {
    const rule = { facility: '4-east', kind: 'missing', name: 'Gone', minutes: 60, severity: 'critical' }
    const made = await send('POST', 'alert-rules', rule)
    expect(made.status).toBe(201)
    expect((await send('POST', 'alert-rules', rule)).status).toBe(409)
    expect((await send('GET', 'alert-rules')).body.items).toMatchObject([{ name: 'Gone', minutes: 60 }])
    await runJob('alerts')
    const open = async () => (await send('GET', 'reports/open-alerts')).body.rows
    const [alert] = await open()
    expect(alert).toMatchObject({ severity: 'critical', asset: 'P-1', room: 'R1', state: 'open' })
    const seen = await send('POST', `alerts/${alert.alert}/acknowledge`, { note: 'looking' })
    expect(seen.body).toMatchObject({ state: 'acknowledged', acknowledgedBy: 'token' })
    expect(await open()).toMatchObject([{ state: 'acknowledged', acknowledged_by: 'token' }])
    expect((await send('POST', `alert-rules/${made.body.id}/end`)).status).toBe(200)
    await runJob('alerts')
    expect(await open()).toEqual([])
  })

  it('need a right that the role named for them has', () => {
    for (const { id, role, permission } of REPORTS) {
      const held = SYSTEM_ROLES.find(({ code }) => code === role)?.permissions ?? []
      expect(held, `${id} ${role}`).toContain(permission)
    }
  })
})

describe('reports on the command line', () => {
  it('are listed without a database', async () => {
    expect(REPORTS.length).toBe(25)
    const said: string[] = []
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
    const code = await runCli(['node', 'biotrakr-cloud', 'report', 'list'])
    spy.mockRestore()
    expect(code).toBe(0)
    expect(said.join('')).toContain('LO01  where-now')
  })

  it('run as lines, CSV with formulas disarmed, or JSON', async () => {
    const plain = await run('report', 'run', 'where-now', '--param', 'asset=P-1')
    expect(plain).toMatchObject({ code: 0 })
    expect(plain.out.split('\n')[1]).toMatch(/^P-1\t=Pump\t/)
    const csv = await run('report', 'run', 'LO01', '--param', 'asset=P-1', '--csv')
    expect(csv.out).toContain(`P-1,'=Pump,`)
    const json = await run('report', 'run', 'asset-list', '--param', 'facility=4-east', '--json')
    expect(JSON.parse(json.out)).toMatchObject({ id: 'AS05', rows: [{ asset: 'P-1' }] })
    expect(await run('report', 'run', 'where-now')).toMatchObject({ code: 2 })
    expect(await run('report', 'run', 'where-now', '--param', 'asset')).toMatchObject({ code: 2 })
    expect((await run('report', 'run', 'nothing')).code).toBe(1)
  })

  it('set par levels and rules, and show them', async () => {
    const zone = { facility: '4-east', code: 'stock', name: 'Stock', kind: 'par', rooms: ['R1'] }
    const made = await send('POST', 'facilities/4-east/zones', { ...zone, facility: undefined })
    expect(made.status).toBe(201)
    const place = ['--facility', '4-east', '--zone', 'stock']
    expect(await run('par', 'set', ...place, '--category', 'pumps', '--low', '2')).toMatchObject({ code: 0 })
    await runJob('alerts')
    const board = await run('report', 'run', 'par-board')
    expect(board.out.split('\n')[1]).toMatch(/^4-east\tstock\tpumps\t1\t2\t\tbelow\t/)
    const limits = ['--kind', 'sensor_limit', '--sensor', 'temperature', '--high', '8', '--name', 'Fridge']
    expect((await run('alerts', 'add-rule', ...place, ...limits)).out).toMatch(/^added /)
    const rules = await run('alerts', 'rules')
    expect(rules.out).toContain('4-east  warning  Fridge: sensor_limit stock temperature ..8')
    expect((await run('alerts', 'end-rule', rules.out.slice(0, 36))).code).toBe(0)
    expect((await run('alerts', 'rules')).out).toBe('no rule\n')
    expect((await run('alerts', 'ack', '00000000-0000-4000-8000-000000000000')).code).toBe(1)
    expect((await run('par', 'end', '00000000-0000-4000-8000-000000000000')).code).toBe(1)
  })
})
