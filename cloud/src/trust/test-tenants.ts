import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { type ClientBase, Pool } from 'pg'

/** For tests: two organisations with two facilities each, and transactions as the API runs them. */
export interface TestTenants {
  readonly database: TestDatabase
  readonly orgs: readonly [number, number]
  /** Of the first organisation, then of the second: codes `a` and `b`. */
  readonly facilities: readonly [number, number, number, number]
  within(orgId: number, facilities?: 'all' | readonly number[]): TestScope
  stop(): Promise<void>
}

export interface TestScope {
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

export async function createTestTenants(): Promise<TestTenants> {
  const database = await createTestDatabase()
  const pool = new Pool({ ...database.options('bt_api'), max: 4 })
  const owner = database.ownerClient
  const orgs: number[] = []
  const facilities: number[] = []
  for (const slug of ['one', 'two']) {
    const org = await owner.query(`insert into iam.org (slug, name) values ($1, $1) returning id`, [slug])
    orgs.push(org.rows[0].id)
    for (const code of ['a', 'b']) {
      const facility = await owner.query(
        `insert into site.facility (org_id, code, name, time_zone) values ($1, $2, $2, 'UTC') returning id`,
        [org.rows[0].id, code],
      )
      facilities.push(facility.rows[0].id)
    }
  }
  const run = async <T>(begin: string, values: string[], work: (client: ClientBase) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    try {
      await client.query(begin)
      await client.query(
        `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
           set_config('app.actor', 'operator:test', true)`,
        values,
      )
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }
  return {
    database,
    orgs: orgs as unknown as TestTenants['orgs'],
    facilities: facilities as unknown as TestTenants['facilities'],
    within: (orgId, reach = 'all') => {
      const values = [String(orgId), reach === 'all' ? 'all' : `{${reach.join(',')}}`]
      return {
        read: (work) => run('begin read only', values, work),
        write: (work) => run('begin', values, work),
      }
    },
    stop: async () => {
      await pool.end()
      await database.stop()
    },
  }
}
