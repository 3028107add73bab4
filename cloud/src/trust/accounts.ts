import { randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput, notFound } from './input.ts'
import { type InvitationCode, makeInvitation } from './invitations.ts'
import type { AccountStatus } from './lists.ts'
import { unknownRole } from './roles.ts'
import { endSessions } from './sessions.ts'

interface Grant {
  readonly role: string
  /** Code of a facility; null = in all. */
  readonly facility: string | null
}

export interface Account {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly status: AccountStatus
  /** After too many wrong passwords. */
  readonly lockedUntil: Date | null
  readonly lastLoginAt: Date | null
  readonly roles: readonly Grant[]
}

const emailSchema = z.string().trim().toLowerCase().pipe(z.email('must be an e-mail address').max(254))
const inviteSchema = z.strictObject({ email: emailSchema, name: z.string().trim().min(1).max(200) })

interface Now {
  readonly nowMs: number
}

/** Accounts of the tenant in the order of their addresses. */
export async function listAccounts(client: ClientBase, { nowMs }: Now): Promise<readonly Account[]> {
  const { rows } = await client.query<Account>(
    `select a.id, a.email, a.display_name as name, a.status,
       case when a.locked_until > $1 then a.locked_until end as "lockedUntil", a.last_login_at as "lastLoginAt",
       coalesce((select json_agg(json_build_object('role', r.code, 'facility', f.code) order by r.code, f.code)
         from iam.account_role g join iam.role r on r.org_id = g.org_id and r.id = g.role_id
           left join site.facility f on f.org_id = g.org_id and f.id = g.facility_id
         where g.org_id = a.org_id and g.account_id = a.id and g.from_t <= $1 and (g.to_t is null or g.to_t > $1)),
         '[]') as roles
     from iam.account a where a.org_id = iam.current_org() order by a.email`,
    [new Date(nowMs)],
  )
  return rows
}

/**
 * Makes an account and a code with which its owner sets the password; for an account that is there, a new code.
 * @throws BioTrakrError INPUT_INVALID, or CONFLICT for an account that is locked
 */
export async function inviteAccount(
  client: ClientBase,
  input: unknown,
  { nowMs }: Now,
): Promise<InvitationCode & { readonly account: string; readonly email: string }> {
  const { email, name } = checkInput(inviteSchema, input)
  const { rows } = await client.query<{ id: string; status: AccountStatus }>(
    `with made as (
       insert into iam.account (id, org_id, email, display_name) values ($1, iam.current_org(), $2, $3)
       on conflict (org_id, email) do nothing returning id, status)
     select id, status from made
     union all select id, status from iam.account where org_id = iam.current_org() and email = $2`,
    [randomUUID(), email, name],
  )
  const account = rows[0]
  if (!account) throw unknownAccount(email)
  if (account.status === 'locked') {
    throw new BioTrakrError(`The account ${email} is locked`, {
      code: 'CONFLICT',
      next: 'Unlock it first: `biotrakr-cloud accounts unlock`.',
    })
  }
  return { ...(await makeInvitation(client, account.id, { nowMs })), account: account.id, email }
}

/** Keeps the account out from its next request on. @throws BioTrakrError NOT_FOUND */
export async function lockAccount(client: ClientBase, email: string, { nowMs }: Now): Promise<void> {
  const id = await accountId(client, email)
  await client.query(`update iam.account set status = 'locked' where org_id = iam.current_org() and id = $1`, [id])
  await endSessions(client, id, { nowMs, reason: 'locked' })
}

/** Lets the account in again, also after too many wrong passwords. @throws BioTrakrError NOT_FOUND */
export async function unlockAccount(client: ClientBase, email: string): Promise<void> {
  await client.query(
    `update iam.account set status = case when password_hash is null then 'invited' else 'active' end,
       failed_logins = 0, locked_until = null
     where org_id = iam.current_org() and id = $1`,
    [await accountId(client, email)],
  )
}

interface GrantWish {
  readonly role: string
  /** Code of a facility; in all without one. */
  readonly facility?: string | undefined
}

/** Gives a role. Twice the same is once. @throws BioTrakrError NOT_FOUND */
export async function grantRole(client: ClientBase, email: string, wish: GrantWish & Now): Promise<void> {
  const { account, role, facility } = await resolveGrant(client, email, wish)
  await client.query(
    `insert into iam.account_role (id, org_id, account_id, role_id, facility_id, from_t)
     values ($1, iam.current_org(), $2, $3, $4, $5)
     on conflict (org_id, account_id, role_id, facility_id) where to_t is null do nothing`,
    [randomUUID(), account, role, facility, new Date(wish.nowMs)],
  )
}

/** Takes a role away. @throws BioTrakrError NOT_FOUND, also when the account does not have it there */
export async function revokeRole(client: ClientBase, email: string, wish: GrantWish & Now): Promise<void> {
  const { account, role, facility } = await resolveGrant(client, email, wish)
  const { rowCount } = await client.query(
    `update iam.account_role set to_t = greatest($4, from_t)
     where org_id = iam.current_org() and account_id = $1 and role_id = $2 and facility_id is not distinct from $3
       and to_t is null`,
    [account, role, facility, new Date(wish.nowMs)],
  )
  if (rowCount) return
  const where = wish.facility === undefined ? 'in all facilities' : `in ${wish.facility}`
  throw notFound(`role "${wish.role}" ${where} that ${email} has`, 'See `biotrakr-cloud accounts list`.')
}

interface ResolvedGrant {
  readonly account: string
  readonly role: string
  readonly facility: number | null
}

async function resolveGrant(client: ClientBase, email: string, { role, facility }: GrantWish): Promise<ResolvedGrant> {
  const account = await accountId(client, email)
  const roles = await client.query<{ id: string }>(
    'select id from iam.role where org_id = iam.current_org() and code = $1',
    [role],
  )
  if (!roles.rows[0]) throw unknownRole(role)
  if (facility === undefined) return { account, role: roles.rows[0].id, facility: null }
  const places = await client.query<{ id: number }>(
    'select id from site.facility where org_id = iam.current_org() and code = $1',
    [facility],
  )
  if (!places.rows[0]) throw notFound(`facility "${facility}"`, 'Check its code.')
  return { account, role: roles.rows[0].id, facility: places.rows[0].id }
}

async function accountId(client: ClientBase, email: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'select id from iam.account where org_id = iam.current_org() and email = $1',
    [email.trim().toLowerCase()],
  )
  if (rows[0]) return rows[0].id
  throw unknownAccount(email)
}

function unknownAccount(email: string): BioTrakrError {
  return notFound(`account ${email}`, 'See `biotrakr-cloud accounts list`.')
}
