import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { Client, type ClientBase } from 'pg'

import { createVault, type Vault } from './keyring.ts'

interface Scope {
  readonly org?: number
  readonly facilities?: string
  readonly purpose?: string
  readonly actor?: string
}

/** For tests: a real database with two organisations; the first has two houses with two rooms and beds each. */
export interface TestHospital {
  readonly database: TestDatabase
  readonly vault: Vault
  readonly orgs: readonly [number, number]
  /** Ids of the facilities `main` and `west` of the first organisation. */
  readonly houses: readonly [number, number]
  /** One transaction of the API. A purpose is named unless `scope` says another or an empty one. */
  api<T>(work: (client: ClientBase) => Promise<T>, scope?: Scope): Promise<T>
  /** One transaction of the jobs. */
  jobs<T>(work: (client: ClientBase) => Promise<T>, scope?: Scope): Promise<T>
  /** As the superuser, past row security. */
  all(sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
}

export const MASTER = 'a1'.repeat(32)

export async function createTestHospital(): Promise<TestHospital> {
  const database = await createTestDatabase()
  const owner = database.ownerClient
  await owner.query(`select set_config('app.actor', 'test', false)`)
  const [first, main, west] = await furnish(owner, 'one', ['main', 'west'])
  const [second] = await furnish(owner, 'two', ['main'])
  await owner.query(`select set_config('app.org', '', false), set_config('app.actor', '', false)`)
  const api = new Client(database.options('bt_api'))
  const jobs = new Client(database.options('bt_jobs'))
  await Promise.all([api.connect(), jobs.connect()])
  return {
    database,
    vault: createVault([MASTER]),
    orgs: [first, second],
    houses: [main, west ?? 0],
    api: within(api, first),
    jobs: within(jobs, first),
    all: async (sql, ...values) => (await owner.query(sql, values)).rows,
    stop: async () => {
      await Promise.all([api.end(), jobs.end()])
      await database.stop()
    },
  }
}

type Ids = [org: number, main: number, west?: number]

/** An organisation with houses, each of two rooms in one zone, two beds in each room; and four tags. */
async function furnish(owner: Client, slug: string, codes: readonly string[]): Promise<Ids> {
  const one = async (sql: string, ...values: unknown[]): Promise<number> => (await owner.query(sql, values)).rows[0].id
  const org = await one('insert into iam.org (slug, name) values ($1, $1) returning id', slug)
  await owner.query(`select set_config('app.org', $1, false)`, [String(org)])
  await owner.query(
    `insert into rtls.tag (org_id, identity, kind)
     select $1, 'ble:c3000000000' || n, 'ble_sensor' from generate_series(1, 4) as n`,
    [org],
  )
  const houses: number[] = []
  for (const code of codes) {
    const house = await one(
      `insert into site.facility (org_id, code, name, time_zone) values ($1, $2, $2, 'Europe/Berlin') returning id`,
      org,
      code,
    )
    houses.push(house)
    await owner.query(
      `with zone as (
         insert into site.zone (org_id, facility_id, code, name) values ($1, $2, 'ward', 'Ward') returning id
       ), room as (
         insert into site.room (org_id, facility_id, code, name) values ($1, $2, 'r1', 'r1'), ($1, $2, 'r2', 'r2') returning id
       ), bed as (
         insert into site.bed (org_id, facility_id, room_id, code) select $1, $2, id, code from room, unnest(array['a', 'b']) as code
       )
       insert into site.zone_room (org_id, facility_id, zone_id, room_id) select $1, $2, zone.id, room.id from zone, room`,
      [org, house],
    )
  }
  const [main = 0, west] = houses
  return west === undefined ? [org, main] : [org, main, west]
}

function within(client: Client, home: number) {
  return async <T>(work: (client: ClientBase) => Promise<T>, scope: Scope = {}): Promise<T> => {
    const { org = home, facilities = 'all', purpose = 'test of care', actor = 'test' } = scope
    await client.query('begin')
    try {
      await client.query(
        `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
           set_config('app.purpose', $3, true), set_config('app.actor', $4, true)`,
        [String(org), facilities, purpose, actor],
      )
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback')
      throw error
    }
  }
}
