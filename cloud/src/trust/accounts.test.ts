import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { grantRole, inviteAccount, listAccounts, lockAccount, revokeRole, unlockAccount } from './accounts.ts'
import { redeemInvitation } from './invitations.ts'
import { PERMISSIONS, SYSTEM_ROLES } from './lists.ts'
import { createPasswords } from './passwords.ts'
import { changeSecurityPolicy, readSecurityPolicy } from './policy.ts'
import { addRole, changeRole, ensureSystemRoles, listRoles } from './roles.ts'
import { endSession, findSession, markSeen, openSession, rightsOf } from './sessions.ts'
import { createTestTenants, type TestScope, type TestTenants } from './test-tenants.ts'

const PASSWORD = 'correct horse battery'
const NOW = Date.UTC(2026, 4, 1, 12)
const MINUTE = 60_000
const passwords = createPasswords({ N: 2 ** 10, r: 8, p: 1 })
const address = '192.0.2.7'

let tenants: TestTenants
let one: TestScope
let two: TestScope
let made = 0

beforeAll(async () => {
  tenants = await createTestTenants()
  one = tenants.within(tenants.orgs[0])
  two = tenants.within(tenants.orgs[1])
  for (const tenant of [one, two]) await tenant.write(ensureSystemRoles)
})
afterAll(() => tenants.stop())

const invite = (email: string, tenant = one, nowMs = NOW) =>
  tenant.write((client) => inviteAccount(client, { email, name: 'Anna Example' }, { nowMs }))
const redeem = (code: string, password = PASSWORD, nowMs = NOW) =>
  redeemInvitation(one, { code, password, address }, { passwords, nowMs })
const signIn = (email: string, password = PASSWORD, nowMs = NOW) =>
  openSession(one, { email, password, address }, { passwords, nowMs })
const find = (token: string, nowMs = NOW) => one.read((client) => findSession(client, token, { nowMs }))

async function newAccount(): Promise<string> {
  made += 1
  const email = `person${made}@example.org`
  await redeem((await invite(email)).code)
  return email
}

const logins = async (action: string) => {
  const { rows } = await one.read((client) =>
    client.query('select action, outcome, address from audit.login_history where action = $1 order by n desc limit 1', [
      action,
    ]),
  )
  return rows[0]
}

describe('an invitation', () => {
  it('lets its owner set a password and sign in, whatever case the address is typed in', async () => {
    const { code, email } = await invite(' Anna@Example.ORG ')
    expect(email).toBe('anna@example.org')
    await expect(signIn(email)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await redeem(code)
    expect((await signIn('ANNA@example.org')).token).toMatch(/^bts_/)
    expect(await logins('login')).toEqual({ action: 'login', outcome: 'ok', address })
  })

  it('holds once, for three days, and no longer than the next one', async () => {
    const first = await invite('once@example.org')
    const second = await invite('once@example.org')
    await expect(redeem(first.code)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(redeem(second.code, PASSWORD, NOW + 73 * 60 * MINUTE)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
    await redeem(second.code)
    await expect(redeem(second.code)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(redeem('nonsense')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it.each([
    ['short', 'at least 12'],
    ['aaaaaaaaaaaaaaaa', 'a few different'],
    ['xx-chosen-2026-yy', 'your own name'],
  ])('takes no password such as %s', async (password, words) => {
    const { code } = await invite('chosen@example.org')
    await expect(redeem(code, password)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ detail: expect.stringContaining(words) }] },
    })
  })

  it('of one organisation is nothing in another', async () => {
    const { code } = await invite('theirs@example.org', two)
    await expect(redeem(code)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('ends the sessions that are open, since somebody else may have known the old password', async () => {
    const email = await newAccount()
    const { token } = await signIn(email)
    await redeem((await invite(email)).code, 'another long password')
    expect(await find(token)).toBeUndefined()
    expect((await signIn(email, 'another long password')).token).toBeDefined()
  })

  it('needs an address and a name, and says all that is wrong', async () => {
    const wrong = one.write((client) =>
      inviteAccount(client, { email: 'nobody', name: '', admin: true }, { nowMs: NOW }),
    )
    await expect(wrong).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { errors: [{ pointer: '/email' }, { pointer: '/name' }, { pointer: '/admin' }] },
    })
  })
})

describe('signing in', () => {
  it('is refused in the same words for a wrong password, for nobody and for a locked account', async () => {
    const email = await newAccount()
    const locked = await newAccount()
    await one.write((client) => lockAccount(client, locked, { nowMs: NOW }))
    const words = await Promise.all(
      [signIn(email, 'wrong password!'), signIn('nobody@example.org'), signIn(locked)].map((attempt) =>
        attempt.then(String, String),
      ),
    )
    expect(new Set(words).size).toBe(1)
    expect(words[0]).toContain('The address or the password is wrong')
  })

  it('is locked out after five wrong passwords, for half an hour, also with the right one', async () => {
    const email = await newAccount()
    for (let i = 0; i < 5; i++) await expect(signIn(email, 'wrong password!')).rejects.toThrow()
    expect(await logins('lockout')).toMatchObject({ outcome: 'refused' })
    await expect(signIn(email)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await logins('login')).toMatchObject({ outcome: 'refused' })
    await expect(signIn(email, PASSWORD, NOW + 29 * MINUTE)).rejects.toThrow()
    expect((await signIn(email, PASSWORD, NOW + 30 * MINUTE)).token).toBeDefined()
  })

  it('counts wrong passwords in a row only', async () => {
    const email = await newAccount()
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 4; i++) await expect(signIn(email, 'wrong password!')).rejects.toThrow()
      await signIn(email)
    }
  })

  it('counts wrong passwords that come at once, each', async () => {
    const email = await newAccount()
    await Promise.allSettled(Array.from({ length: 8 }, () => signIn(email, 'wrong password!')))
    await expect(signIn(email)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('opens again when an administrator unlocks the account', async () => {
    const email = await newAccount()
    for (let i = 0; i < 5; i++) await expect(signIn(email, 'wrong password!')).rejects.toThrow()
    await one.write((client) => unlockAccount(client, email))
    expect((await signIn(email)).token).toBeDefined()
  })

  it('raises the strength of a hash that was made with less', async () => {
    const email = await newAccount()
    const stronger = createPasswords({ N: 2 ** 11, r: 8, p: 1 })
    await openSession(one, { email, password: PASSWORD, address }, { passwords: stronger, nowMs: NOW })
    const { rows } = await one.read((client) =>
      client.query('select password_hash from iam.account where email = $1', [email]),
    )
    expect(rows[0].password_hash).toMatch(/^scrypt\$2048\$/)
  })

  it('leaves neither password nor token in the database', async () => {
    const email = await newAccount()
    const { token } = await signIn(email)
    const { rows } = await tenants.database.ownerClient.query(
      `select (select json_agg(e)::text from audit.event e) || (select json_agg(s)::text from iam.session s)
         || (select json_agg(a)::text from iam.account a) as everything`,
    )
    expect(rows[0].everything).not.toContain(token)
    expect(rows[0].everything).not.toContain(PASSWORD)
    const { rows: events } = await tenants.database.ownerClient.query(
      `select json_agg(e)::text as text from audit.event e where object = 'iam.account'`,
    )
    expect(events[0].text).not.toContain('scrypt$')
  })
})

describe('a session', () => {
  it('ends after half an hour without a request, and goes on with one', async () => {
    const { token } = await signIn(await newAccount())
    const holder = await find(token, NOW + 29 * MINUTE)
    expect(holder?.mustMark).toBe(true)
    await one.write((client) => markSeen(client, holder?.sessionId ?? '', { nowMs: NOW + 29 * MINUTE }))
    expect(await find(token, NOW + 58 * MINUTE)).toBeDefined()
    expect(await find(token, NOW + 59 * MINUTE)).toBeUndefined()
  })

  it('ends after twelve hours whatever it does, and with a shorter policy at once', async () => {
    const { token, expiresAt } = await signIn(await newAccount())
    expect(expiresAt.getTime()).toBe(NOW + 12 * 60 * MINUTE)
    const holder = await find(token)
    const lateMs = NOW + 719 * MINUTE
    await one.write((client) => markSeen(client, holder?.sessionId ?? '', { nowMs: lateMs }))
    expect(await find(token, lateMs)).toBeDefined()
    expect(await find(token, lateMs + MINUTE)).toBeUndefined()
    await one.write((client) => changeSecurityPolicy(client, { absoluteH: 11 }))
    expect(await find(token, lateMs)).toBeUndefined()
    await one.write((client) => changeSecurityPolicy(client, { absoluteH: 12 }))
  })

  it('ends by signing out and by locking the account', async () => {
    const email = await newAccount()
    const first = await signIn(email)
    const second = await signIn(email)
    const holder = await find(first.token)
    await one.write((client) => endSession(client, holder?.sessionId ?? '', { nowMs: NOW }))
    expect(await find(first.token)).toBeUndefined()
    expect(await find(second.token)).toBeDefined()
    await one.write((client) => lockAccount(client, email, { nowMs: NOW }))
    expect(await find(second.token)).toBeUndefined()
  })

  it('of one organisation is nothing in another', async () => {
    const { token } = await signIn(await newAccount())
    expect(await two.read((client) => findSession(client, token, { nowMs: NOW }))).toBeUndefined()
    expect(await find('bts_nonsense')).toBeUndefined()
  })
})

describe('roles', () => {
  it('are the same list in the database and here', async () => {
    const { rows } = await tenants.database.ownerClient.query(
      `select pg_get_constraintdef(oid) as text from pg_constraint
       where conrelid = 'iam.role'::regclass and pg_get_constraintdef(oid) like '%permissions%'`,
    )
    const listed = [...rows[0].text.matchAll(/'([a-z.]+)'/g)].map(([, permission]) => permission)
    expect(listed).toEqual([...PERMISSIONS])
    expect(PERMISSIONS).toHaveLength(56)
  })

  it('of the product are rows, kept as this release has them', async () => {
    await tenants.database.ownerClient.query(
      `begin; select set_config('app.org', '${tenants.orgs[0]}', true), set_config('app.actor', 'test', true);
       update iam.role set permissions = '{org.read}' where code = 'viewer'; commit`,
    )
    await one.write(ensureSystemRoles)
    const roles = await one.read(listRoles)
    for (const { code, permissions } of SYSTEM_ROLES) {
      const stored = roles.find((role) => role.code === code)
      expect(stored).toMatchObject({ system: true, permissions: [...permissions].sort() })
    }
    const versions = roles.map(({ version }) => version)
    await one.write(ensureSystemRoles)
    expect((await one.read(listRoles)).map(({ version }) => version)).toEqual(versions)
  })

  it('can be added by an organisation, changed by it, and are its own', async () => {
    await one.write((client) => addRole(client, { code: 'par', name: 'Par', permissions: ['tag.read', 'asset.read'] }))
    const again = one.write((client) => addRole(client, { code: 'par', name: 'Par', permissions: ['tag.read'] }))
    await expect(again).rejects.toMatchObject({ code: 'CONFLICT' })
    const changed = await one.write((client) => changeRole(client, 'par', { permissions: ['tag.read'] }))
    expect(changed).toMatchObject({ permissions: ['tag.read'], version: 2 })
    expect((await two.read(listRoles)).some(({ code }) => code === 'par')).toBe(false)
    await expect(one.write((client) => changeRole(client, 'owner', { name: 'x' }))).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    const unknown = one.write((client) => addRole(client, { code: 'P', name: 'x', permissions: ['all.things'] }))
    await expect(unknown).rejects.toMatchObject({
      details: { errors: [{ pointer: '/code' }, { pointer: '/permissions/0' }] },
    })
  })

  it('hold where they were given: biomed in one facility, viewer in another', async () => {
    const email = await newAccount()
    const [a, b] = tenants.facilities
    const grant = (role: string, facility?: string) =>
      one.write((client) => grantRole(client, email, { role, facility, nowMs: NOW }))
    await grant('biomed', 'a')
    await grant('biomed', 'a')
    await grant('viewer', 'b')
    const { token } = await signIn(email)
    const rights = async (nowMs: number) => {
      const holder = await find(token)
      const all = await one.read((client) => rightsOf(client, holder?.accountId ?? '', { nowMs }))
      return Object.fromEntries(all.map(({ permission, facilities }) => [permission, facilities]))
    }
    expect(await rights(NOW)).toMatchObject({ 'asset.edit': [a], 'asset.read': [a, b] })
    expect((await rights(NOW))['finance.read']).toBeUndefined()
    await one.write((client) => revokeRole(client, email, { role: 'biomed', facility: 'a', nowMs: NOW + MINUTE }))
    expect((await rights(NOW + MINUTE))['asset.edit']).toBeUndefined()
    await grant('viewer')
    expect((await rights(NOW + MINUTE))['asset.read']).toBe('all')
    const account = (await one.read((client) => listAccounts(client, { nowMs: NOW + MINUTE }))).find(
      (each) => each.email === email,
    )
    expect(account?.roles).toEqual([
      { role: 'viewer', facility: 'b' },
      { role: 'viewer', facility: null },
    ])
  })

  it.each([
    ['an account', 'nobody@example.org', 'viewer', undefined],
    ['a role', 'anna@example.org', 'emperor', undefined],
    ['a facility', 'anna@example.org', 'viewer', 'c'],
  ])('cannot be given where there is no such thing as %s', async (_what, email, role, facility) => {
    await expect(one.write((client) => grantRole(client, email, { role, facility, nowMs: NOW }))).rejects.toMatchObject(
      { code: 'NOT_FOUND' },
    )
  })

  it('cannot be taken from who has not got them', async () => {
    const nothing = one.write((client) =>
      revokeRole(client, 'anna@example.org', { role: 'owner', facility: 'b', nowMs: NOW }),
    )
    await expect(nothing).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('the policy', () => {
  it('has defaults, takes what is named and refuses what is unsafe', async () => {
    expect(await two.read(readSecurityPolicy)).toEqual({
      minLength: 12,
      maxFailures: 5,
      lockoutMin: 30,
      idleMin: 30,
      absoluteH: 12,
    })
    await two.write((client) => changeSecurityPolicy(client, { maxFailures: 3, idleMin: 5 }))
    expect(await two.read(readSecurityPolicy)).toMatchObject({ minLength: 12, maxFailures: 3, idleMin: 5 })
    expect(await one.read(readSecurityPolicy)).toMatchObject({ maxFailures: 5 })
    await expect(two.write((client) => changeSecurityPolicy(client, { minLength: 4 }))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
  })
})

describe('row security', () => {
  it.each(['account', 'role', 'account_role', 'session', 'invitation', 'security_policy'])(
    'keeps iam.%s of one organisation from another',
    async (table) => {
      const { rows } = await tenants.database.ownerClient.query(
        `select count(*)::int as n from iam.${table} where org_id = $1`,
        [tenants.orgs[0]],
      )
      expect(rows[0].n).toBeGreaterThan(0)
      const seen = await two.read((client) =>
        client.query(`select from iam.${table} where org_id = $1`, [tenants.orgs[0]]),
      )
      expect(seen.rowCount).toBe(0)
    },
  )

  it('shows grants of the facilities that a caller reaches, and those of all', async () => {
    const seen = await tenants
      .within(tenants.orgs[0], [tenants.facilities[1]])
      .read((client) => client.query('select distinct facility_id from iam.account_role order by 1'))
    expect(seen.rows.map(({ facility_id }) => facility_id)).toEqual([tenants.facilities[1], null])
  })
})
