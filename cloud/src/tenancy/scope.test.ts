import type { Client, Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createPool } from '../upkeep/connection.ts'
import { createTestDatabase, type TestDatabase } from '../upkeep/test-database.ts'
import { createScopedDatabase, type Scope, type ScopedDatabase } from './scope.ts'

let database: TestDatabase
let owner: Client
let pool: Pool
let scoped: ScopedDatabase
let facilities: number[]
let scope: Scope

beforeAll(async () => {
  database = await createTestDatabase()
  owner = database.ownerClient
  pool = createPool({ ...database.options('bt_api'), max: 2 })
  scoped = createScopedDatabase(pool)
  const orgId = (await owner.query(`insert into iam.org (slug, name) values ('one', 'One') returning id`)).rows[0].id
  facilities = []
  for (const code of ['a', 'b']) {
    const { rows } = await owner.query(
      `insert into site.facility (org_id, code, name, time_zone) values ($1, $2, $2, 'UTC') returning id`,
      [orgId, code],
    )
    facilities.push(rows[0].id)
  }
  await owner.query(
    `insert into rtls.tag (org_id, facility_id, identity) values ($1, $2, 'ble:c30000000001'), ($1, null, 'ble:c30000000002')`,
    [orgId, facilities[0]],
  )
  scope = { orgId, facilities: 'all', actor: 'operator:test' }
})
afterAll(async () => {
  await pool.end()
  await database.stop()
})

const seen = async (reach: Scope['facilities'], table: string) =>
  scoped.read({ ...scope, facilities: reach }, async (client) => (await client.query(`select from ${table}`)).rowCount)

describe('a scope', () => {
  it('reaches all facilities, those that it names, or none', async () => {
    const [first = 0, second = 0] = facilities
    expect(await seen('all', 'site.facility')).toBe(2)
    expect(await seen([first], 'site.facility')).toBe(1)
    expect(await seen([first, second], 'site.facility')).toBe(2)
    expect(await seen([], 'site.facility')).toBe(0)
  })

  it('shows what belongs to no single facility to everyone who was given any list', async () => {
    expect(await seen('all', 'rtls.tag')).toBe(2)
    expect(await seen([facilities[1] ?? 0], 'rtls.tag')).toBe(1)
  })

  it('ends with its transaction', async () => {
    await seen('all', 'site.facility')
    expect((await pool.query('select from site.facility')).rowCount).toBe(0)
  })

  it('takes a transaction back whole when the work fails, and goes on', async () => {
    const failing = scoped.write(scope, async (client) => {
      await client.query(`select audit.append('system', 'try', 'test', '1')`)
      throw new TypeError('no')
    })
    await expect(failing).rejects.toThrow('no')
    const { rows } = await owner.query(`select count(*)::int as n from audit.event where object = 'test'`)
    expect(rows[0].n).toBe(0)
    expect(await seen('all', 'site.facility')).toBe(2)
  })

  it('begins again when another transaction was in the way', async () => {
    let attempts = 0
    const result = await scoped.write(scope, async (client) => {
      attempts += 1
      if (attempts < 3) await client.query(`do $$ begin raise exception 'deadlock' using errcode = '40P01'; end $$`)
      return 'done'
    })
    expect([result, attempts]).toEqual(['done', 3])
  })

  it('says that the database does not answer when the server ends the connection', async () => {
    const ended = scoped.read(scope, async (client) => {
      const { rows } = await client.query('select pg_backend_pid() as pid')
      await owner.query('select pg_terminate_backend($1)', [rows[0].pid])
      await client.query('select 1')
    })
    await expect(ended).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' })
  })
})

describe('the audit chain', () => {
  it('takes an event with its actor, links it to the one before, and lets nobody change it', async () => {
    const append = (action: string) =>
      scoped.write(scope, async (client) =>
        client.query(`select audit.append('system', $1, 'test', '7') as n`, [action]),
      )
    // The two facilities are the first.
    expect((await append('first')).rows).toEqual([{ n: '3' }])
    expect((await append('second')).rows).toEqual([{ n: '4' }])
    const { rows } = await owner.query(
      `select action, actor, hash = sha256(coalesce(lag(hash) over (order by n), '') || audit.content(e)) as linked
       from audit.event e order by n`,
    )
    expect(rows).toMatchObject([
      { action: 'insert', linked: true },
      { action: 'insert', linked: true },
      { action: 'first', actor: 'operator:test', linked: true },
      { action: 'second', actor: 'operator:test', linked: true },
    ])
    await expect(owner.query(`update audit.event set action = 'other'`)).rejects.toThrow('append only')
    await expect(owner.query('truncate audit.event')).rejects.toThrow('append only')
    await expect(pool.query(`insert into audit.head (org_id) values (1)`)).rejects.toMatchObject({ code: '42501' })
  })

  it('refuses an event without an actor', async () => {
    const nobody = scoped.write({ ...scope, actor: '' }, async (client) =>
      client.query(`select audit.append('system', 'x', 'test', '1')`),
    )
    await expect(nobody).rejects.toMatchObject({ code: '42501' })
  })
})
