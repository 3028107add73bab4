import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { changeSection, getFullAsset } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import { confirmTransfers } from './transfer-arrival.ts'
import {
  getTransfer,
  listTransfers,
  requestTransfer,
  returnLoan,
  stepTransfer,
  type TransferStep,
} from './transfer-book.ts'
import { createWorkOrder, listWorkOrders } from './work-order-book.ts'

type Row = Readonly<Record<string, unknown>>

let hospital: TestHospital
let a: number
let b: number
beforeAll(async () => {
  hospital = await createTestHospital()
  ;[a, b] = hospital.facilities
})
afterAll(() => hospital.stop())

const request = (asset: string, more: object = {}) =>
  hospital.as((client) => requestTransfer(client, asset, { to_facility: b, ...more }), { facilities: [a] })
const step = (name: TransferStep, transfer: Row, side: number) =>
  hospital.as(
    (client) =>
      stepTransfer(client, name, { id: String(transfer['id']), body: { row_version: transfer['row_version'] } }),
    { facilities: [side] },
  )
const full = (asset: string, side: number) =>
  hospital.as((client) => getFullAsset(client, asset), { facilities: [side] })
const sent = async (asset: string) => step('send', await step('approve', await request(asset), a), a)

describe('a transfer', () => {
  it('is read by both facilities, done by the right one, and brings the asset with all that belongs to it', async () => {
    const asset = await hospital.asset({ name: 'Ventilator', status: 'in_service' })
    await hospital.as(async (client) => {
      await changeSection(client, 'service', { asset, body: { row_version: 0, pm_days: 90 } })
      await createWorkOrder(client, { asset_id: asset, kind: 'corrective', title: 'Beeps' })
    })
    let transfer = await request(asset, { reason: 'Needed there' })
    for (const side of [a, b]) {
      const seen = await hospital.as((client) => listTransfers(client, { asset }), { facilities: [side] })
      expect(seen).toMatchObject([{ state: 'requested', asset_label: `${asset} Ventilator`, reason: 'Needed there' }])
    }
    await expect(step('approve', transfer, b)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    transfer = await step('approve', transfer, a)
    transfer = await step('send', transfer, a)
    expect(await full(asset, a)).toMatchObject({ status: 'in_transfer', facility_id: a })
    await expect(step('receive', transfer, a)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    transfer = await step('receive', transfer, b)
    expect(transfer).toMatchObject({ state: 'received', seen_at: null })
    expect(await full(asset, b)).toMatchObject({
      status: 'in_service',
      facility_id: b,
      pm_days: 90,
      open_work_orders: 1,
    })
    await expect(full(asset, a)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const orders = (side: number) => hospital.as((client) => listWorkOrders(client, { asset }), { facilities: [side] })
    expect([await orders(a), await orders(b)]).toMatchObject([[], [{ title: 'Beeps', facility_id: b }]])
  })

  it('goes no way that its state does not have, and there is one at a time', async () => {
    const asset = await hospital.asset()
    const transfer = await request(asset)
    await expect(step('send', transfer, a)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(request(asset)).rejects.toThrow('being transferred already')
    const rejected = await step('reject', transfer, a)
    await expect(step('cancel', rejected, a)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(step('approve', transfer, a)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(request(asset, { to_facility: a })).rejects.toThrow('at home there already')
    await expect(request(asset, { to_facility: 999_999 })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(request(asset, { due_back_on: '2026-05-01' })).rejects.toThrow('loan')
    await expect(request(asset, { to_facility: 'nowhere' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('gives the asset its state back when it is cancelled on the way', async () => {
    const asset = await hospital.asset({ status: 'standby' })
    await step('cancel', await sent(asset), b)
    expect(await full(asset, a)).toMatchObject({ status: 'standby', facility_id: a })
  })

  it('refuses a stale version, and shows nothing to a facility or a tenant that has no part in it', async () => {
    const transfer = await request(await hospital.asset())
    await step('approve', transfer, a)
    const late = hospital.as((client) =>
      stepTransfer(client, 'cancel', { id: String(transfer['id']), body: { row_version: 1 } }),
    )
    await expect(late).rejects.toMatchObject({ code: 'ROW_VERSION', details: { current: { state: 'approved' } } })
    for (const reach of [{ facilities: [999] }, { org: hospital.otherOrg }]) {
      const read = hospital.as((client) => getTransfer(client, String(transfer['id'])), reach)
      await expect(read).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('lends: due back, it is sent back once, to where it came from', async () => {
    const asset = await hospital.asset()
    let loan = await request(asset, { kind: 'loan', due_back_on: '2026-05-01' })
    loan = await step('receive', await step('send', await step('approve', loan, a), a), b)
    const overdue = () =>
      hospital.as((client) => listTransfers(client, { back_until: '2026-05-01' }), { facilities: [b] })
    expect(await overdue()).toMatchObject([{ id: loan['id'] }])
    const back = (side: number) =>
      hospital.as((client) => returnLoan(client, String(loan['id']), { row_version: loan['row_version'] }), {
        facilities: [side],
      })
    await expect(back(a)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    expect(await back(b)).toMatchObject({ kind: 'return', from_facility: b, to_facility: a, state: 'requested' })
    expect(await overdue()).toEqual([])
    await expect(back(b)).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})

describe('the first fix at the other site', () => {
  let tags = 0
  /** A tag that the asset wears since a day ago, and where it was heard. */
  async function hear(asset: string, { facility, ago }: { facility: number; ago: string }): Promise<void> {
    tags += 1
    const { rows } = await hospital.owner.query(
      `insert into rtls.tag (org_id, identity) values ($1, $2) returning id`,
      [hospital.org, `ble:c3000000${String(tags).padStart(4, '0')}`],
    )
    const tag = rows[0].id
    await hospital.as((client) =>
      client.query(
        `insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t)
         values (gen_random_uuid(), iam.current_org(), $1, $2, now() - interval '1 day')`,
        [tag, asset],
      ),
    )
    await hospital.owner.query(
      `insert into rtls.position (org_id, tag_id, facility_id, t, since, method, reason, confidence, stream_id, seq, map_version)
       values ($1, $2, $3, now() - $4::interval, now() - $4::interval, 1, 0, 900, 1, 1, 1)`,
      [hospital.org, tag, facility, ago],
    )
  }

  it('receives the asset; one at the old site, one from before it left and one without a tag do not', async () => {
    const make = async () => ({ asset: await hospital.asset() })
    const [there, here, early, bare] = [await make(), await make(), await make(), await make()]
    await hear(early.asset, { facility: b, ago: '1 hour' })
    const transfers = new Map<string, Row>()
    for (const { asset } of [there, here, early, bare]) transfers.set(asset, await sent(asset))
    await hear(there.asset, { facility: b, ago: '-1 second' })
    await hear(here.asset, { facility: a, ago: '-1 second' })
    const jobs = await hospital.jobs()
    expect(await confirmTransfers(jobs)).toBe(1)
    expect(await confirmTransfers(jobs)).toBe(0)
    const state = async (asset: string) =>
      hospital.as((client) => getTransfer(client, String(transfers.get(asset)?.['id'])))
    expect(await state(there.asset)).toMatchObject({ state: 'received', seen_at: expect.any(String) })
    for (const { asset } of [here, early, bare]) expect(await state(asset)).toMatchObject({ state: 'in_transit' })
    expect(await full(there.asset, b)).toMatchObject({ facility_id: b, status: 'active' })
  })
})
