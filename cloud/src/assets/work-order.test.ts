import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyPlan, changePlan, createPlan } from './service-plan.ts'
import { changeSection, getFullAsset } from './service-section.ts'
import { serviceJobs } from './service-upkeep.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import {
  addWorkLine,
  changeWorkOrder,
  createWorkOrder,
  findWorkOrder,
  getWorkOrder,
  listWorkOrders,
} from './work-order-book.ts'
import { openOverduePm } from './work-order-overdue.ts'
import { canStep, WORK_STEPS, type WorkStep } from './work-order-states.ts'
import { stepWorkOrder } from './work-order-steps.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const open = async (more: object = {}) => {
  const asset_id = await hospital.asset()
  return hospital.as((client) => createWorkOrder(client, { asset_id, kind: 'corrective', title: 'Beeps', ...more }))
}
const step = (name: WorkStep, order: Readonly<Record<string, unknown>>, more: object = {}) =>
  hospital.as((client) =>
    stepWorkOrder(client, name, { id: String(order['id']), body: { row_version: order['row_version'], ...more } }),
  )

describe('a work order', () => {
  it('goes from open over assigned, in progress and done to verified, and keeps when', async () => {
    let order = await open({ down_from: '2026-03-01T08:00:00Z' })
    expect(order).toMatchObject({ state: 'open', origin: 'manual', priority: 'normal', row_version: 1 })
    order = await step('assign', order, { assigned_to: 'Ada' })
    order = await step('start', order)
    order = await step('wait', order)
    order = await step('start', order)
    order = await step('finish', order, {
      action: 'Changed the fuse',
      cause_code: 'F1',
      done_at: '2026-03-01T10:00:00Z',
    })
    order = await step('verify', order)
    expect(order).toMatchObject({ state: 'verified', assigned_to: 'Ada', action: 'Changed the fuse', cause_code: 'F1' })
    for (const moment of ['opened_at', 'started_at', 'done_at', 'verified_at']) expect(order[moment]).not.toBeNull()
    expect(Date.parse(String(order['down_to']))).toBe(Date.parse('2026-03-01T10:00:00Z'))
  })

  it('has consecutive numbers in its tenant, by which it is found', async () => {
    const [first, second] = [await open(), await open()]
    expect(Number(second['number'])).toBe(Number(first['number']) + 1)
    const found = await hospital.as((client) => findWorkOrder(client, Number(first['number'])))
    expect(found['id']).toBe(first['id'])
  })

  it('goes no way that its state does not have', async () => {
    const order = await open()
    await expect(step('verify', order)).rejects.toMatchObject({ code: 'CONFLICT' })
    const cancelled = await step('cancel', order, { action: 'entered twice' })
    for (const name of Object.keys(WORK_STEPS) as WorkStep[]) {
      expect(canStep(name, 'cancelled') || canStep(name, 'verified')).toBe(false)
      await expect(step(name, cancelled, { action: 'x', assigned_to: 'x' })).rejects.toMatchObject({ code: 'CONFLICT' })
    }
    await expect(
      hospital.as((client) => changeWorkOrder(client, String(order['id']), { row_version: 2, title: 'x' })),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('is refused without who does it, what was done, or while its list is not ticked', async () => {
    let order = await open({ checklist: ['Clean', 'Test'] })
    await expect(step('assign', order)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    order = await step('start', order)
    await expect(step('finish', order)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(step('finish', order, { action: 'x' })).rejects.toThrow('Not ticked yet: Clean; Test')
    const ticked = order['checklist'] as { text: string; done: boolean }[]
    order = await hospital.as((client) =>
      changeWorkOrder(client, String(order['id']), {
        row_version: order['row_version'],
        checklist: ticked.map((item) => ({ ...item, done: true })),
        detail: 'Quick',
        priority: 'high',
      }),
    )
    expect(await step('finish', order, { action: 'x' })).toMatchObject({ state: 'done', detail: 'Quick' })
  })

  it('takes back being done and being assigned, and begins as a draft', async () => {
    let order = await open({ draft: true })
    expect(order['state']).toBe('draft')
    order = await step('release', order)
    order = await step('assign', order, { assigned_to: 'Ada' })
    order = await step('unassign', order)
    expect(order).toMatchObject({ state: 'open', assigned_to: null })
    order = await step('finish', await step('start', order), { action: 'x' })
    expect(await step('reopen', order)).toMatchObject({ state: 'in_progress', done_at: null })
  })

  it('refuses a stale version with both states', async () => {
    const order = await open()
    await step('start', order)
    const late = { row_version: 1, title: 'Other' }
    await expect(hospital.as((client) => changeWorkOrder(client, String(order['id']), late))).rejects.toMatchObject({
      code: 'ROW_VERSION',
      details: { current: { state: 'in_progress' }, yours: late },
    })
  })

  it('has lines, whose currency is that of the asset', async () => {
    const order = await open()
    const add = (more: object) =>
      hospital.as((client) =>
        addWorkLine(client, String(order['id']), {
          kind: 'part',
          text: 'Fuse',
          quantity_milli: 2_500,
          unit_cost: 333,
          currency: 'EUR',
          ...more,
        }),
      )
    expect(await add({})).toMatchObject({ cost: 833, currency: 'EUR' })
    expect(await add({ quantity_milli: -2_500, minutes: 5 })).toMatchObject({ cost: -833 })
    await expect(add({ currency: 'USD' })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('another currency'),
    })
    const shown = await hospital.as((client) => getWorkOrder(client, String(order['id'])))
    expect(shown['lines']).toMatchObject([{ text: 'Fuse' }, { minutes: 5 }])
    const asset = String(order['asset_id'])
    await expect(
      hospital.as((client) => changeSection(client, 'finance', { asset, body: { row_version: 1, currency: 'USD' } })),
    ).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('is listed by what one asks for, the most urgent first, and not once its asset is deleted', async () => {
    const asset_id = await hospital.asset()
    const make = (title: string, priority: string, due_on: string) =>
      hospital.as((client) => createWorkOrder(client, { asset_id, kind: 'cleaning', title, priority, due_on }))
    await make('late', 'normal', '2026-05-02')
    await make('soon', 'normal', '2026-05-01')
    await step('cancel', await make('now', 'urgent', '2026-06-01'), { action: 'no' })
    const list = (query: object) => hospital.as((client) => listWorkOrders(client, { asset: asset_id, ...query }))
    const titles = async (query: object) => (await list(query)).map(({ title }) => title)
    expect(await titles({})).toEqual(['now', 'soon', 'late'])
    expect(await titles({ open: 'true' })).toEqual(['soon', 'late'])
    expect(await titles({ due: '2026-05-01', kind: 'cleaning', facility: hospital.facilities[0] })).toEqual(['soon'])
    expect(await titles({ state: 'cancelled' })).toEqual(['now'])
    expect(await titles({ assigned_to: 'nobody' })).toEqual([])
    await expect(list({ colour: 'red' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await hospital.as((client) =>
      client.query(`update asset.asset set delete_reason = 'gone', deleted_at = now() where id = $1`, [asset_id]),
    )
    expect(await titles({})).toEqual([])
  })
})

describe('work that is finished', () => {
  it('moves the next maintenance and calibration on, by the day of the facility', async () => {
    const asset = await hospital.asset()
    await hospital.as(async (client) => {
      const service = { row_version: 0, pm_days: 180, operating_minutes: 600 }
      await changeSection(client, 'service', { asset, body: service })
      await changeSection(client, 'regulatory', { asset, body: { row_version: 0, calibration_days: 365 } })
    })
    for (const kind of ['preventive', 'calibration']) {
      const order = await hospital.as((client) =>
        createWorkOrder(client, { asset_id: asset, kind, title: kind, due_on: '2026-03-01' }),
      )
      // Half past midnight in Berlin.
      await step('finish', await step('start', order), { action: 'done', done_at: '2026-03-01T23:30:00Z' })
    }
    expect(await hospital.as((client) => getFullAsset(client, asset))).toMatchObject({
      last_pm_on: '2026-03-02',
      next_pm_on: '2026-08-29',
      last_pm_minutes: 600,
      last_calibrated_on: '2026-03-02',
      next_calibration_on: '2027-03-02',
      open_work_orders: 0,
    })
  })
})

describe('overdue maintenance', () => {
  let jobs: [Client, Client]
  beforeAll(async () => {
    jobs = [await hospital.jobs(), await hospital.jobs()]
  })
  const due = async (service: object, columns: object = {}) => {
    const asset = await hospital.asset({ ...columns })
    await hospital.as((client) => changeSection(client, 'service', { asset, body: { row_version: 0, ...service } }))
    return asset
  }
  const ordersOf = (asset: string) => hospital.as((client) => listWorkOrders(client, { asset }))
  const noon = (day: string) => new Date(`${day}T12:00:00Z`)

  it('opens exactly one work order for an asset and a due day, twice in a row and in parallel', async () => {
    const assets: string[] = []
    for (let i = 0; i < 21; i++) assets.push(await due({ next_pm_on: '2026-01-10', pm_days: 30 }))
    const opened = await Promise.all(jobs.map((client) => openOverduePm(client, noon('2026-01-12'))))
    expect(opened.reduce((sum, count) => sum + count, 0)).toBe(21)
    expect(await openOverduePm(jobs[0], noon('2026-01-13'))).toBe(0)
    const { rows } = await hospital.owner.query(
      `select count(*)::int as n, count(distinct asset_id)::int as assets, count(distinct number)::int as numbers
       from asset.work_order where origin = 'pm_plan' and asset_id = any ($1)`,
      [assets],
    )
    expect(rows).toEqual([{ n: 21, assets: 21, numbers: 21 }])
    const { rows: said } = await hospital.owner.query(
      `select distinct actor from audit.event where object = 'asset.work_order' and new ->> 'origin' = 'pm_plan'`,
    )
    expect(said).toEqual([{ actor: 'job:maintenance' }])
  })

  it('waits for the grace, for midnight at the facility, and goes by how much an asset matters', async () => {
    const asset = await due({ next_pm_on: '2026-02-10', pm_grace_days: 5 }, { criticality: 'life_support' })
    await openOverduePm(jobs[0], new Date('2026-02-15T22:59:00Z'))
    expect(await ordersOf(asset)).toEqual([])
    await openOverduePm(jobs[0], new Date('2026-02-15T23:01:00Z'))
    expect(await ordersOf(asset)).toMatchObject([
      { kind: 'preventive', origin: 'pm_plan', due_on: '2026-02-10', priority: 'urgent', state: 'open' },
    ])
  })

  it('opens no other for the day of one that was cancelled, and the next one after one that was done', async () => {
    const cancelled = await due({ next_pm_on: '2026-02-01', pm_days: 30 })
    const done = await due({ next_pm_on: '2026-02-01', pm_days: 30 })
    await openOverduePm(jobs[0], noon('2026-02-02'))
    const [first] = await ordersOf(cancelled)
    await step('cancel', first ?? {}, { action: 'in store' })
    const [second] = await ordersOf(done)
    await step('finish', await step('start', second ?? {}), { action: 'done', done_at: '2026-02-03T12:00:00Z' })
    await openOverduePm(jobs[0], noon('2026-03-10'))
    expect(await ordersOf(cancelled)).toHaveLength(1)
    expect(await ordersOf(done)).toMatchObject([{ state: 'done' }, { due_on: '2026-03-05', state: 'open' }])
  })

  it('also goes by hours of use, of the plan where the asset has none, with the list of the plan', async () => {
    const category = await hospital.as(async (client) => {
      const { rows } = await client.query(
        `insert into asset.category (id, org_id, code, name) values (gen_random_uuid(), iam.current_org(), 'mri', 'MRI') returning id`,
      )
      return rows[0].id as string
    })
    const plan = await hospital.as((client) =>
      createPlan(client, { name: 'By use', category_id: category, every_hours: 100, checklist: ['Oil', 'Belt'] }),
    )
    const asset = await hospital.asset({ category_id: category })
    const applied = await hospital.as((client) => applyPlan(client, String(plan['id']), { first_on: '2027-01-01' }))
    expect(applied).toEqual({ assets: 1 })
    expect(await hospital.as((client) => applyPlan(client, String(plan['id']), { first_on: '2027-01-01' }))).toEqual({
      assets: 0,
    })
    const run = () => serviceJobs[0]?.run(jobs[0], noon('2026-06-01').getTime())
    await run()
    expect(await ordersOf(asset)).toEqual([])
    await hospital.as((client) =>
      changeSection(client, 'service', { asset, body: { row_version: 1, operating_minutes: 6_000 } }),
    )
    await run()
    await run()
    expect(await ordersOf(asset)).toMatchObject([
      {
        origin_ref: 'hours:6000',
        due_on: '2026-06-01',
        checklist: [
          { text: 'Oil', done: false },
          { text: 'Belt', done: false },
        ],
      },
    ])
    await expect(
      hospital.as((client) => changePlan(client, String(plan['id']), { row_version: 1, every_hours: null })),
    ).rejects.toThrow('every_days or every_hours')
  })

  it('leaves alone what is deleted, retired or run to failure', async () => {
    const service = { next_pm_on: '2026-01-10' }
    const deleted = await due(service)
    await hospital.as((client) =>
      client.query(`update asset.asset set delete_reason = 'gone', deleted_at = now() where id = $1`, [deleted]),
    )
    await due(service, { status: 'retired' })
    await due({ ...service, strategy: 'run_to_failure' })
    expect(await openOverduePm(jobs[0], noon('2026-01-12'))).toBe(0)
  })
})
