import type { TLSSocket } from 'node:tls'

import {
  BioTrakrError,
  type Clock,
  certificateRequestSchema,
  enrolmentPaths,
  explainError,
  type GatewayId,
  renewalRequestSchema,
} from '@biotrakr/shared'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import type { z } from 'zod'

import { createRequestLimit } from './request-limit.ts'
import type { ServerCertificate } from './server-certificate.ts'

/** What decides. */
export interface EnrolmentDesk {
  /** PEM of the authority that the servers of this centre are vouched for by. */
  readonly ca: string
  enrol(gateway: GatewayId, secret: Uint8Array, request: string): Promise<Answer>
  /** @param certificate as it was shown on this connection, DER; whose it is and whether it is ours is not yet checked */
  renew(certificate: Uint8Array, request: string, store: string | undefined): Promise<Answer>
}

type Answer =
  | { readonly ok: true; readonly certificate: string; readonly gateway: GatewayId; readonly serial: string }
  | { readonly ok: false; readonly code: string; readonly gateway: GatewayId | undefined }

interface Options {
  readonly desk: EnrolmentDesk
  /** Of this server, followed by its authority's; and who vouches for the certificates that may be shown here. */
  readonly tls: ServerCertificate['settings']
  readonly clock: Clock
  readonly log: Logger
}

const MAX_CONNECTIONS = 256
const MAX_BODY_BYTES = 12_288
/** Requests a minute: enough for an installer with ten boxes, and for a hospital's boxes behind one address. */
const LIMITS = { enrolPerAddress: 20, otherPerAddress: 600, enrolTotal: 300 } as const

const REFUSALS: Readonly<Record<string, string>> = {
  CODE_INVALID: 'There is no such gateway or no such code. Ask the operator for a new code.',
  CODE_EXPIRED: 'The code is too old. Ask the operator for a new one.',
  CODE_USED: 'The code has been used already. If that was not this box, tell the operator at once.',
  CERTIFICATE_NONE: 'Renewal needs the present certificate of the gateway.',
  CERTIFICATE_UNKNOWN: 'That certificate is not one of this centre. Enrol again with a code.',
  REVOKED: 'This gateway was revoked. Ask the operator.',
  EXPIRED: 'The certificate expired too long ago. Enrol again with a code.',
  STORE_MISMATCH: 'The certificate has expired and the store is not the one known here. Enrol again with a code.',
  TOO_MANY: 'This gateway has too many valid certificates. Wait until some have expired, or enrol again with a code.',
  CERTIFICATE_REQUEST: 'The certificate request cannot be used: it needs a P-256 key and a signature by it.',
  BUSY: 'Too many requests. Try again in a minute.',
  NOT_UNDERSTOOD: 'The request is not understood.',
  INTERNAL: 'Something went wrong here. Try again in a minute.',
}

/** Gives out and renews certificates over HTTPS; listens on nothing yet. Says nothing to anybody else. */
export function createEnrolServer(options: Options): FastifyInstance {
  const { desk, tls, clock, log } = options
  const enrolLimit = createRequestLimit(clock, { perAddress: LIMITS.enrolPerAddress, total: LIMITS.enrolTotal })
  const otherLimit = createRequestLimit(clock, { perAddress: LIMITS.otherPerAddress, total: 100 * LIMITS.enrolTotal })
  // A certificate that has expired may still ask for its renewal, so the desk checks it and not the handshake; TLS itself
  // proves in either case that its key is there.
  const https = { ...tls, requestCert: true, rejectUnauthorized: false }
  const server: FastifyInstance = fastify({
    logger: false,
    https: { ...https, handshakeTimeout: 10_000 },
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 10_000,
    connectionTimeout: 20_000,
    forceCloseConnections: true,
    // Not behind a proxy: a header must not say whose request this is.
    trustProxy: false,
    frameworkErrors: (_error, _request, reply) => void refuse(reply, 400, 'NOT_UNDERSTOOD'),
  }) as unknown as FastifyInstance
  server.server.maxConnections = MAX_CONNECTIONS
  server.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const limit = request.routeOptions.url === enrolmentPaths.certificate ? enrolLimit : otherLimit
    return limit.admits(request.ip) ? undefined : refuse(reply.header('retry-after', '60'), 429, 'BUSY')
  })
  server.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'NOT_UNDERSTOOD'))
  server.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const isTheirs = error.statusCode !== undefined && error.statusCode < 500
    if (error instanceof BioTrakrError && error.code === 'CERTIFICATE_REQUEST') {
      return refuse(reply, 400, 'CERTIFICATE_REQUEST')
    }
    if (!isTheirs) log.error({ event: 'enrol.failed', error: explainError(error) }, 'a request could not be answered')
    return isTheirs ? refuse(reply, 400, 'NOT_UNDERSTOOD') : refuse(reply, 503, 'INTERNAL')
  })
  server.get(enrolmentPaths.authority, async () => ({ ca: desk.ca }))
  addCertificateRoutes(server, desk, log)
  return server
}

function addCertificateRoutes(server: FastifyInstance, desk: EnrolmentDesk, log: Logger): void {
  const say = (request: FastifyRequest, reply: FastifyReply, by: 'code' | 'renewal', answer: Answer) => {
    const { gateway } = answer
    const from = request.ip
    if (answer.ok) {
      log.info({ event: 'enrol.issued', gateway, serial: answer.serial, by, from }, 'a certificate was given out')
      return reply.send({ certificate: answer.certificate })
    }
    log.warn({ event: 'enrol.refused', gateway, code: answer.code, by, from }, 'a certificate was refused')
    return refuse(reply, 403, answer.code)
  }

  server.post(enrolmentPaths.certificate, async (request, reply) => {
    const body = read(certificateRequestSchema, request)
    if (!body) return refuse(reply, 400, 'NOT_UNDERSTOOD')
    const secret = new Uint8Array(Buffer.from(body.secret, 'hex'))
    return say(request, reply, 'code', await desk.enrol(body.gateway, secret, body.request))
  })

  server.post(enrolmentPaths.renewal, async (request, reply) => {
    const body = read(renewalRequestSchema, request)
    if (!body) return refuse(reply, 400, 'NOT_UNDERSTOOD')
    const shown = (request.raw.socket as TLSSocket).getPeerX509Certificate()
    if (!shown) return refuse(reply, 401, 'CERTIFICATE_NONE')
    return say(request, reply, 'renewal', await desk.renew(shown.raw, body.request, body.store))
  })
}

function read<T>(schema: z.ZodType<T>, { body }: FastifyRequest): T | undefined {
  const result = schema.safeParse(body)
  return result.success ? result.data : undefined
}

function refuse(reply: FastifyReply, status: number, code: string): FastifyReply {
  return reply.code(status).send({ code, detail: REFUSALS[code] ?? '' })
}
