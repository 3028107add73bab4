import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { runCli } from './cli/cli.ts'
import type { CentreServer } from './server.ts'
import { createTestCentre, type TestCentre } from './test-centre.ts'
import { SYSTEM_ROLES } from './trust/lists.ts'

const TOKEN = 'a-token-of-at-least-sixteen-characters'
const PASSWORD = 'correct horse battery'
const TAG_HERE = 'ble:c30000000001'
const TAG_THERE = 'ble:c300000000b1'
const TAG_THEIRS = 'ble:c300000000ff'

let centre: TestCentre
let server: CentreServer
let folder: string
/** Ids of an asset of 4-east, of 5-west, and of another organisation. */
let assets: [string, string, string]

beforeAll(async () => {
  centre = await createTestCentre()
  server = await centre.serve({ token: TOKEN })
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-accounts-'))
  for (const role of ['bt_api', 'bt_jobs'] as const) {
    const { host, port, database, user, password } = centre.database.options(role)
    writeFileSync(join(folder, `${role}.password`), password ?? '', { mode: 0o600 })
    const access = { host, port, database, user, passwordFile: join(folder, `${role}.password`), tls: 'off' }
    const audit = { anchorFolder: 'anchors', keyFile: 'audit.pem' }
    writeFileSync(join(folder, `${role}.json`), JSON.stringify({ org: 'marlow', database: access, audit }))
  }
  assets = [randomUUID(), randomUUID(), randomUUID()]
  await centre.database.ownerClient.query(
    `begin; set local session_replication_role = replica;
     insert into site.facility (org_id, code, name, time_zone) select id, '5-west', '5 West', 'UTC' from iam.org where slug = 'marlow';
     insert into site.facility (org_id, code, name, time_zone) select id, 'annex', 'Annex', 'UTC' from iam.org where slug = 'other';
     insert into site.room (org_id, facility_id, code, name) select org_id, id, 'W1', 'West 1' from site.facility where code = '5-west';
     update rtls.tag t set facility_id = f.id from site.facility f where f.org_id = t.org_id and f.code = '4-east';
     insert into rtls.tag (org_id, facility_id, identity) select org_id, id, '${TAG_THERE}' from site.facility where code = '5-west';
     insert into asset.category (id, org_id, code, name) select gen_random_uuid(), id, 'pumps', 'Pumps' from iam.org;
     insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
       select w.id::uuid, f.org_id, f.id, c.id, w.tag, 'Pump' from (values ('${assets[0]}', 'marlow', '4-east', 'P-1'),
         ('${assets[1]}', 'marlow', '5-west', 'P-2'), ('${assets[2]}', 'other', '4-east', 'P-3')) as w (id, org, facility, tag)
         join iam.org o on o.slug = w.org join site.facility f on f.org_id = o.id and f.code = w.facility
         join asset.category c on c.org_id = o.id;
     commit`,
  )
})
afterAll(async () => {
  await server.stop()
  await centre.stop()
  rmSync(folder, { recursive: true })
})

interface Wish {
  readonly token?: string | undefined
  readonly cookie?: string
  readonly body?: unknown
  readonly purpose?: string
}

async function send(method: string, path: string, { token, cookie, body, purpose }: Wish = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(cookie && { cookie }),
      ...(purpose && { 'x-purpose': purpose }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** An account that is signed in, without the half second that a password takes. */
async function signedIn(...roles: readonly (readonly [role: string, facility?: string])[]): Promise<string> {
  const token = `bts_${randomBytes(32).toString('base64url')}`
  const id = randomUUID()
  const owner = centre.database.ownerClient
  await owner.query(
    `begin; set local session_replication_role = replica;
     insert into iam.account (id, org_id, email, display_name, status, password_hash)
       select '${id}', id, '${id}@example.org', 'Test', 'active', 'none' from iam.org where slug = 'marlow';
     insert into iam.session (id, org_id, account_id, token_sha256, created_at, last_seen_at, expires_at)
       select gen_random_uuid(), id, '${id}', decode('${createHash('sha256').update(token).digest('hex')}', 'hex'), now(),
         now(), now() + interval '12 hours' from iam.org where slug = 'marlow'; commit`,
  )
  for (const [role, facility] of roles) {
    await owner.query(
      `begin; set local session_replication_role = replica;
       insert into iam.account_role (id, org_id, account_id, role_id, facility_id, from_t)
       select gen_random_uuid(), o.id, '${id}', r.id,
         (select f.id from site.facility f where f.org_id = o.id and f.code = '${facility ?? ''}'), now() - interval '1 minute'
       from iam.org o join iam.role r on r.org_id = o.id where o.slug = 'marlow' and r.code = '${role}'; commit`,
    )
  }
  return token
}

async function command(role: 'bt_api' | 'bt_jobs', ...words: string[]): Promise<{ code: number; out: string }> {
  let out = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  const silence = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    process.exitCode = undefined
    const code = await runCli(['node', 'biotrakr-cloud', ...words, '-c', join(folder, `${role}.json`)])
    return { code, out }
  } finally {
    process.exitCode = undefined
    write.mockRestore()
    silence.mockRestore()
  }
}

const events = async (kind: string) =>
  JSON.parse((await command('bt_api', 'audit', 'list', '--kind', kind, '--json', '--limit', '20')).out)

describe('an account', () => {
  it('is invited by command, sets its password, signs in, sees who it is, and signs out', async () => {
    const words = [
      'accounts',
      'invite',
      'Anna@example.org',
      '--name',
      'Anna',
      '--role',
      'biomed',
      '--facility',
      '4-east',
    ]
    const { code, out } = await command('bt_api', ...words)
    expect(code).toBe(0)
    const invitation = { code: out.trim(), password: PASSWORD }
    expect((await send('POST', '/api/v1/invitation', { body: invitation })).status).toBe(204)
    expect((await send('POST', '/api/v1/invitation', { body: invitation })).status).toBe(401)
    const body = { email: 'anna@example.org', password: PASSWORD }
    const login = await send('POST', '/api/v1/session', { body })
    expect(login.status).toBe(201)
    const cookie = login.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^biotrakr_session=bts_[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/)
    const { token } = login.body
    const me = await send('GET', '/api/v1/me', { token })
    expect(me.body).toMatchObject({ kind: 'account', email: 'anna@example.org', name: 'Anna' })
    expect(me.body.rights).toContainEqual({ permission: 'asset.edit', facilities: [expect.any(Number)] })
    expect((await send('GET', '/api/v1/me', { cookie: cookie.split(';')[0] ?? '' })).body).toEqual(me.body)
    expect((await send('DELETE', '/api/v1/session', { token })).status).toBe(204)
    expect((await send('GET', '/api/v1/me', { token })).status).toBe(401)
    expect((await events('login')).slice(0, 2)).toMatchObject([
      { action: 'logout', outcome: 'ok' },
      { action: 'login', outcome: 'ok', details: { address: '127.0.0.1' } },
    ])
  })

  it('is kept out by command, with its sessions, and let in again', async () => {
    const body = { email: 'anna@example.org', password: PASSWORD }
    const { token } = (await send('POST', '/api/v1/session', { body })).body
    expect((await command('bt_api', 'accounts', 'lock', 'anna@example.org')).code).toBe(0)
    expect((await send('GET', '/api/v1/tags', { token })).status).toBe(401)
    expect((await send('POST', '/api/v1/session', { body })).status).toBe(401)
    expect((await command('bt_api', 'accounts', 'unlock', 'anna@example.org')).code).toBe(0)
    expect((await send('POST', '/api/v1/session', { body })).status).toBe(201)
  })

  it('is told what is missing without a word of what it sent', async () => {
    const answer = await send('POST', '/api/v1/session', { body: { email: 'x', password: 7, extra: 'secret' } })
    expect(answer).toMatchObject({ status: 400, body: { code: 'validation' } })
    expect(JSON.stringify(answer.body)).not.toContain('secret')
    expect((await send('POST', '/api/v1/session', { body: 'text' })).status).toBe(400)
  })

  it('is nobody with a made-up token, an ended one or none', async () => {
    for (const token of [`bts_${'x'.repeat(43)}`, 'bts_', undefined]) {
      expect(await send('GET', '/api/v1/tags', { token })).toMatchObject({
        status: 401,
        body: { code: 'unauthenticated' },
      })
    }
    expect((await send('GET', '/api/v1/tags', { cookie: `biotrakr_session=bts_${'x'.repeat(43)}` })).status).toBe(401)
  })

  it('is itself, also where no token is needed', async () => {
    const open = await centre.serve({})
    const token = await signedIn(['viewer', '4-east'])
    const answer = await fetch(`${open.url}/api/v1/assets/${assets[1]}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(answer.status).toBe(404)
    expect((await fetch(`${open.url}/api/v1/assets/${assets[1]}`)).status).toBe(200)
    await open.stop()
  })
})

/** Where an identity lies: in the facility of the role, in another of the same organisation, in another organisation. */
const ROUTES = [
  ['asset.read', 'GET', (n: number) => `/api/v1/assets/${assets[n]}`, 200],
  ['asset.edit', 'PATCH', (n: number) => `/api/v1/assets/${assets[n]}`, 409],
  ['asset.retire', 'POST', (n: number) => `/api/v1/assets/${assets[n]}/retire`, 409],
  ['location.read', 'GET', (n: number) => `/api/v1/tags/${[TAG_HERE, TAG_THERE, TAG_THEIRS][n]}/location`, 200],
  ['site.read', 'GET', (n: number) => `/api/v1/facilities/${['4-east', '5-west', 'annex'][n]}`, 200],
] as const
const BODIES: Record<string, unknown> = {
  PATCH: { row_version: 99, notes: 'x' },
  POST: { row_version: 99, reason: 'x' },
}

describe.each(SYSTEM_ROLES.map(({ code, permissions }) => [code, permissions] as const))(
  'the role %s in one facility',
  (role, permissions) => {
    let token: string
    beforeAll(async () => {
      token = await signedIn([role, '4-east'])
    })

    it.each(ROUTES)('needs %s to %s', async (permission, method, path, ok) => {
      const found: number[] = []
      for (const n of [0, 1, 2]) found.push((await send(method, path(n), { token, body: BODIES[method] })).status)
      const isAllowed = (permissions as readonly string[]).includes(permission)
      expect(found).toEqual(isAllowed ? [ok, 404, 404] : [403, 403, 403])
    })

    it('lists what is in that facility only', async () => {
      const answers = await Promise.all(
        ['/api/v1/assets', '/api/v1/tags', '/api/v1/rooms', '/api/v1/facilities'].map((path) =>
          send('GET', path, { token }),
        ),
      )
      const text = JSON.stringify(answers.map(({ body }) => body))
      for (const foreign of [assets[1], assets[2], TAG_THERE, TAG_THEIRS, 'W1', '5-west', 'annex']) {
        expect(text).not.toContain(foreign)
      }
    })

    it('does not see what is of all facilities at once', async () => {
      expect((await send('GET', '/api/v1/stream', { token })).status).toBe(403)
      expect((await send('GET', '/metrics', { token })).status).toBe(403)
    })
  },
)

describe('roles in several facilities', () => {
  it('are exact: biomed in one, viewer in the other', async () => {
    const token = await signedIn(['biomed', '4-east'], ['viewer', '5-west'])
    const read = await Promise.all(assets.map((id) => send('GET', `/api/v1/assets/${id}`, { token })))
    expect(read.map(({ status }) => status)).toEqual([200, 200, 404])
    const change = await Promise.all(
      assets.map((id) => send('PATCH', `/api/v1/assets/${id}`, { token, body: BODIES['PATCH'] })),
    )
    expect(change.map(({ status }) => status)).toEqual([409, 404, 404])
  })

  it('reach everything of the organisation, and nothing of another, when they hold everywhere', async () => {
    const token = await signedIn(['owner'])
    const read = await Promise.all(assets.map((id) => send('GET', `/api/v1/assets/${id}`, { token })))
    expect(read.map(({ status }) => status)).toEqual([200, 200, 404])
    expect((await send('GET', '/metrics', { token })).status).toBe(200)
  })

  it('are asked for by every address that the API answers, and nothing comes without one', async () => {
    const token = await signedIn()
    for (const path of ['/api/v1/tags', '/api/v1/rooms', '/api/v1/stream', '/api/v1/assets', '/api/v1/facilities']) {
      expect((await send('GET', path, { token })).status).toBe(403)
    }
    expect((await send('GET', '/api/v1/me', { token })).body).toMatchObject({ rights: [] })
  })
})

describe('the chain', () => {
  it('has what was refused, once a minute, with who was refused and where', async () => {
    const token = await signedIn(['viewer', '4-east'])
    const { id } = (await send('GET', '/api/v1/me', { token })).body
    for (let i = 0; i < 3; i++) await send('PATCH', `/api/v1/assets/${assets[0]}`, { token, body: BODIES['PATCH'] })
    const refused = (await events('all')).filter(({ actor }: { actor: string }) => actor === `account:${id}`)
    expect(refused).toMatchObject([{ kind: 'security', action: 'refused', objectId: 'asset.edit', outcome: 'refused' }])
  })

  it('has a change with the account that made it', async () => {
    const token = await signedIn(['biomed', '4-east'])
    const { id } = (await send('GET', '/api/v1/me', { token })).body
    const changed = await send('PATCH', `/api/v1/assets/${assets[0]}`, {
      token,
      body: { row_version: 1, notes: 'seen' },
    })
    expect(changed.status).toBe(200)
    expect((await events('change'))[0]).toMatchObject({
      actor: `account:${id}`,
      object: 'asset.asset',
      objectId: assets[0],
    })
  })

  it('is checked by command against the heads that were kept, and says what is wrong by its exit code', async () => {
    expect((await command('bt_api', 'audit', 'anchor')).out).toMatch(/anchors\/marlow\.\d{12}\.json\n$/)
    const whole = await command('bt_api', 'audit', 'verify', '--json')
    expect(whole.code).toBe(0)
    expect(JSON.parse(whole.out)).toMatchObject({ org: 'marlow', whole: true, anchors: 1, problems: [] })
    expect(JSON.parse((await command('bt_api', 'audit', 'verify', '--org', 'other', '--json')).out)).toMatchObject({
      org: 'other',
      whole: true,
    })
    await centre.database.ownerClient.query(
      `set session_replication_role = replica; update audit.event set actor = 'nobody' where n = 3;
       set session_replication_role = origin`,
    )
    const changed = await command('bt_api', 'audit', 'verify')
    expect(changed.code).toBe(1)
    expect(changed.out).toContain('event 3  changed')
  })
})

describe('commands', () => {
  it('list and change accounts, roles and the policy', async () => {
    const accounts = await command('bt_api', 'accounts', 'list')
    expect(accounts.out).toContain('anna@example.org  Anna  active')
    expect(accounts.out).toContain('biomed@4-east')
    expect((await command('bt_api', 'accounts', 'grant', 'anna@example.org', 'viewer')).code).toBe(0)
    expect((await command('bt_api', 'accounts', 'revoke', 'anna@example.org', 'viewer')).code).toBe(0)
    expect((await command('bt_api', 'accounts', 'revoke', 'anna@example.org', 'viewer')).code).toBe(1)
    expect((await command('bt_api', 'roles', 'add', 'par', 'tag.read', 'asset.read', '--name', 'Par')).code).toBe(0)
    expect((await command('bt_api', 'roles', 'set', 'par', 'tag.read')).out).toBe('par: tag.read\n')
    expect((await command('bt_api', 'roles', 'set', 'owner', 'tag.read')).code).toBe(1)
    expect((await command('bt_api', 'roles', 'list')).out).toMatch(/^auditor /m)
    expect((await command('bt_api', 'security-policy', 'set', '--min-length', '14')).out).toContain('minLength  14')
    expect((await command('bt_api', 'security-policy', 'show')).out).toContain('maxFailures  5')
    expect((await command('bt_api', 'security-policy', 'set', '--min-length', '4')).code).toBe(2)
  })

  it('keep, hold and delete', async () => {
    expect((await command('bt_api', 'retention', 'set', 'fix', '90', '--basis', 'house rule')).code).toBe(0)
    expect((await command('bt_api', 'retention', 'list')).out).toContain('fix  90 days  house rule')
    const hold = await command('bt_api', 'hold', 'set', '--reason', 'case 12', '--json')
    const { id } = JSON.parse(hold.out)
    expect((await command('bt_api', 'retention', 'list')).out).toContain('held: nothing is deleted')
    expect((await command('bt_jobs', 'retention', 'apply')).out).toContain('months of the audit chain: none')
    expect((await command('bt_api', 'hold', 'lift', String(id))).code).toBe(0)
    expect((await command('bt_api', 'hold', 'list')).out).toContain('lifted')
  })

  it('enter, note and close an incident, and show how long there is to report it', async () => {
    const words = ['incident', 'open', 'A badge reader was stolen', '--kind', 'breach', '--persons', '3', '--json']
    const { id } = JSON.parse((await command('bt_api', ...words)).out)
    expect((await command('bt_api', 'incident', 'list')).out).toMatch(/report by .*, in 7[12] h/)
    expect((await command('bt_api', 'incident', 'note', String(id), 'told them', '--reported')).out).toContain(
      'reported 2',
    )
    expect((await command('bt_api', 'incident', 'close', String(id), 'found again')).out).toContain('closed 2')
    expect((await command('bt_api', 'incident', 'show', String(id))).out).toContain('told them')
    const late = ['incident', 'open', 'x', '--kind', 'loss', '--discovered', '2026-01-01T00:00:00Z']
    expect((await command('bt_api', ...late)).out).toContain('OVERDUE by')
    expect((await command('bt_api', 'incident', 'note', '99', 'x')).code).toBe(1)
  })
})
