import { verify } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { publishedSiteSchema, signedSiteSchema, siteToSign } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli.ts'

let database: TestDatabase
let dir: string
const at = (name: string) => join(dir, name)

const SITE = `
org: { slug: st-anna, name: St. Anna }
facility: { code: main, name: Main building, timeZone: Europe/Berlin }
rooms: [{ code: R1 }, { code: HALL, kind: corridor }]
doors: [{ between: [R1, HALL] }]
gateways: [{ name: gw-main }, { name: gw-side }]
receivers: [{ code: ble-1, kind: ble_adapter, gateway: gw-main, room: R1 }]
tags: [{ identity: 'ble:c30000000001' }]
`

beforeAll(async () => {
  database = await createTestDatabase()
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-site-cli-'))
  for (const role of ['owner', 'bt_api', 'bt_ingest'] as const) {
    const { host, port, database: name, user, password } = database.options(role)
    writeFileSync(at(`${role}.password`), password ?? '', { mode: 0o600 })
    const access = { host, port, database: name, user, passwordFile: `${role}.password`, tls: 'off' }
    const sites = { publishedFolder: 'published', keyFile: 'site.key' }
    const org = role === 'bt_api' && { org: 'st-anna' }
    writeFileSync(at(`${role}.yaml`), JSON.stringify({ database: access, sites, ...org }))
  }
  writeFileSync(at('site.yaml'), SITE)
})
afterAll(async () => {
  await database.stop()
  rmSync(dir, { recursive: true, force: true })
})

interface Said {
  readonly exit: number
  readonly out: string
  readonly problem: string
}

async function site(login: 'owner' | 'bt_api' | 'bt_ingest', ...words: string[]): Promise<Said> {
  const said = { out: '', problem: '' }
  const write = (key: keyof typeof said) => (text: unknown) => {
    said[key] += String(text)
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(write('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(write('problem')),
  ]
  try {
    const exit = await runCli(['node', 'biotrakr-cloud', 'site', ...words, '--config', at(`${login}.yaml`)])
    return { exit, ...said }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

function published(gateway: string) {
  const signed = signedSiteSchema.parse(JSON.parse(readFileSync(join(dir, 'published', `${gateway}.json`), 'utf8')))
  return { ...signed, content: publishedSiteSchema.parse(JSON.parse(signed.document)) }
}

describe('biotrakr-cloud site', () => {
  it('sets a facility up, once', async () => {
    const words = [
      'setup',
      '--org',
      'st-anna',
      '--facility',
      'main',
      '--time-zone',
      'Europe/Berlin',
      '--org-name',
      'St. Anna',
    ]
    expect(await site('owner', ...words, '--name', 'Main building')).toMatchObject({
      exit: 0,
      out: '12 created, 0 updated, 0 unchanged\n',
    })
    const again = await site('owner', ...words, '--name', 'Main building', '--json')
    expect(JSON.parse(again.out)).toMatchObject({ created: 0, updated: 0, unchanged: 12 })
    expect(await site('owner', ...words.with(6, 'Berlin'))).toMatchObject({
      exit: 2,
      problem: expect.stringContaining('facility.timeZone: must be a time zone'),
    })
    expect((await site('bt_api', 'facilities')).out).toBe('main  Main building  Europe/Berlin  no map published\n')
  })

  it('imports a file and exports one that changes nothing', async () => {
    expect(await site('owner', 'import', at('site.yaml'))).toMatchObject({ out: '7 created, 0 updated, 2 unchanged\n' })
    expect(await site('bt_api', 'export', 'main', '--out', at('out.yaml'))).toEqual({ exit: 0, out: '', problem: '' })
    expect((await site('owner', 'import', at('out.yaml'))).out).toMatch(/^0 created, 0 updated, \d+ unchanged\n$/)
    const json = await site('bt_api', 'export', 'main', '--json')
    writeFileSync(at('out.json'), json.out)
    expect((await site('owner', 'import', at('out.json'))).out).toMatch(/^0 created, 0 updated, /)
    // A file that is there is not overwritten.
    expect(await site('bt_api', 'export', 'main', '--out', at('out.yaml'))).toMatchObject({ exit: 2 })
    expect(await site('bt_api', 'export', 'annex')).toMatchObject({
      exit: 1,
      problem: expect.stringContaining('There is no facility "annex"'),
    })
  })

  it('publishes the map of a facility for all its gateways, signed, and again only what is new', async () => {
    const first = await site('bt_api', 'publish', '--facility', 'main', '--note', 'opening')
    expect(first).toEqual({
      exit: 0,
      out: 'main: map 1 is in force, 2 rooms, 1 tags\ngw-main: published version 1\ngw-side: published version 1\n',
      problem: '',
    })
    const { document, signature, content } = published('gw-main')
    expect(content).toMatchObject({
      gateway: 'gw-main',
      version: 1,
      tags: ['ble:c30000000001'],
      siteMap: { version: 1 },
    })
    const key = (await site('bt_api', 'key')).out
    expect(verify(null, siteToSign(document), key, Buffer.from(signature, 'base64'))).toBe(true)
    expect((await site('bt_api', 'publish', '--facility', 'main')).out).toContain('nothing is new; map 1 stays')
    // A new tag is new to the gateways, and not to the map.
    writeFileSync(
      at('more.yaml'),
      `${SITE}${'  \n'.repeat(1)}`.replace("[{ identity: 'ble:c30000000001' }]", "[{ identity: 'ble:c30000000002' }]"),
    )
    await site('owner', 'import', at('more.yaml'))
    const again = JSON.parse((await site('bt_api', 'publish', '--gateway', 'gw-main', '--json')).out)
    expect(again).toMatchObject({
      version: 1,
      isNew: false,
      tags: 2,
      gateways: [{ gateway: 'gw-main', version: 2, isNew: true }],
    })
  })

  it('lists versions, says what differs, and goes back', async () => {
    writeFileSync(at('rooms.yaml'), SITE.replace('[{ code: R1 }', '[{ code: R2 }, { code: R1 }'))
    await site('owner', 'import', at('rooms.yaml'))
    writeFileSync(at('profile.json'), '{"name":"made-up"}')
    expect((await site('bt_api', 'publish', '--facility', 'main', '--profile', at('profile.json'))).out).toContain(
      'map 2',
    )
    expect((await site('bt_api', 'diff', 'main', '1', '2')).out).toBe('+ rooms  R2\n')
    expect((await site('bt_api', 'diff', 'main', '2', '2')).out).toBe('both say the same\n')
    expect((await site('bt_api', 'publish', '--facility', 'main', '--version', '1')).out).toContain('map 1 is in force')
    const { content } = published('gw-main')
    // What gateways are sent counts on, so that they take it, and profiles stay that nobody took away.
    expect(content).toMatchObject({ version: 4, siteMap: { version: 1 }, profiles: { profile: { name: 'made-up' } } })
    const { out } = await site('bt_api', 'versions', 'main')
    expect(out).toMatch(
      /^2 {2}\S+Z {2}operator:\S+ {2}[0-9a-f]{16}\n1 {2}\S+Z {2}operator:\S+ {2}[0-9a-f]{16} {2}in force {2}opening\n$/,
    )
    expect(await site('bt_api', 'publish', '--facility', 'main', '--version', '9')).toMatchObject({
      exit: 1,
      problem: expect.stringContaining('has no map of version 9'),
    })
  })

  it('takes the survey of a calibration over, and keeps it', async () => {
    const trust = { second: 1, stay: 1, spots: 0, heard: 1, error: 0.1 }
    const survey = { rooms: [], cells: [], noise: [], changes: [], spots: [], points: [], trust }
    writeFileSync(at('calibrated.json'), JSON.stringify({ version: 1, rooms: [], receivers: [], survey }))
    await site('bt_api', 'publish', '--facility', 'main', '--survey', at('calibrated.json'))
    expect(published('gw-side').content.siteMap.survey).toEqual(survey)
    expect((await site('bt_api', 'publish', '--facility', 'main')).out).toContain('nothing is new; map 3 stays')
    writeFileSync(at('bare.json'), '{"version":1}')
    expect(await site('bt_api', 'publish', '--facility', 'main', '--survey', at('bare.json'))).toMatchObject({
      exit: 2,
    })
  })

  it('still publishes a map that was written by hand, for one gateway', async () => {
    writeFileSync(at('map.yaml'), 'version: 7\nrooms: [{ id: R1 }]\nreceivers: []\n')
    for (const login of ['bt_api', 'bt_ingest'] as const) {
      const { out } = await site(login, 'publish', at('map.yaml'), '--gateway', 'gw-side')
      expect(out).toMatch(/^gw-side: .*, 2 tags\n$/)
    }
    expect(published('gw-side').content.siteMap.version).toBe(7)
  })

  it.each([
    ['nothing that says what to publish', [], 'neither a map nor'],
    ['a gateway of nobody', ['--gateway', 'gw-none'], 'there is no gateway "gw-none"'],
    ['a map without a gateway', ['map.yaml'], 'a map written by hand is for one gateway'],
    [
      'a note for an old version',
      ['--facility', 'main', '--version', '1', '--note', 'x'],
      'takes no survey and no note',
    ],
    ['a facility of nobody', ['--facility', 'annex'], 'There is no facility "annex"'],
  ])('refuses %s', async (_what, words, problem) => {
    const said = await site('bt_api', 'publish', ...words)
    expect(said.exit).toBeGreaterThan(0)
    expect(said.problem).toContain(problem)
  })

  it('wants to know the organisation, where one is needed', async () => {
    expect(await site('bt_ingest', 'export', 'main')).toMatchObject({
      exit: 2,
      problem: expect.stringContaining('names no organisation'),
    })
    expect(existsSync(at('published'))).toBe(true)
  })
})
