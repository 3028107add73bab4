import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import pg, { type ClientBase } from 'pg'

interface TestTenant {
  readonly id: number
  /** Ids of facilities `north` and `south`, each with a department `icu` and a room `R1`. */
  readonly north: number
  readonly south: number
}

export interface AssetTenants {
  readonly database: TestDatabase
  readonly one: TestTenant
  readonly two: TestTenant
  /** Runs as bt_api in one transaction of a tenant; kept unless the work fails. */
  as<T>(tenant: TestTenant, work: (client: ClientBase) => Promise<T>, facilities?: string): Promise<T>
  stop(): Promise<void>
}

/** Two hospitals of two houses each, on a real database. */
export async function createAssetTenants(): Promise<AssetTenants> {
  const database = await createTestDatabase()
  const pool = new pg.Pool({ ...database.options('bt_api'), max: 2 })
  const [one, two] = [await addTenant(database, 'one'), await addTenant(database, 'two')]
  return {
    database,
    one,
    two,
    as: async (tenant, work, facilities = 'all') => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        await client.query(
          `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
             set_config('app.actor', 'operator:test', true)`,
          [String(tenant.id), facilities],
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
    },
    stop: async () => {
      await pool.end()
      await database.stop()
    },
  }
}

async function addTenant({ ownerClient: owner }: TestDatabase, slug: string): Promise<TestTenant> {
  const add = async (sql: string, values: readonly unknown[]): Promise<number> =>
    (await owner.query(`${sql} returning id`, [...values])).rows[0].id
  await owner.query(`select set_config('app.actor', 'operator:test', false)`)
  const id = await add('insert into iam.org (slug, name) values ($1, $1)', [slug])
  await owner.query(`select set_config('app.org', $1, false)`, [String(id)])
  const facility = async (code: string): Promise<number> => {
    const own = await add(`insert into site.facility (org_id, code, name, time_zone) values ($1, $2, $2, 'UTC')`, [
      id,
      code,
    ])
    await add(`insert into site.department (org_id, facility_id, code, name) values ($1, $2, 'icu', 'ICU')`, [id, own])
    await add(`insert into site.room (org_id, facility_id, code, name) values ($1, $2, 'R1', 'Room 1')`, [id, own])
    return own
  }
  return { id, north: await facility('north'), south: await facility('south') }
}
