import { readFileSync } from 'node:fs'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as lists from './lists.ts'
import { columnTables } from './test-columns.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.stop())

describe('values that files may hold', () => {
  it.each([
    ['iam.import_job', 'kind', lists.IMPORT_KINDS],
    ['site.room', 'kind', lists.ROOM_KINDS],
    ['site.receiver', 'kind', lists.RECEIVER_KINDS],
    ['site.receiver', 'status', lists.RECEIVER_STATUSES],
    ['rtls.tag', 'kind', lists.TAG_KINDS],
    ['rtls.tag', 'status', lists.TAG_STATUSES],
    ['asset.asset', 'status', lists.ASSET_STATUSES],
    ['asset.asset', 'condition', lists.CONDITIONS],
    ['asset.asset', 'criticality', lists.CRITICALITIES],
    ['asset.asset', 'ownership', lists.OWNERSHIPS],
    ['asset.asset', 'mobility', lists.MOBILITIES],
    ['asset.asset', 'use_state', lists.USE_STATES],
    ['asset.asset', 'hygiene_state', lists.HYGIENE_STATES],
  ])('are those that the database takes: %s.%s', async (table, column, list) => {
    const { rows } = await database.ownerClient.query<{ rule: string }>(
      `select pg_get_constraintdef(oid) as rule from pg_constraint
       where conrelid = $1::regclass and contype = 'c' and pg_get_constraintdef(oid) like 'CHECK ((' || $2 || ' = ANY (ARRAY[%'`,
      [table, column],
    )
    const values = [...(rows[0]?.rule ?? '').matchAll(/'([a-z_]+)'::text/g)].map(([, value]) => value)
    expect(values.sort()).toEqual([...list].sort())
  })
})

describe('docs/imports.md', () => {
  it('lists the columns of every kind as they are read', () => {
    const guide = readFileSync(new URL('../../../docs/imports.md', import.meta.url), 'utf8')
    expect(guide.slice(guide.indexOf('## Columns\n\n') + '## Columns\n\n'.length).trim()).toBe(columnTables())
  })
})
