import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createContract } from './contract-book.ts'
import { financeFields } from './finance-fields.ts'
import { regulatoryFields } from './regulatory-fields.ts'
import { serviceFields } from './service-fields.ts'
import * as lists from './service-lists.ts'
import { createPlan } from './service-plan.ts'
import { changeSection, getAssetMoney, getFullAsset } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const UDI = '(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234'

/** A value for every field that can be written. */
async function everything() {
  const { as, vendor, category } = hospital
  const other = await hospital.asset()
  const [plan, contract] = await as(async (client) => {
    return [
      await createPlan(client, { name: 'Yearly', category_id: category, every_days: 365 }),
      await createContract(client, {
        vendor_id: vendor,
        kind: 'service',
        number: 'C-1',
        from_on: '2026-01-01',
        to_on: '2026-12-31',
        cost_year: 120_000,
        currency: 'EUR',
      }),
    ]
  })
  const regulatory = {
    udi: UDI,
    gmdn_code: '12345',
    product_code: 'FRN',
    fda_class: 'II',
    mdr_class: 'IIb',
    is_ce_marked: true,
    is_rx_only: true,
    is_implantable: false,
    is_single_use: false,
    is_sterile: false,
    mri_safety: 'conditional',
    has_latex: false,
    stores_patient_data: true,
    is_networked: true,
    mac_addresses: ['00:1a:2b:3c:4d:5e'],
    ip_address: '10.1.2.3',
    os_name: 'QNX 7',
    os_support_until: '2029-12-31',
    cyber_risk: 'medium',
    electrical_class: 'I',
    applied_part: 'CF',
    calibration_required: true,
    calibration_days: 365,
    last_calibrated_on: '2026-01-01',
    next_calibration_on: '2027-01-01',
  }
  const service = {
    strategy: 'usage',
    pm_plan_id: plan?.['id'],
    pm_days: 180,
    pm_hours: 2_000,
    pm_grace_days: 14,
    last_pm_on: '2026-02-01',
    last_pm_minutes: 60_000,
    next_pm_on: '2026-08-01',
    operating_minutes: 90_000,
    hours_source: 'meter',
    cycles: 12_345,
    service_vendor_id: vendor,
    contract_id: contract?.['id'],
    warranty_from: '2025-01-01',
    warranty_until: '2027-01-01',
    response_hours: 24,
    expected_life_months: 120,
    end_of_life_on: '2035-01-01',
    end_of_support_on: '2034-01-01',
    replacement_for: other,
    loaner_for: other,
    cmms_ref: 'EQ-77',
    service_note: 'Battery is changed every second year.',
  }
  const finance = {
    currency: 'EUR',
    purchase_cost: 1_250_000,
    purchased_on: '2025-01-15',
    order_no: 'PO-1',
    invoice_no: 'IN-1',
    supplier_id: vendor,
    funding: 'capital',
    grant_no: 'G-1',
    cost_center: '4711',
    gl_account: '0400',
    is_capitalised: true,
    in_service_on: '2025-02-01',
    depreciation_method: 'declining_balance',
    life_months: 96,
    salvage: 50_000,
    declining_permille: 250,
    replacement_cost: 1_400_000,
    lessor_id: vendor,
    lease_from: '2025-02-01',
    lease_until: '2026-02-01',
    lease_month_cost: 9_000,
    rental_day_cost: 1_500,
    insured_value: 1_200_000,
    policy_no: 'P-1',
    downtime_hour_cost: 5_000,
    disposed_on: '2033-01-01',
    disposal_way: 'sold',
    proceeds: 60_000,
    budget_year: 2033,
    replacement_priority: 'high',
  }
  return { regulatory, service, finance }
}

describe('the sections of an asset', () => {
  it('take every field, and the full views show each of them', async () => {
    const values = await everything()
    expect(Object.keys(values.regulatory)).toEqual(Object.keys(regulatoryFields))
    expect(Object.keys(values.service)).toEqual(Object.keys(serviceFields))
    expect(Object.keys(values.finance)).toEqual(Object.keys(financeFields))
    const asset = await hospital.asset()
    const { full, money } = await hospital.as(async (client) => {
      for (const name of ['regulatory', 'service', 'finance'] as const) {
        await changeSection(client, name, { asset, body: { row_version: 0, ...values[name] } })
      }
      return { full: await getFullAsset(client, asset), money: await getAssetMoney(client, asset) }
    })
    expect(full).toMatchObject({ ...values.regulatory, ...values.service, regulatory_version: 1, service_version: 1 })
    expect(full).toMatchObject({
      udi_issuer: 'gs1',
      udi_di: '51022222233336',
      udi_pi: '(11)141231(17)150707(10)A213B1(21)1234',
      udi_lot: 'A213B1',
      udi_serial: '1234',
      udi_expires_on: '2015-07-07',
      udi_made_on: '2014-12-31',
    })
    expect(money).toMatchObject({ ...values.finance, finance_version: 1, book_value: 1_250_000 })
    for (const field of Object.keys(values.finance)) expect(full).not.toHaveProperty(field)
  })

  it('have, with the asset itself, more than a hundred typed fields that somebody writes', async () => {
    const { rows } = await hospital.owner.query<{ column_name: string }>(
      `select column_name from information_schema.columns where table_schema = 'asset' and table_name = 'asset'
         and column_name not in ('id', 'org_id', 'search', 'row_version') and column_name !~ '^(created|updated|deleted)_'`,
    )
    const fields = [regulatoryFields, serviceFields, financeFields].flatMap((each) => Object.keys(each))
    expect(fields.length + rows.length).toBeGreaterThan(100)
  })

  it('show every column of the asset, its sections and what follows from them, but for the keeping of rows', async () => {
    const { rows } = await hospital.owner.query<{ name: string }>(
      `select column_name as name from information_schema.columns where table_schema = 'asset'
         and table_name in ('asset', 'asset_regulatory', 'asset_service', 'asset_finance')
         and column_name not in ('org_id', 'asset_id', 'search', 'deleted_at', 'deleted_by', 'delete_reason')
       except select column_name from information_schema.columns where table_schema = 'asset'
         and table_name in ('asset_full', 'asset_money')`,
    )
    expect(rows).toEqual([])
  })

  it('change what is named only, take values away with null, and refuse a stale version with both states', async () => {
    const asset = await hospital.asset()
    const change = (body: object) => hospital.as((client) => changeSection(client, 'service', { asset, body }))
    await change({ row_version: 0, pm_days: 90, cmms_ref: 'A' })
    expect(await change({ row_version: 1, cmms_ref: null })).toMatchObject({
      pm_days: 90,
      cmms_ref: null,
      row_version: 2,
    })
    const late = { row_version: 1, pm_days: 30 }
    await expect(change(late)).rejects.toMatchObject({
      code: 'ROW_VERSION',
      details: { current: { pm_days: 90, row_version: 2 }, yours: late },
    })
    await expect(change({ row_version: 0, pm_days: 30 })).rejects.toMatchObject({ code: 'ROW_VERSION' })
  })

  it('take a UDI away with all that was read from it, and refuse one that is wrong', async () => {
    const asset = await hospital.asset()
    const change = (body: object) => hospital.as((client) => changeSection(client, 'regulatory', { asset, body }))
    await change({ row_version: 0, udi: UDI })
    expect(await change({ row_version: 1, udi: null })).toMatchObject({
      udi_di: null,
      udi_lot: null,
      udi_expires_on: null,
    })
    await expect(change({ row_version: 2, udi: '(01)51022222233337' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer: '/udi', code: 'check_digit' }] },
    })
  })

  it.each([
    ['service', { pm_days: 0, nonsense: 1 }, ['/pm_days', '/nonsense']],
    ['service', {}, ['']],
    ['service', { pm_plan_id: '00000000-0000-4000-8000-000000000000' }, ['/pm_plan_id']],
    ['service', { warranty_from: '2026-01-02', warranty_until: '2026-01-01' }, ['']],
    ['finance', { purchase_cost: 1 }, ['/currency']],
    ['finance', { currency: 'EUR', purchase_cost: 1, salvage: 2 }, ['']],
    ['finance', { currency: 'EUR', lease_from: '2026-01-02', lease_until: '2026-01-01' }, ['']],
    ['finance', { currency: 'EUR', depreciation_method: 'straight_line' }, ['']],
    ['regulatory', { ip_address: '10.0.0.256', mac_addresses: ['x'] }, ['/mac_addresses/0', '/ip_address']],
  ] as const)('refuse a wrong %s %j, naming every field', async (name, fields, pointers) => {
    const asset = await hospital.asset()
    const body = { row_version: 0, ...fields }
    const refusal = await hospital.as((client) => changeSection(client, name, { asset, body })).catch((error) => error)
    expect(refusal).toMatchObject({ code: 'INPUT_INVALID' })
    expect(refusal.details.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers)
    expect(refusal.message).not.toMatch(/_check/)
  })

  it('are not there for an asset that is deleted, of another facility or of another tenant', async () => {
    const asset = await hospital.asset()
    const body = { row_version: 0, pm_days: 90 }
    const change = (reach?: object) => hospital.as((client) => changeSection(client, 'service', { asset, body }), reach)
    const missing = { code: 'NOT_FOUND' }
    await expect(change({ facilities: [hospital.facilities[1]] })).rejects.toMatchObject(missing)
    await expect(change({ org: hospital.otherOrg })).rejects.toMatchObject(missing)
    await hospital.as((client) =>
      client.query(`update asset.asset set delete_reason = 'gone', deleted_at = now() where id = $1`, [asset]),
    )
    await expect(change()).rejects.toMatchObject(missing)
    await expect(hospital.as((client) => getFullAsset(client, asset))).rejects.toMatchObject(missing)
    await expect(hospital.as((client) => getAssetMoney(client, asset))).rejects.toMatchObject(missing)
  })

  it('leave who, what, before and after in the audit chain', async () => {
    const asset = await hospital.asset()
    await hospital.as((client) =>
      changeSection(client, 'finance', { asset, body: { row_version: 0, currency: 'EUR' } }),
    )
    await hospital.as((client) =>
      changeSection(client, 'finance', { asset, body: { row_version: 1, budget_year: 2030 } }),
    )
    const { rows } = await hospital.owner.query(
      `select action, actor, old, new -> 'budget_year' as year from audit.event
       where object = 'asset.asset_finance' and object_id = $1 order by n`,
      [asset],
    )
    expect(rows).toMatchObject([
      { action: 'insert', actor: 'operator:test' },
      { action: 'update', old: { budget_year: null }, year: 2030 },
    ])
  })
})

describe('accepted values', () => {
  it('are those of the CHECK of each column', async () => {
    const { rows } = await hospital.owner.query<{ place: string; def: string }>(
      `select t.relname || '.' || a.attname as place, pg_get_constraintdef(c.oid) as def
       from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_attribute a on a.attrelid = t.oid
         and a.attnum = c.conkey[1]
       where t.relnamespace = 'asset'::regnamespace and c.contype = 'c' and cardinality(c.conkey) = 1
         and pg_get_constraintdef(c.oid) like '%= ANY (ARRAY[''%'`,
    )
    const stored = new Map(
      rows.map(({ place, def }) => [place, [...def.matchAll(/'([^']*)'/g)].map(([, word]) => word)]),
    )
    const expected: Record<string, readonly string[]> = {
      'work_order.kind': lists.WORK_KINDS,
      'work_order.origin': lists.WORK_ORIGINS,
      'work_order.state': lists.WORK_STATES,
      'work_order.priority': lists.PRIORITIES,
      'work_line.kind': lists.WORK_LINE_KINDS,
      'failure.detected_by': lists.DETECTIONS,
      'failure.severity': lists.FAILURE_SEVERITIES,
      'inspection.result': lists.INSPECTION_RESULTS,
      'certification.state': lists.CERTIFICATE_STATES,
      'contract.kind': lists.CONTRACT_KINDS,
      'recall.class': lists.RECALL_CLASSES,
      'recall.state': lists.RECALL_STATES,
      'recall_match.matched_by': lists.MATCH_WAYS,
      'recall_match.state': lists.MATCH_STATES,
      'transfer.kind': lists.TRANSFER_KINDS,
      'transfer.state': lists.TRANSFER_STATES,
      'cost_entry.kind': lists.COST_KINDS,
      'asset_regulatory.udi_issuer': lists.UDI_ISSUERS,
      'asset_regulatory.fda_class': lists.FDA_CLASSES,
      'asset_regulatory.mdr_class': lists.MDR_CLASSES,
      'asset_regulatory.mri_safety': lists.MRI_SAFETIES,
      'asset_regulatory.cyber_risk': lists.CYBER_RISKS,
      'asset_regulatory.electrical_class': lists.ELECTRICAL_CLASSES,
      'asset_regulatory.applied_part': lists.APPLIED_PARTS,
      'asset_service.strategy': lists.STRATEGIES,
      'asset_service.hours_source': lists.HOURS_SOURCES,
      'asset_finance.funding': lists.FUNDINGS,
      'asset_finance.depreciation_method': lists.DEPRECIATION_METHODS,
      'asset_finance.disposal_way': lists.DISPOSAL_WAYS,
      'asset_finance.replacement_priority': lists.PRIORITIES,
    }
    for (const [place, values] of Object.entries(expected)) expect([place, stored.get(place)]).toEqual([place, values])
  })
})
