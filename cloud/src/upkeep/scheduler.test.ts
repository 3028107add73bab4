import type { Clock } from '@biotrakr/shared'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createPool } from './connection.ts'
import { createScheduler, type Job } from './scheduler.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

const clock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after: () => ({ cancel: () => undefined }),
  every: () => ({ cancel: () => undefined }),
}
const log = pino({ level: 'silent' })

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ ...database.options('bt_jobs'), max: 4 })
})
afterAll(async () => {
  await pool.end()
  await database.stop()
})

const job = (name: string, run: Job['run'], budgetMs = 5_000): Job => ({ name, schedule: '0 3 * * *', budgetMs, run })
const scheduler = (...jobs: Job[]) => createScheduler({ pool, jobs, clock, log })
const runs = async (name: string) =>
  (
    await database.ownerClient.query(
      'select ok, rows::int, said, ended_at is not null as ended from rtls.job_run where job = $1 order by id',
      [name],
    )
  ).rows

describe('scheduled work', () => {
  it('leaves a row that says how it ended', async () => {
    const result = await scheduler(job('good', async () => ({ rows: 7, said: 'seven' }))).run('good')
    expect(result).toEqual({ job: 'good', outcome: 'ok', rows: 7, said: 'seven' })
    expect(await runs('good')).toEqual([{ ok: true, rows: 7, said: 'seven', ended: true }])
  })

  it('says why it failed, takes its transaction back, and is run again', async () => {
    let attempt = 0
    const failing = job('failing', async (client) => {
      attempt += 1
      await client.query('begin')
      await client.query(`insert into rtls.job_run (job) values ('left-over')`)
      if (attempt === 1) await client.query('select 1 / 0')
      await client.query('commit')
      return { rows: 1 }
    })
    const jobs = scheduler(failing)
    expect(await jobs.run('failing')).toMatchObject({
      outcome: 'failed',
      said: expect.stringContaining('division by zero'),
    })
    expect(await runs('left-over')).toEqual([])
    expect(await jobs.run('failing')).toMatchObject({ outcome: 'ok' })
    expect(await runs('failing')).toMatchObject([{ ok: false }, { ok: true }])
    expect(jobs.counts()).toEqual({ failing: { ok: 1, failed: 1 } })
  })

  it('is ended by its budget', async () => {
    const slow = job(
      'slow',
      async (client) => ({ rows: (await client.query('select pg_sleep(60)')).rowCount ?? 0 }),
      50,
    )
    expect(await scheduler(slow).run('slow')).toMatchObject({
      outcome: 'failed',
      said: expect.stringContaining('timeout'),
    })
    expect((await pool.query('show statement_timeout')).rows[0].statement_timeout).not.toBe('50ms')
  })

  it('runs once at a time, over all processes of a database', async () => {
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    let started = 0
    const waiting = job('single', async () => {
      started += 1
      await held
      return { rows: 1 }
    })
    const [one, other] = [scheduler(waiting), scheduler(waiting)]
    const first = one.run('single')
    await expect.poll(() => started).toBe(1)
    expect(one.running()).toMatchObject([{ job: 'single' }])
    const again = one.run('single')
    expect(await other.run('single')).toMatchObject({ outcome: 'busy' })
    go()
    expect(await again).toEqual(await first)
    expect(started).toBe(1)
    expect(await runs('single')).toHaveLength(1)
  })

  it('survives the loss of its connection, and says so', async () => {
    const lost = job('lost', async (client) => {
      const { rows } = await client.query('select pg_backend_pid() as pid')
      await database.ownerClient.query('select pg_terminate_backend($1)', [rows[0].pid])
      await client.query('select 1')
      return { rows: 0 }
    })
    const jobs = scheduler(
      lost,
      job('next', async () => ({ rows: 0 })),
    )
    expect(await jobs.run('lost')).toMatchObject({ outcome: 'failed' })
    expect(await jobs.run('next')).toMatchObject({ outcome: 'ok' })
    expect(await runs('lost')).toMatchObject([{ ok: null, ended: false }])
  })

  it('has no work of another name', () => {
    expect(() => scheduler().run('else')).toThrow('there is no job "else"')
  })
})
