import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { listAssets } from './asset-list.ts'
import * as lists from './asset-lists.ts'
import { changeAsset, confirmAsset, createAsset, deleteAsset, retireAsset, showAsset } from './asset-store.ts'
import { categories } from './category-catalogue.ts'
import { type AssetTenants, createAssetTenants } from './test-asset-tenants.ts'

let tenants: AssetTenants
const as: AssetTenants['as'] = (tenant, work, facilities) => tenants.as(tenant, work, facilities)

beforeAll(async () => {
  tenants = await createAssetTenants()
  for (const tenant of [tenants.one, tenants.two]) {
    await as(tenant, async (client) => {
      await categories.create(client, { code: 'pumps', name: 'Pumps' })
      await categories.create(client, { code: 'syringe', name: 'Syringe pumps', parent: 'pumps' })
      await categories.create(client, { code: 'beds', name: 'Beds' })
    })
  }
})
afterAll(() => tenants.stop())

let last = 0
const pump = (more: object = {}) => ({
  asset_tag: `P-${++last}`,
  name: 'Infusion pump',
  facility: 'north',
  category: 'pumps',
  ...more,
})
const create = (more: object = {}) => as(tenants.one, (client) => createAsset(client, pump(more)))

describe('the list of assets', () => {
  it('goes page by page in the order of the tags and ends', async () => {
    for (let i = 0; i < 5; i++) await create({ asset_tag: `PAGE-${i}`, department: 'icu', status: 'quarantined' })
    const filter = { status: 'quarantined', limit: '2', department: 'icu', facility: 'north', category: 'pumps' }
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const page = await as(tenants.one, (client) => listAssets(client, { ...filter, ...(cursor && { cursor }) }))
      seen.push(...page.items.map(({ asset_tag }) => asset_tag))
      cursor = page.next
    } while (cursor)
    expect(seen).toEqual(['PAGE-0', 'PAGE-1', 'PAGE-2', 'PAGE-3', 'PAGE-4'])
  })

  it('holds a category with what lies below it', async () => {
    const made = await create({ category: 'syringe', asset_tag: 'AAA-SYRINGE' })
    const { items } = await as(tenants.one, (client) => listAssets(client, { category: 'pumps', limit: 200 }))
    expect(items.map(({ id }) => id)).toContain(made.id)
  })

  it.each([
    [{ facility: 'nowhere' }, '/facility'],
    [{ category: 'nothing' }, '/category'],
    [{ department: 'icu' }, '/facility'],
    [{ cursor: 'abc' }, '/cursor'],
    [{ colour: 'red' }, '/colour'],
    [{ limit: '0' }, '/limit'],
  ])('refuses %j', async (query, pointer) => {
    await expect(as(tenants.one, (client) => listAssets(client, query))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer }] },
    })
  })

  it('reads an index, also when row security narrows it to one facility', async () => {
    const { one, database } = tenants
    await database.ownerClient.query(
      `insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name, status)
         select gen_random_uuid(), $1, $2, (select id from asset.category where org_id = $1 and code = 'beds'), 'B-' || n, 'Bed',
           case when n % 500 = 0 then 'missing' else 'active' end from generate_series(1, 1000) as n`,
      [one.id, one.south],
    )
    await database.ownerClient.query('analyze asset.asset')
    const plan = (condition: string) =>
      as(
        one,
        async (client) =>
          (
            await client.query({
              text: `explain select id from asset.asset where org_id = (select iam.current_org()) and deleted_at is null
                 and ${condition}`,
              rowMode: 'array',
            })
          ).rows.join('\n'),
        `{${one.south}}`,
      )
    expect(await plan(`facility_id = ${one.south} and status = 'missing'`)).toMatch(
      /asset_facility[\s\S]*Index Cond: .*org_id = .*status = 'missing'/,
    )
    expect(await plan(`asset_tag > 'B-1' order by asset_tag limit 50`)).toMatch(
      /Index Scan using asset_tag on asset[\s\S]*Index Cond: .*org_id = .*asset_tag > /,
    )
  })
})

describe('isolation', () => {
  const TABLES = ['asset.asset', 'asset.category', 'asset.model', 'asset.vendor', 'asset.attribute_def']

  it('shows a tenant nothing of another, in any table', async () => {
    const count = async (sql: string) => Number((await tenants.database.ownerClient.query(sql)).rows[0].n)
    for (const table of TABLES) {
      const own = await as(tenants.two, async (client) => (await client.query(`select org_id from ${table}`)).rows)
      expect(own.length).toBe(await count(`select count(*) as n from ${table} where org_id = ${tenants.two.id}`))
      expect(own.every(({ org_id }) => org_id === tenants.two.id)).toBe(true)
    }
  })

  it('answers for an asset of another tenant or facility as for one that is not there', async () => {
    const made = await create()
    const tries: ((client: Parameters<typeof showAsset>[0]) => Promise<unknown>)[] = [
      (client) => showAsset(client, made.id),
      (client) => changeAsset(client, made.id, { row_version: 1, name: 'mine' }),
      (client) => retireAsset(client, made.id, { row_version: 1, reason: 'mine' }),
      (client) => deleteAsset(client, made.id, { row_version: 1, reason: 'mine' }),
      (client) => confirmAsset(client, made.id),
    ]
    for (const attempt of tries) {
      await expect(as(tenants.two, attempt)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(as(tenants.one, attempt, `{${tenants.one.south}}`)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
    const parent = as(tenants.two, (client) => createAsset(client, pump({ parent_id: made.id })))
    await expect(parent).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const elsewhere = as(tenants.one, (client) => createAsset(client, pump()), `{${tenants.one.south}}`)
    await expect(elsewhere).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer: '/facility' }] },
    })
  })

  it('cannot be written around in SQL: neither a foreign tenant nor a facility out of reach', async () => {
    const made = await create()
    await as(tenants.two, (client) => createAsset(client, pump()))
    const steal = as(tenants.two, (client) => client.query('update asset.asset set org_id = $1', [tenants.one.id]))
    await expect(steal).rejects.toMatchObject({ code: '42501' })
    const reach = `{${tenants.one.north}}`
    const move = as(
      tenants.one,
      (client) => client.query('update asset.asset set facility_id = $1 where id = $2', [tenants.one.south, made.id]),
      reach,
    )
    await expect(move).rejects.toMatchObject({ code: '42501' })
  })
})

describe('lists of values', () => {
  it.each([
    ['asset', 'status', lists.ASSET_STATUSES],
    ['asset', 'condition', lists.CONDITIONS],
    ['asset', 'criticality', lists.CRITICALITIES],
    ['asset', 'ownership', lists.OWNERSHIPS],
    ['asset', 'mobility', lists.MOBILITIES],
    ['asset', 'use_state', lists.USE_STATES],
    ['asset', 'hygiene_state', lists.HYGIENE_STATES],
    ['vendor', 'kind', lists.VENDOR_KINDS],
    ['attribute_def', 'type', lists.ATTRIBUTE_TYPES],
  ])('%s.%s takes what the database takes', async (table, column, values) => {
    const { rows } = await tenants.database.ownerClient.query(
      'select pg_get_constraintdef(oid) as rule from pg_constraint where conname = $1',
      [`${table}_${column}_check`],
    )
    expect([...rows[0].rule.matchAll(/'(\w+)'::text/g)].map(([, value]) => value)).toEqual([...values])
  })
})
