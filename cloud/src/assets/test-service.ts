import { randomUUID } from 'node:crypto'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { Client, type ClientBase } from 'pg'

/** Two tenants on a real PostgreSQL; the first has two facilities. */
export interface TestHospital {
  readonly owner: Client
  readonly org: number
  readonly otherOrg: number
  /** Of the first tenant. */
  readonly facilities: readonly [a: number, b: number]
  readonly category: string
  readonly vendor: string
  /** Runs one transaction as bt_api in the first tenant, with all facilities unless told. */
  as<T>(work: (client: ClientBase) => Promise<T>, reach?: Reach): Promise<T>
  /** Another connection of bt_api, for what happens at the same time. */
  session(): Promise<<T>(work: (client: ClientBase) => Promise<T>) => Promise<T>>
  /** A session of bt_jobs, in no transaction; ended with the hospital. */
  jobs(): Promise<Client>
  /** Inserts a live asset at the first facility. */
  asset(columns?: Readonly<Record<string, unknown>>): Promise<string>
  stop(): Promise<void>
}

interface Reach {
  readonly org?: number
  readonly facilities?: readonly number[]
}

export async function createTestHospital(): Promise<TestHospital> {
  const database = await createTestDatabase()
  const owner = database.ownerClient
  const one = async (sql: string, ...values: unknown[]) => (await owner.query(`${sql} returning id`, values)).rows[0].id
  const org: number = await one(`insert into iam.org (slug, name) values ('one', 'One')`)
  const otherOrg: number = await one(`insert into iam.org (slug, name) values ('two', 'Two')`)
  const facility = (id: number, code: string): Promise<number> =>
    one(`insert into site.facility (org_id, code, name, time_zone) values ($1, $2, $2, 'Europe/Berlin')`, id, code)
  const facilities = [await facility(org, 'a'), await facility(org, 'b')] as const
  await facility(otherOrg, 'c')
  const api = await connect(database, 'bt_api')
  const sessions: Client[] = [api]
  const [category, vendor] = [randomUUID(), randomUUID()]
  const as = (work: (client: ClientBase) => Promise<unknown>, { org: id = org, facilities: reach }: Reach = {}) =>
    within(api, { org: id, reach: reach ? `{${reach.join(',')}}` : 'all', work })
  await as(async (client) => {
    await client.query(
      `insert into asset.category (id, org_id, code, name) values ($1, iam.current_org(), 'pump', 'Pump')`,
      [category],
    )
    await client.query(
      `insert into asset.vendor (id, org_id, code, name, kind)
       values ($1, iam.current_org(), 'acme', 'Acme', 'manufacturer')`,
      [vendor],
    )
  })
  return {
    owner,
    org,
    otherOrg,
    facilities,
    category,
    vendor,
    as: as as TestHospital['as'],
    session: async () => {
      const client = await connect(database, 'bt_api')
      sessions.push(client)
      return ((work) => within(client, { org, reach: 'all', work })) as TestHospital['as']
    },
    jobs: async () => {
      const client = await connect(database, 'bt_jobs')
      sessions.push(client)
      return client
    },
    asset: async (columns = {}) => {
      const id = randomUUID()
      const row = { id, facility_id: facilities[0], category_id: category, asset_tag: id, name: 'Pump', ...columns }
      const names = Object.keys(row)
      await as((client) =>
        client.query(
          `insert into asset.asset (org_id, ${names.join(', ')})
           values (iam.current_org(), ${names.map((_, i) => `$${i + 1}`).join(', ')})`,
          Object.values(row),
        ),
      )
      return id
    },
    stop: async () => {
      for (const session of sessions) await session.end()
      await database.stop()
    },
  }
}

async function connect(database: TestDatabase, role: 'bt_api' | 'bt_jobs'): Promise<Client> {
  const { host, port, database: name, user, password } = database.options(role)
  const client = new Client({ host, port, database: name, user, password: String(password) })
  await client.connect()
  return client
}

interface Task {
  readonly org: number
  readonly reach: string
  readonly work: (client: ClientBase) => Promise<unknown>
}

async function within(client: Client, { org, reach, work }: Task): Promise<unknown> {
  await client.query('begin')
  try {
    await client.query(
      `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
         set_config('app.actor', 'operator:test', true)`,
      [String(org), reach],
    )
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}
