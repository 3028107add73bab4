import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { addCertification, listDue, revokeCertification } from './certification-book.ts'
import { checkIn, checkOut, listCheckouts } from './checkout-book.ts'
import { createContract } from './contract-book.ts'
import { inspectionFlows, planInspection, recordInspection } from './inspection-book.ts'
import { failureFlows, reportFailure, resolveFailure } from './service-failure.ts'
import type { Flow } from './service-flow.ts'
import { changeSection, getFullAsset } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import { getWorkOrder } from './work-order-book.ts'
import { stepWorkOrder } from './work-order-steps.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const read = (flows: readonly Flow[], path: string, { id, query = {} }: { id?: string; query?: object }) => {
  const flow = flows.find((each) => each.method === 'GET' && each.path === path)
  const input = { params: { ...(id !== undefined && { id }) }, query, body: undefined }
  return hospital.as((client) => flow?.run(client, input) ?? Promise.reject(new TypeError(path)))
}
const full = (asset: string) => hospital.as((client) => getFullAsset(client, asset))

describe('failures', () => {
  it('give the mean time between them by operating hours, and the mean time to repair', async () => {
    const asset = await hospital.asset({ asset_tag: 'F-1' })
    await hospital.as((client) =>
      changeSection(client, 'service', {
        asset,
        body: { row_version: 0, operating_minutes: 60_000, hours_source: 'meter' },
      }),
    )
    const report = (at: string) =>
      hospital.as((client) => reportFailure(client, asset, { at, mode: 'No power', severity: 'minor' }))
    const first = await report('2026-01-01T00:00:00Z')
    const second = await report('2026-02-01T00:00:00Z')
    const resolve = (row: Readonly<Record<string, unknown>>, resolved_at: string) =>
      hospital.as((client) => resolveFailure(client, String(row['id']), { row_version: 1, resolved_at }))
    await resolve(first, '2026-01-01T01:00:00Z')
    await resolve(second, '2026-02-01T03:00:00Z')
    await expect(resolve(second, '2026-02-01T03:00:00Z')).rejects.toMatchObject({ code: 'CONFLICT' })
    const expected = {
      failures: 2,
      operating_hours: 1_000,
      mtbf_hours: 500,
      mttr_minutes: 120,
      down_minutes: 0,
      availability_permille: 1_000,
    }
    expect(await read(failureFlows, '/api/v1/assets/:id/reliability', { id: asset })).toMatchObject(expected)
    expect(await read(failureFlows, '/api/v1/reliability', {})).toMatchObject({
      items: [{ asset_tag: 'F-1', ...expected }],
    })
    const listed = await read(failureFlows, '/api/v1/assets/:id/failures', { id: asset })
    expect(listed).toMatchObject({ items: [{ id: second['id'] }, { id: first['id'] }] })
  })

  it('can open corrective work, with which they end', async () => {
    const asset = await hospital.asset()
    const failure = await hospital.as((client) =>
      reportFailure(client, asset, {
        mode: 'Smoke',
        severity: 'critical',
        patient_involved: true,
        open_work_order: true,
      }),
    )
    let order = await hospital.as((client) => getWorkOrder(client, String(failure['work_order_id'])))
    expect(order).toMatchObject({
      kind: 'corrective',
      origin: 'failure',
      origin_ref: failure['id'],
      priority: 'urgent',
    })
    expect(order['down_from']).toBe(failure['at'])
    for (const step of ['start', 'finish'] as const) {
      const body = { row_version: order['row_version'], action: 'New supply' }
      order = await hospital.as((client) => stepWorkOrder(client, step, { id: String(order['id']), body }))
    }
    expect(order['down_to']).toBe(order['done_at'])
    const [after] = ((await read(failureFlows, '/api/v1/assets/:id/failures', { id: asset })) as { items: object[] })
      .items
    expect(after).toMatchObject({ patient_involved: true, resolved_at: order['done_at'] })
  })

  it('cannot end before they happen', async () => {
    const asset = await hospital.asset()
    const report = { at: '2026-01-02T00:00:00Z', mode: 'x', severity: 'minor' }
    const { id } = await hospital.as((client) => reportFailure(client, asset, report))
    const body = { row_version: 1, resolved_at: '2026-01-01T00:00:00Z' }
    await expect(hospital.as((client) => resolveFailure(client, String(id), body))).rejects.toThrow(
      'before it happened',
    )
  })
})

describe('inspections', () => {
  it('are planned, recorded once, and bring the next one; one that failed opens work', async () => {
    const asset = await hospital.asset()
    const plan = await hospital.as((client) =>
      planInspection(client, asset, { kind: 'Electrical', due_on: '2026-03-01' }),
    )
    expect(await full(asset)).toMatchObject({ next_inspection_on: '2026-03-01', last_inspected_on: null })
    const record = (body: object) =>
      hospital.as((client) =>
        recordInspection(client, String(plan['id']), {
          row_version: 1,
          done_on: '2026-03-02',
          inspector: 'Ada',
          ...body,
        }),
      )
    await expect(record({ result: 'pass', next_on: '2026-03-01' })).rejects.toThrow('next_on must lie after done_on')
    const done = await record({
      result: 'fail',
      findings: 'Leakage',
      measurements: { 'leakage uA': 700 },
      next_on: '2026-04-01',
    })
    await expect(record({ result: 'pass' })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await full(asset)).toMatchObject({
      last_inspected_on: '2026-03-02',
      next_inspection_on: '2026-04-01',
      open_work_orders: 1,
    })
    const order = await hospital.as((client) => getWorkOrder(client, String(done['work_order_id'])))
    expect(order).toMatchObject({
      kind: 'corrective',
      origin: 'inspection',
      title: 'Failed inspection: Electrical',
      detail: 'Leakage',
    })
    const listed = await read(inspectionFlows, '/api/v1/assets/:id/inspections', { id: asset })
    expect(listed).toMatchObject({ items: [{ due_on: '2026-04-01' }, { measurements: { 'leakage uA': 700 } }] })
  })
})

describe('what falls due', () => {
  it('stands in one list: the newest certificate of a kind, inspections, calibration, maintenance, warranty, contracts', async () => {
    const asset = await hospital.asset({ asset_tag: 'DUE-1' })
    const certify = (kind: string, valid_until: string) =>
      hospital.as((client) =>
        addCertification(client, asset, { kind, issuer: 'TUEV', issued_on: '2025-01-01', valid_until }),
      )
    await certify('Safety', '2026-01-01')
    const renewed = await certify('Safety', '2027-01-01')
    await certify('Laser', '2026-06-01')
    expect(await full(asset)).toMatchObject({ certificate_until: '2026-06-01' })
    await hospital.as(async (client) => {
      await planInspection(client, asset, { kind: 'Visual', due_on: '2026-02-01' })
      const calibration = { calibration_required: true, next_calibration_on: '2026-03-01' }
      await changeSection(client, 'regulatory', { asset, body: { row_version: 0, ...calibration } })
      const service = { next_pm_on: '2026-04-01', warranty_until: '2026-05-01' }
      await changeSection(client, 'service', { asset, body: { row_version: 0, ...service } })
      const dates = { from_on: '2025-07-01', to_on: '2026-07-01' }
      await createContract(client, {
        vendor_id: hospital.vendor,
        kind: 'service',
        number: 'C-9',
        ...dates,
        cost_year: 1,
        currency: 'EUR',
      })
    })
    const isOurs = ({ asset_tag }: Readonly<Record<string, unknown>>) => asset_tag === 'DUE-1' || asset_tag === null
    const due = async (query: object) =>
      (await hospital.as((client) => listDue(client, query)))
        .filter(isOurs)
        .map(({ what, detail, due_on }) => [what, detail, due_on])
    expect(await due({ until: '2026-12-31' })).toEqual([
      ['inspection', 'Visual', '2026-02-01'],
      ['calibration', '', '2026-03-01'],
      ['maintenance', 'time', '2026-04-01'],
      ['warranty', '', '2026-05-01'],
      ['certificate', 'Laser', '2026-06-01'],
      ['contract', 'service C-9', '2026-07-01'],
    ])
    expect(await due({ until: '2026-12-31', what: 'certificate', facility: hospital.facilities[0] })).toHaveLength(1)
    await hospital.as((client) =>
      revokeCertification(client, String(renewed['id']), { row_version: 1, note: 'forged' }),
    )
    expect(await due({ until: '2026-12-31', what: 'certificate' })).toEqual([
      ['certificate', 'Safety', '2026-01-01'],
      ['certificate', 'Laser', '2026-06-01'],
    ])
    await expect(
      hospital.as((client) => revokeCertification(client, String(renewed['id']), { row_version: 2, note: 'x' })),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
    await hospital.as((client) => client.query(`update asset.asset set status = 'retired' where id = $1`, [asset]))
    expect(await due({ until: '2026-12-31' })).toEqual([['contract', 'service C-9', '2026-07-01']])
  })

  it('refuses a certificate that ends before it begins', async () => {
    const wrong = { kind: 'Safety', issuer: 'TUEV', issued_on: '2026-01-02', valid_until: '2026-01-01' }
    const asset = await hospital.asset()
    await expect(hospital.as((client) => addCertification(client, asset, wrong))).rejects.toThrow('must not lie before')
  })
})

describe('a check-out', () => {
  it('is one at a time, given back once, and listed while it is out', async () => {
    const asset = await hospital.asset()
    const lend = (body: object) => hospital.as((client) => checkOut(client, asset, body))
    const out = await lend({
      holder: 'Ward 3',
      out_at: '2026-01-01T00:00:00Z',
      due_at: '2026-01-02T00:00:00Z',
      note: 'with stand',
    })
    await expect(lend({ holder: 'Ward 4' })).rejects.toThrow('checked out already')
    expect(await full(asset)).toMatchObject({ checked_out_to: 'Ward 3' })
    const list = (query: object) => hospital.as((client) => listCheckouts(client, { asset, ...query }))
    expect(await list({ due_before: '2026-01-03T00:00:00Z', holder: 'Ward 3' })).toMatchObject([{ note: 'with stand' }])
    const give = (body: object) => hospital.as((client) => checkIn(client, String(out['id']), body))
    await expect(give({ row_version: 1, in_at: '2025-12-31T00:00:00Z' })).rejects.toThrow('before it went out')
    expect(await give({ row_version: 1 })).toMatchObject({ in_at: expect.any(String) })
    await expect(give({ row_version: 2 })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect([await list({}), await list({ open: 'false' })]).toMatchObject([[], [{ holder: 'Ward 3' }]])
    expect(await full(asset)).toMatchObject({ checked_out_to: null })
    await expect(lend({ holder: 'x', out_at: '2026-01-02T00:00:00Z', due_at: '2026-01-01T00:00:00Z' })).rejects.toThrow(
      'due_at',
    )
  })

  it('goes to one of two who ask at the same moment', async () => {
    const asset = await hospital.asset()
    const [one, two] = [await hospital.session(), await hospital.session()]
    const outcomes = await Promise.allSettled(
      [one, two].map((session) => session((client) => checkOut(client, asset, { holder: 'Ward 3' }))),
    )
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})
