import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { explainError } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { connectClient } from './connection.ts'
import { migrate } from './migrate.ts'
import { findMigrations } from './migrations.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

const FILE = join('0012_assets', 'migration.sql')

describe('the modules of PostgreSQL that the search needs', () => {
  let database: TestDatabase
  let dir: string

  beforeAll(async () => {
    database = await createTestDatabase({ migrated: false })
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-contrib-'))
    cpSync(findMigrations(), dir, { recursive: true })
  })
  afterAll(async () => {
    rmSync(dir, { recursive: true })
    await database.stop()
  })

  it('are asked for in plain words where the server does not have them, and nothing of the migration stays', async () => {
    const sql = readFileSync(join(findMigrations(), FILE), 'utf8')
    writeFileSync(join(dir, FILE), sql.replace("'btree_gist']", "'btree_missing']"))
    const error: unknown = await migrate(database.ownerClient, { dir }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED' })
    expect(explainError(error)).toMatch(/this PostgreSQL server lacks btree_missing, one of the modules .* "contrib"/)
    const { rows } = await database.ownerClient.query(`select to_regclass('asset.asset') as there`)
    expect(rows).toEqual([{ there: null }])
  })

  it('are made by the owner of the database, who is no superuser, and found where an administrator put them', async () => {
    const owner = database.ownerClient
    await owner.query(`create role builder login createrole password 'builder'`)
    await owner.query('create database built owner builder')
    await owner.query('create database prepared owner builder')
    const superuser = await connectClient({ ...database.options('owner'), database: 'prepared' })
    await superuser.query('create schema modules')
    for (const name of ['pg_trgm', 'btree_gin', 'btree_gist']) {
      await superuser.query(`create extension ${name} with schema modules`)
    }
    await superuser.query('grant usage on schema modules to public')
    await superuser.end()
    // The roles of the cluster were made by the superuser in the test before; their members are granted by one, too.
    for (const { rolname } of (await owner.query(`select rolname from pg_roles where rolname like 'bt\\_%'`)).rows) {
      await owner.query(`grant ${rolname} to builder`)
    }
    for (const name of ['built', 'prepared']) {
      const client = await connectClient({
        ...database.options('owner'),
        database: name,
        user: 'builder',
        password: 'builder',
      })
      const { rows } = await client.query('select rolsuper from pg_roles where rolname = current_user')
      expect(rows).toEqual([{ rolsuper: false }])
      await migrate(client)
      await client.query('begin')
      await client.query(
        `select set_config('app.org', '1', true), set_config('app.facilities', 'all', true), set_config('role', 'bt_api', true)`,
      )
      expect((await client.query(`select * from asset.search('pmup', '{}', 5)`)).rows).toEqual([])
      await client.end()
    }
    await owner.query('drop database built with (force)')
    await owner.query('drop database prepared with (force)')
  })
})
