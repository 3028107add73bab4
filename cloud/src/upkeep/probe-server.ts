import { BioTrakrError } from '@biotrakr/shared'
import { type FastifyInstance, fastify } from 'fastify'

interface ProbeServerOptions {
  /** 127.0.0.1 unless told. */
  readonly host?: string
  /** 0 = any free one. */
  readonly port: number
  /** `ok` decides between 200 and 503. */
  readonly health: () => Promise<{ readonly ok: boolean }>
  /** Metrics in the Prometheus text format. */
  readonly metrics: () => Promise<string>
}

/**
 * `/health` and `/metrics` of a process that serves nothing else.
 * @throws BioTrakrError PORT_IN_USE
 */
export async function startProbeServer({
  host = '127.0.0.1',
  port,
  health,
  metrics,
}: ProbeServerOptions): Promise<FastifyInstance> {
  const server = fastify({ logger: false, requestTimeout: 5_000 })
  server.get('/health', async (_request, reply) => {
    const document = await health()
    return reply.code(document.ok ? 200 : 503).send(document)
  })
  server.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4').send(await metrics()))
  try {
    await server.listen({ host, port })
  } catch (cause) {
    throw new BioTrakrError(`cannot listen on ${host}:${port}`, {
      code: 'PORT_IN_USE',
      next: 'Choose a free port in the configuration, or 0 for any.',
      cause,
    })
  }
  return server
}
