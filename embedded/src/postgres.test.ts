import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { canReach, serverAccount } from './account.ts'
import { SupervisedChild } from './child.ts'
import { openDataFolder } from './data-folder.ts'
import { hasTimescale, type Postgres, preparePostgres } from './postgres.ts'
import { copyPackage, findPostgres, type PostgresChoice } from './postgres-binaries.ts'
import { commandLine, isAlive, processesIn } from './processes.ts'

const account = serverAccount()
const find = (choice: PostgresChoice) =>
  findPostgres({ choice, major: undefined, account, copyTo: join(tmpdir(), 'biotrakr-never') }).catch(() => undefined)
const available = { system: await find('system'), embedded: await find('embedded') }
const mustRun = process.env['BIOTRAKR_REQUIRE_ALL'] === '1'

let root: string
let running: SupervisedChild[]
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'biotrakr-pg-'))
  // The servers' account must be able to reach it; the test of the opposite closes a folder in it.
  chmodSync(root, 0o755)
  running = []
})
afterEach(async () => {
  for (const child of running) await child.stop()
  rmSync(root, { recursive: true, force: true })
})

function prepare(choice: PostgresChoice, path = join(root, 'data')): Promise<Postgres> {
  mkdirSync(dirname(path), { recursive: true })
  return preparePostgres(openDataFolder(path, account), account, { choice, cwd: '/' })
}

async function start(postgres: Postgres): Promise<SupervisedChild> {
  const child = new SupervisedChild(postgres.child, { random: Math.random, onEvent: () => undefined })
  running.push(child)
  await child.start()
  return child
}

async function ask(postgres: Postgres, sql: string): Promise<string[]> {
  const client = new pg.Client(postgres.superuser)
  await client.connect()
  const { rows } = await client.query<Record<string, string>>(sql)
  await client.end()
  return rows.flatMap((row) => Object.values(row))
}

describe.each(['system', 'embedded'] as const)('PostgreSQL of the kind %s', (kind) => {
  const skip = available[kind] === undefined && !mustRun
  const why = skip ? `[skipped: no ${kind} PostgreSQL here] ` : ''

  it.skipIf(skip)(`${why}starts durable, in UTF-8 and on the loopback address only`, async () => {
    const postgres = await prepare(kind)
    expect(postgres.binaries.kind).toBe(kind)
    await start(postgres)
    const settings = ['fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'server_encoding']
    const asked = settings.map((name) => `current_setting('${name}') as ${name}`).join(', ')
    expect(await ask(postgres, `select ${asked}`)).toEqual(['on', 'on', 'on', '127.0.0.1', 'UTF8'])
    expect(await ask(postgres, "select substr(rolpassword, 1, 13) from pg_authid where rolname = 'postgres'")).toEqual([
      'SCRAM-SHA-256',
    ])
    expect(commandLine(running[0]?.pid() ?? 0)).not.toContain(String(postgres.superuser.password))
  })

  it.skipIf(skip)(`${why}keeps its data and its port over a restart and a kill`, async () => {
    const first = await prepare(kind)
    const child = await start(first)
    await ask(first, 'create table kept as select 42::text as answer')
    await child.stop()
    const second = await prepare(kind)
    expect(second.port).toBe(first.port)
    const killed = await start(second)
    process.kill(killed.pid() ?? 0, 'SIGKILL')
    await killed.stop()
    const third = await prepare(kind)
    await start(third)
    expect(await ask(third, 'select answer from kept')).toEqual(['42'])
  })

  it.skipIf(skip)(`${why}starts again although a process of the killed server does not notice its end`, async () => {
    const first = await prepare(kind)
    const child = await start(first)
    const postmaster = child.pid() ?? 0
    const [stuck] = processesIn(realpathSync(first.data)).filter((pid) => pid !== postmaster)
    expect(stuck).toBeGreaterThan(0)
    process.kill(stuck ?? 0, 'SIGSTOP')
    process.kill(postmaster, 'SIGKILL')
    await child.stop()
    const second = await prepare(kind)
    await start(second)
    expect(await ask(second, 'select 1::text')).toEqual(['1'])
    expect(processesIn(realpathSync(first.data))).not.toContain(stuck)
  })

  it.skipIf(skip)(`${why}ends the server that a killed launcher left behind`, async () => {
    const first = await prepare(kind)
    const child = await start(first)
    const pid = child.pid() ?? 0
    const second = await prepare(kind)
    expect(isAlive(pid)).toBe(false)
    expect(second.port).toBe(first.port)
  })
})

const system = available.system
const skipSystem = !system && !mustRun

describe('PostgreSQL in awkward places', () => {
  it.skipIf(!account || skipSystem)(
    '[needs root] lives below /var/tmp when its account cannot reach the data folder',
    async () => {
      mkdirSync(join(root, 'closed'), { mode: 0o700 })
      const path = join(root, 'closed', 'data')
      const folder = openDataFolder(path, account)
      expect(folder.serverPath.startsWith(path)).toBe(false)
      expect(existsSync(join(path, 'WHERE-THE-DATABASE-IS.txt'))).toBe(true)
      const postgres = await prepare('auto', path)
      await start(postgres)
      expect(statSync(postgres.data).uid).toBe(account?.uid)
      expect(await ask(postgres, 'select 1::text')).toEqual(['1'])
      await running.pop()?.stop()
      rmSync(folder.serverPath, { recursive: true, force: true })
    },
  )

  it.skipIf(!account || (!available.embedded && !mustRun))(
    '[needs root] runs a copy of the npm programs, links included, when they are out of reach',
    async () => {
      const stranger = { name: 'stranger', uid: 64_999, gid: 64_999 }
      const packaged = await findPostgres({
        choice: 'embedded',
        major: undefined,
        account,
        copyTo: join(root, 'unused'),
      })
      expect(existsSync(join(root, 'unused'))).toBe(false)
      const copy = join(root, 'copy')
      copyPackage(join(packaged.bin, '..'), copy)
      expect(canReach(stranger, join(copy, 'bin', 'initdb'))).toBe(true)
      const { status, stdout } = spawnSync(join(copy, 'bin', 'initdb'), ['--version'], {
        ...stranger,
        cwd: '/',
        encoding: 'utf8',
      })
      expect([status, stdout]).toEqual([0, `initdb (PostgreSQL) ${packaged.version}\n`])
    },
  )

  it.skipIf(skipSystem)('says which version it wants for a database of another one', async () => {
    mkdirSync(join(root, 'data', 'postgres', 'data'), { recursive: true })
    writeFileSync(join(root, 'data', 'postgres', 'data', 'PG_VERSION'), '9\n')
    await expect(prepare('auto')).rejects.toThrow(
      /PostgreSQL 9, which made the database in this data folder,.*seen: \d/s,
    )
  })

  it('removes a pid file whose process id has gone to somebody else', async () => {
    const first = await prepare('auto')
    writeFileSync(join(first.data, 'postmaster.pid'), `${process.pid}\n`)
    await start(first)
    expect(await ask(first, 'select 1::text')).toEqual(['1'])
  })

  it('finds TimescaleDB beside the programs, as Debian and others lay them out', () => {
    const bin = join(root, 'lib/postgresql/17/bin')
    expect(hasTimescale(bin)).toBe(false)
    const extension = join(root, 'share/postgresql/17/extension')
    mkdirSync(extension, { recursive: true })
    writeFileSync(join(extension, 'timescaledb.control'), '')
    expect(hasTimescale(bin)).toBe(true)
    expect(hasTimescale(join(root, 'usr/pgsql-17/bin'))).toBe(false)
  })
})
