import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { findDrift } from './drift.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

const editions: readonly { edition: string; server: string | undefined }[] = [
  { edition: 'plain PostgreSQL', server: undefined },
  ...['APACHE', 'TIMESCALE'].flatMap((name) => {
    const server = process.env[`BIOTRAKR_TEST_${name}_URL`]
    return server === undefined ? [] : [{ edition: `TimescaleDB (${name.toLowerCase()})`, server }]
  }),
]

describe.each(editions)('the schema on $edition', ({ server }) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase({ server })
  })
  afterAll(() => database.stop())

  const drift = () => findDrift(database.options('owner'), `drift_${process.pid}`)

  it('is what the migrations make, and a scratch database is left behind by nobody', async () => {
    expect(await drift()).toEqual({ missing: [], extra: [] })
    const { rows } = await database.ownerClient.query(`select from pg_database where datname like 'drift_%'`)
    expect(rows).toEqual([])
  }, 60_000)

  it('is told apart by what somebody did by hand', async () => {
    await database.ownerClient.query(`
      alter table site.room alter column name drop not null;
      drop policy reach on rtls.tag;
      create index planted on rtls.tag (label);
      grant delete on site.gateway to bt_api`)
    const { missing, extra } = await drift()
    expect(missing).toEqual([
      'column site.room.name text not null',
      expect.stringMatching(/^policy rtls\.tag reach to \{bt_api\}/),
    ])
    expect(extra).toEqual([
      'column site.room.name text',
      'grant site.gateway DELETE to bt_api',
      'index CREATE INDEX planted ON rtls.tag USING btree (label)',
      expect.stringMatching(/^index rtls\.planted of /),
    ])
  }, 60_000)
})
