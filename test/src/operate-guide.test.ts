import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hasPostgresTools, itNeeding } from './needs.ts'
import { printedCommands } from './printed-commands.ts'

const commands = printedCommands(readFileSync(join(productRoot, 'docs/operate.md'), 'utf8'))

let folder: string
let database: TestDatabase
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-operate-'))
  database = await createTestDatabase()
  writeFileSync(join(folder, 'master'), randomBytes(32).toString('hex'), { mode: 0o600 })
  const backup = { folder: join(folder, 'backups'), keyFile: join(folder, 'key') }
  config('maintain', 'bt_jobs')
  config('backup', 'bt_backup', { backup })
  config('restore-drill', 'owner', { backup })
  config('seed', 'owner', { keys: { masterKeyFile: join(folder, 'master') } })
  config('restored', 'owner', {}, 'biotrakr_restored')
  config('restored-api', 'bt_api', { org: 'northfield' }, 'biotrakr_restored')
}, 60_000)
afterAll(async () => {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A configuration of the name that the guide gives it. */
function config(
  name: string,
  role: Parameters<TestDatabase['options']>[0],
  sections: object = {},
  other?: string,
): void {
  const { host, port, database: own, user, password } = database.options(role)
  writeFileSync(join(folder, `${role}.password`), String(password), { mode: 0o600 })
  const access = {
    host,
    port,
    database: other ?? own,
    user,
    passwordFile: join(folder, `${role}.password`),
    tls: 'off',
  }
  writeFileSync(join(folder, `${name}.yaml`), JSON.stringify({ database: access, ...sections }))
}

/** Runs a printed line as it stands, but for the places of files here. */
function run(line: string): Promise<{ code: number; text: string }> {
  const newest = () => readdirSync(join(folder, 'backups'))[0] ?? ''
  const words = line
    .replace('/var/lib/biotrakr-backup/biotrakr.btbackup', () => join(folder, 'backups', newest()))
    .replaceAll('/etc/biotrakr-cloud', folder)
    .split(' ')
  expect(words[0]).toBe('biotrakr-cloud')
  const { args, env } = nodeProgram('cloud', words.slice(1))
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: productRoot, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr })
    })
  })
}

async function runAll(section: string, last: string): Promise<string> {
  let said = ''
  for (const line of commands.take(section, last)) {
    const { code, text } = await run(line)
    expect(code, `${line}\n${text}`).toBe(0)
    said += text
  }
  return said
}

describe('the commands that docs/operate.md prints', () => {
  itNeeding(hasPostgresTools, 'pg_dump')(
    'seed, do the scheduled work, back up, try the backup, and restore it',
    async () => {
      expect(await runAll('A database to look at', 'biotrakr-cloud seed')).toContain('@northfield.example')
      const jobs = await runAll('Scheduled work', 'biotrakr-cloud maintain now')
      expect(jobs).toMatch(/^never +stays/m)
      expect(jobs).toMatch(/^ok +stays/m)
      expect(await runAll('Backup', 'biotrakr-cloud backup list')).toContain('.btbackup')
      expect(await runAll('Drill and restore', 'biotrakr-cloud restore --drill')).toContain('equal in rows')
      const restored = await runAll('Drill and restore', 'biotrakr-cloud audit verify')
      expect(restored).toContain('equal in rows')
      expect(restored).toContain('the schema is what the migrations make')
      expect(restored).toContain('northfield: whole')
    },
    180_000,
  )

  it('let the doctor look at the processes that run them', async () => {
    for (const name of ['maintain', 'backup']) {
      const { text } = await run(`biotrakr-cloud doctor --config /etc/biotrakr-cloud/${name}.yaml`)
      expect(text, name).toMatch(/^ok {4}configuration/m)
      // The server of tests writes without care for power cuts.
      expect(text.replace(/^FAIL {2}durability: fsync off.*$/m, ''), name).not.toMatch(/^FAIL/m)
    }
  }, 60_000)
})
