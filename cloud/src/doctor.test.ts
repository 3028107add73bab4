import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { asOwner } from './administration.ts'
import { runCli } from './cli/cli.ts'
import {
  examineBroker,
  examineDatabase,
  type Finding,
  lookAtPolicies,
  lookAtRights,
  lookAtRoles,
} from './examination.ts'
import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createTestDatabase, type TestDatabase } from './upkeep/test-database.ts'

const BROKER = 'mosquitto'
const LOOKS = [lookAtPolicies, lookAtRoles, lookAtRights]
const troubles = (found: readonly Finding[]) => found.filter(({ state }) => state !== 'ok')
const byCheck = (found: readonly Finding[], check: string) => found.filter((finding) => finding.check === check)

/** What nobody has run in a new database. */
const NOT_BEGUN = ['scheduled work', 'backups', 'restore drill']

describe('biotrakr-cloud doctor at a real database', () => {
  let database: TestDatabase
  let dir: string
  const run = (sql: string) => database.ownerClient.query(sql)
  const examine = (wallMs = Date.now) => examineDatabase(database.ownerClient, wallMs, LOOKS)

  beforeAll(async () => {
    database = await createTestDatabase()
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-doctor-'))
  }, 60_000)
  afterAll(async () => {
    rmSync(dir, { recursive: true })
    await database.stop()
  })

  it('finds nothing but what a test database lacks: durability, an ingester and care', async () => {
    const found = await examine()
    expect(troubles(found).map(({ check, state }) => [check, state])).toEqual([
      ['durability', 'fail'],
      ['ingesters', 'warn'],
      ...NOT_BEGUN.map((check) => [check, 'warn']),
    ])
    expect(byCheck(found, 'durability')[0]?.mend).toContain('alter system reset fsync;')
    for (const check of ['PostgreSQL', 'clock', 'migrations', 'edition', 'policies', 'roles', 'rights', 'quarantine']) {
      expect([check, byCheck(found, check)[0]?.state]).toEqual([check, 'ok'])
    }
  })

  it('names a migration that is pending, and one that was changed', async () => {
    await run('create table saved as select * from public._prisma_migrations')
    await run(`delete from public._prisma_migrations where migration_name = '0008_faults'`)
    await run(`update public._prisma_migrations set checksum = 'x' where migration_name = '0002_site'`)
    const meanings = byCheck(await examine(), 'migrations').map(({ state, meaning }) => [state, meaning])
    expect(meanings).toEqual([
      ['fail', '0008_faults not applied yet: this program is newer than the database'],
      ['fail', '0002_site applied, but changed since'],
    ])
    await run('truncate public._prisma_migrations')
    await run('insert into public._prisma_migrations select * from saved; drop table saved')
  })

  it('names a right that is missing, and the command that mends it does', async () => {
    await run('revoke insert on telemetry.location_history from bt_ingest')
    const [finding] = byCheck(await examine(), 'rights')
    expect(finding).toMatchObject({
      state: 'fail',
      meaning: 'bt_ingest may not insert telemetry.location_history: ingest fails there',
    })
    await run(finding?.mend?.replace(/^Run as the owner: /, '') ?? '')
    expect(byCheck(await examine(), 'rights')).toMatchObject([{ state: 'ok' }])
  })

  it('finds what would show data of one hospital to another', async () => {
    await run('alter table rtls.position no force row level security; alter role bt_api bypassrls')
    await run('grant usage on schema telemetry to bt_api; grant select on telemetry.location_history to bt_api')
    const found = await examine()
    const mends = ['policies', 'roles', 'rights'].map((check) => byCheck(found, check)[0]?.mend ?? '')
    expect(mends).toEqual([
      'Run as the owner: alter table rtls.position enable row level security, force row level security;',
      'Run as superuser: alter role bt_api nosuperuser nobypassrls;',
      'Run as the owner: revoke all on telemetry.location_history from bt_api, public;',
    ])
    for (const mend of mends) await run(mend.replace(/^Run as .*?: /, ''))
    await run('revoke usage on schema telemetry from bt_api')
    expect(troubles(await examine()).map(({ check }) => check)).toEqual(['durability', 'ingesters', ...NOT_BEGUN])
  })

  it('tells live ingesters from dead ones, and says what waits in quarantine', async () => {
    await run(`insert into rtls.ingester values ('a', now() + interval '1 minute'), ('b', now() - interval '1 minute')`)
    await run(
      `insert into rtls.shard_lease select n, case when n < 40 then 'a' else 'b' end from generate_series(0, 63) n`,
    )
    expect(byCheck(await examine(), 'ingesters')[0]?.meaning).toBe('1 alive, reading 40 of 64 shards')
    await run(`update rtls.shard_lease set instance = 'a'`)
    expect(byCheck(await examine(), 'ingesters')[0]?.state).toBe('ok')
    await run('delete from rtls.ingester')
    await run(
      `insert into rtls.quarantine (level, code, received_at) values ('batch', 'DECODE', now() - interval '3 hours')`,
    )
    expect(byCheck(await examine(), 'quarantine')).toMatchObject([
      { state: 'warn', meaning: '1 entries wait for a decision, the oldest for 3.0 h' },
    ])
    await run('delete from rtls.quarantine')
  })

  it('says how old backup, drill and scheduled work are, and whether they failed', async () => {
    const note = (job: string, hours: number, ok: boolean) =>
      run(`insert into rtls.job_run (job, started_at, ended_at, ok, detail) select '${job}', t, t, ${ok},
        '{"oldestKeptAt": "2026-01-02T00:00:00Z"}' from (select now() - interval '${hours} hours') as at (t)`)
    const states = async () => {
      const found = await examine()
      return NOT_BEGUN.map((check) => byCheck(found, check)[0]?.state)
    }
    await note('stays', 0, true)
    await note('backup', 20, true)
    await note('restore-drill', 24 * 30, true)
    expect(await states()).toEqual(['ok', 'ok', 'ok'])
    expect(byCheck(await examine(), 'backups')[0]?.meaning).toBe(
      'the newest is 20.0 h old, the oldest that is kept is of 2026-01-02',
    )
    await note('recall-matching', 1, false)
    await note('backup', 1, false)
    await note('restore-drill', 1, false)
    expect(await states()).toEqual(['warn', 'warn', 'fail'])
    await run(
      `update rtls.job_run set started_at = started_at - interval '40 hours', ended_at = ended_at - interval '40 hours'`,
    )
    expect(await states()).toEqual(['fail', 'fail', 'fail'])
    await run('truncate rtls.job_run')
  })

  it('compares the two clocks', async () => {
    const stateOf = async (aheadMs: number) => byCheck(await examine(() => Date.now() + aheadMs), 'clock')[0]?.state
    expect([await stateOf(0), await stateOf(5_000), await stateOf(-3_600_000)]).toEqual(['ok', 'warn', 'fail'])
  })

  it('says what a login of the product may not see, and never takes that for a fault', async () => {
    const look = (role: 'bt_ingest' | 'bt_api') =>
      asOwner(database.options(role), (client) => examineDatabase(client, Date.now, LOOKS))
    expect(troubles(await look('bt_ingest')).map(({ check, state }) => [check, state])).toEqual([
      ['durability', 'fail'],
      ['migrations', 'warn'],
      ['ingesters', 'warn'],
      ['scheduled work', 'warn'],
      ['backups', 'warn'],
    ])
    expect(troubles(await look('bt_api')).map(({ check }) => check)).toEqual(['durability', 'ingesters', ...NOT_BEGUN])
  })

  it('says of an empty database that it was never migrated', async () => {
    await run('create database bare')
    const found = await asOwner({ ...database.options('owner'), database: 'bare' }, (client) =>
      examineDatabase(client, Date.now, LOOKS),
    )
    expect(byCheck(found, 'migrations')[0]?.meaning).toBe('this database was never migrated')
    await run('drop database bare with (force)')
  })

  it('is a command with one line or JSON, and exit codes', async () => {
    const { host, port, database: name, user, password } = database.options('owner')
    const [file, passwordFile] = [join(dir, 'owner.yaml'), join(dir, 'password')]
    writeFileSync(passwordFile, password ?? '', { mode: 0o600 })
    const write = (change: object) =>
      writeFileSync(
        file,
        JSON.stringify({ database: { host, port, database: name, user, passwordFile, tls: 'off', ...change } }),
      )
    write({})
    const said: string[] = []
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0)
    try {
      expect(await runCli(['node', 'biotrakr-cloud', 'doctor', '-c', file])).toBe(1)
      expect(said.join('')).toMatch(/^FAIL {2}durability: .*\n {6}-> Run as superuser: alter system reset fsync;/m)
      write({ port: 1 })
      said.length = 0
      await runCli(['node', 'biotrakr-cloud', 'doctor', '-c', file, '--json'])
      expect(JSON.parse(said.join(''))).toContainEqual(
        expect.objectContaining({
          check: 'database',
          state: 'fail',
          mend: expect.stringContaining('Start PostgreSQL'),
        }),
      )
    } finally {
      spy.mockRestore()
      process.exitCode = undefined
    }
  })
})

const why = skipWithoutMosquitto ? ' (skipped: mosquitto is not installed)' : ''

describe.skipIf(skipWithoutMosquitto)(`biotrakr-cloud doctor at a real broker${why}`, () => {
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return port
  }

  async function examineWith(lines: readonly string[], password?: string): Promise<Finding[]> {
    const folder = mkdtempSync(join(tmpdir(), 'biotrakr-doctor-'))
    const port = await freePort()
    const file = join(folder, 'mosquitto.conf')
    writeFileSync(file, [`listener ${port} 127.0.0.1`, 'log_type none', ...lines, ''].join('\n'))
    const child = spawn(BROKER, ['-c', file], { stdio: 'ignore' })
    try {
      await expect.poll(() => isOpen(port), { timeout: 5_000 }).toBe(true)
      const user = password === undefined ? {} : { username: 'ingester', password }
      return await examineBroker({ url: `mqtt://127.0.0.1:${port}`, ...user }, 'doctor', Date.now())
    } finally {
      child.kill()
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    }
  }

  it('names its limits', async () => {
    const good = await examineWith(['allow_anonymous true', 'max_packet_size 262144'])
    expect(troubles(good)).toEqual([])
    const tight = await examineWith(['allow_anonymous true', 'max_packet_size 20000'])
    expect(byCheck(tight, 'broker: limits')).toMatchObject([
      { state: 'warn', mend: 'Set max_packet_size 262144 in mosquitto.conf and restart it.' },
    ])
  })

  it('names a wrong password, and a port at which nothing listens', async () => {
    const [refused] = await examineWith(['allow_anonymous false'], 'wrong')
    expect(refused).toMatchObject({ state: 'fail', mend: expect.stringContaining('broker.passwordFile') })
    const [closed] = await examineBroker({ url: `mqtt://127.0.0.1:${await freePort()}` }, 'doctor', Date.now())
    expect(closed).toMatchObject({ state: 'fail', meaning: expect.stringContaining('nothing listens there') })
  })
})

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
