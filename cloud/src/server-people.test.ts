import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import { createPeopleDesk, vaultOf } from './people.ts'
import type { CentreServer } from './server.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'

const TAG = 'ble:c30000000001'
const PURPOSE = 'care on the ward'
const NAME = 'Zzyzx Canaryworth'
const NUMBER = 'MRN-987654321'

let centre: TestCentre
let server: CentreServer
let folder: string
const logged: string[] = []

beforeAll(async () => {
  centre = await createTestCentre()
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-people-'))
  writeFileSync(join(folder, 'master.key'), `${'5e'.repeat(32)}\n`, { mode: 0o600 })
  for (const role of ['bt_api', 'bt_jobs'] as const) {
    const { host, port, database, user, password } = centre.database.options(role)
    writeFileSync(join(folder, `${role}.password`), password ?? '', { mode: 0o600 })
    const access = { host, port, database, user, passwordFile: join(folder, `${role}.password`), tls: 'off' }
    const keys = { masterKeyFile: join(folder, 'master.key') }
    writeFileSync(join(folder, `${role}.json`), JSON.stringify({ org: 'marlow', database: access, keys }))
  }
  await centre.database.ownerClient.query(
    `begin; set local session_replication_role = replica;
     insert into site.bed (org_id, facility_id, room_id, code) select org_id, facility_id, id, 'a' from site.room;
     insert into site.zone (org_id, facility_id, code, name) select org_id, id, 'ward', 'Ward' from site.facility;
     insert into site.zone_room (org_id, facility_id, zone_id, room_id)
       select z.org_id, z.facility_id, z.id, r.id from site.zone z join site.room r on r.facility_id = z.facility_id;
     commit`,
  )
  const vault = vaultOf({ keys: { masterKeyFile: join(folder, 'master.key') } })
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) })
  server = await centre.serve({ people: vault && createPeopleDesk(vault), log })
})
afterAll(async () => {
  await server.stop()
  await centre.stop()
  rmSync(folder, { recursive: true })
})

async function send(method: string, path: string, body?: object, purpose: string | undefined = PURPOSE) {
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method,
    headers: { ...(purpose && { 'x-purpose': purpose }), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

describe('people over HTTP', () => {
  let id: string

  it('answer to nobody who does not say why, and are not there without a master key', async () => {
    expect((await send('GET', 'patients', undefined, '')).status).toBe(400)
    const without = await fetch(`${centre.server.url}/api/v1/patients`, { headers: { 'x-purpose': PURPOSE } })
    expect(without.status).toBe(404)
  })

  it('are entered, found by number, read, and changed once for each version', async () => {
    const made = await send('POST', 'patients', { name: NAME, number: NUMBER })
    expect(made).toMatchObject({ status: 201, body: { label: expect.stringMatching(/^P-/) } })
    id = made.body.id
    expect(await send('POST', 'patients/find', { number: 'mrn-987654321' })).toEqual({ status: 200, body: { id } })
    expect((await send('POST', 'patients/find', { number: 'nobody' })).status).toBe(404)
    expect((await send('GET', `patients/${id}`)).body).toMatchObject({ name: NAME, number: NUMBER, rowVersion: 1 })
    expect((await send('GET', 'patients?limit=1')).body).toMatchObject([{ id }])
    expect((await send('PATCH', `patients/${id}`, { rowVersion: 1, label: 'P-007' })).body).toMatchObject({
      rowVersion: 2,
    })
    const stale = await send('PATCH', `patients/${id}`, { rowVersion: 1, label: 'P-008' })
    expect(stale).toMatchObject({ status: 409, body: { code: 'row-version', current: { label: 'P-007' } } })
    expect((await send('POST', 'patients', { number: NUMBER })).status).toBe(409)
    expect((await send('POST', 'patients', { nam: NAME })).status).toBe(400)
  })

  it('wear a tag after a consent, are admitted, located, measured, moved and discharged', async () => {
    expect((await send('POST', `patients/${id}/tags`, { tag: TAG })).status).toBe(409)
    const consent = await send('POST', 'consents', { patientId: id, scope: 'location', basis: 'consent' })
    expect(consent.status).toBe(201)
    expect((await send('POST', `patients/${id}/tags`, { tag: TAG, measuresBody: true })).status).toBe(201)
    const bed = { facility: '4-east', room: 'R1', bed: 'a' }
    const entered = await send('POST', 'encounters', { patientId: id, ...bed })
    expect(entered.status).toBe(201)
    expect((await send('GET', 'inpatients?facility=4-east')).body).toMatchObject([
      { label: 'P-007', room: 'R1', bed: 'a' },
    ])
    await centre.commit('marlow', { tag: TAG, room: 'R2', atMs: Date.now() + 1_000 })
    expect((await send('GET', `patients/${id}/location`)).body).toMatchObject({ facility: '4-east', room: 'R2' })
    // The place of the tag is the place of the person: by general rights it is not told.
    expect((await send('GET', `tags/${TAG}/location`, undefined, '')).body).toMatchObject({
      room: null,
      facility: null,
    })
    expect((await send('GET', `tags/${TAG}`, undefined, '')).body).toMatchObject({ last_seen: null })
    expect((await send('GET', `tags/${TAG}/assignments`)).body).toEqual({ items: [] })
    expect((await send('GET', `tags/${TAG}/location`)).body).toMatchObject({ room: { code: 'R2' } })
    const window = 'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z'
    for (const what of ['vital-signs', 'stays']) {
      expect(await send('GET', `patients/${id}/${what}?${window}`)).toEqual({ status: 200, body: [] })
    }
    const path = `encounters/${entered.body.id}`
    expect((await send('POST', `${path}/transfer`, { room: 'R2', bed: 'a' })).status).toBe(204)
    expect((await send('POST', `${path}/discharge`)).status).toBe(204)
    expect((await send('POST', `${path}/void`)).status).toBe(204)
    expect((await send('GET', `patients/${id}/location`)).status).toBe(404)
    expect((await send('POST', `consents/${consent.body.id}/withdraw`)).status).toBe(204)
    expect((await send('GET', `patients/${id}/consents`)).body).toMatchObject([{ withdrawnAt: expect.any(String) }])
    expect((await send('POST', `patients/${id}/tags/take-off`)).status).toBe(404)
  })

  it('of the staff are entered, leave, and have rounds planned for them', async () => {
    const made = await send('POST', 'staff', { group: 'nurse', name: 'Nina', number: 'E-1' })
    expect((await send('GET', `staff/${made.body.id}`)).body).toMatchObject({ group: 'nurse', name: 'Nina' })
    expect((await send('POST', `staff/${made.body.id}/leave`)).status).toBe(204)
    const wish = { facility: '4-east', zone: 'ward', name: 'Nights', group: 'nurse', everyMin: 60, minPresenceS: 60 }
    const plan = await send('POST', 'round-plans', wish)
    expect((await send('GET', 'round-plans')).body).toMatchObject([{ id: plan.body.id, zone: 'ward' }])
    expect((await send('POST', `round-plans/${plan.body.id}/end`)).status).toBe(204)
    const window = 'facility=4-east&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z'
    expect(await send('GET', `rounds?${window}`)).toEqual({ status: 200, body: [] })
  })

  it('are erased for a reason, and then nobody has that number', async () => {
    expect((await send('POST', `patients/${id}/erase`, {})).status).toBe(400)
    expect((await send('POST', `patients/${id}/erase`, { reason: 'asked for' })).status).toBe(204)
    expect((await send('GET', `patients/${id}`)).body).toMatchObject({ name: null, label: null })
    expect((await send('POST', 'patients/find', { number: NUMBER })).status).toBe(404)
  })
})

describe('people at the command line', () => {
  async function run(
    role: 'bt_api' | 'bt_jobs',
    ...words: string[]
  ): Promise<{ code: number; out: string; err: string }> {
    const said = { out: '', err: '' }
    const into = (name: 'out' | 'err') => (text: unknown) => {
      said[name] += String(text)
      return true
    }
    const out = vi.spyOn(process.stdout, 'write').mockImplementation(into('out'))
    const err = vi.spyOn(process.stderr, 'write').mockImplementation(into('err'))
    try {
      return { code: await runCli(['node', 'biotrakr-cloud', ...words, '-c', join(folder, `${role}.json`)]), ...said }
    } finally {
      out.mockRestore()
      err.mockRestore()
    }
  }
  const people = (...words: string[]) => run('bt_api', ...words, '--purpose', PURPOSE)
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }

  it('are entered from a file, consent, wear a tag, and are shown', async () => {
    const identity = write('identity.json', JSON.stringify({ name: NAME, number: 'CLI-1' }))
    const made = await people('patients', 'add', '--identity', identity, '--label', 'P-CLI')
    expect(made.out).toMatch(/ P-CLI\n$/)
    const id = made.out.split(' ')[0] ?? ''
    expect((await people('patients', 'tag', id, TAG)).err).toContain('consent')
    const consent = await people('consent', 'add', '--patient', id)
    expect((await people('patients', 'tag', id, TAG)).out).toBe(`${id} wears ${TAG}\n`)
    expect((await people('consent', 'list', id)).out).toContain('location  consent')
    expect((await people('patients', 'untag', id)).code).toBe(0)
    expect((await people('consent', 'withdraw', consent.out.trim())).code).toBe(0)
    expect((await people('patients', 'show', id)).out).toBe(`${id}  P-CLI  ${NAME}  CLI-1\n`)
    expect((await people('patients', 'locate', id)).code).toBe(1)
    const window = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T00:00:00Z']
    for (const what of ['stays', 'vital-signs']) expect((await people('patients', what, id, ...window)).code).toBe(0)
    expect(JSON.parse((await people('patients', 'list', '--json')).out)).toHaveLength(1)
  })

  it('are admitted by hand and from a file, all rows or none', async () => {
    const good = write(
      'good.csv',
      `event,time,record_number,facility,room,bed\nadmit,2026-03-01T08:00:00Z,CLI-9,4-east,R1,a\n`,
    )
    expect((await people('encounters', 'import', good, '--dry-run')).out).toContain('1 admitted (1 new)')
    expect((await people('encounters', 'list', '--facility', '4-east')).out).toBe('')
    expect((await people('encounters', 'import', good)).code).toBe(0)
    const again = await people('encounters', 'import', good)
    expect([again.code, again.err]).toEqual([
      2,
      expect.stringContaining('line 2: That patient is in the house already'),
    ])
    const [encounter = ''] = (await people('encounters', 'list', '--facility', '4-east')).out.split(' ')
    expect((await people('encounters', 'transfer', encounter, '--room', 'R2', '--bed', 'a')).code).toBe(0)
    expect((await people('encounters', 'discharge', encounter)).code).toBe(0)
    expect((await people('encounters', 'void', encounter)).code).toBe(0)
  })

  it('of the staff are entered, leave, and are erased', async () => {
    const identity = write('staff.json', JSON.stringify({ name: 'Nina' }))
    const id = (await people('staff', 'add', '--group', 'nurse', '--identity', identity)).out.trim()
    expect((await people('staff', 'leave', id)).code).toBe(0)
    expect((await people('staff', 'erase', id, '--reason', 'asked for')).out).toBe(`${id} is erased\n`)
  })

  it('have rounds planned for them, listed, and ended', async () => {
    const where = ['--facility', '4-east']
    const wish = ['--zone', 'ward', '--group', 'nurse', '--every', '60', '--presence', '60']
    const id = (await people('rounds', 'plan', 'Days', ...where, ...wish)).out.trim()
    expect((await people('rounds', 'plans')).out).toContain(`${id}  4-east/ward  Days  nurse every 60 min\n`)
    expect((await people('rounds', 'end', id)).code).toBe(0)
    const window = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T00:00:00Z']
    expect(await people('rounds', 'list', ...where, ...window)).toMatchObject({ code: 0, out: '' })
  })

  it('say nothing of a file that cannot be read as an identity', async () => {
    const wrong = await people('patients', 'add', '--identity', write('wrong.json', `{ "name": ${NAME}`))
    expect(wrong.code).toBe(2)
    expect(wrong.err).not.toContain('Canary')
  })

  it('have keys that are listed, rotated, destroyed and wrapped again; and scheduled work', async () => {
    expect((await run('bt_jobs', 'keys', 'list')).out).toMatch(/pii {2}active[^\n]+ \d+ rows/)
    expect((await run('bt_jobs', 'keys', 'rotate')).out).toMatch(/^made a new key; \d+ rows/)
    expect((await run('bt_jobs', 'keys', 'rotate', '--purpose', 'index')).code).toBe(0)
    const keys: { id: string; state: string }[] = JSON.parse((await run('bt_jobs', 'keys', 'list', '--json')).out)
    const retired = keys.filter(({ state }) => state === 'retired')
    expect(retired).toHaveLength(2)
    for (const { id } of retired) expect((await run('bt_jobs', 'keys', 'destroy', id)).code).toBe(0)
    expect((await run('bt_jobs', 'keys', 'rewrap')).out).toContain('0 keys were wrapped')
    expect((await people('patients', 'list')).out).toContain(NAME)
    expect((await run('bt_jobs', 'people', 'maintain')).out).toContain('0 patients and 0 of the staff erased')
  })

  it('stand neither in the log of the server nor in the audit chain', async () => {
    const { rows } = await centre.database.ownerClient.query(`select e::text as text from audit.event e`)
    const everything = [...logged, ...rows.map(({ text }) => text)].join('\n')
    expect(everything).toContain(PURPOSE)
    for (const planted of ['Canary', '987654321', '5e5e5e']) expect(everything).not.toContain(planted)
  })
})
