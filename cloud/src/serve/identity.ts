import type { FastifyRequest } from 'fastify'

import { cookiesOf } from './guard.ts'

/** What an account may do, and where, as read for one request. */
export interface Holder {
  readonly sessionId: string
  readonly accountId: string
  readonly email: string
  readonly name: string
  readonly expiresAt: Date
  readonly rights: readonly { readonly permission: string; readonly facilities: 'all' | readonly number[] }[]
}

/** Who sent a request: whoever holds the token of this service, or an account that signed in. */
export type Identity = { readonly kind: 'token' } | { readonly kind: 'account'; readonly holder: Holder }

/** @returns undefined for a request that comes from nobody known */
export type Identify = (request: FastifyRequest) => Promise<Identity | undefined>

interface IdentityParts {
  /** Whether the request carries the token of this service, or needs none. */
  readonly isService: (request: FastifyRequest) => boolean
  /** The holder of a session's token, undefined when the session is over. */
  readonly find: (token: string) => Promise<Holder | undefined>
}

export const SESSION_COOKIE = 'biotrakr_session'
const SESSION_TOKEN = /^Bearer +(bts_[\w-]+)$/i

/**
 * Asks the database once a request. Whoever shows a session is that account, also where no token would be needed; the
 * cookie of a session that is over counts as none.
 */
export function createIdentify({ isService, find }: IdentityParts): Identify {
  const known = new WeakMap<FastifyRequest, Promise<Identity | undefined>>()

  const identify: Identify = async (request) => {
    const service = isService(request) ? ({ kind: 'token' } as const) : undefined
    const bearer = SESSION_TOKEN.exec(request.headers.authorization ?? '')?.[1]
    if (request.headers.authorization !== undefined && bearer === undefined) return service
    const token = bearer ?? cookiesOf(request.headers.cookie).get(SESSION_COOKIE)
    if (token === undefined) return service
    const holder = await find(token)
    if (holder) return { kind: 'account', holder }
    return bearer === undefined ? service : undefined
  }

  return (request) => {
    const before = known.get(request)
    if (before) return before
    const identity = identify(request)
    known.set(request, identity)
    return identity
  }
}

/** Where this one may do it: everywhere, in some facilities, or nowhere. */
export function reachOf(identity: Identity, permission: string): 'all' | readonly number[] | undefined {
  if (identity.kind === 'token') return 'all'
  return identity.holder.rights.find((right) => right.permission === permission)?.facilities
}
