import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { readAnchors, writeAnchor } from './anchors.ts'
import { listEvents, readHead, verifyChain } from './chain.ts'
import { createTestTenants, type TestScope, type TestTenants } from './test-tenants.ts'

const NOW = Date.UTC(2026, 4, 1, 12)

let tenants: TestTenants
let owner: Client
let one: TestScope
let two: TestScope
let folder: string
/** Number of the last event that the preparation left, in either organisation. */
let last: number
let theirLast: number

beforeAll(async () => {
  tenants = await createTestTenants()
  owner = tenants.database.ownerClient
  one = tenants.within(tenants.orgs[0])
  two = tenants.within(tenants.orgs[1])
  const [a, b] = tenants.facilities
  await append(one, 60)
  await append(two, 5)
  await append(one, 60, a)
  await append(one, 30, b)
  last = (await one.read(readHead)).n
  theirLast = (await two.read(readHead)).n
})
afterAll(() => tenants.stop())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-anchors-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function append(tenant: TestScope, count: number, facility: number | null = null): Promise<unknown> {
  return tenant.write((client) =>
    client.query(
      `select audit.append('change', 'update', 'asset.asset', i::text, $2, old => '{"status": "active"}')
       from generate_series(1, $1) as i`,
      [count, facility],
    ),
  )
}

/** What a superuser can do, and takes back. */
async function tampered<T>(sql: string, work: () => Promise<T>): Promise<T> {
  await owner.query(`create table public.kept as table audit.event; create table public.kept_head as table audit.head`)
  await owner.query(`set session_replication_role = replica; ${sql}`)
  try {
    return await work()
  } finally {
    await owner.query(`truncate audit.event; insert into audit.event table public.kept; delete from audit.head;
      insert into audit.head table public.kept_head; drop table public.kept, public.kept_head;
      set session_replication_role = origin`)
  }
}

const problems = async (anchors: { n: number; hash: string }[] = [], from?: number) =>
  (await verifyChain(one, { from, anchors })).problems.map(({ kind, n }) => [kind, n])
const where = (n: number) => `where org_id = ${tenants.orgs[0]} and n = ${n}`

describe('the chain of an organisation', () => {
  it('is whole as it was written, and each organisation has its own', async () => {
    expect(await verifyChain(one, { anchors: [] })).toEqual({
      events: last,
      first: 1,
      last,
      anchors: 0,
      problems: [],
    })
    expect(await verifyChain(two, { anchors: [] })).toMatchObject({ events: theirLast, problems: [] })
  })

  it.each([
    ['its old value', `old = '{"status": "actine"}'`],
    ['its actor', `actor = 'operator:tesu'`],
    ['its time', `at = at + interval '1 microsecond'`],
    ['its outcome', `outcome = 'failed'`],
    ['its purpose', `purpose = 'x'`],
  ])('shows an event of which %s was changed', async (_what, change) => {
    const found = await tampered(`update audit.event set ${change} ${where(77)}`, () => problems())
    expect(found).toEqual([['changed', 77]])
  })

  it('shows one changed byte of a hash, at the next event when it is the newest that was changed', async () => {
    const change = `set hash = set_byte(hash, 31, get_byte(hash, 31) # 1)`
    expect(await tampered(`update audit.event ${change} ${where(10)}`, () => problems())).toEqual([['changed', 10]])
    expect(await tampered(`update audit.event ${change} ${where(last)}`, () => problems())).toContainEqual([
      'changed',
      last,
    ])
  })

  it('shows an event that was taken out, also the first', async () => {
    expect(await tampered(`delete from audit.event ${where(77)}`, () => problems())).toEqual([['missing', 77]])
    expect(await tampered(`delete from audit.event ${where(1)}`, () => problems())).toContainEqual(['missing', 1])
  })

  it('shows an event that was put in twice', async () => {
    const sql = `insert into audit.event select org_id, n, at + interval '1 second', kind, actor, user_id, action, object,
      object_id, facility_id, purpose, duration_ms, old, new, outcome, hash from audit.event ${where(77)}`
    expect(await tampered(sql, () => problems())).toContainEqual(['changed', 77])
  })

  it('shows an end that was cut off: by its head, and by a head kept elsewhere when that was cut as well', async () => {
    const head = await one.read(readHead)
    const cut = `delete from audit.event where org_id = ${tenants.orgs[0]} and n > 140;`
    expect(await tampered(cut, () => problems())).toEqual([['cut', 140]])
    const both = `${cut} update audit.head h set n = 140, hash = (select hash from audit.event ${where(140)})
      where h.org_id = ${tenants.orgs[0]}`
    expect(await tampered(both, () => problems())).toEqual([])
    expect(await tampered(both, () => problems([head]))).toEqual([['cut', 140]])
  })

  it('shows a history that was written anew, by a head kept elsewhere', async () => {
    const head = await one.read(readHead)
    const anew = `do $$ declare h bytea := '\\x'; e audit.event; begin
      for e in select * from audit.event where org_id = ${tenants.orgs[0]} order by n loop
        e.actor := 'operator:nobody'; h := sha256(h || audit.content(e));
        update audit.event set actor = e.actor, hash = h where org_id = e.org_id and n = e.n;
      end loop;
      update audit.head set hash = h where org_id = ${tenants.orgs[0]}; end $$`
    expect(await tampered(anew, () => problems())).toEqual([])
    expect(await tampered(anew, () => problems([head]))).toEqual([['anchor', last]])
  })

  it('can be checked from an event on', async () => {
    const change = `update audit.event set actor = 'x' ${where(20)}`
    expect(await tampered(change, () => problems([], 21))).toEqual([])
    expect(await verifyChain(one, { from: 100, anchors: [] })).toMatchObject({
      events: last - 99,
      first: 100,
      problems: [],
    })
  })

  it('goes on at the next number after a transaction that was taken back, also in part', async () => {
    const failing = one.write(async (client) => {
      await client.query(`select audit.append('system', 'try', 'test', '1')`)
      throw new TypeError('no')
    })
    await expect(failing).rejects.toThrow('no')
    await two.write(async (client) => {
      await client.query('savepoint before')
      await client.query(`select audit.append('system', 'try', 'test', '1')`)
      await client.query('rollback to before')
      await client.query(`select audit.append('system', 'done', 'test', '2')`)
    })
    expect(await verifyChain(one, { anchors: [] })).toMatchObject({ last, problems: [] })
    expect(await verifyChain(two, { anchors: [] })).toMatchObject({ last: theirLast + 1, problems: [] })
  })

  it('stands for each organisation when one transaction writes for several', async () => {
    await two.write(async (client) => {
      for (const org of [tenants.orgs[1], tenants.orgs[0], tenants.orgs[1]]) {
        await client.query(`select set_config('app.org', $1, true), audit.append('system', 'job', 'test', '1')`, [org])
      }
    })
    expect(await verifyChain(one, { anchors: [] })).toMatchObject({ last: last + 1, problems: [] })
    expect(await verifyChain(two, { anchors: [] })).toMatchObject({ last: theirLast + 3, problems: [] })
  })
})

describe('a list of events', () => {
  it('shows the newest first, in pages, by actor and by object', async () => {
    const list = (options: object) => one.read((client) => listEvents(client, 'all', { limit: 3, ...options }))
    expect((await list({ before: 100 })).map(({ n }) => n)).toEqual([99, 98, 97])
    expect((await list({ actor: 'operator:test', objectId: '7' })).map(({ objectId }) => objectId)).toEqual([
      '7',
      '7',
      '7',
    ])
    expect(await list({ actor: 'nobody' })).toEqual([])
  })

  it('shows changes, accesses and logins apart', async () => {
    await one.write((client) =>
      client.query(`select audit.append('access', 'care.read', '/api/v1/patients', '', duration_ms => 7),
        audit.append('login', 'login', 'iam.account', 'x', new => '{"address": "192.0.2.1"}')`),
    )
    const kinds = await Promise.all(
      (['change', 'access', 'login'] as const).map((list) =>
        one.read((client) => listEvents(client, list, { limit: 1 })),
      ),
    )
    expect(kinds.map(([event]) => event)).toMatchObject([
      { kind: 'change', details: { old: { status: 'active' } } },
      { kind: 'access', details: { duration_ms: 7 } },
      { kind: 'login', details: { address: '192.0.2.1' } },
    ])
  })

  it('reaches as far as the facilities of whoever asks, and never into another organisation', async () => {
    const [a, b] = tenants.facilities
    const seen = await tenants
      .within(tenants.orgs[0], [a])
      .read((client) => client.query('select distinct facility_id from audit.change_log order by 1'))
    expect(seen.rows.map(({ facility_id }) => facility_id)).toEqual([a, null])
    expect(b).not.toBe(a)
    for (const view of ['change_log', 'access_log', 'login_history', 'event']) {
      const foreign = await two.read((client) =>
        client.query(`select from audit.${view} where org_id = $1`, [tenants.orgs[0]]),
      )
      expect(foreign.rowCount).toBe(0)
    }
  })
})

describe('a head kept elsewhere', () => {
  const keyFile = () => join(folder, 'key', 'audit.pem')
  const write = (n: number, org = 'one') =>
    writeAnchor({ folder, keyFile: keyFile(), org, head: { n, hash: 'ab'.repeat(32) }, nowMs: NOW })
  const read = (org = 'one') => readAnchors(folder, keyFile(), { org })

  it('is a signed file, written once', () => {
    const file = write(7)
    expect(write(7)).toBe(file)
    write(1_234)
    write(9, 'one-b')
    expect(read()).toEqual({
      heads: [
        { n: 7, hash: 'ab'.repeat(32) },
        { n: 1_234, hash: 'ab'.repeat(32) },
      ],
      bad: [],
    })
    expect(
      writeAnchor({ folder, keyFile: keyFile(), org: 'one', head: { n: 0, hash: '' }, nowMs: NOW }),
    ).toBeUndefined()
  })

  it('is not believed when it was changed, is of another organisation, or was signed by another key', () => {
    const file = write(7) ?? ''
    const text = readFileSync(file, 'utf8')
    chmodSync(file, 0o644)
    writeFileSync(file, text.replace('\\"n\\":7', '\\"n\\":8'))
    expect(read()).toEqual({ heads: [], bad: ['one.000000000007.json'] })
    writeFileSync(join(folder, 'two.000000000007.json'), text)
    expect(read('two')).toEqual({ heads: [], bad: ['two.000000000007.json'] })
    writeFileSync(file, text)
    expect(read().heads).toHaveLength(1)
    rmSync(keyFile())
    write(8)
    expect(read()).toMatchObject({ heads: [{ n: 8 }], bad: ['one.000000000007.json'] })
    expect(readdirSync(folder)).toHaveLength(4)
  })

  it('needs a key that only its owner can read', () => {
    write(7)
    chmodSync(keyFile(), 0o644)
    expect(() => read()).toThrow('others can read it')
    rmSync(keyFile())
    expect(() => read()).toThrow('cannot read the audit key')
  })
})
