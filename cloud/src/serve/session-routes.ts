import { BioTrakrError, type Clock } from '@biotrakr/shared'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'

import { type Holder, type Identify, SESSION_COOKIE } from './identity.ts'
import { sendProblem } from './problems.ts'
import { createRequestLimit } from './request-limit.ts'

interface Sessions {
  /** @throws BioTrakrError UNAUTHENTICATED or OVERLOADED */
  open(credentials: {
    readonly email: string
    readonly password: string
    readonly address: string
  }): Promise<{ readonly token: string; readonly expiresAt: Date }>
  end(holder: Holder): Promise<void>
  /** @throws BioTrakrError UNAUTHENTICATED, INPUT_INVALID or OVERLOADED */
  redeem(invitation: { readonly code: string; readonly password: string; readonly address: string }): Promise<void>
}

interface SessionParts {
  readonly sessions: Sessions
  readonly identify: Identify
  readonly clock: Clock
  /** Whether the browser may send the cookie over TLS only. */
  readonly isTls: boolean
}

const loginSchema = z.strictObject({ email: z.string().min(1).max(254), password: z.string().min(1).max(1_024) })
const invitationSchema = z.strictObject({ code: z.string().min(1).max(100), password: z.string().min(1).max(1_024) })
/** Tries a minute; behind a proxy all come from its address. */
const LIMIT = { perAddress: 60, total: 300 }

/** Signing in and out, who one is, and the first password. */
export function addSessionRoutes(server: FastifyInstance, { sessions, identify, clock, isTls }: SessionParts): void {
  const limit = createRequestLimit(clock, LIMIT)
  const flags = `Path=/; HttpOnly; SameSite=Strict${isTls ? '; Secure' : ''}`

  const tryOnce = <T>(request: FastifyRequest, schema: z.ZodType<T>): T => {
    if (!limit.admits(request.ip)) throw tooMany()
    return checkBody(schema, request.body)
  }

  server.post('/api/v1/session', async (request, reply) => {
    const credentials = tryOnce(request, loginSchema)
    const { token, expiresAt } = await sessions.open({ ...credentials, address: request.ip })
    const seconds = Math.floor((expiresAt.getTime() - clock.wallMs()) / 1_000)
    reply.header('set-cookie', `${SESSION_COOKIE}=${token}; Max-Age=${seconds}; ${flags}`)
    return reply.code(201).send({ token, expires_at: expiresAt.toISOString() })
  })

  server.delete('/api/v1/session', async (request, reply) => {
    const identity = await identify(request)
    if (identity?.kind === 'account') await sessions.end(identity.holder)
    return reply.header('set-cookie', `${SESSION_COOKIE}=; Max-Age=0; ${flags}`).code(204).send()
  })

  server.post('/api/v1/invitation', async (request, reply) => {
    const invitation = tryOnce(request, invitationSchema)
    await sessions.redeem({ ...invitation, address: request.ip })
    return reply.code(204).send()
  })

  server.get('/api/v1/me', async (request, reply) => {
    const identity = await identify(request)
    if (!identity) return sendProblem(reply, 'unauthenticated')
    if (identity.kind === 'token') return { kind: 'token' }
    const { accountId, email, name, expiresAt, rights } = identity.holder
    return { kind: 'account', id: accountId, email, name, expires_at: expiresAt.toISOString(), rights }
  })
}

function checkBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  // Nothing of what was sent is repeated: it may be a password.
  const errors = result.error.issues.map(({ path, code }) => ({
    pointer: `/${path.join('/')}`,
    code,
    detail: 'is missing, too long or not known here',
  }))
  throw new BioTrakrError('The request is not understood', {
    code: 'INPUT_INVALID',
    next: 'Send the members that `errors` names as JSON.',
    details: { errors },
  })
}

function tooMany(): BioTrakrError {
  return new BioTrakrError('Too many tries', { code: 'OVERLOADED', next: 'Wait a minute.' })
}
