import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { addCertification } from './certification-book.ts'
import { checkOut } from './checkout-book.ts'
import { createContract } from './contract-book.ts'
import { addCost } from './cost-book.ts'
import { rebuildDepreciation } from './depreciation-job.ts'
import { planInspection } from './inspection-book.ts'
import { createRecall } from './recall-book.ts'
import { reportFailure } from './service-failure.ts'
import { serviceFlows } from './service-flows.ts'
import { createPlan } from './service-plan.ts'
import { changeSection } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import { requestTransfer } from './transfer-book.ts'
import { addWorkLine, createWorkOrder } from './work-order-book.ts'

/** Rows of an asset: seen at its facility and nowhere else. */
const OF_ASSETS = [
  'asset_regulatory',
  'asset_service',
  'asset_finance',
  'certification',
  'inspection',
  'work_order',
  'work_line',
  'failure',
  'recall_match',
  'checkout',
  'cost_entry',
  'depreciation_basis',
  'depreciation_line',
  'asset_full',
  'asset_money',
  'reliability',
  'tco',
]
const OF_TENANT = ['contract', 'maintenance_plan', 'recall', 'work_order_number']

let hospital: TestHospital
let asset: string
let order: string

beforeAll(async () => {
  hospital = await createTestHospital()
  const { category, vendor, facilities } = hospital
  asset = await hospital.asset({ manufacturer: 'Acme' })
  await hospital.as(async (client) => {
    await createPlan(client, { name: 'Yearly', category_id: category, every_days: 365 })
    const dates = { from_on: '2026-01-01', to_on: '2026-12-31' }
    const contract = { vendor_id: vendor, kind: 'service', number: 'C-1', ...dates, cost_year: 1, currency: 'EUR' }
    await createContract(client, contract)
    const change = (name: 'regulatory' | 'service' | 'finance', body: object) =>
      changeSection(client, name, { asset, body: { row_version: 0, ...body } })
    await change('regulatory', { is_sterile: true })
    await change('service', { next_pm_on: '2026-01-01' })
    const written = { depreciation_method: 'straight_line', life_months: 12, in_service_on: '2026-01-01' }
    await change('finance', { currency: 'EUR', purchase_cost: 1_200, ...written })
    await addCertification(client, asset, {
      kind: 'x',
      issuer: 'x',
      issued_on: '2026-01-01',
      valid_until: '2026-02-01',
    })
    await planInspection(client, asset, { kind: 'x', due_on: '2026-01-01' })
    const work = { asset_id: asset, kind: 'preventive', title: 'x', due_on: '2026-01-01' }
    order = String((await createWorkOrder(client, work))['id'])
    const line = { kind: 'part', text: 'x', quantity_milli: 1_000, unit_cost: 1, currency: 'EUR' }
    await addWorkLine(client, order, line)
    await reportFailure(client, asset, { mode: 'x', severity: 'minor' })
    const recall = { number: '1', authority: 'FDA', class: 'II', title: 'x', action: 'x', issued_on: '2026-01-01' }
    await createRecall(client, { ...recall, manufacturer: 'Acme' })
    await checkOut(client, asset, { holder: 'x' })
    await addCost(client, asset, { kind: 'energy', amount: 1, on_date: '2026-01-01', currency: 'EUR' })
    await requestTransfer(client, asset, { to_facility: facilities[1] })
  })
  await rebuildDepreciation(await hospital.jobs())
})
afterAll(() => hospital.stop())

const count = (table: string, reach: { org?: number; facilities?: readonly number[] }) =>
  hospital.as(async (client) => (await client.query(`select from asset.${table}`)).rowCount ?? -1, reach)

describe('rows of assets', () => {
  it.each(OF_ASSETS)('of %s are seen at their facility, and at no other facility or tenant', async (table) => {
    const [a, b] = hospital.facilities
    expect(await count(table, { facilities: [a] })).toBeGreaterThan(0)
    for (const reach of [{ facilities: [b] }, { facilities: [] }, { org: hospital.otherOrg }]) {
      expect(await count(table, reach)).toBe(0)
    }
  })

  it.each(OF_TENANT)('of %s are seen in their tenant only', async (table) => {
    expect(await count(table, { facilities: [hospital.facilities[1]] })).toBe(1)
    expect(await count(table, { org: hospital.otherOrg })).toBe(0)
  })

  it('answer a foreign id as they answer one that there is not, in every flow that names one', async () => {
    const identities = [asset, order, '00000000-0000-4000-8000-000000000000', 'no-id']
    const reading = serviceFlows.filter(({ method, path }) => method === 'GET' && path.includes('/:id'))
    expect(reading.length).toBeGreaterThan(10)
    for (const { path, run } of reading) {
      for (const id of identities) {
        const answer = hospital.as((client) => run(client, { params: { id }, query: {}, body: undefined }), {
          org: hospital.otherOrg,
        })
        await expect(answer, `${path} ${id}`).rejects.toMatchObject({ code: 'NOT_FOUND' })
      }
    }
  })

  it('cannot be made under an asset of another tenant, nor name one', async () => {
    const theirs = { org: hospital.otherOrg }
    const own = await hospital.asset()
    const other = '00000000-0000-4000-8000-000000000000'
    const refuse = (work: Parameters<TestHospital['as']>[0], code: string) =>
      expect(hospital.as(work, theirs)).rejects.toMatchObject({ code })
    await refuse((client) => checkOut(client, asset, { holder: 'x' }), 'NOT_FOUND')
    await refuse((client) => requestTransfer(client, asset, { to_facility: 1 }), 'NOT_FOUND')
    for (const replacement_for of [other, asset]) {
      const body = { row_version: 0, replacement_for: replacement_for === asset ? other : replacement_for }
      const change = hospital.as((client) => changeSection(client, 'service', { asset: own, body }))
      await expect(change).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    }
  })
})

describe('the plan', () => {
  beforeAll(async () => {
    const { owner, org, category, facilities } = hospital
    // Without triggers: only how many there are counts here.
    await owner.query('set session_replication_role = replica')
    await owner.query(
      `insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
       select md5('a' || n)::uuid, $1, $2, $3, 'many-' || n, 'Pump' from generate_series(1, 10000) as n`,
      [org, facilities[0], category],
    )
    const fill = (table: string, columns: string, values: string) =>
      owner.query(
        `insert into asset.${table} (org_id, asset_id, facility_id, ${columns})
         select $1, md5('a' || n)::uuid, $2, ${values} from generate_series(1, 10000) as n`,
        [org, facilities[0]],
      )
    await fill('asset_service', 'next_pm_on', `'2026-01-01'::date + n`)
    await fill('asset_regulatory', 'udi, udi_issuer, udi_di', `n::text, 'gs1', n::text`)
    await fill(
      'certification',
      'id, kind, issuer, issued_on, valid_until',
      `md5('c' || n)::uuid, 'x', 'x', '2026-01-01', '2026-01-01'::date + n`,
    )
    await fill(
      'work_order',
      'id, number, kind, origin, state, title',
      `md5('w' || n)::uuid, n + 100, 'cleaning', 'manual', 'open', 'x'`,
    )
    await fill('recall_match', 'recall_id, matched_by', `md5('r' || n)::uuid, 'udi'`)
    await owner.query('set session_replication_role = origin')
    await owner.query('analyze')
  })

  const one = `'${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}'`

  it.each([
    [`asset.asset_full where id = ${one}`, 'asset_regulatory_pkey'],
    [`asset.asset_money where id = ${one}`, 'depreciation_line_pkey'],
    [`asset.reliability where asset_id = ${one}`, 'work_order_asset'],
    [`asset.asset_service where next_pm_on < '2026-01-05'`, 'service_next_pm'],
    [`asset.asset_regulatory where udi_di = '1'`, 'regulatory_udi'],
    [`asset.certification where state = 'valid' and valid_until < '2026-01-05'`, 'certification_until'],
    [`asset.work_order where number = 5`, 'work_order_org_id_number_key'],
    [`asset.recall_match where asset_id = ${one} and state = 'suspect'`, 'recall_match_asset'],
  ])('of %s uses %s under row security, and reads no table of ten thousand whole', async (from, index) => {
    const plan = await hospital.as(async (client) => {
      const { rows } = await client.query(`explain select * from ${from}`)
      return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
    })
    expect(plan).toContain(index)
    expect(plan).not.toMatch(
      /Seq Scan on (?:asset|asset_service|asset_regulatory|certification|work_order|recall_match) /,
    )
  })
})
