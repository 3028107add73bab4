import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createPool } from './connection.ts'
import { maskStatement, type SlowStatement } from './statements.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

describe('a statement in a log', () => {
  it('shows no value, wherever it stood', () => {
    const secret = `select * from t where a = 'O''Brien' and b = 4711 and c = $1 and d = $x$4712$x$ and e3 > 1.5 -- 'x'`
    expect(maskStatement(secret).text).toBe(
      'select * from t where a = ? and b = ? and c = $1 and d = ? and e3 > ? -- ?',
    )
  })

  it('has the fingerprint of its kind, whatever the values and the line ends', () => {
    const one = maskStatement(`select 1\n  from t where a = 'x'`).fingerprint
    expect(maskStatement(`select 22 from t where a = 'yy'`).fingerprint).toBe(one)
    expect(maskStatement(`select 22 from u where a = 'yy'`).fingerprint).not.toBe(one)
  })
})

describe('a pool that watches its statements', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase({ migrated: false })
  })
  afterAll(() => database.stop())

  it('tells of those that take longer than a second, failed ones too, and of no other', async () => {
    const slow: SlowStatement[] = []
    const pool = createPool({ ...database.options('owner'), max: 2, onSlow: (statement) => slow.push(statement) })
    await pool.query('select 1')
    await pool.query('select pg_sleep($1), $2::text', [1.05, 'secret'])
    const client = await pool.connect()
    await client.query({ name: 'named', text: `select pg_sleep(1.05), 'secret'` })
    await expect(client.query(`select pg_sleep(1.05), 1 / (random() * 0)::integer`)).rejects.toThrow('division')
    client.release()
    await pool.end()
    expect(slow.map(({ text }) => text)).toEqual([
      'select pg_sleep($1), $2::text',
      'select pg_sleep(?), ?',
      'select pg_sleep(?), ? / (random() * ?)::integer',
    ])
    for (const { tookMs } of slow) expect(tookMs).toBeGreaterThanOrEqual(1_000)
  })

  it('prepares nothing by name behind a pooler', async () => {
    const pool = createPool({ ...database.options('owner'), max: 1, pooled: true })
    await pool.query({ name: 'named', text: 'select 1' })
    expect((await pool.query('select name from pg_prepared_statements')).rows).toEqual([])
    await pool.end()
  })
})
