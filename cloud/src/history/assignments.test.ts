import type { Clock } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { assignTag, correctAssignment, listAssignments, removeAssignment, swapTag, unassignTag } from './assignments.ts'
import { TAG_KINDS, TAG_STATUSES } from './lists.ts'
import { listTags, registerTag, retireTag } from './tags.ts'
import { ASSETS, createTestHistory, FOREIGN_ASSET, type TestHistory } from './test-history.ts'

const T1 = 'ble:c30000000001'
const T2 = 'ble:c30000000002'
const DAY = 86_400_000
const now = Date.now() - 60_000
const clock = { wallMs: () => now } as Clock
const iso = (days: number) => new Date(now - days * DAY).toISOString()

let history: TestHistory
beforeAll(async () => {
  history = await createTestHistory()
})
afterAll(() => history.stop())
beforeEach(() => history.clear())

const api = <T>(work: (client: ClientBase) => Promise<T>) => history.asApi(work)
const assign = (input: unknown) => api((client) => assignTag(client, input, clock))

describe('a tag', () => {
  it('is registered once, listed with what it says of itself, and retired off its asset', async () => {
    const made = await api((client) =>
      registerTag(client, { identity: 'ble:c300000000aa', label: 'new', model: 'K5', facility: 'main' }),
    )
    expect(made).toMatchObject({ identity: 'ble:c300000000aa', model: 'K5', facility: 'main', status: 'active' })
    await expect(api((client) => registerTag(client, { identity: 'ble:c300000000aa' }))).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await assign({ tag: made.identity, asset: 'A-1' })
    const [listed] = await api((client) => listTags(client, { after: 'ble:c300000000a9', limit: 1 }))
    expect(listed).toMatchObject({ identity: made.identity, assetTag: 'A-1', lastSeen: null, battery: null })
    await api((client) => retireTag(client, { identity: made.identity, reason: 'broken' }))
    const [row] = await api((client) => listAssignments(client, { asset: 'A-1' }))
    expect(row?.to).toBeInstanceOf(Date)
    await expect(assign({ tag: made.identity, asset: 'A-1' })).rejects.toThrow('is retired')
    expect(await history.column(`select action from audit.event where object = 'rtls.tag' order by n`)).toEqual([
      'register',
      'retire',
    ])
  })

  it('is refused with every problem at once', async () => {
    const wrong = { identity: 'what', kind: 'bell', colour: 'red' }
    await expect(api((client) => registerTag(client, wrong))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer: '/identity' }, { pointer: '/kind' }, { pointer: '/colour' }] },
    })
    const nowhere = api((client) => registerTag(client, { identity: 'ble:c300000000ab', facility: 'other' }))
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('has kinds and states as its table checks them', async () => {
    const [kinds, statuses] = await Promise.all(
      ['kind', 'status'].map((column) =>
        history.column(
          `select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'rtls.tag'::regclass and conname = $1`,
          [`tag_${column}_check`],
        ),
      ),
    )
    const named = (rows: unknown) => [...String(rows).matchAll(/'(\w+)'::text/g)].map((match) => match[1])
    expect([named(kinds), named(statuses)]).toEqual([[...TAG_KINDS], [...TAG_STATUSES]])
  })
})

describe('an assignment', () => {
  it('names who wears the tag, or what the asset wears, when it does not fit', async () => {
    await assign({ tag: T1, asset: 'A-1', from: iso(10), reason: 'known from the paper list' })
    await expect(assign({ tag: T1, asset: 'A-2' })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(`The tag ${T1} is on the asset A-1 since`),
      details: { holder: { tag: T1, assetTag: 'A-1', to: null } },
    })
    await expect(assign({ tag: T2, asset: 'A-1' })).rejects.toMatchObject({ details: { holder: { tag: T1 } } })
    const second = await assign({ tag: T2, asset: 'A-1', primary: false })
    expect(second).toMatchObject({ tag: T2, assetTag: 'A-1', primary: false })
  })

  it('needs a reason in the past and cannot begin in the future', async () => {
    await expect(assign({ tag: T1, asset: 'A-1', from: iso(1) })).rejects.toThrow('/reason: is needed')
    await expect(assign({ tag: T1, asset: 'A-1', from: iso(-1) })).rejects.toThrow('/from: lies in the future')
    const turned = { tag: T1, asset: 'A-1', from: iso(1), to: iso(2), reason: 'x' }
    await expect(assign(turned)).rejects.toThrow('/to: must be after')
  })

  it('does not say whether a tag or an asset of another tenant is there', async () => {
    await expect(assign({ tag: T1, asset: FOREIGN_ASSET })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const foreign = history.asApi((client) => assignTag(client, { tag: T1, asset: ASSETS[0] }, clock), { org: 2 })
    await expect(foreign).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const insert = history.asApi((client) =>
      client.query(
        `insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t) values (gen_random_uuid(), 1, 20, $1, now())`,
        [ASSETS[0]],
      ),
    )
    await expect(insert).rejects.toMatchObject({ code: '23503' })
  })

  it('is closed and followed by another in one step, or not at all', async () => {
    await assign({ tag: T1, asset: 'A-1', from: iso(10), reason: 'list' })
    await assign({ tag: T2, asset: 'A-2' })
    const swap = (tag: string) => api((client) => swapTag(client, { asset: 'A-1', tag, status: 'damaged' }, clock))
    await expect(swap(T2)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await api((client) => listAssignments(client, { asset: 'A-1' }))).toHaveLength(1)
    await swap('ble:c30000000003')
    const rows = await api((client) => listAssignments(client, { asset: 'A-1' }))
    expect(rows.map(({ tag, to }) => [tag, to?.getTime() ?? null])).toEqual([
      ['ble:c30000000003', null],
      [T1, now],
    ])
    const [first] = await api((client) => listTags(client, { limit: 1 }))
    expect(first).toMatchObject({ identity: T1, status: 'damaged', assetTag: null })
  })

  it('is taken off, and cannot be taken off twice', async () => {
    await assign({ tag: T1, asset: 'A-1', from: iso(1), reason: 'list' })
    const off = () => api((client) => unassignTag(client, { tag: T1 }, clock))
    expect((await off()).to?.getTime()).toBe(now)
    await expect(off()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('Nobody wears') })
  })

  it('is corrected long after with a reason and the version that was read, and marks the days to be made again', async () => {
    const made = await assign({ tag: T1, asset: 'A-1', from: iso(10), reason: 'list' })
    await history.column('delete from telemetry.rollup_due')
    const correct = (change: object) =>
      api((client) =>
        correctAssignment(client, { id: made.id, row_version: 1, reason: 'label read wrong', ...change }, clock),
      )
    const moved = await correct({ from: iso(12), to: iso(2) })
    expect(moved).toMatchObject({ reason: 'label read wrong', rowVersion: 2, from: new Date(iso(12)) })
    expect(await history.column('select from_t from telemetry.rollup_due')).toEqual([new Date(iso(12))])
    await expect(correct({})).rejects.toMatchObject({ code: 'ROW_VERSION', details: { current: { rowVersion: 2 } } })
    await assign({ tag: T1, asset: 'A-2', from: iso(1), reason: 'list' })
    await expect(correct({ row_version: 2, to: null })).rejects.toMatchObject({
      details: { holder: { assetTag: 'A-2' } },
    })
    const remove = (rowVersion: number) =>
      api((client) => removeAssignment(client, { id: made.id, row_version: rowVersion, reason: 'never was' }))
    await expect(remove(1)).rejects.toMatchObject({ code: 'ROW_VERSION' })
    await remove(2)
    const [last] = await history.column(
      `select json_build_array(action, old ->> 'reason') from audit.event where object = 'rtls.tag_assignment' and object_id = $1
       order by n desc limit 1`,
      [made.id],
    )
    expect(last).toEqual(['delete', 'never was'])
  })

  it('is won by one of two who put on the same tag at once', async () => {
    const pools = [history.database.options('bt_api'), history.database.options('bt_api')]
    const { Client } = await import('pg')
    const both = await Promise.allSettled(
      pools.map(async (options, i) => {
        const client = new Client(options)
        await client.connect()
        try {
          await client.query('begin')
          await client.query(
            `select set_config('app.org', '1', true), set_config('app.facilities', 'all', true), set_config('app.actor', 't', true)`,
          )
          await assignTag(client, { tag: T1, asset: `A-${i + 1}` }, clock)
          await client.query('commit')
        } finally {
          await client.end()
        }
      }),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'CONFLICT' } })
  })
})
