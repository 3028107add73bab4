import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { applySite } from './site-apply.ts'
import { parseSiteFile, type SiteInput } from './site-file.ts'

const SITE: SiteInput = {
  org: { slug: 'st-anna', name: 'St. Anna' },
  facility: { code: 'main', name: 'Main building', timeZone: 'Europe/Berlin' },
  rooms: [{ code: 'R1', name: 'Room 1', kind: 'patient' }, { code: 'corridor' }],
  gateways: [{ name: 'ward-3' }],
  tags: [{ identity: 'ble:c30000000001', label: 'Pump 1' }, { identity: 'epc:urn:epc:id:giai:4012345.6' }],
}

describe('applying a site', () => {
  let database: TestDatabase
  let pool: Pool

  beforeAll(async () => {
    database = await createTestDatabase()
    pool = new Pool({ ...database.options('owner') })
  })
  afterAll(async () => {
    await pool.end()
    await database.stop()
  })

  async function names(sql: string): Promise<unknown[]> {
    return (await pool.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0])
  }

  it('creates everything, and finds nothing to do the second time', async () => {
    const first = await applySite(pool, SITE)
    expect(first).toMatchObject({ created: 7, updated: 0, unchanged: 0 })
    expect(await applySite(pool, SITE)).toEqual({ ...first, created: 0, unchanged: 7 })
    expect(await names(`select code || ':' || name || ':' || kind from site.room order by id`)).toEqual([
      'R1:Room 1:patient',
      'corridor:corridor:other',
    ])
    expect(await names('select kind from rtls.tag order by id')).toEqual(['ble', 'rfid_uhf'])
  })

  it('changes what differs, and leaves alone what is not named', async () => {
    const result = await applySite(pool, {
      org: SITE.org,
      facility: { ...SITE.facility, name: 'Main' },
      rooms: [{ code: 'R1', kind: 'icu' }, { code: 'R2' }],
      tags: [{ identity: 'ble:c30000000001', label: 'Pump 2' }],
    })
    expect(result).toMatchObject({ created: 1, updated: 3, unchanged: 1 })
    expect(await names(`select name || ':' || kind from site.room order by code`)).toEqual([
      'Room 1:icu',
      'R2:other',
      'corridor:other',
    ])
    expect(await names('select label from rtls.tag order by id')).toEqual(['Pump 2', null])
  })

  it('moves a gateway and a tag to the facility that names them last', async () => {
    const moved = await applySite(pool, {
      ...SITE,
      facility: { code: 'annex', name: 'Annex', timeZone: 'Europe/Berlin' },
      rooms: [],
    })
    expect(moved).toMatchObject({ created: 1, updated: 3, unchanged: 1 })
    expect(await names('select facility_id from site.gateway')).toEqual([moved.facilityId])
  })

  it('takes several thousand tags', async () => {
    const tags = Array.from({ length: 4_500 }, (_, i) => ({
      identity: `ble:${(0xd0_00_00_00_00_00 + i).toString(16)}`,
    }))
    const result = await applySite(pool, { ...SITE, org: { slug: 'large', name: 'Large' }, gateways: [], tags })
    expect(result.created).toBe(2 + 2 + 4_500)
  })

  it('refuses a gateway name of another organisation, and applies nothing of the rest', async () => {
    const other = { ...SITE, org: { slug: 'other', name: 'Other' } }
    await expect(applySite(pool, other)).rejects.toMatchObject({
      code: 'SITE_INVALID',
      message: expect.stringContaining('ward-3'),
    })
    expect(await names(`select slug from iam.org where slug = 'other'`)).toEqual([])
  })

  it('leaves one organisation when two people apply the same new site at once', async () => {
    const fresh = { ...SITE, org: { slug: 'fresh', name: 'Fresh' }, gateways: [{ name: 'fresh-1' }] }
    const results = await Promise.all([applySite(pool, fresh), applySite(pool, fresh)])
    expect(results.map(({ created }) => created).sort()).toEqual([0, 7])
  })

  it('names every problem at once', async () => {
    const wrong = {
      ...SITE,
      facility: { ...SITE.facility, timeZone: 'Berlin' },
      rooms: [{ code: 'R1' }, { code: 'R1' }],
      gateways: [{ name: 'Ward/3' }, { name: 'ward-3' }, { name: 'ward-3' }],
      tags: [{ identity: 'c30000000001' }, { identity: 'ble:c30000000001', colour: 'red' }],
    }
    const error = await applySite(pool, wrong).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SITE_INVALID' })
    const message = String(error)
    for (const problem of [
      'facility.timeZone: must be',
      'rooms[1].code: "R1" is named twice',
      'gateways[0].name: must be',
      'gateways[2].name: "ward-3" is named twice',
      'tags[0].identity: must be',
      'tags[1].colour: unknown key',
    ]) {
      expect(message).toContain(problem)
    }
  })
})

describe('a site file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'biotrakr-site-'))
  afterAll(() => rmSync(dir, { recursive: true }))

  function written(text: string): string {
    const path = join(dir, 'site.yaml')
    writeFileSync(path, text)
    return path
  }

  it('is YAML with the lists left out that are not needed', () => {
    const path = written('org: {slug: a, name: A}\nfacility: {code: m, name: M, timeZone: UTC}\n')
    expect(parseSiteFile(path)).toMatchObject({ org: { slug: 'a' }, rooms: [], gateways: [], tags: [] })
  })

  it('reports names that occur twice, by their place', () => {
    const path = written(
      'org: {slug: a, name: A}\nfacility: {code: m, name: M, timeZone: UTC}\nrooms: [{code: x}, {code: x}]\ngateways: [{name: gw-1}, {name: gw-1}]\n',
    )
    expect(() => parseSiteFile(path)).toThrow(/rooms\[1\]\.code: "x" is named twice\n {2}gateways\[1\]\.name/)
  })

  it('is refused with its unknown keys, broken YAML or a missing file named', () => {
    expect(() => parseSiteFile(written('orgs: {}\n'))).toThrow('orgs: unknown key')
    expect(() => parseSiteFile(written('a: [\n'))).toThrow('not valid YAML')
    expect(() => parseSiteFile('/nowhere/site.yaml')).toThrow('cannot be read')
  })
})
