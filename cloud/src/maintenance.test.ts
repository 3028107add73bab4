import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { jobNames, lastRuns, type Maintenance, startMaintenance } from './maintenance.ts'
import { systemClock } from './system-clock.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

const editions: readonly { edition: string; server: string | undefined }[] = [
  { edition: 'plain PostgreSQL', server: undefined },
  ...['APACHE', 'TIMESCALE'].flatMap((name) => {
    const server = process.env[`BIOTRAKR_TEST_${name}_URL`]
    return server === undefined ? [] : [{ edition: `TimescaleDB (${name.toLowerCase()})`, server }]
  }),
]

describe.each(editions)('the scheduled work of a centre on $edition', ({ server }) => {
  let database: TestDatabase
  let maintenance: Maintenance
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'biotrakr-maintain-'))
    database = await createTestDatabase({ server })
    await database.ownerClient.query(`
      insert into iam.org (slug, name) values ('one', 'One'), ('two', 'Two');
      insert into site.facility (org_id, code, name, time_zone) values (1, 'a', 'A', 'UTC'), (2, 'b', 'B', 'UTC');
      insert into rtls.job_run (job, started_at, ended_at, ok) values
        ('bloat', now() - interval '200 days', now() - interval '200 days', true),
        ('bloat', now() - interval '100 days', now() - interval '100 days', true),
        ('gone', now() - interval '200 days', null, null)`)
    maintenance = await startMaintenance({
      database: database.options('bt_jobs'),
      config: { audit: { anchorFolder: join(folder, 'anchors'), keyFile: join(folder, 'key') } },
      clock: systemClock,
      log: pino({ level: 'silent' }),
      port: 0,
    })
  }, 60_000)
  afterAll(async () => {
    await maintenance.stop()
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is done by a login that owns nothing, every job of it, twice in a row', async () => {
    expect(maintenance.jobs.length).toBeGreaterThan(12)
    for (const round of ['first', 'second']) {
      for (const job of maintenance.jobs) {
        const run = await maintenance.run(job)
        expect({ round, ...run }).toMatchObject({ outcome: 'ok' })
      }
    }
  }, 60_000)

  it('gathers statistics, keeps heads of audit chains elsewhere, and lets old runs go but for the last of each', async () => {
    const { rows } = await database.ownerClient.query(
      `select count(*)::int as n from pg_stat_user_tables where schemaname = 'site' and last_analyze is not null`,
    )
    expect(rows[0].n).toBeGreaterThan(3)
    expect(readdirSync(join(folder, 'anchors'))).toEqual(expect.arrayContaining([expect.stringMatching(/^one\./)]))
    const left = await database.ownerClient.query(
      `select job from rtls.job_run where started_at < now() - interval '90 days' order by 1`,
    )
    expect(left.rows).toEqual([{ job: 'gone' }])
  })

  it('says of each job when it ran last and how', async () => {
    const runs = await lastRuns(database.options('bt_jobs'), [...jobNames(systemClock), 'gone'])
    const states = Object.fromEntries(runs.map(({ job, state }) => [job, state]))
    expect(states).toMatchObject({ stays: 'ok', analyze: 'ok', backup: 'never', gone: 'cut off' })
  })
})
