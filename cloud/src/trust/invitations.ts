import { createHash, randomBytes, randomUUID } from 'node:crypto'

import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'

import type { Passwords } from './passwords.ts'
import { checkPassword, readSecurityPolicy } from './policy.ts'
import { endSessions, noteLogin } from './sessions.ts'

/** With this, once and for a time, somebody sets the password of an account. */
export interface InvitationCode {
  readonly code: string
  readonly until: Date
}

const CODE_MS = 72 * 3_600_000
const CODE = /^bti_[\w-]{43}$/

/** Makes a code; earlier ones of the account hold no longer. */
export async function makeInvitation(
  client: ClientBase,
  accountId: string,
  { nowMs }: { nowMs: number },
): Promise<InvitationCode> {
  const code = `bti_${randomBytes(32).toString('base64url')}`
  const until = new Date(nowMs + CODE_MS)
  await client.query(
    `update iam.invitation set used_at = $2 where org_id = iam.current_org() and account_id = $1 and used_at is null`,
    [accountId, new Date(nowMs)],
  )
  await client.query(
    `insert into iam.invitation (id, org_id, account_id, digest, created_at, expires_at)
     values ($1, iam.current_org(), $2, $3, $4, $5)`,
    [randomUUID(), accountId, digestOf(code), new Date(nowMs), until],
  )
  return { code, until }
}

interface Work {
  read<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  write<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
}

interface Redemption {
  readonly code: string
  readonly password: string
  /** Whence the request came, for the login history. */
  readonly address: string
}

interface Open {
  readonly id: string
  readonly account_id: string
  readonly email: string
}

const OPEN = `select i.id, i.account_id, a.email
  from iam.invitation i join iam.account a on a.org_id = i.org_id and a.id = i.account_id
  where i.org_id = iam.current_org() and i.digest = $1 and i.used_at is null and i.expires_at > $2
    and a.status <> 'locked'`

/**
 * Sets the password of the account that was invited, ends its sessions and lets it sign in.
 * @throws BioTrakrError UNAUTHENTICATED for a code that does not hold, INPUT_INVALID for the password, or OVERLOADED
 */
export async function redeemInvitation(
  within: Work,
  { code, password, address }: Redemption,
  { passwords, nowMs }: { readonly passwords: Passwords; readonly nowMs: number },
): Promise<void> {
  const key = [digestOf(code), new Date(nowMs)]
  const { open, policy } = await within.read(async (client) => ({
    open: CODE.test(code) ? (await client.query<Open>(OPEN, key)).rows[0] : undefined,
    policy: await readSecurityPolicy(client),
  }))
  if (!open) throw noInvitation()
  checkPassword(password, { policy, email: open.email })
  const hash = await passwords.hash(password)
  const isDone = await within.write(async (client) => {
    const still = (await client.query<Open>(`${OPEN} for update`, key)).rows[0]
    if (!still) return false
    const now = new Date(nowMs)
    await client.query('update iam.invitation set used_at = $2 where org_id = iam.current_org() and id = $1', [
      still.id,
      now,
    ])
    await client.query(
      `update iam.account set password_hash = $2, password_set_at = $3, status = 'active', failed_logins = 0,
         locked_until = null
       where org_id = iam.current_org() and id = $1`,
      [still.account_id, hash, now],
    )
    await endSessions(client, still.account_id, { nowMs, reason: 'password' })
    await noteLogin(client, { action: 'password', account: still.account_id, outcome: 'ok', address })
    return true
  })
  if (!isDone) throw noInvitation()
}

function digestOf(code: string): Buffer {
  return createHash('sha256').update(code).digest()
}

function noInvitation(): BioTrakrError {
  return new BioTrakrError('This invitation does not hold', {
    code: 'UNAUTHENTICATED',
    next: 'It holds once and for three days; ask for a new one.',
  })
}
