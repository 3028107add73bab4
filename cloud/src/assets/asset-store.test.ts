import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  changeAsset,
  confirmAsset,
  createAsset,
  deleteAsset,
  restoreAsset,
  retireAsset,
  showAsset,
} from './asset-store.ts'
import { attributes } from './attribute-catalogue.ts'
import { categories } from './category-catalogue.ts'
import { models } from './model-catalogue.ts'
import { type AssetTenants, createAssetTenants } from './test-asset-tenants.ts'
import { vendors } from './vendor-catalogue.ts'

let tenants: AssetTenants
const as: AssetTenants['as'] = (tenant, work, facilities) => tenants.as(tenant, work, facilities)

beforeAll(async () => {
  tenants = await createAssetTenants()
  for (const tenant of [tenants.one, tenants.two]) {
    await as(tenant, async (client) => {
      await categories.create(client, { code: 'pumps', name: 'Pumps' })
      await categories.create(client, { code: 'syringe', name: 'Syringe pumps', parent: 'pumps' })
      await categories.create(client, { code: 'beds', name: 'Beds' })
      await vendors.create(client, { code: 'acme', name: 'Acme', kind: 'manufacturer' })
      await attributes.create(client, {
        key: 'max_flow',
        name: 'Flow',
        type: 'number',
        unit: 'mL/h',
        category: 'pumps',
      })
      await attributes.create(client, {
        key: 'plug',
        name: 'Plug',
        type: 'choice',
        choices: ['F', 'J'],
        required: true,
        category: 'syringe',
      })
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

describe('an asset', () => {
  it('keeps every field that it is given, and shows it again', async () => {
    const all = {
      description: 'on a stand\nwith wheels',
      manufacturer: 'Acme',
      model_name: 'Flow',
      model_no: 'F1',
      serial_no: 'S-1',
      lot_no: 'L1',
      firmware_version: '1.2',
      software_version: '3.4',
      manufactured_on: '2024-02-29',
      barcode: '4012345678901',
      qr_code: 'https://example.org/P-1',
      giai: '4012345ABC',
      status: 'in_service',
      condition: 'new',
      criticality: 'life_support',
      ownership: 'leased',
      mobility: 'portable',
      use_state: 'charging',
      hygiene_state: 'clean',
      is_accessory: true,
      is_tracked: false,
      quantity: 3,
      photo_url: 'https://example.org/p.jpg',
      notes: 'spare battery below',
      department: 'icu',
      using_department: 'icu',
      home_room: 'R1',
      attrs: { max_flow: 999.9 },
    }
    const made = await create(all)
    expect(made).toMatchObject({ ...all, facility: 'north', category: 'pumps', row_version: 1 })
    expect(await as(tenants.one, (client) => showAsset(client, made.asset_tag))).toEqual(made)
    expect(made.use_state_since).toBeInstanceOf(Date)
  })

  it('takes maker, category and attributes from its model', async () => {
    const model = await as(tenants.one, (client) =>
      models.create(client, {
        manufacturer: 'acme',
        model_no: 'X9',
        name: 'Nine',
        category: 'pumps',
        attrs: { max_flow: 5 },
      }),
    )
    const made = await create({ category: undefined, model_id: model.id })
    expect(made).toMatchObject({
      manufacturer: 'Acme',
      model_name: 'Nine',
      model_no: 'X9',
      category: 'pumps',
      attrs: { max_flow: 5 },
    })
  })

  it('is refused with everything that is wrong with it at once', async () => {
    const wrong = as(tenants.one, (client) =>
      createAsset(client, {
        asset_tag: ' ',
        name: 'x\u0007',
        facility: 'north',
        category: 'pumps',
        colour: 'red',
        quantity: 0,
      }),
    )
    await expect(wrong).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: {
        errors: expect.arrayContaining([
          expect.objectContaining({ pointer: '/asset_tag' }),
          expect.objectContaining({ pointer: '/name' }),
          expect.objectContaining({ pointer: '/quantity' }),
          expect.objectContaining({ pointer: '/colour', code: 'unknown' }),
        ]),
      },
    })
  })

  it('is refused when it names what is not there, each named', async () => {
    const wrong = create({ department: 'none', home_room: 'R9', category: 'planes', parent_id: crypto.randomUUID() })
    await expect(wrong).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const { details } = await wrong.catch((error) => error)
    expect(details.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/department',
      '/home_room',
      '/category',
      '/parent_id',
    ])
  })

  it('shares its tag with no other live asset of the tenant, nor its serial number with one of its maker', async () => {
    await create({ asset_tag: 'ONE', manufacturer: 'Maker', serial_no: '77' })
    await expect(create({ asset_tag: 'ONE' })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(create({ manufacturer: 'MAKER', serial_no: '77' })).rejects.toMatchObject({ code: 'CONFLICT' })
    await create({ manufacturer: 'Other', serial_no: '77' })
    await as(tenants.two, (client) =>
      createAsset(client, pump({ asset_tag: 'ONE', manufacturer: 'Maker', serial_no: '77' })),
    )
  })

  it('changes only what is named, and says what it is now to one who comes too late', async () => {
    const made = await create({ notes: 'first' })
    const changed = await as(tenants.one, (client) =>
      changeAsset(client, made.id, { row_version: 1, notes: null, status: 'in_repair' }),
    )
    expect(changed).toMatchObject({ row_version: 2, notes: null, status: 'in_repair', name: made.name })
    expect(changed.out_of_service_since).toBeInstanceOf(Date)
    const late = { row_version: 1, name: 'Other' }
    await expect(as(tenants.one, (client) => changeAsset(client, made.id, late))).rejects.toMatchObject({
      code: 'ROW_VERSION',
      details: { current: { row_version: 2, status: 'in_repair' }, yours: late },
    })
  })

  it('lets one of two changes at the same moment win', async () => {
    const made = await create()
    const both = await Promise.allSettled(
      ['a', 'b'].map((name) => as(tenants.one, (client) => changeAsset(client, made.id, { row_version: 1, name }))),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'ROW_VERSION' } })
  })

  it('leaves room and department behind when it moves to another facility', async () => {
    const made = await create({ department: 'icu', home_room: 'R1' })
    const moved = await as(tenants.one, (client) =>
      changeAsset(client, made.id, { row_version: 1, facility: 'south', department: 'icu' }),
    )
    expect(moved).toMatchObject({ facility: 'south', department: 'icu', home_room: null })
  })

  it('retires with a reason, cannot be put to use by a change, and can be restored', async () => {
    const made = await create()
    const retired = await as(tenants.one, (client) =>
      retireAsset(client, made.id, { row_version: 1, reason: 'worn out', status: 'disposed' }),
    )
    expect(retired).toMatchObject({ status: 'disposed', retire_reason: 'worn out' })
    expect(retired.retired_at).toBeInstanceOf(Date)
    const change = as(tenants.one, (client) => changeAsset(client, made.id, { row_version: 2, status: 'active' }))
    await expect(change).rejects.toMatchObject({ code: 'CONFLICT' })
    const back = await as(tenants.one, (client) => restoreAsset(client, made.id, { row_version: 2 }))
    expect(back).toMatchObject({ status: 'standby', retired_at: null, retire_reason: null, row_version: 3 })
  })

  it('can be deleted with a reason and restored unless its tag was given away', async () => {
    const made = await create()
    const remove = (input: unknown) => as(tenants.one, (client) => deleteAsset(client, made.id, input))
    await expect(remove({ row_version: 1 })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await remove({ row_version: 1, reason: 'entered twice' })
    const gone = await as(tenants.one, (client) => showAsset(client, made.id))
    expect(gone).toMatchObject({ delete_reason: 'entered twice', row_version: 2 })
    const byTag = as(tenants.one, (client) => showAsset(client, made.asset_tag))
    await expect(byTag).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(remove({ row_version: 2, reason: 'again' })).rejects.toMatchObject({ code: 'CONFLICT' })
    const other = await create({ asset_tag: made.asset_tag })
    const restore = () => as(tenants.one, (client) => restoreAsset(client, made.id, { row_version: 2 }))
    await expect(restore()).rejects.toMatchObject({ code: 'CONFLICT' })
    await as(tenants.one, (client) =>
      changeAsset(client, other.id, { row_version: 1, asset_tag: `${made.asset_tag}-new` }),
    )
    expect(await restore()).toMatchObject({ deleted_at: null, delete_reason: null, row_version: 3 })
    await expect(restore()).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('is active again once somebody saw it who missed it', async () => {
    const made = await create({ status: 'missing' })
    expect(made.missing_since).toBeInstanceOf(Date)
    const seen = await as(tenants.one, (client) => confirmAsset(client, made.id))
    expect(seen).toMatchObject({ status: 'active', missing_since: null, last_confirmed_by: 'operator:test' })
  })

  it('is part of another, never of itself by any way, and keeps what it consists of', async () => {
    const cart = await create()
    const part = await create({ parent_id: cart.id })
    expect(part.parent).toBe(cart.asset_tag)
    const ring = as(tenants.one, (client) => changeAsset(client, cart.id, { row_version: 1, parent_id: part.id }))
    await expect(ring).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('itself') })
    const remove = as(tenants.one, (client) => deleteAsset(client, cart.id, { row_version: 1, reason: 'x' }))
    await expect(remove).rejects.toMatchObject({ code: 'CONFLICT' })
    expect((await as(tenants.one, (client) => showAsset(client, cart.id))).deleted_at).toBeNull()
  })

  it('puts each change into the audit chain, with old and new values', async () => {
    const made = await create({ notes: 'before' })
    await as(tenants.one, (client) => changeAsset(client, made.id, { row_version: 1, notes: 'after' }))
    const { rows } = await tenants.database.ownerClient.query(
      `select action, actor, old, new from audit.event where object = 'asset.asset' and object_id = $1 order by n`,
      [made.id],
    )
    expect(rows).toMatchObject([
      { action: 'insert', actor: 'operator:test', new: { asset_tag: made.asset_tag } },
      { action: 'update', old: { notes: 'before' }, new: { notes: 'after' } },
    ])
  })
})

describe('further attributes', () => {
  it('belong to a category and those below it, and must be there where they are required', async () => {
    await expect(create({ attrs: { colour: 'red' } })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(create({ attrs: { max_flow: 'much' } })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(create({ category: 'syringe', attrs: { max_flow: 1 } })).rejects.toThrow('is needed')
    await expect(create({ category: 'syringe', attrs: { plug: 'X' } })).rejects.toThrow('one of F, J')
    await expect(create({ category: 'beds', attrs: { max_flow: 1 } })).rejects.toThrow('no attribute of this category')
    expect(await create({ category: 'syringe', attrs: { plug: 'F', max_flow: 1 } })).toMatchObject({
      attrs: { plug: 'F', max_flow: 1 },
    })
  })

  it('are merged by a change, taken away by null, and checked anew when the category changes', async () => {
    const made = await create({ category: 'syringe', attrs: { plug: 'F' } })
    const change = (input: object) => as(tenants.one, (client) => changeAsset(client, made.id, input))
    expect(await change({ row_version: 1, attrs: { max_flow: 2 } })).toMatchObject({
      attrs: { plug: 'F', max_flow: 2 },
    })
    await expect(change({ row_version: 2, attrs: { plug: null } })).rejects.toThrow('is needed')
    await expect(change({ row_version: 2, category: 'beds' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const moved = await change({ row_version: 2, category: 'beds', attrs: { plug: null, max_flow: null } })
    expect(moved).toMatchObject({ category: 'beds', attrs: {} })
  })

  it('stay as they are when their definition is deleted, and other changes still go', async () => {
    const made = await create({ attrs: { max_flow: 3 } })
    const definition = await as(tenants.one, (client) =>
      attributes.create(client, { key: 'old_key', name: 'Old', type: 'text' }),
    )
    await as(tenants.one, (client) => changeAsset(client, made.id, { row_version: 1, attrs: { old_key: 'kept' } }))
    await as(tenants.one, (client) => attributes.remove(client, definition.id, { row_version: 1, reason: 'unused' }))
    const changed = await as(tenants.one, (client) =>
      changeAsset(client, made.id, { row_version: 2, attrs: { max_flow: 4 } }),
    )
    expect(changed.attrs).toEqual({ old_key: 'kept', max_flow: 4 })
    await as(tenants.one, (client) => attributes.restore(client, definition.id, { row_version: 2 }))
  })
})
