import { BioTrakrError } from '@biotrakr/shared'
import type { ClientBase } from 'pg'
import { z } from 'zod'

import { checkInput } from './input.ts'

/** How an organisation's accounts sign in. */
export interface SecurityPolicy {
  /** Characters of a password. */
  readonly minLength: number
  /** Wrong passwords in a row before an account is locked out. */
  readonly maxFailures: number
  readonly lockoutMin: number
  /** Minutes without a request after which a session ends. */
  readonly idleMin: number
  /** Hours after which a session ends whatever it does. */
  readonly absoluteH: number
}

const DEFAULTS: SecurityPolicy = { minLength: 12, maxFailures: 5, lockoutMin: 30, idleMin: 30, absoluteH: 12 }

const changeSchema = z.strictObject({
  minLength: z.int().min(8).max(128).optional(),
  maxFailures: z.int().min(1).max(100).optional(),
  lockoutMin: z.int().min(1).max(10_080).optional(),
  idleMin: z.int().min(1).max(10_080).optional(),
  absoluteH: z.int().min(1).max(720).optional(),
})

/** What holds for the tenant of the scope; the defaults where nothing was set. */
export async function readSecurityPolicy(client: ClientBase): Promise<SecurityPolicy> {
  const { rows } = await client.query<SecurityPolicy>(
    `select min_length as "minLength", max_failures as "maxFailures", lockout_min as "lockoutMin",
       idle_min as "idleMin", absolute_h as "absoluteH" from iam.security_policy`,
  )
  return rows[0] ?? DEFAULTS
}

/**
 * Changes what is named and leaves the rest; holds for the next sign-in and, the times, for sessions that are open.
 * @throws BioTrakrError INPUT_INVALID
 */
export async function changeSecurityPolicy(client: ClientBase, change: unknown): Promise<SecurityPolicy> {
  const wanted = checkInput(changeSchema, change)
  const named = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
  const next: SecurityPolicy = { ...(await readSecurityPolicy(client)), ...named }
  await client.query(
    `insert into iam.security_policy as p (org_id, min_length, max_failures, lockout_min, idle_min, absolute_h)
     values (iam.current_org(), $1, $2, $3, $4, $5)
     on conflict (org_id) do update set min_length = $1, max_failures = $2, lockout_min = $3, idle_min = $4,
       absolute_h = $5`,
    [next.minLength, next.maxFailures, next.lockoutMin, next.idleMin, next.absoluteH],
  )
  return next
}

const MAX_PASSWORD = 256

/** @throws BioTrakrError INPUT_INVALID for a password that this organisation does not take */
export function checkPassword(password: string, { policy, email }: { policy: SecurityPolicy; email: string }): void {
  const length = [...password].length
  const detail = passwordProblem(password, { length, minLength: policy.minLength, email })
  if (detail === undefined) return
  throw new BioTrakrError('The password cannot be taken', {
    code: 'INPUT_INVALID',
    next: `Choose one that ${detail.replace(/^must/, 'does').replace(/^does be/, 'is')}.`,
    details: { errors: [{ pointer: '/password', code: 'password', detail }] },
  })
}

function passwordProblem(
  password: string,
  { length, minLength, email }: { length: number; minLength: number; email: string },
): string | undefined {
  if (length < minLength) return `must be at least ${minLength} characters long`
  if (length > MAX_PASSWORD) return `must be at most ${MAX_PASSWORD} characters long`
  if (new Set(password).size < 5) return 'must be made of more than a few different characters'
  const [name = ''] = email.split('@')
  return name.length >= 4 && password.toLowerCase().includes(name) ? 'must be without your own name' : undefined
}
