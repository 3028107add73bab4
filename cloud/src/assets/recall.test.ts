import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  changeRecall,
  closeRecall,
  createRecall,
  decideRecall,
  findRecall,
  getRecall,
  listRecallAssets,
  listRecalls,
  reopenRecall,
} from './recall-book.ts'
import { matchOpenRecalls, matchRecall } from './recall-match.ts'
import { changeSection, getFullAsset } from './service-section.ts'
import { createTestHospital, type TestHospital } from './test-service.ts'
import { getWorkOrder } from './work-order-book.ts'
import { stepWorkOrder } from './work-order-steps.ts'

let hospital: TestHospital
beforeAll(async () => {
  hospital = await createTestHospital()
})
afterAll(() => hospital.stop())

const notice = (number: string, more: object) => ({
  number,
  authority: 'FDA',
  class: 'I',
  title: 'Battery may fail',
  action: 'Change the battery',
  issued_on: '2026-03-01',
  ...more,
})
const recall = (number: string, more: object) => hospital.as((client) => createRecall(client, notice(number, more)))
const found = async (id: unknown) =>
  (await hospital.as((client) => listRecallAssets(client, String(id), {}))).map(({ asset_tag, state, matched_by }) => [
    asset_tag,
    state,
    matched_by,
  ])

describe('a recall', () => {
  it('finds assets by UDI, model, lot range and serial numbers, and not those that are deleted or disposed of', async () => {
    const make = (asset_tag: string, more: object = {}) =>
      hospital.asset({ asset_tag, manufacturer: 'Acme', model_no: 'IP-200', serial_no: asset_tag, ...more })
    const byUdi = await make('R-1', { manufacturer: null, model_no: null })
    await hospital.as((client) =>
      changeSection(client, 'regulatory', {
        asset: byUdi,
        body: { row_version: 0, udi: '(01)06291041500213(10)L7(21)5' },
      }),
    )
    await make('R-2', { lot_no: 'L7' })
    await make('R-3', { lot_no: 'L20' })
    await make('R-4', { model_no: 'IP-300' })
    await make('R-5', { status: 'disposed' })
    const gone = await make('R-6')
    await hospital.as((client) =>
      client.query(`update asset.asset set delete_reason = 'gone', deleted_at = now() where id = $1`, [gone]),
    )
    const made = await recall('Z-1', {
      manufacturer: 'ACME',
      model_nos: ['IP 200'],
      // As the label of the box has it, with 13 digits.
      udi_dis: ['6291041500213'],
      lot_from: 'L5',
      lot_to: 'L10',
      serial_rule: { prefixes: ['R-'], list: ['5'] },
    })
    expect(made).toMatchObject({ state: 'in_action', assets: { suspect: 2 } })
    expect(await found(made['id'])).toEqual([
      ['R-1', 'suspect', 'udi'],
      ['R-2', 'suspect', 'model'],
    ])
    expect(await hospital.as((client) => getFullAsset(client, byUdi))).toMatchObject({ recall_open: true })
  })

  it('can look again and again: what was decided stays, what is new is added, suspects it no longer means are cleared', async () => {
    const maker = { manufacturer: 'Bolt' }
    const [first, second] = [
      await hospital.asset({ asset_tag: 'B-1', ...maker, lot_no: '1' }),
      await hospital.asset({ asset_tag: 'B-2', ...maker, lot_no: '2' }),
    ]
    const made = await recall('Z-2', maker)
    const id = String(made['id'])
    await hospital.as((client) =>
      decideRecall(client, { id, asset: first, body: { row_version: 1, state: 'cleared', note: 'other battery' } }),
    )
    const again = () => hospital.as((client) => matchRecall(client, id))
    expect(await again()).toEqual({ added: 0, cleared: 0 })
    await hospital.asset({ asset_tag: 'B-3', ...maker, lot_no: '3' })
    expect(await matchOpenRecalls(await hospital.jobs())).toBe(1)
    const { row_version } = await hospital.as((client) => getRecall(client, id))
    await hospital.as((client) => changeRecall(client, id, { row_version, lot_from: '3' }))
    expect(await found(id)).toEqual([
      ['B-1', 'cleared', 'manufacturer'],
      ['B-2', 'cleared', 'manufacturer'],
      ['B-3', 'suspect', 'manufacturer'],
    ])
    expect(await hospital.as((client) => getFullAsset(client, second))).toMatchObject({ recall_open: false })
  })

  it('opens urgent work for a confirmed asset of class I; done, the asset is fixed and the recall can be closed', async () => {
    const asset = await hospital.asset({ manufacturer: 'Cord' })
    const made = await recall('Z-3', { manufacturer: 'Cord' })
    const id = String(made['id'])
    const decide = (row_version: number, state: string) =>
      hospital.as((client) => decideRecall(client, { id, asset, body: { row_version, state } }))
    const close = async () => {
      const { row_version } = await hospital.as((client) => getRecall(client, id))
      return hospital.as((client) => closeRecall(client, id, { row_version }))
    }
    await expect(decide(1, 'fixed')).rejects.toMatchObject({ code: 'CONFLICT' })
    const match = await decide(1, 'confirmed')
    await expect(decide(1, 'fixed')).rejects.toMatchObject({ code: 'ROW_VERSION' })
    await expect(close()).rejects.toThrow('not settled')
    let order = await hospital.as((client) => getWorkOrder(client, String(match['work_order_id'])))
    expect(order).toMatchObject({ kind: 'recall', origin: 'recall', priority: 'urgent', detail: 'Change the battery' })
    for (const step of ['start', 'finish'] as const) {
      const body = { row_version: order['row_version'], action: 'changed' }
      order = await hospital.as((client) => stepWorkOrder(client, step, { id: String(order['id']), body }))
    }
    expect((await found(id))[0]?.[1]).toBe('fixed')
    const closed = await close()
    expect(closed).toMatchObject({ state: 'closed' })
    await expect(close()).rejects.toThrow('closed already')
    await expect(hospital.as((client) => matchRecall(client, id))).rejects.toMatchObject({ code: 'CONFLICT' })
    const reopened = hospital.as((client) => reopenRecall(client, id, { row_version: closed['row_version'] }))
    expect(await reopened).toMatchObject({ state: 'in_action', assets: { fixed: 1 } })
  })

  it('is refused without anything to look for, twice, or with a wrong serial rule', async () => {
    await expect(recall('Z-9', {})).rejects.toThrow('UDI-DIs or a manufacturer')
    await expect(recall('Z-9', { manufacturer: 'X', serial_rule: {} })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await recall('Z-9', { manufacturer: 'Nobody' })
    await expect(recall('Z-9', { manufacturer: 'Nobody' })).rejects.toMatchObject({ code: 'CONFLICT' })
    const list = await hospital.as((client) => listRecalls(client, { state: 'new' }))
    expect(list.map(({ number }) => number)).toEqual(['Z-9'])
  })

  it('is found by its number, unless two authorities gave the same', async () => {
    const one = await recall('N-1', { manufacturer: 'Nobody' })
    expect((await hospital.as((client) => findRecall(client, 'N-1')))['id']).toBe(one['id'])
    await recall('N-1', { manufacturer: 'Nobody', authority: 'BfArM' })
    await expect(hospital.as((client) => findRecall(client, 'N-1'))).rejects.toMatchObject({ code: 'CONFLICT' })
    expect((await hospital.as((client) => findRecall(client, String(one['id']))))['authority']).toBe('FDA')
    await expect(hospital.as((client) => findRecall(client, 'N-2'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('concerns only assets of the facilities that one reaches, and shows no other', async () => {
    const [a, b] = hospital.facilities
    await hospital.asset({ asset_tag: 'D-1', manufacturer: 'Dent' })
    await hospital.asset({ asset_tag: 'D-2', manufacturer: 'Dent', facility_id: b })
    const made = await recall('Z-4', { manufacturer: 'Dent' })
    const seen = await hospital.as((client) => listRecallAssets(client, String(made['id']), { state: 'suspect' }), {
      facilities: [a],
    })
    expect(seen.map(({ asset_tag }) => asset_tag)).toEqual(['D-1'])
  })
})
