import { createHash, randomBytes, randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import type { SessionEnd } from './lists.ts'
import type { Passwords } from './passwords.ts'
import { readSecurityPolicy } from './policy.ts'

/** A permission and where it holds. */
interface Right {
  readonly permission: string
  readonly facilities: 'all' | readonly number[]
}

/** Whose session a token is, and what this account may do at this moment. */
export interface SessionHolder {
  readonly sessionId: string
  readonly accountId: string
  readonly email: string
  readonly name: string
  readonly expiresAt: Date
  readonly rights: readonly Right[]
}

const TOKEN = /^bts_[\w-]{43}$/
const MINUTE_MS = 60_000
/** A session is marked as seen no more often than this. */
const SEEN_MS = 60_000

/** @returns undefined for what cannot be the token of a session */
function digestOf(token: string): Buffer | undefined {
  return TOKEN.test(token) ? createHash('sha256').update(token).digest() : undefined
}

interface Held {
  readonly sessionId: string
  readonly accountId: string
  readonly email: string
  readonly name: string
  readonly createdAt: Date
  readonly lastSeenAt: Date
}

/**
 * Reads the session of a token within a scope of all facilities.
 * @returns undefined for one that is unknown, over, idle for too long, or of an account that may not sign in
 */
export async function findSession(
  client: ClientBase,
  token: string,
  { nowMs }: { nowMs: number },
): Promise<(SessionHolder & { readonly mustMark: boolean }) | undefined> {
  const digest = digestOf(token)
  if (!digest) return undefined
  const { rows } = await client.query<Held>(
    `select s.id as "sessionId", a.id as "accountId", a.email, a.display_name as name, s.created_at as "createdAt",
       s.last_seen_at as "lastSeenAt"
     from iam.session s join iam.account a on a.org_id = s.org_id and a.id = s.account_id
     where s.org_id = iam.current_org() and s.token_sha256 = $1 and s.ended_at is null and a.status = 'active'`,
    [digest],
  )
  const held = rows[0]
  if (!held) return undefined
  const { idleMin, absoluteH } = await readSecurityPolicy(client)
  const { sessionId, accountId, email, name, createdAt, lastSeenAt } = held
  const endMs = createdAt.getTime() + absoluteH * 60 * MINUTE_MS
  const idleEndMs = lastSeenAt.getTime() + idleMin * MINUTE_MS
  if (nowMs >= endMs || nowMs >= idleEndMs) return undefined
  const rights = await rightsOf(client, accountId, { nowMs })
  const mustMark = nowMs - lastSeenAt.getTime() >= SEEN_MS
  return { sessionId, accountId, email, name, expiresAt: new Date(endMs), rights, mustMark }
}

/** The union, for each permission, of the facilities in which a role with it holds. */
export async function rightsOf(
  client: ClientBase,
  accountId: string,
  { nowMs }: { nowMs: number },
): Promise<readonly Right[]> {
  const { rows } = await client.query<{ permission: string; everywhere: boolean; facilities: number[] }>(
    `select p.permission, bool_or(g.facility_id is null) as everywhere,
       coalesce(array_agg(distinct g.facility_id) filter (where g.facility_id is not null), '{}') as facilities
     from iam.account_role g join iam.role r on r.org_id = g.org_id and r.id = g.role_id,
       unnest(r.permissions) as p (permission)
     where g.org_id = iam.current_org() and g.account_id = $1 and g.from_t <= $2 and (g.to_t is null or g.to_t > $2)
     group by p.permission order by p.permission`,
    [accountId, new Date(nowMs)],
  )
  return rows.map(({ permission, everywhere, facilities }) => ({
    permission,
    facilities: everywhere ? 'all' : facilities,
  }))
}

/** Moves the time from which idleness counts. */
export async function markSeen(client: ClientBase, sessionId: string, { nowMs }: { nowMs: number }): Promise<void> {
  await client.query(
    'update iam.session set last_seen_at = $2 where org_id = iam.current_org() and id = $1 and last_seen_at < $2',
    [sessionId, new Date(nowMs)],
  )
}

/** Ends one session. */
export async function endSession(client: ClientBase, sessionId: string, { nowMs }: { nowMs: number }): Promise<void> {
  const { rows } = await client.query<{ account_id: string }>(
    `update iam.session set ended_at = $2, end_reason = 'logout'
     where org_id = iam.current_org() and id = $1 and ended_at is null returning account_id`,
    [sessionId, new Date(nowMs)],
  )
  if (rows[0]) await noteLogin(client, { action: 'logout', account: rows[0].account_id, outcome: 'ok' })
}

/** Ends all sessions of an account. */
export async function endSessions(
  client: ClientBase,
  accountId: string,
  { nowMs, reason }: { readonly nowMs: number; readonly reason: SessionEnd },
): Promise<void> {
  await client.query(
    `update iam.session set ended_at = $2, end_reason = $3
     where org_id = iam.current_org() and account_id = $1 and ended_at is null`,
    [accountId, new Date(nowMs), reason],
  )
}

interface Work {
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

interface Credentials {
  readonly email: string
  readonly password: string
  /** Whence the request came, for the login history. */
  readonly address: string
}

interface OpenedSession {
  /** Shown once; only its digest is kept. */
  readonly token: string
  readonly expiresAt: Date
}

interface Account {
  readonly id: string
  readonly status: string
  readonly password_hash: string | null
  readonly failed_logins: number
  readonly locked_until: Date | null
}

const ACCOUNT = `select id, status, password_hash, failed_logins, locked_until from iam.account
  where org_id = iam.current_org() and email = $1`

/**
 * Signs in. A wrong address, a wrong password and an account that is locked are answered in the same words and after the
 * same work, so that nobody learns who has an account; the login history tells them apart.
 * @param within transactions of all facilities of the organisation
 * @throws BioTrakrError UNAUTHENTICATED, or OVERLOADED
 */
export async function openSession(
  within: Work,
  { email: typed, password, address }: Credentials,
  { passwords, nowMs }: { readonly passwords: Passwords; readonly nowMs: number },
): Promise<OpenedSession> {
  const email = typed.trim().toLowerCase()
  const before = await within.read(async (client) => (await client.query<Account>(ACCOUNT, [email])).rows[0])
  // Not within a transaction: it takes a good part of a second.
  const isRight = await passwords.verify(password, before?.password_hash ?? undefined)
  const renewed =
    isRight && before?.password_hash && passwords.isOutdated(before.password_hash)
      ? await passwords.hash(password)
      : null
  const opened = await within.write(async (client) => {
    const account = (await client.query<Account>(`${ACCOUNT} for update`, [email])).rows[0]
    const mayEnter = account !== undefined && isOpen(account, nowMs)
    if (!mayEnter || account.password_hash !== before?.password_hash || !isRight) {
      await noteFailure(client, account, { nowMs, address, isOpen: mayEnter })
      return undefined
    }
    await client.query(
      `update iam.account set failed_logins = 0, locked_until = null, last_login_at = $2
       where org_id = iam.current_org() and id = $1`,
      [account.id, new Date(nowMs)],
    )
    if (renewed !== null) {
      await client.query('update iam.account set password_hash = $2 where org_id = iam.current_org() and id = $1', [
        account.id,
        renewed,
      ])
    }
    await noteLogin(client, { action: 'login', account: account.id, outcome: 'ok', address })
    return storeSession(client, account.id, nowMs)
  })
  if (opened) return opened
  throw new BioTrakrError('The address or the password is wrong, or the account may not sign in now', {
    code: 'UNAUTHENTICATED',
    next: 'Check both; after several wrong passwords wait, or ask an administrator for a new invitation.',
  })
}

function isOpen({ status, locked_until }: Account, nowMs: number): boolean {
  return status === 'active' && (locked_until === null || locked_until.getTime() <= nowMs)
}

async function storeSession(client: ClientBase, accountId: string, nowMs: number): Promise<OpenedSession> {
  const { absoluteH } = await readSecurityPolicy(client)
  const token = `bts_${randomBytes(32).toString('base64url')}`
  const expiresAt = new Date(nowMs + absoluteH * 60 * MINUTE_MS)
  await client.query(
    `insert into iam.session (id, org_id, account_id, token_sha256, created_at, last_seen_at, expires_at)
     values ($1, iam.current_org(), $2, $3, $4, $4, $5)`,
    [randomUUID(), accountId, digestOf(token), new Date(nowMs), expiresAt],
  )
  return { token, expiresAt }
}

interface Failure {
  readonly nowMs: number
  readonly address: string
  readonly isOpen: boolean
}

async function noteFailure(client: ClientBase, account: Account | undefined, failure: Failure): Promise<void> {
  const { nowMs, address, isOpen: counts } = failure
  // What somebody typed in the wrong field may be a password, so it is not kept.
  await noteLogin(client, {
    action: 'login',
    account: account?.id ?? 'unknown',
    outcome: account && !counts ? 'refused' : 'failed',
    address,
  })
  if (!account || !counts) return
  const { maxFailures, lockoutMin } = await readSecurityPolicy(client)
  const failures = account.failed_logins + 1
  const isOver = failures >= maxFailures
  await client.query(
    `update iam.account set failed_logins = $2, locked_until = $3 where org_id = iam.current_org() and id = $1`,
    [account.id, isOver ? 0 : failures, isOver ? new Date(nowMs + lockoutMin * MINUTE_MS) : null],
  )
  if (isOver) await noteLogin(client, { action: 'lockout', account: account.id, outcome: 'refused', address })
}

interface LoginNote {
  readonly action: 'login' | 'logout' | 'lockout' | 'password'
  /** Id of the account, or `unknown`. */
  readonly account: string
  readonly outcome: 'ok' | 'failed' | 'refused'
  readonly address?: string
}

/** Puts an event into the login history. */
export async function noteLogin(client: ClientBase, { action, account, outcome, address }: LoginNote): Promise<void> {
  await client.query(`select audit.append('login', $1, 'iam.account', $2, new => $3::jsonb, outcome => $4)`, [
    action,
    account,
    address === undefined ? null : JSON.stringify({ address }),
    outcome,
  ])
}
