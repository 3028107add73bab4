import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { connectClient } from './connection.ts'
import { probeEdition } from './edition.ts'
import { migrate, migrationStatus } from './migrate.ts'
import { findMigrations, readMigrations } from './migrations.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

const NAMES = readMigrations(findMigrations()).map(({ name }) => name)
const REQUIRE_ALL = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'

const servers = [
  { edition: 'plain', url: undefined, wanted: true, how: '' },
  {
    edition: 'apache',
    url: process.env['BIOTRAKR_TEST_APACHE_URL'],
    wanted: REQUIRE_ALL,
    how: 'BIOTRAKR_TEST_APACHE_URL',
  },
  {
    edition: 'timescale',
    url: process.env['BIOTRAKR_TEST_TIMESCALE_URL'],
    wanted: false,
    how: 'BIOTRAKR_TEST_TIMESCALE_URL',
  },
]

/** No package source carries the Community edition, so CI cannot require it: without a server it is left out there. */
const isLeftOut = ({ edition, url }: (typeof servers)[number]) =>
  edition === 'timescale' && url === undefined && REQUIRE_ALL

for (const { edition, url, wanted, how } of servers.filter((server) => !isLeftOut(server))) {
  const skip = edition !== 'plain' && url === undefined && !wanted
  const title = skip ? `migrations on ${edition} SKIPPED: ${how} names no server` : `migrations on ${edition}`

  describe.skipIf(skip)(title, () => {
    let database: TestDatabase

    beforeAll(async () => {
      if (edition !== 'plain' && url === undefined) throw new Error(`${how} must name a server here`)
      database = await createTestDatabase({ server: url, migrated: false })
    })
    afterAll(() => database?.stop())

    it('shows everything as pending before the first run', async () => {
      const status = await migrationStatus(database.ownerClient)
      expect(status).toEqual(NAMES.map((name) => ({ name, state: 'pending' })))
    })

    it('applies all of them once when two runners start together, and records the edition', async () => {
      const rival = await connectClient(database.options('owner'))
      const results = await Promise.all([migrate(database.ownerClient), migrate(rival)])
      await rival.end()
      expect(results.map(({ applied }) => applied.length).sort()).toEqual([0, NAMES.length])
      expect(results.map((result) => result.edition.mode)).toEqual([edition, edition])
      const { rows } = await database.ownerClient.query('select mode, server, extension from rtls.edition')
      const probed = await probeEdition(database.ownerClient)
      expect(rows).toEqual([{ mode: edition, server: probed.server, extension: probed.extension ?? null }])
    })

    it('applies nothing the second time', async () => {
      expect((await migrate(database.ownerClient)).applied).toEqual([])
      const status = await migrationStatus(database.ownerClient)
      expect(status.map(({ state }) => state)).toEqual(NAMES.map(() => 'applied'))
    })

    it('keeps history in chunks where the server can, with compression where it may', async () => {
      expect(await historyFeatures(database.ownerClient, edition)).toEqual(FEATURES[edition])
    })

    it('lets the ingester write history and nobody else read it', async () => {
      const ingest = await connectClient({ ...database.options('owner') })
      await ingest.query('set role bt_ingest')
      const insert = `insert into telemetry.usage_event
        (t, org_id, facility_id, tag_id, stream_id, seq, kind, value) values (now(), 1, 1, 1, 1, 1, 1, 1)`
      await ingest.query(insert)
      await expect(ingest.query('select from telemetry.usage_event')).rejects.toThrow('permission denied')
      await ingest.query('set role bt_api')
      await expect(ingest.query(insert)).rejects.toThrow('permission denied')
      await expect(ingest.query('select from telemetry.usage_event')).rejects.toThrow('permission denied')
      await ingest.end()
    })
  })
}

it('lets the owner of a database migrate it who may create roles but is no superuser', async () => {
  const database = await createTestDatabase({ migrated: false })
  await database.ownerClient.query(`create role migrator login createrole password 'migrator'`)
  await database.ownerClient.query('create database product owner migrator')
  const login = { user: 'migrator', password: 'migrator', database: 'product' }
  const migrator = await connectClient({ ...database.options('owner'), ...login })
  expect((await migrate(migrator)).applied).toEqual(NAMES)
  await migrator.end()
  await database.stop()
})

const FEATURES: Readonly<Record<string, object>> = {
  plain: { hypertables: 0, jobs: [] },
  apache: { hypertables: 6, jobs: [] },
  // Deletion by age is the work of `maintain`, which knows of legal holds.
  timescale: {
    hypertables: 6,
    jobs: [...Array.from({ length: 6 }, () => 'policy_compression'), 'policy_refresh_continuous_aggregate'],
  },
}

async function historyFeatures(client: Client, edition: string): Promise<object> {
  if (edition === 'plain') return { hypertables: 0, jobs: [] }
  const hypertables = await client.query(
    `select from timescaledb_information.hypertables where hypertable_schema = 'telemetry'`,
  )
  const jobs = await client.query<{ name: string }>(
    `select proc_name as name from timescaledb_information.jobs where owner::text = 'bt_owner' order by proc_name`,
  )
  return { hypertables: hypertables.rowCount ?? 0, jobs: jobs.rows.map(({ name }) => name) }
}

describe('the migration runner', () => {
  let database: TestDatabase
  let client: Client
  let dir: string

  beforeAll(async () => {
    database = await createTestDatabase({ migrated: false })
    client = database.ownerClient
  })
  afterAll(() => database.stop())
  afterEach(async () => {
    rmSync(dir, { recursive: true, force: true })
    await client.query('drop schema public cascade; create schema public')
  })

  function folder(migrations: Readonly<Record<string, string>>): string {
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-migrations-'))
    for (const [name, sql] of Object.entries(migrations)) add(name, sql)
    return dir
  }

  function add(name: string, sql: string): void {
    mkdirSync(join(dir, name), { recursive: true })
    writeFileSync(join(dir, name, 'migration.sql'), sql)
  }

  it('records each migration as Prisma does', async () => {
    await migrate(client, { dir: folder({ '0001_one': 'create table public.one ()' }) })
    const columns = await client.query(
      `select column_name || ' ' || data_type || coalesce('(' || character_maximum_length || ')', '')
         || case is_nullable when 'NO' then ' not null' else '' end as column
       from information_schema.columns where table_name = '_prisma_migrations' order by ordinal_position`,
    )
    expect(columns.rows.map((row) => row.column)).toEqual([
      'id character varying(36) not null',
      'checksum character varying(64) not null',
      'finished_at timestamp with time zone',
      'migration_name character varying(255) not null',
      'logs text',
      'rolled_back_at timestamp with time zone',
      'started_at timestamp with time zone not null',
      'applied_steps_count integer not null',
    ])
    const { rows } = await client.query('select * from public._prisma_migrations')
    expect(rows).toMatchObject([
      {
        // sha256sum of the 26 bytes above.
        checksum: 'd4ecc410156032b15e85f35a877cc5d6ba7fd1b55d05aab2d8e650f6b7fb00d8',
        migration_name: '0001_one',
        applied_steps_count: 1,
        logs: null,
        rolled_back_at: null,
      },
    ])
    expect(rows[0].finished_at).toBeInstanceOf(Date)
  })

  it('refuses an applied migration whose file was changed, and changes nothing', async () => {
    await migrate(client, { dir: folder({ '0001_one': 'create table public.one ()' }) })
    add('0001_one', 'create table public.one (a int)')
    add('0002_two', 'create table public.two ()')
    await expect(migrate(client, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_CHANGED',
      message: expect.stringContaining('0001_one'),
    })
    expect((await migrationStatus(client, dir)).map(({ state }) => state)).toEqual(['changed', 'pending'])
    expect(await exists('two')).toBe(false)
  })

  it('refuses a database that is newer than the program', async () => {
    await migrate(client, { dir: folder({ '0001_one': 'select 1', '0002_two': 'select 2' }) })
    rmSync(join(dir, '0002_two'), { recursive: true })
    await expect(migrate(client, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_CHANGED',
      message: expect.stringContaining('0002_two'),
    })
  })

  it('keeps nothing of a migration that fails, reports it, and takes the corrected one next time', async () => {
    folder({ '0001_one': 'create table public.one ()', '0002_two': 'create table public.two (); select 1 / 0' })
    await expect(migrate(client, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('0002_two'),
      cause: expect.objectContaining({ message: 'division by zero' }),
    })
    expect([await exists('one'), await exists('two')]).toEqual([true, false])
    expect(await migrationStatus(client, dir)).toMatchObject([
      { name: '0001_one', state: 'applied' },
      { name: '0002_two', state: 'pending', lastFailure: 'division by zero' },
    ])
    add('0002_two', 'create table public.two ()')
    expect((await migrate(client, { dir })).applied).toEqual(['0002_two'])
    expect(await exists('two')).toBe(true)
  })

  it('leaves the session usable and unlocked after a failure', async () => {
    await expect(migrate(client, { dir: folder({ '0001_one': 'select 1 / 0' }) })).rejects.toThrow()
    const { rows } = await client.query(`select count(*)::int as locks from pg_locks where locktype = 'advisory'`)
    expect(rows).toEqual([{ locks: 0 }])
  })

  it('refuses what another tool began and never finished', async () => {
    await migrate(client, { dir: folder({ '0001_one': 'select 1' }) })
    await client.query(
      `insert into public._prisma_migrations (id, checksum, migration_name) values ('x', 'y', '0002_two')`,
    )
    add('0002_two', 'select 2')
    await expect(migrate(client, { dir })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      next: expect.stringContaining('resolve --rolled-back'),
    })
    expect(await migrationStatus(client, dir)).toMatchObject([{ state: 'applied' }, { state: 'unfinished' }])
  })

  it('takes a folder without its migration.sql for a damaged release', async () => {
    mkdirSync(join(folder({}), '0001_empty'))
    await expect(migrate(client, { dir })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
  })

  it('waits for a busy table only briefly, and succeeds once it is free', async () => {
    await migrate(client, { dir: folder({ '0001_one': 'create table public.one ()' }) })
    const holder = await connectClient(database.options('owner'))
    await holder.query('begin; lock table public.one')
    add('0002_two', 'alter table public.one add column a int')
    const run = migrate(client, { dir })
    for (;;) {
      const { rows } = await holder.query(
        `select from pg_locks where relation = 'public.one'::regclass and not granted`,
      )
      if (rows.length > 0) break
    }
    await holder.query('rollback')
    await holder.end()
    expect((await run).applied).toEqual(['0002_two'])
  })

  it('ends no transaction by itself in any migration of the product', () => {
    for (const { name, sql } of readMigrations(findMigrations())) {
      const code = sql.replace(/--.*$/gm, '').replace(/\$\$[\s\S]*?\$\$/g, '')
      expect(`${name}: ${/\b(begin(?! atomic)|commit|rollback|vacuum|concurrently)\b/i.exec(code)?.[0]}`).toBe(
        `${name}: undefined`,
      )
    }
  })

  it('applies to several databases of one server at once, and to one whose roles exist already', async () => {
    folder({})
    const names = ['first', 'second', 'third']
    for (const name of names) await client.query(`create database ${name}`)
    const sessions = await Promise.all(
      names.map((name) => connectClient({ ...database.options('owner'), database: name })),
    )
    const [early, late, last] = sessions as [Client, Client, Client]
    const results = await Promise.all([migrate(early), migrate(late)])
    results.push(await migrate(last))
    expect(results.map(({ applied }) => applied)).toEqual([NAMES, NAMES, NAMES])
    for (const session of sessions) await session.end()
  })

  async function exists(table: string): Promise<boolean> {
    const { rows } = await client.query('select to_regclass($1) is not null as there', [`public.${table}`])
    return rows[0].there
  }
})
