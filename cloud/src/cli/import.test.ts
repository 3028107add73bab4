import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { systemClock } from '../system-clock.ts'
import { runCli } from './cli.ts'
import { createProgress } from './import-progress.ts'

let database: TestDatabase
let dir: string
const at = (name: string) => join(dir, name)

beforeAll(async () => {
  database = await createTestDatabase()
  dir = mkdtempSync(join(tmpdir(), 'biotrakr-import-cli-'))
  const { host, port, database: name, user, password } = database.options('bt_api')
  writeFileSync(at('password'), password ?? '', { mode: 0o600 })
  const access = { host, port, database: name, user, passwordFile: 'password', tls: 'off' }
  writeFileSync(at('api.yaml'), JSON.stringify({ database: access, org: 'one' }))
  await database.ownerClient.query(
    `select set_config('app.org', '1', false), set_config('app.actor', 'test', false);
     insert into iam.org (slug, name) values ('one', 'One'), ('two', 'Two');
     insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'UTC'), (2, 'main', 'Main', 'UTC');
     insert into site.room (org_id, facility_id, code, name) values (1, 1, 'R1', 'Room');
     insert into rtls.tag (org_id, identity) values (1, 'ble:c30000000009');
     insert into iam.role (id, org_id, code, name, permissions) values (gen_random_uuid(), 1, 'nurse', 'Nurse', '{asset.read}')`,
  )
})
afterAll(async () => {
  await database.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function cloud(...words: string[]): Promise<{ exit: number; out: string; problem: string }> {
  const said = { out: '', problem: '' }
  const write = (key: keyof typeof said) => (text: unknown) => {
    said[key] += String(text)
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(write('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(write('problem')),
  ]
  try {
    return { exit: await runCli(['node', 'biotrakr-cloud', ...words, '-c', at('api.yaml')]), ...said }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

describe('biotrakr-cloud import and export', () => {
  it('takes a file with names of its own, lists and shows the import, and writes the same out again', async () => {
    writeFileSync(at('departments.csv'), 'Dept;name\nICU;Intensive care\n')
    const words = ['import', 'departments', at('departments.csv'), '--facility', 'main', '--map', 'Dept=code']
    const dry = await cloud(...words, '--dry-run')
    expect(dry.problem).toBe('')
    expect(dry).toMatchObject({
      exit: 0,
      out: '1 rows: 1 new, 0 changed, 0 left as they are, 0 wrong; nothing was changed\n',
    })
    const taken = JSON.parse((await cloud(...words, '--json')).out) as { job: string; ok: number }
    expect(taken.ok).toBe(1)
    const listed = await cloud('import', 'list')
    expect(listed.out).toContain(`${taken.job}  `)
    expect(listed.out).toContain(
      'departments  departments.csv  done  1 rows: 1 taken, 0 skipped, 0 wrong  by operator:',
    )
    expect((await cloud('import', 'list', '--org', 'two')).out).toBe('no import\n')
    const exported = await cloud('export', 'departments')
    expect(exported.out).toBe('facility,code,name,parent,cost_center,phone\r\nmain,ICU,Intensive care,,,\r\n')
    writeFileSync(at('again.csv'), exported.out)
    expect((await cloud('import', 'departments', at('again.csv'), '--org', 'two')).exit).toBe(0)
    expect((await cloud('export', 'departments', '--org', 'two')).out).toBe(exported.out)
    expect(await cloud(...words)).toMatchObject({ exit: 1, problem: expect.stringContaining('was imported already') })
  })

  it('says on the command line what is wrong, keeps it with the job and writes the bad rows', async () => {
    writeFileSync(at('bad.csv'), 'facility,code,name,kind\nmain,R7,Room 7,patient\nmain,R8,,ballroom\n')
    const refused = await cloud('import', 'rooms', at('bad.csv'), '--errors', at('errors.csv'))
    expect(refused.problem).toContain('bad.csv: One row')
    expect(refused.exit).toBe(2)
    expect(refused.problem).toContain('row 3, name: MISSING must be a text')
    expect(refused.problem).toContain('row 3, kind: FORMAT must be one of patient, ward_bay')
    expect(readFileSync(at('errors.csv'), 'utf8')).toMatch(
      /^facility,code,name,kind,errors\r\nmain,R8,,ballroom,"name: MISSING/,
    )
    const [job] = JSON.parse((await cloud('import', 'list', '--json')).out) as [{ id: string }]
    expect((await cloud('import', 'show', job.id)).out).toContain('row 3, kind: FORMAT must be one of')
    expect((await cloud('export', 'rooms')).out).not.toContain('R7')
    expect((await cloud('import', 'rooms', at('nowhere.csv'))).problem).toContain('nowhere.csv: cannot be read')
    expect((await cloud('export', 'dreams')).problem).toContain('There is no export of "dreams"')
  })

  it('gives the codes of new accounts to a file that only its owner reads', async () => {
    writeFileSync(at('users.csv'), 'email,display_name,role\nanna@example.org,Anna,nurse\n')
    expect((await cloud('import', 'users', at('users.csv'))).problem).toContain('--invitations FILE')
    expect((await cloud('import', 'users', at('users.csv'), '--invitations', at('codes.csv'))).exit).toBe(0)
    expect(readFileSync(at('codes.csv'), 'utf8')).toMatch(/^email,code,until\r\nanna@example\.org,bti_[\w-]{43},20/)
    expect(statSync(at('codes.csv')).mode & 0o777).toBe(0o600)
  })

  it('takes history, and hides the job from those who do not reach its facility', async () => {
    writeFileSync(at('old.csv'), 'time,tag,room\n2026-01-01T08:00:00Z,ble:c30000000009,R1\n')
    const { out } = await cloud('import', 'history', at('old.csv'), '--facility', 'main')
    expect(out).toContain('1 rows: 1 new, 0 there already, 0 wrong; 0 assets with a tag of kind legacy; job ')
    await database.ownerClient.query(
      `begin; set local role bt_api; select set_config('app.org', '1', true), set_config('app.facilities', '{99}', true)`,
    )
    const seen = await database.ownerClient.query(`select kind from iam.import_job where kind = 'history'`)
    await database.ownerClient.query('rollback')
    expect(seen.rows).toEqual([])
  })
})

describe('the progress of an import', () => {
  const show = (isTTY: boolean) => {
    let nowMs = 1_000
    let text = ''
    const screen = { isTTY, write: (part: string) => (text += part) }
    const progress = createProgress(screen, { ...systemClock, wallMs: () => nowMs }, { quiet: false })
    for (let done = 0; done <= 100_000; done += 10_000) {
      progress.show({ phase: 'write', done, of: 100_000, unit: 'rows' })
      nowMs += 1_000
    }
    progress.end()
    return text
  }

  it('is a bar with rate and time left on a terminal', () => {
    const text = show(true)
    expect(text).toContain('\r[############............] write: 50 %, 50000 of 100000 rows, 10000 rows/s, 5 s left')
    expect(text.endsWith('\n')).toBe(true)
    expect(text.split('\n')).toHaveLength(2)
  })

  it('is a plain line now and then on a pipe', () => {
    expect(show(false)).toBe(
      'write: 50 %, 50000 of 100000 rows, 10000 rows/s, 5 s left\nwrite: 100 %, 100000 of 100000 rows, 10000 rows/s, 0 s left\n',
    )
  })
})
