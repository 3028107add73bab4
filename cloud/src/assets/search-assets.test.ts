import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createAsset, deleteAsset } from './asset-store.ts'
import { attributes } from './attribute-catalogue.ts'
import { categories } from './category-catalogue.ts'
import { rebuildSearchWords, searchAssets } from './search-assets.ts'
import { type AssetTenants, createAssetTenants } from './test-asset-tenants.ts'

let tenants: AssetTenants
const as: AssetTenants['as'] = (tenant, work, facilities) => tenants.as(tenant, work, facilities)

const STOCK = [
  { asset_tag: 'INF-0001', name: 'Infusion pump', manufacturer: 'Braun', model_name: 'Space', serial_no: '4711' },
  { asset_tag: 'INF-0002', name: 'Infusion pump', manufacturer: 'Braun', model_name: 'Compact', facility: 'south' },
  { asset_tag: 'VEN-0001', name: 'Ventilator', manufacturer: 'Dräger', model_name: 'Evita V800', department: 'icu' },
  { asset_tag: 'BED-0001', name: 'Krankenbett groß 100%', manufacturer: 'Völker', category: 'beds' },
  {
    asset_tag: 'BED-0002',
    name: 'Bed under_score',
    barcode: '4012345678901',
    category: 'beds',
    attrs: { width_cm: 90 },
  },
  {
    asset_tag: 'DEF-0001',
    name: 'Defibrillator',
    manufacturer: 'Zoll',
    attrs: { biphasic: true },
    status: 'in_repair',
  },
  { asset_tag: '4711', name: 'Wheelchair', manufacturer: 'Meyra', qr_code: 'https://example.org/x' },
]

beforeAll(async () => {
  tenants = await createAssetTenants()
  for (const tenant of [tenants.one, tenants.two]) {
    await as(tenant, async (client) => {
      await categories.create(client, { code: 'any', name: 'Any' })
      await categories.create(client, { code: 'beds', name: 'Beds', parent: 'any' })
      await attributes.create(client, { key: 'width_cm', name: 'Width', type: 'integer', unit: 'cm' })
      await attributes.create(client, { key: 'biphasic', name: 'Biphasic', type: 'boolean' })
    })
  }
  await as(tenants.one, async (client) => {
    for (const asset of STOCK) await createAsset(client, { facility: 'north', category: 'any', ...asset })
    await rebuildSearchWords(client)
  })
  await as(tenants.two, async (client) => {
    const theirs = { asset_tag: 'SECRET-1', name: 'Infusion gammaknife', facility: 'north', category: 'any' }
    await createAsset(client, theirs)
    await rebuildSearchWords(client)
  })
})
afterAll(() => tenants.stop())

const tagsOf = async (query: object, facilities?: string) => {
  const { items } = await as(tenants.one, (client) => searchAssets(client, query), facilities)
  return items.map(({ asset_tag }) => asset_tag)
}

describe('the search for assets', () => {
  it.each([
    ['one word, in any case', 'INFUSION', ['INF-0001', 'INF-0002']],
    ['two words, of different fields, in any order', 'compact braun', ['INF-0002']],
    ['part of a word', 'fibrill', ['DEF-0001']],
    ['a word without its accent', 'drager', ['VEN-0001']],
    ['a word with an accent', 'völker', ['BED-0001']],
    ['ss for ß', 'GROSS', ['BED-0001']],
    ['a tag, then what holds it', '4711', ['4711', 'INF-0001']],
    ['the beginning of a tag', 'bed-', ['BED-0001', 'BED-0002']],
    ['a barcode', '4012345678901', ['BED-0002']],
    ['a word of two letters where a word begins', 'be', ['BED-0001', 'BED-0002']],
    ['a percent sign as itself', '100%', ['BED-0001']],
    ['an underscore as itself', 'r_s', ['BED-0002']],
    ['words that are nowhere together', 'infusion evita', []],
    ['six words, the rest left aside', 'infusion pump braun space inf 4711 nonsense', ['INF-0001']],
  ])('finds %s', async (_what, q, expected) => {
    expect(await tagsOf({ q })).toEqual(expected)
  })

  it.each([
    ['a letter too many', 'ventillator', 'ventilator', 'VEN-0001'],
    ['a letter too few', 'defibrilator', 'defibrillator', 'DEF-0001'],
    ['a wrong letter', 'wheelchaer', 'wheelchair', '4711'],
    ['two letters swapped', 'wheelchiar', 'wheelchair', '4711'],
    ['two slips', 'krenkenbbett', 'krankenbett', 'BED-0001'],
    ['one of two words', 'zool defibrillator', 'zoll defibrillator', 'DEF-0001'],
  ])('mends %s, and says so', async (_what, q, corrected, tag) => {
    const result = await as(tenants.one, (client) => searchAssets(client, { q }))
    expect(result).toMatchObject({ corrected, items: [{ asset_tag: tag }] })
  })

  it('never guesses at numbers, nor at words that are there', async () => {
    expect(await tagsOf({ q: 'INF-0009' })).toEqual([])
    expect(await as(tenants.one, (client) => searchAssets(client, { q: 'zoll' }))).toMatchObject({ corrected: null })
  })

  it('finds by attributes of their type, alone and with words', async () => {
    expect(await tagsOf({ attrs: { width_cm: '90' } })).toEqual(['BED-0002'])
    expect(await tagsOf({ attrs: { biphasic: 'yes' } })).toEqual(['DEF-0001'])
    expect(await tagsOf({ attrs: { biphasic: 'yes' }, q: 'defi' })).toEqual(['DEF-0001'])
    expect(await tagsOf({ attrs: { biphasic: 'yes' }, q: 'bed' })).toEqual([])
    await expect(tagsOf({ attrs: { width_cm: 'wide' } })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(tagsOf({ attrs: { colour: 'red' } })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('is narrowed by facility, department, category with what is below it, and status', async () => {
    expect(await tagsOf({ q: 'infusion', facility: 'south' })).toEqual(['INF-0002'])
    expect(await tagsOf({ q: '0001', facility: 'north', department: 'icu' })).toEqual(['VEN-0001'])
    expect(await tagsOf({ q: 'bed', category: 'any' })).toEqual(['BED-0002', 'BED-0001'])
    expect(await tagsOf({ q: 'bed', category: 'beds', limit: '1' })).toEqual(['BED-0002'])
    expect(await tagsOf({ q: '0001', status: 'in_repair' })).toEqual(['DEF-0001'])
    expect(await tagsOf({ attrs: { biphasic: 'true' }, status: 'active' })).toEqual([])
  })

  it('does not find what was deleted', async () => {
    const made = await as(tenants.one, (client) =>
      createAsset(client, { asset_tag: 'TMP-1', name: 'Shortlived', facility: 'north', category: 'any' }),
    )
    expect(await tagsOf({ q: 'shortlived' })).toEqual(['TMP-1'])
    await as(tenants.one, (client) => deleteAsset(client, made.id, { row_version: 1, reason: 'x' }))
    expect(await tagsOf({ q: 'shortlived' })).toEqual([])
  })

  it.each([[{}], [{ q: '   ' }], [{ q: 'x', limit: '201' }], [{ q: 'x'.repeat(201) }], [{ q: 'x', colour: 'red' }]])(
    'refuses %j',
    async (query) => {
      await expect(tagsOf(query)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    },
  )
})

describe('the search functions of the database', () => {
  const call = (facilities: string | null, sql: string, values: readonly unknown[]) =>
    as(
      tenants.one,
      async (client) => {
        if (facilities === null) await client.query(`select set_config('app.org', '', true)`)
        return (await client.query(sql, [...values])).rowCount
      },
      facilities ?? 'all',
    )
  const byWords = `select * from asset.search($1, '{}', 50)`
  const byAttrs = `select * from asset.search_by_attrs('{}', '{}', 50)`

  it('find nothing without a tenant or without facilities, and only in the facilities that are named', async () => {
    const { north, south } = tenants.one
    for (const [reach, found] of [
      [null, [0, 0]],
      ['', [0, 0]],
      ['{}', [0, 0]],
      [`{${south}}`, [1, 1]],
      [`{${north},${south}}`, [2, 7]],
      ['all', [2, 7]],
      [`{${tenants.two.north}}`, [0, 0]],
    ] as const) {
      expect([await call(reach, byWords, ['infusion']), await call(reach, byAttrs, [])]).toEqual(found)
    }
  })

  it('reach no other tenant, whatever filter a caller passes by itself', async () => {
    for (const facility of [tenants.two.north, tenants.two.south]) {
      expect(await call('all', `select * from asset.search('infusion', $1, 50)`, [{ facility }])).toBe(0)
      expect(await call('all', `select * from asset.search_by_attrs('{}', $1, 50)`, [{ facility }])).toBe(0)
    }
    const { corrected } = await as(tenants.one, (client) => searchAssets(client, { q: 'gamaknife' }))
    expect(corrected).toBeNull()
  })

  it('take what was typed as text, never as a statement or a pattern', async () => {
    const nasty = [
      "' or 1=1 --",
      "%' or a.org_id is not null or '%' = '",
      '\\',
      "\\' union select id, 1, search from asset.asset --",
      '%%%%',
      '____',
      '$1 $2 %L %s %1$s',
      "'; delete from asset.asset; --",
    ]
    for (const q of nasty) expect(await tagsOf({ q })).toEqual([])
    for (const status of nasty) {
      expect(await call('all', `select * from asset.search('infusion', $1, 50)`, [{ status }])).toBe(0)
    }
    const wild = as(tenants.one, (client) =>
      client.query(`select * from asset.search('infusion', '{"facility": "1 or true"}', 50)`),
    )
    await expect(wild).rejects.toMatchObject({ code: '22P02' })
  })

  it('answer any text whatever with assets of this tenant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[%_\\' a-z0-9äß-]{0,40}$/)),
        async (typed) => {
          const q = typed.replaceAll('\u0000', '').replaceAll(/\p{Cs}/gu, '')
          const { rows } = await as(tenants.one, (client) =>
            client.query(`select a.org_id from asset.search($1, '{}', 50) s join asset.asset a on a.id = s.id`, [q]),
          )
          expect(rows.every(({ org_id }) => org_id === tenants.one.id)).toBe(true)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('hide the vocabulary from whoever serves', async () => {
    const read = as(tenants.one, (client) => client.query('select * from asset.search_word'))
    await expect(read).rejects.toMatchObject({ code: '42501' })
  })

  it('gather the words of one tenant alone, drop those that went, and leave out what holds a number', async () => {
    const owner = tenants.database.ownerClient
    const words = async () =>
      (
        await owner.query('select word from asset.search_word where org_id = $1 order by word', [tenants.two.id])
      ).rows.map(({ word }) => word)
    expect(await words()).toEqual(['gammaknife', 'infusion', 'secret'])
    await owner.query(`update asset.asset set name = 'Laser V12' where asset_tag = 'SECRET-1'`)
    expect(await as(tenants.two, rebuildSearchWords)).toBe(2)
    expect(await words()).toEqual(['laser', 'secret'])
  })
  it('read the index where row security would have switched it off, and stay quick with very common words', async () => {
    const owner = tenants.database.ownerClient
    await owner.query(`
      begin; set local session_replication_role = replica;
      insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name, attrs)
        select gen_random_uuid(), a.org_id, a.facility_id, a.category_id, 'MANY-' || lpad(n::text, 5, '0'),
          'Trolley ' || md5(n::text), jsonb_build_object('width_cm', n)
        from asset.asset a, generate_series(1, 5000) as n where a.asset_tag = 'INF-0001';
      commit; analyze asset.asset`)
    const plan = (condition: string) =>
      as(tenants.one, async (client) => {
        const { rows } = await client.query({
          text: `explain select id from asset.asset a where org_id = ${tenants.one.id} and deleted_at is null and ${condition}`,
          rowMode: 'array',
        })
        return rows.join('\n')
      })
    const asSearch = async (condition: string) => {
      await owner.query('set role bt_search')
      const { rows } = await owner.query({
        text: `explain select id from asset.asset a where org_id = ${tenants.one.id} and deleted_at is null and ${condition}`,
        rowMode: 'array',
      })
      await owner.query('reset role')
      return rows.join('\n')
    }
    expect(await plan(`search like '%abcdef%'`)).not.toContain('asset_search')
    expect(await asSearch(`search like '%abcdef%'`)).toMatch(
      /Bitmap Index Scan on asset_search .*\n.*Index Cond: .*search ~~/,
    )
    expect(await asSearch(`attrs @> '{"width_cm": 77}'`)).toMatch(
      /Bitmap Index Scan on asset_attrs .*\n.*Index Cond: .*attrs @>/,
    )
    expect(await tagsOf({ q: 'trolley', limit: '2' })).toEqual(['MANY-00001', 'MANY-00002'])
    expect(await tagsOf({ q: 'many-04321' })).toEqual(['MANY-04321'])
    expect(await tagsOf({ q: 'many', limit: '1' })).toEqual(['MANY-00001'])
  })
})
