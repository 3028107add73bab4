import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { changeContract, createContract, listContracts } from './contract-book.ts'
import { addCost, costFlows, listCostOfOwnership } from './cost-book.ts'
import { depreciationFlows, rebuildDepreciation } from './depreciation-job.ts'
import type { Flow } from './service-flow.ts'
import { changeSection, getAssetMoney } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import { addWorkLine, createWorkOrder } from './work-order-book.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const finance = (asset: string, body: object) =>
  hospital.as((client) => changeSection(client, 'finance', { asset, body }))
const read = (flows: readonly Flow[], path: string, { id, query = {} }: { id?: string; query?: object }) => {
  const flow = flows.find((each) => each.method === 'GET' && each.path === path)
  const input = { params: { ...(id !== undefined && { id }) }, query, body: undefined }
  return hospital.as((client) => flow?.run(client, input) ?? Promise.reject(new TypeError(path)))
}

describe('what an asset costs', () => {
  it('adds up: purchase, entries, work and downtime, less credits and proceeds', async () => {
    const asset = await hospital.asset({ asset_tag: 'T-1' })
    await finance(asset, {
      row_version: 0,
      currency: 'CHF',
      purchase_cost: 100_000,
      downtime_hour_cost: 1_000,
      proceeds: 5_000,
    })
    const add = (kind: string, amount: number, on_date: string) =>
      hospital.as((client) => addCost(client, asset, { kind, amount, on_date, currency: 'CHF' }))
    await add('energy', 300, '2026-01-01')
    await add('consumable', 700, '2026-02-01')
    await add('credit', 200, '2026-02-02')
    const order = await hospital.as((client) =>
      createWorkOrder(client, { asset_id: asset, kind: 'corrective', title: 'x', down_from: '2026-01-01T00:00:00Z' }),
    )
    await hospital.as(async (client) => {
      await client.query(`update asset.work_order set down_to = '2026-01-01T02:30:00Z' where id = $1`, [order['id']])
      const line = {
        kind: 'labour',
        text: 'Ada',
        quantity_milli: 1_500,
        unit_cost: 8_000,
        currency: 'CHF',
        minutes: 90,
      }
      await addWorkLine(client, String(order['id']), line)
    })
    const expected = {
      purchase: 100_000,
      entries: 1_000,
      credits: 200,
      work: 12_000,
      downtime: 2_500,
      proceeds: 5_000,
      total: 110_300,
    }
    expect(await read(costFlows, '/api/v1/assets/:id/cost-of-ownership', { id: asset })).toMatchObject(expected)
    const list = await hospital.as((client) => listCostOfOwnership(client, { currency: 'CHF' }))
    expect(list).toMatchObject([{ asset_tag: 'T-1', ...expected }])
    const entries = read(costFlows, '/api/v1/assets/:id/costs', {
      id: asset,
      query: { from: '2026-01-02', to: '2026-02-01' },
    })
    expect(await entries).toMatchObject({ items: [{ kind: 'consumable' }] })
    await expect(
      hospital.as((client) =>
        addCost(client, asset, { kind: 'energy', amount: 1, on_date: '2026-01-01', currency: 'EUR' }),
      ),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('begins with its first amount where nobody wrote its finance, and is gone with the asset', async () => {
    const asset = await hospital.asset()
    const cost = { kind: 'parts', amount: 9_000_000_000_000_000, on_date: '2026-01-01', currency: 'JPY' }
    await hospital.as((client) => addCost(client, asset, cost))
    expect(await hospital.as((client) => getAssetMoney(client, asset))).toMatchObject({
      currency: 'JPY',
      finance_version: 1,
    })
    expect(await hospital.as((client) => listCostOfOwnership(client, { currency: 'JPY' }))).toMatchObject([
      { total: 9_000_000_000_000_000 },
    ])
    await hospital.as((client) =>
      client.query(`update asset.asset set delete_reason = 'gone', deleted_at = now() where id = $1`, [asset]),
    )
    expect(await hospital.as((client) => listCostOfOwnership(client, { currency: 'JPY' }))).toEqual([])
    await expect(hospital.as((client) => addCost(client, asset, cost))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('depreciation', () => {
  it('is rebuilt by job where finance says otherwise, and nowhere else', async () => {
    const jobs = await hospital.jobs()
    const asset = await hospital.asset()
    const path = '/api/v1/assets/:id/depreciation'
    const money = { currency: 'EUR', purchase_cost: 120_001, salvage: 1, in_service_on: '2020-03-15', life_months: 24 }
    await finance(asset, { row_version: 0, ...money, depreciation_method: 'straight_line' })
    expect(await rebuildDepreciation(jobs)).toBe(1)
    expect(await rebuildDepreciation(jobs)).toBe(0)
    expect(await read(depreciationFlows, path, { id: asset })).toMatchObject({
      basis: { method: 'straight_line', cost: 120_001, life_months: 24 },
      items: { length: 24, 0: { month: '2020-03-01', amount: 5_000, book_value: 115_001 }, 23: { book_value: 1 } },
    })
    expect(await hospital.as((client) => getAssetMoney(client, asset))).toMatchObject({
      accumulated: 120_000,
      book_value: 1,
      book_value_month: '2022-02-01',
    })
    await finance(asset, { row_version: 1, depreciation_method: 'sum_of_years' })
    expect(await rebuildDepreciation(jobs)).toBe(1)
    expect(await read(depreciationFlows, path, { id: asset })).toMatchObject({
      items: { length: 24, 0: { amount: 6_667 } },
    })
    await finance(asset, { row_version: 2, depreciation_method: 'none' })
    expect(await rebuildDepreciation(jobs)).toBe(0)
    expect(await read(depreciationFlows, path, { id: asset })).toEqual({ basis: null, items: [] })
  })
})

describe('contracts', () => {
  it('are listed by when their notice ends, changed by version, and unique by vendor and number', async () => {
    const contract = {
      vendor_id: hospital.vendor,
      kind: 'service',
      number: 'S-1',
      from_on: '2026-01-01',
      to_on: '2026-12-31',
      cost_year: 1,
      currency: 'EUR',
      notice_days: 90,
    }
    const made = await hospital.as((client) => createContract(client, contract))
    const listed = (notice_until: string) => hospital.as((client) => listContracts(client, { notice_until }))
    expect([await listed('2026-10-01'), await listed('2026-10-02')]).toMatchObject([[], [{ number: 'S-1' }]])
    const change = (body: object) => hospital.as((client) => changeContract(client, String(made['id']), body))
    expect(await change({ row_version: 1, terms: 'On site\nwithin a day' })).toMatchObject({ row_version: 2 })
    await expect(change({ row_version: 1, cost_year: 2 })).rejects.toMatchObject({ code: 'ROW_VERSION' })
    await expect(change({ row_version: 2, to_on: '2025-01-01' })).rejects.toThrow('must not lie before from_on')
    await expect(hospital.as((client) => createContract(client, contract))).rejects.toMatchObject({ code: 'CONFLICT' })
    const unknown = { ...contract, vendor_id: '00000000-0000-4000-8000-000000000000' }
    await expect(hospital.as((client) => createContract(client, unknown))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer: '/vendor_id', code: 'reference' }] },
    })
  })
})
