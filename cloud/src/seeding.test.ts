import { randomBytes } from 'node:crypto'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { parseUdi } from '@biotrakr/shared'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createVault } from './people/keyring.ts'
import type { Seeded } from './seed/seed.ts'
import { seed } from './seeding.ts'
import { createScopedDatabase, type Scope } from './tenancy/scope.ts'
import { verifyChain } from './trust/chain.ts'

const NOW_MS = Date.now()

let database: TestDatabase
let pool: pg.Pool
let made: Seeded
const count = async (sql: string, ...values: unknown[]): Promise<number> =>
  (await database.ownerClient.query(`select count(*)::int as n from ${sql}`, values)).rows[0].n
const run = () => {
  const vault = createVault([randomBytes(32).toString('hex')])
  const wish = { seed: 7, size: 'small', nowMs: NOW_MS, say: () => undefined } as const
  return seed({ pool, actor: 'operator:test', vault }, wish)
}
beforeAll(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ ...database.options('owner'), max: 2, ssl: false } as pg.PoolConfig)
  made = await run()
}, 120_000)
afterAll(async () => {
  await pool.end()
  await database.stop()
})

describe('a seeded database', () => {
  it('has a hospital of two facilities in two time zones, and another tenant', async () => {
    const { rows } = await database.ownerClient.query(
      `select o.slug, f.code, f.time_zone from site.facility f join iam.org o on o.id = f.org_id order by f.id`,
    )
    expect(rows).toEqual([
      { slug: 'northfield', code: 'northfield', time_zone: 'America/New_York' },
      { slug: 'northfield', code: 'riverside', time_zone: 'Europe/Berlin' },
      { slug: 'otherland', code: 'other', time_zone: 'UTC' },
    ])
    expect(made).toMatchObject({ assets: 90, work: 23, people: true })
  })

  it('has assets of many kinds, each with a tag, a model, and a UDI whose check digit is right', async () => {
    const { rows } = await database.ownerClient.query(
      `select r.udi, a.name from asset.asset a join asset.asset_regulatory r on r.asset_id = a.id
       join rtls.tag_assignment w on w.asset_id = a.id where a.model_id is not null`,
    )
    expect(rows).toHaveLength(90)
    for (const { udi } of rows) expect(parseUdi(udi, { year: 2026 })).toMatchObject({ ok: true })
    expect(await count('(select distinct category_id from asset.asset) c')).toBeGreaterThan(15)
  })

  it('is alive: positions, stays and sums of the days by the real jobs, words for the search', async () => {
    expect(await count('telemetry.location_history')).toBe(made.fixes)
    expect(await count('rtls.position')).toBe(await count('rtls.tag'))
    expect(await count('telemetry.stay')).toBeGreaterThan(200)
    expect(await count('telemetry.tag_day')).toBeGreaterThan(90)
    expect(await count('asset.search_word')).toBeGreaterThan(50)
    expect(await count('rtls.watermark where dirty_from is not null')).toBe(0)
  })

  it('never walks through a wall', async () => {
    const through = await count(`(
      select room_id as b, lag(room_id) over (partition by tag_id order by t) as a from telemetry.location_history) s
      where a <> b and not exists (select from site.adjacency d
        where (d.room_a = a and d.room_b = b) or (d.room_a = b and d.room_b = a))`)
    expect(through).toBe(0)
  })

  it('has staff with consent, patients without names, work in every state, recalls that found something', async () => {
    expect(await count('care.staff')).toBe(11)
    expect(await count('care.consent')).toBe(11)
    expect(await count('care.patient where name_env is not null')).toBe(0)
    expect(await count('care.encounter')).toBeGreaterThan(5)
    expect(await count('(select distinct state from asset.work_order) s')).toBeGreaterThanOrEqual(5)
    expect(await count('asset.failure')).toBeGreaterThan(3)
    expect(await count('asset.recall_match')).toBeGreaterThan(0)
    expect(await count('asset.certification')).toBeGreaterThan(5)
  })

  it('knows no password: every account is invited with a code of its own', async () => {
    expect(await count('iam.account where password_hash is null')).toBe(11)
    expect(new Set(made.invitations.map(({ code }) => code)).size).toBe(11)
  })

  it('is written by the flows: the audit chain of both tenants is whole and long', async () => {
    const tenants = createScopedDatabase(pool)
    for (const slug of ['northfield', 'otherland']) {
      const { rows } = await database.ownerClient.query('select id from iam.org where slug = $1', [slug])
      const scope: Scope = { orgId: rows[0].id, facilities: 'all', actor: 'operator:test' }
      const report = await verifyChain({ read: (work) => tenants.read(scope, work) }, { anchors: [] })
      expect(report.problems).toEqual([])
      expect(report.events).toBeGreaterThan(20)
    }
  })

  it('is refused a second time, and nothing is changed', async () => {
    const before = await count('asset.asset')
    await expect(run()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('northfield') })
    expect(await count('asset.asset')).toBe(before)
  })
})
