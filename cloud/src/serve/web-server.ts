import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'

import { BioTrakrError, explainError } from '@biotrakr/shared'
import { type FastifyError, type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'

import type { Guard } from './guard.ts'
import type { HealthDocument } from './health.ts'
import { type Identify, reachOf } from './identity.ts'
import type { ServeMetrics } from './metrics.ts'
import { type ProblemCode, sendProblem, sendRefusal } from './problems.ts'
import type { ServerCertificate } from './server-certificate.ts'

export interface WebServerOptions {
  readonly guard: Guard
  readonly identify: Identify
  readonly health: () => Promise<HealthDocument>
  readonly metrics: ServeMetrics
  /** True while more requests wait for the database than it can answer soon. */
  readonly isBusy: () => boolean
  readonly log: Logger
  /** HTTPS with this certificate; plain HTTP without. */
  readonly tls?: ServerCertificate['settings'] | undefined
}

const MAX_CONNECTIONS = 1_024
const HANDSHAKE_MS = 10_000
/** An asset with its notes (4,000 characters) and attributes (16 KiB). */
const MAX_BODY_BYTES = 65_536
/** An identity of 160 characters, each written as three. */
const MAX_PARAMETER = 480

/** A server with the checks, the error answers, `/health` and `/metrics`; listens on nothing yet. */
export function createWebServer({
  guard,
  identify,
  health,
  metrics,
  isBusy,
  log,
  tls,
}: WebServerOptions): FastifyInstance {
  const server: FastifyInstance = fastify({
    ...(tls && { https: { ...tls, handshakeTimeout: HANDSHAKE_MS } }),
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 10_000,
    // Longer than the heartbeat of a stream.
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAMETER },
    frameworkErrors: (_error, _request, reply) => {
      sendProblem(guard.stamp(reply), 'validation')
    },
  }) as unknown as FastifyInstance
  server.server.maxConnections = MAX_CONNECTIONS
  guard.protect(server, async (request) => (await identify(request)) !== undefined)
  server.addHook('preHandler', async (request, reply) => {
    const isApi = request.routeOptions.url?.startsWith('/api/')
    return isApi && isBusy() ? sendProblem(reply, 'overloaded') : undefined
  })
  server.addHook('onResponse', async (request, reply) => {
    metrics.requests.inc({ route: request.routeOptions.url ?? 'none', status: String(reply.statusCode) })
  })
  server.setNotFoundHandler((_request, reply) => sendProblem(reply, 'not-found'))
  server.setErrorHandler<FastifyError>((error, request, reply) => {
    const refusal = error instanceof BioTrakrError ? sendRefusal(reply, error) : undefined
    if (refusal) return refusal
    const code = problemOf(error)
    if (code === 'internal' || code === 'database-down') {
      const fields = { event: 'serve.failed', request: request.id, route: request.routeOptions.url }
      log.error({ ...fields, error: explainError(error) }, 'a request could not be answered')
    }
    return sendProblem(reply, code)
  })
  server.get('/health', async (request, reply) => {
    const document = await health()
    const { ok, status } = document
    // Who may not see the data does not see versions and counts either.
    return reply.code(ok ? 200 : 503).send(guard.isAllowed(request) ? document : { ok, status })
  })
  server.get('/metrics', async (request, reply) => {
    const identity = await identify(request)
    if (!identity || reachOf(identity, 'ops.read') !== 'all') return sendProblem(reply, 'forbidden')
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.registry.metrics())
  })
  return server
}

function problemOf(error: FastifyError): ProblemCode {
  if (error instanceof BioTrakrError) return error.code === 'DATABASE_UNREACHABLE' ? 'database-down' : 'internal'
  if (error.statusCode === 413) return 'too-large'
  if (error.statusCode === 415) return 'unsupported-media'
  return error.statusCode !== undefined && error.statusCode < 500 ? 'validation' : 'internal'
}

/**
 * @returns the address to visit
 * @throws BioTrakrError PORT_IN_USE
 */
export async function listen(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    throw new BioTrakrError(`cannot listen on ${host}:${port}`, {
      code: 'PORT_IN_USE',
      next: 'Choose a free serve.port in the configuration, or 0 for any.',
      cause,
    })
  }
  const { port: actual } = server.server.address() as AddressInfo
  const scheme = 'setSecureContext' in server.server ? 'https' : 'http'
  return `${scheme}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${actual}`
}
