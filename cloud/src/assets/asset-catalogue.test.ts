import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Catalogue, CatalogueItem } from './asset-catalogue.ts'
import { createAsset } from './asset-store.ts'
import { attributes } from './attribute-catalogue.ts'
import { categories } from './category-catalogue.ts'
import { models } from './model-catalogue.ts'
import { type AssetTenants, createAssetTenants } from './test-asset-tenants.ts'
import { vendors } from './vendor-catalogue.ts'

let tenants: AssetTenants
beforeAll(async () => {
  tenants = await createAssetTenants()
  await one((client) => categories.create(client, { code: 'any', name: 'Any' }))
  await one((client) => vendors.create(client, { code: 'maker', name: 'Maker', kind: 'manufacturer' }))
})
afterAll(() => tenants.stop())

const one = <T>(work: Parameters<typeof tenants.as<T>>[1]) => tenants.as(tenants.one, work)

const KINDS: readonly [string, Catalogue<CatalogueItem>, object, object][] = [
  [
    'vendor',
    vendors,
    {
      code: 'v',
      name: 'V',
      kind: 'service',
      web: 'https://v.example',
      support_email: 'a@v.example',
      support_phone: '+49 30 1',
    },
    { name: 'New', web: null },
  ],
  [
    'category',
    categories,
    { code: 'c', name: 'C', parent: 'any', gmdn_code: '12345', default_pm_days: 365, default_life_months: 120 },
    { name: 'New', parent: null },
  ],
  [
    'model',
    models,
    {
      manufacturer: 'maker',
      model_no: 'm',
      name: 'M',
      category: 'any',
      udi_di: '0401',
      manual_url: 'https://m.example',
    },
    { name: 'New', udi_di: null },
  ],
  [
    'attribute',
    attributes,
    { key: 'a', name: 'A', type: 'choice', choices: ['x', 'y'], category: 'any' },
    { name: 'New', choices: ['x'] },
  ],
]

describe.each(KINDS)('a %s', (noun, catalogue, input, change) => {
  it('is made, shown, listed, changed, deleted and restored', async () => {
    const made = await one((client) => catalogue.create(client, input))
    expect(made).toMatchObject({ ...input, row_version: 1, deleted_at: null })
    const { items } = await one((client) => catalogue.list(client, {}))
    expect(items).toContainEqual(made)
    await expect(one((client) => catalogue.create(client, input))).rejects.toMatchObject({ code: 'CONFLICT' })

    const changed = await one((client) => catalogue.change(client, made.id, { ...change, row_version: 1 }))
    expect(changed).toMatchObject({ ...change, row_version: 2 })
    await expect(
      one((client) => catalogue.change(client, made.id, { ...change, row_version: 1 })),
    ).rejects.toMatchObject({
      code: 'ROW_VERSION',
      details: { current: { row_version: 2 }, yours: { row_version: 1 } },
    })

    await one((client) => catalogue.remove(client, made.id, { row_version: '2', reason: 'not used' }))
    expect((await one((client) => catalogue.list(client, {}))).items.map(({ id }) => id)).not.toContain(made.id)
    const gone = await one((client) => catalogue.list(client, { deleted: 'true' }))
    expect(gone.items).toMatchObject([{ id: made.id, delete_reason: 'not used' }])
    const back = await one((client) => catalogue.restore(client, made.id, { row_version: 3 }))
    expect(back).toMatchObject({ row_version: 4, deleted_at: null })
  })

  it('is unknown to another tenant, and to an id that is none', async () => {
    const [mine] = (await one((client) => catalogue.list(client, {}))).items
    for (const id of [mine?.id ?? '', crypto.randomUUID(), 'x']) {
      const show = tenants.as(tenants.two, (client) => catalogue.get(client, id))
      await expect(show).rejects.toMatchObject({ code: 'NOT_FOUND', message: `There is no such ${noun}` })
      const edit = tenants.as(tenants.two, (client) => catalogue.change(client, id, { ...change, row_version: 1 }))
      await expect(edit).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('is refused with a field that is not known, and a change with nothing in it', async () => {
    const wrong = one((client) => catalogue.create(client, { ...input, colour: 'red' }))
    await expect(wrong).rejects.toMatchObject({ code: 'INPUT_INVALID', details: { errors: [{ pointer: '/colour' }] } })
    const [mine] = (await one((client) => catalogue.list(client, {}))).items
    const empty = one((client) => catalogue.change(client, mine?.id ?? '', { row_version: 1 }))
    await expect(empty).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('is listed page by page', async () => {
    const all = (await one((client) => catalogue.list(client, {}))).items.map(({ id }) => id)
    const paged: string[] = []
    let cursor: string | undefined
    do {
      const page = await one((client) => catalogue.list(client, { limit: '1', ...(cursor && { cursor }) }))
      paged.push(...page.items.map(({ id }) => id))
      cursor = page.next ?? undefined
    } while (cursor)
    expect(paged).toEqual(all)
  })
})

describe('categories', () => {
  it('form a tree: no category lies below itself, however many lie between', async () => {
    const [top, middle, leaf] = await one(async (client) => [
      await categories.create(client, { code: 'top', name: 'Top' }),
      await categories.create(client, { code: 'middle', name: 'Middle', parent: 'top' }),
      await categories.create(client, { code: 'leaf', name: 'Leaf', parent: 'middle' }),
    ])
    for (const parent of ['top', 'middle', 'leaf']) {
      const ring = one((client) => categories.change(client, top?.id ?? '', { row_version: 1, parent }))
      await expect(ring).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('below itself') })
    }
    await one((client) => categories.change(client, leaf?.id ?? '', { row_version: 1, parent: 'top' }))
    await one((client) => categories.change(client, middle?.id ?? '', { row_version: 1, parent: 'leaf' }))
  })

  it('stay one when two changes at the same moment would close a ring', async () => {
    const [a, b] = await one(async (client) => [
      await categories.create(client, { code: 'ring-a', name: 'A' }),
      await categories.create(client, { code: 'ring-b', name: 'B' }),
    ])
    const both = await Promise.allSettled([
      one((client) => categories.change(client, a?.id ?? '', { row_version: 1, parent: 'ring-b' })),
      one((client) => categories.change(client, b?.id ?? '', { row_version: 1, parent: 'ring-a' })),
    ])
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('cannot be deleted while assets, models, attributes or categories are of it', async () => {
    const made = await one((client) => categories.create(client, { code: 'used', name: 'Used' }))
    await one((client) => createAsset(client, { asset_tag: 'U1', name: 'U', facility: 'north', category: 'used' }))
    const remove = one((client) => categories.remove(client, made.id, { row_version: 1, reason: 'x' }))
    await expect(remove).rejects.toMatchObject({ code: 'CONFLICT', message: 'There are still assets of it' })
    expect((await one((client) => categories.get(client, made.id))).deleted_at).toBeNull()
  })
})
