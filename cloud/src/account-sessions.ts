import type { Clock } from '@biotrakr/shared'

import type { ScopedDatabase } from './tenancy/scope.ts'
import { redeemInvitation } from './trust/invitations.ts'
import { createPasswords } from './trust/passwords.ts'
import { ensureSystemRoles } from './trust/roles.ts'
import { endSession, findSession, markSeen, openSession, type SessionHolder } from './trust/sessions.ts'

interface Credentials {
  readonly email: string
  readonly password: string
  readonly address: string
}

/** Signing in and out of one organisation. */
export interface AccountSessions {
  /** @throws BioTrakrError UNAUTHENTICATED or OVERLOADED */
  open(credentials: Credentials): Promise<{ readonly token: string; readonly expiresAt: Date }>
  /** @returns undefined for a token of no session that is open */
  find(token: string): Promise<SessionHolder | undefined>
  end(holder: SessionHolder): Promise<void>
  /** Sets the password of an account by its invitation. @throws BioTrakrError INPUT_INVALID, UNAUTHENTICATED or OVERLOADED */
  redeem(invitation: { readonly code: string; readonly password: string; readonly address: string }): Promise<void>
  /** Gives the organisation the system roles of this release. */
  prepare(): Promise<void>
}

interface SessionParts {
  readonly orgId: number
  readonly clock: Clock
}

export function createAccountSessions(database: ScopedDatabase, { orgId, clock }: SessionParts): AccountSessions {
  const passwords = createPasswords()
  const scopeOf = (actor: string) => ({ orgId, facilities: 'all', actor }) as const
  const within = (actor: string) => ({
    read: <T>(work: Parameters<typeof database.read<T>>[1]) => database.read(scopeOf(actor), work),
    write: <T>(work: Parameters<typeof database.write<T>>[1]) => database.write(scopeOf(actor), work),
  })
  const front = within('sign-in')
  return {
    open: (credentials) => openSession(front, credentials, { passwords, nowMs: clock.wallMs() }),
    find: async (token) => {
      const nowMs = clock.wallMs()
      const holder = await front.read((client) => findSession(client, token, { nowMs }))
      if (holder?.mustMark) await front.write((client) => markSeen(client, holder.sessionId, { nowMs }))
      return holder
    },
    end: ({ sessionId, accountId }) =>
      within(`account:${accountId}`).write((client) => endSession(client, sessionId, { nowMs: clock.wallMs() })),
    redeem: (invitation) => redeemInvitation(front, invitation, { passwords, nowMs: clock.wallMs() }),
    prepare: () => within('system').write(ensureSystemRoles),
  }
}
