import { createHmac, timingSafeEqual } from 'node:crypto'

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { sendProblem } from './problems.ts'

interface GuardOptions {
  /** Host name or address the server listens on. */
  readonly host: string
  /** What every request must carry; without one only this machine can connect. */
  readonly token: string | undefined
  /** Of a gateway, for its own site; follows from the token. */
  readonly gatewayToken: (token: string, gateway: string) => string
  /** Whether this server speaks TLS itself. */
  readonly isTls?: boolean
}

/** Whether somebody known sent it; what they may do is asked later, route by route. */
type IsKnown = (request: FastifyRequest) => Promise<boolean>

export interface Guard {
  /** Puts the checks and the security headers on every request. */
  protect(server: FastifyInstance, isKnown: IsKnown): void
  /** The headers alone, for answers that are given before any check runs. */
  stamp(reply: FastifyReply): FastifyReply
  /** Whether the request carries the token of this service, or needs none. */
  isAllowed(request: FastifyRequest): boolean
  /** Whether the request comes from this gateway, or from somebody who may see everything. */
  isGateway(request: FastifyRequest, gateway: string): boolean
  /** @returns the cookie that stands for the token, undefined when it is not the token */
  cookieFor(candidate: string): string | undefined
}

const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
/** They show nothing of anybody. */
const OPEN = ['/health', '/login', '/assets/base.css', '/assets/icon.svg', '/api/v1/session', '/api/v1/invitation']
/** Ask themselves who asks. */
const OWN_CHECK = [
  '/api/v1/gateways/:gateway/site',
  '/api/v1/gateways/:gateway/release',
  '/api/v1/gateways/:gateway/release/packages/:name',
]
const COOKIE = 'biotrakr_page'
const COOKIE_SECONDS = 12 * 3_600

/** One shared token: as `Authorization: Bearer`, or, for the page, as a cookie derived from it. */
export function createGuard({ host, token, gatewayToken, isTls = false }: GuardOptions): Guard {
  const session = token === undefined ? undefined : createHmac('sha256', token).update('page').digest('hex')

  const isAllowed = (request: FastifyRequest): boolean => {
    if (token === undefined || session === undefined) return true
    const bearer = bearerOf(request)
    if (bearer !== undefined) return isSame(bearer, token)
    const cookie = cookiesOf(request.headers.cookie).get(COOKIE)
    return cookie !== undefined && isSame(cookie, session)
  }

  // Without a token, a page of another site could have its own name lead to this machine and so read the answers.
  const isOurName = (request: FastifyRequest): boolean => {
    const { hostname } = request
    return token !== undefined || hostname === host || LOOPBACK.has(hostname)
  }

  const check = (isKnown: IsKnown) => async (request: FastifyRequest, reply: FastifyReply) => {
    stamp(reply)
    if (!isOurName(request) || isFromElsewhere(request)) return sendProblem(reply, 'misdirected')
    const route = request.routeOptions.url ?? ''
    if (OPEN.includes(route) || OWN_CHECK.includes(route) || (await isKnown(request))) return undefined
    const wantsPage = request.method === 'GET' && request.routeOptions.url === '/'
    return wantsPage ? reply.redirect('/login', 303) : sendProblem(reply, 'unauthenticated')
  }

  return {
    stamp,
    protect: (server, isKnown) => {
      server.addHook('onRequest', check(isKnown))
    },
    isAllowed,
    isGateway: (request, gateway) => {
      if (token === undefined || isAllowed(request)) return true
      const bearer = bearerOf(request)
      return bearer !== undefined && isSame(bearer, gatewayToken(token, gateway))
    },
    cookieFor: (candidate) => {
      if (token === undefined || session === undefined || !isSame(candidate, token)) return undefined
      return `${COOKIE}=${session}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Strict${isTls ? '; Secure' : ''}`
    },
  }
}

const READING = new Set(['GET', 'HEAD'])
const OWN_PAGE = new Set(['same-origin', 'none'])

/**
 * A change that a page of another site asks for through somebody's browser, which says so (Fetch Metadata, W3C). Where no
 * token is needed there is no cookie that the browser could keep back.
 */
function isFromElsewhere({ method, headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  return typeof site === 'string' && !READING.has(method) && !OWN_PAGE.has(site)
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

function stamp(reply: FastifyReply): FastifyReply {
  return reply.headers(SECURITY_HEADERS).header('x-request-id', reply.request.id).header('cache-control', 'no-store')
}

/** Takes the same time wherever the two differ, whatever their lengths. */
function isSame(candidate: string, secret: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(candidate), digest(secret))
}

export function cookiesOf(header: string | undefined): ReadonlyMap<string, string> {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim().split('=', 2))
  return new Map(pairs.map(([name = '', value = '']) => [name, value]))
}
