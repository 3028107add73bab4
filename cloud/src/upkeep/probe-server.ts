import { BioTrakrError } from '@biotrakr/shared'
import { type FastifyInstance, fastify } from 'fastify'

interface ProbeServerOptions {
  /** On 127.0.0.1; 0 = any free one. */
  readonly port: number
  /** `ok` decides between 200 and 503. */
  readonly health: () => Promise<{ readonly ok: boolean }>
  /** Metrics in the Prometheus text format. */
  readonly metrics: () => Promise<string>
}

/**
 * `/health` and `/metrics` of a process that serves nothing else, on loopback.
 * @throws BioTrakrError PORT_IN_USE
 */
export async function startProbeServer({ port, health, metrics }: ProbeServerOptions): Promise<FastifyInstance> {
  const server = fastify({ logger: false, requestTimeout: 5_000 })
  server.get('/health', async (_request, reply) => {
    const document = await health()
    return reply.code(document.ok ? 200 : 503).send(document)
  })
  server.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4').send(await metrics()))
  try {
    await server.listen({ host: '127.0.0.1', port })
  } catch (cause) {
    throw new BioTrakrError(`cannot listen on 127.0.0.1:${port}`, {
      code: 'PORT_IN_USE',
      next: 'Choose a free port in the configuration, or 0 for any.',
      cause,
    })
  }
  return server
}
