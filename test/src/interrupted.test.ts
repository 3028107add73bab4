import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hasPostgresTools, itNeeding } from './needs.ts'

const FIXES = 300_000

let folder: string
let database: TestDatabase
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-interrupted-'))
  database = await createTestDatabase({ migrated: false })
}, 60_000)
afterAll(async () => {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
})

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** Configuration of a process that signs in as `user`. */
function configOf(role: 'owner' | 'bt_backup'): string {
  const { host, port, database: name, user, password } = database.options(role)
  const access = {
    host,
    port,
    database: name,
    user,
    passwordFile: file(`${role}.password`, String(password)),
    tls: 'off',
  }
  const backup = { folder: join(folder, 'backups'), keyFile: join(folder, 'key') }
  return file(`${role}.yaml`, JSON.stringify({ database: access, backup }))
}

function start(words: readonly string[]): ChildProcess {
  const { args, env } = nodeProgram('cloud', words)
  return spawn(process.execPath, args, { cwd: productRoot, env: { ...process.env, ...env }, stdio: 'ignore' })
}

function run(words: readonly string[]): Promise<{ code: number; text: string }> {
  const { args, env } = nodeProgram('cloud', words)
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: productRoot, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr })
    })
  })
}

/** Starts a command and kills it, without a word, as soon as `seen` holds. */
async function killWhen(words: readonly string[], seen: () => boolean | Promise<boolean>): Promise<void> {
  const child = start(words)
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  while (child.exitCode === null && !(await seen())) await pause(5)
  child.kill('SIGKILL')
  expect(await ended).toBe('SIGKILL')
}

describe('a command that is killed in the middle', () => {
  it('of migrations leaves each whole or absent, and the next one goes on', async () => {
    const config = configOf('owner')
    const owner = database.ownerClient
    const applied = async (): Promise<number> => {
      const there = await owner.query(`select to_regclass('public._prisma_migrations') is not null as there`)
      if (!there.rows[0].there) return 0
      return (await owner.query('select from public._prisma_migrations where finished_at is not null')).rowCount ?? 0
    }
    await killWhen(['migrate', '--config', config], async () => (await applied()) >= 3)
    const status = await run(['migrate', 'status', '--json', '--config', config])
    const states = JSON.parse(status.text).map(({ state }: { state: string }) => state)
    expect(states.slice(0, 3)).toEqual(['applied', 'applied', 'applied'])
    expect(states).toContain('pending')
    expect(new Set(states)).toEqual(new Set(['applied', 'pending']))
    expect(await run(['migrate', '--config', config])).toMatchObject({ code: 0 })
    expect(await applied()).toBe(states.length)
    expect(await run(['migrate', 'verify', '--config', config])).toMatchObject({ code: 0 })
  }, 120_000)

  itNeeding(hasPostgresTools, 'pg_dump')(
    'of a backup leaves nothing that is taken for one, and the next one clears up',
    async () => {
      const owner = database.ownerClient
      await owner.query(`alter role bt_backup password 'for-tests-only'`)
      await owner.query(`
        insert into iam.org (slug, name) values ('one', 'One');
        insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'UTC');
        insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method,
            reason, confidence, map_version)
          select now() - n * interval '1 second', 1, 1, 1, 1, 1, n, (random() * 1000000)::int, 2, 0, 900, 1
          from generate_series(1, ${FIXES}) n`)
      file('key', randomBytes(32).toString('base64'))
      const config = configOf('bt_backup')
      const backups = join(folder, 'backups')
      const names = () => (readdirSync(folder).includes('backups') ? readdirSync(backups) : [])
      await killWhen(['backup', 'make', '--config', config], () =>
        names().some((name) => statSync(join(backups, name)).size > 1_000_000),
      )
      expect(names()).toEqual([expect.stringMatching(/^\.unfinished-/)])
      expect(await run(['backup', 'list', '--json', '--config', config])).toMatchObject({ code: 0, text: '[]\n' })
      expect(await run(['backup', 'make', '--config', config])).toMatchObject({ code: 0 })
      expect(names()).toEqual([expect.stringMatching(/\.btbackup$/)])
      const listed = JSON.parse((await run(['backup', 'list', '--json', '--config', config])).text)
      expect(listed).toHaveLength(1)

      const drill = ['restore', '--drill', '--config', configOf('owner')]
      const scratch = async () => {
        const { rows } = await owner.query(`select datname from pg_database where datname ~ '^biotrakr_drill_'`)
        return rows.map(({ datname }) => datname)
      }
      await killWhen(drill, async () => (await scratch()).length > 0)
      const left = await scratch()
      expect(left.length).toBeGreaterThan(0)
      const tried = await run(drill)
      expect(tried, tried.text).toMatchObject({ code: 0 })
      expect(tried.text).toContain('equal in rows, contents, policies, grants and functions')
      expect(await scratch()).toEqual([])
    },
    180_000,
  )
})
